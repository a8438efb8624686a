"""What the sandbox's Hadoop web servers have in common: JSON bodies, users, errors."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

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


def error_page(status: int, reason: str = "") -> web.Response:
    """Answer as Jetty does for a servlet that is not there, does not start, or refuses with *reason*."""
    words = f"{status} {reason}".strip()
    page = f"<html>\n<head><title>Error {words}</title></head>\n<body><h2>HTTP ERROR {words}</h2></body>\n</html>\n"
    return text(page, status, "text/html;charset=iso-8859-1")


#: Rounds of the event loop from accept(2) to a connection that the server knows.
_ROUNDS_TO_CONNECT = 3


class Door(Protocol):
    """Where a web application answers, at an address that is known at once; it can die and come back there."""

    application: web.Application

    @property
    def port(self) -> int:
        """Its port."""

    @property
    def address(self) -> str:
        """``host:port``."""

    @property
    def is_alive(self) -> bool:
        """Whether it answers."""

    async def start(self) -> None:
        """Begin to answer."""

    async def die(self) -> None:
        """Break every connection off and refuse new ones, as the port of a killed process does."""

    async def revive(self) -> None:
        """Answer again."""

    async def stop(self) -> None:
        """Close everything."""


#: Opens a door of a host for an application.
Opening: TypeAlias = Callable[[str, web.Application], Door]


class Listener:
    """A door that is a free port of *host*.

    Raises:
        OSError: *host* cannot be bound.
    """

    def __init__(self, host: str, application: web.Application) -> None:
        self._host = host
        self._socket = socket.create_server((host, 0))
        self.port: int = self._socket.getsockname()[1]
        self.application = application
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self._site: web.SockSite | None = None

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self._host}:{self.port}"

    @property
    def is_alive(self) -> bool:
        """Whether it answers."""
        return self._site is not None

    async def start(self) -> None:
        """Begin to answer."""
        await self._runner.setup()
        await self.revive()

    async def die(self) -> None:
        """Break every connection off and refuse new ones, as the port of a killed process does."""
        if self._site is None:
            return
        await self._stop_listening()
        for connection in self._runner.server.connections if self._runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()
        # Bound, so that nobody else gets the port, and not listening, so that it is refused.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((self._host, self.port))

    async def revive(self) -> None:
        """Answer again."""
        if self._site is None:
            self._site = web.SockSite(self._runner, self._socket)
            await self._site.start()

    async def stop(self) -> None:
        """Close everything."""
        await self._stop_listening()
        await self._runner.cleanup()
        self._socket.close()

    async def _stop_listening(self) -> None:
        """Accept nobody more.

        Who has been accepted in this very moment has to become a connection first: asyncio forgets one whose server
        is closed before that, and the client waits for an answer.
        """
        if self._site is None:
            return
        site, self._site = self._site, None
        asyncio.get_running_loop().remove_reader(self._socket)
        for _ in range(_ROUNDS_TO_CONNECT):
            await asyncio.sleep(0)
        await site.stop()


def guarded(on_breakdown: Callable[[Exception], None]) -> web.Application:
    """Return an application of YARN's, without routes; *on_breakdown* hears of what no handler expected."""
    return web.Application(middlewares=[_guard(on_breakdown)])


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
