"""What the sandbox's Hadoop web servers have in common: JSON bodies, users, errors."""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from aiohttp import web

from yarnserve.sandbox.answers import JSON, Refusal

TEXT = "text/plain;charset=utf-8"
#: Who a request without user.name comes from (hadoop.http.staticuser.user).
NOBODY = "dr.who"

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(document: Any, status: int = 200, content_type: str = JSON) -> web.Response:
    """Answer with JSON."""
    return web.Response(body=json.dumps(document).encode(), status=status, headers={"Content-Type": content_type})


def text(body: str, status: int = 200, content_type: str = TEXT) -> web.Response:
    """Answer with plain text."""
    return web.Response(body=body.encode(), status=status, headers={"Content-Type": content_type})


def user_of(request: web.Request) -> str:
    """Return who asks."""
    return request.query.get("user.name") or NOBODY


def wrapped(status: int, java_class: str, message: str) -> Refusal:
    """Build a refusal in the shape of ``/ws/v1``: the exception below RemoteException (yarn-services.md 1.4)."""
    exception = {"exception": java_class.rpartition(".")[2], "message": message, "javaClassName": java_class}
    return Refusal(status, {"RemoteException": exception})


def not_found(message: str) -> Refusal:
    """Build the 404 of ``/ws/v1``."""
    return wrapped(404, "org.apache.hadoop.yarn.webapp.NotFoundException", f"java.lang.Exception: {message}")


def bad_request(message: str) -> Refusal:
    """Build the 400 of ``/ws/v1``; *message* begins with the Java exception behind it."""
    return wrapped(400, "org.apache.hadoop.yarn.webapp.BadRequestException", message)


def html_not_found() -> web.Response:
    """Answer as YARN does outside its APIs."""
    page = "<!DOCTYPE html>\n<html>\n  <title>\n    Sorry, got error 404\n  </title>\n</html>\n"
    return text(page, 404, "text/html;charset=utf-8")


def error_page(status: int) -> web.Response:
    """Answer as Jetty does for a servlet that is not there or does not start."""
    page = f"<html>\n<head><title>Error {status}</title></head>\n<body><h2>HTTP ERROR {status}</h2></body>\n</html>\n"
    return text(page, status, "text/html;charset=iso-8859-1")


class Server:
    """A web server on a free port of *host*, known at once; *on_breakdown* hears of what no handler expected.

    Raises:
        OSError: *host* cannot be bound.
    """

    def __init__(self, host: str, on_breakdown: Callable[[Exception], None]) -> None:
        self._socket = socket.create_server((host, 0))
        self.port: int = self._socket.getsockname()[1]
        self.application = web.Application(middlewares=[_guard(on_breakdown)])
        self._runner = web.AppRunner(self.application, access_log=None, shutdown_timeout=0.1)

    async def start(self) -> None:
        """Begin to answer."""
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    async def stop(self) -> None:
        """Close everything."""
        await self._runner.cleanup()
        self._socket.close()


def _guard(on_breakdown: Callable[[Exception], None]) -> Any:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as refusal:
            return answer(refusal.body, refusal.status, refusal.content_type)
        except web.HTTPNotFound:
            return text("", 404) if request.path.startswith("/app") else html_not_found()
        except (web.HTTPException, web.RequestPayloadError, ConnectionError):
            raise
        except Exception as error:
            on_breakdown(error)
            raise

    return guard
