"""A web server in a thread and an event loop of its own: whatever the rest of the process does, it answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress

from aiohttp import web

#: Bytes of a request's body that are read: nobody has much to say to us.
_BODY = 64 * 1024

#: Connections that are kept, idle or slow: of more the oldest go, so that there are always files for the work itself.
MOST_CONNECTIONS = 200

#: Seconds that requests under way have when it is closed.
_LAST_ANSWERS = 2.0


class WebThread:
    """Answers *routes* on *host* and *port*, from ``start`` to ``close`` or the end of the process.

    Args:
        routes: made by aiohttp's ``web.get`` and the like; their handlers must not wait.
        host: an address or a name; None for every address of the machine.
        port: 0 for one that is free.
    """

    def __init__(self, routes: Sequence[web.RouteDef], host: str | None, port: int) -> None:
        self._routes = routes
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True, name="web")
        self._started = threading.Event()
        self._failure: Exception | None = None
        #: The one that is listened at, once it is started.
        self.port = port

    def start(self) -> None:
        """Begin to answer.

        Raises:
            OSError: the address is not ours, or somebody else has the port.
            UnicodeError: the host can be no name.
        """
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def close(self) -> None:
        """End it; the port is free when this returns."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            runner, server = self._loop.run_until_complete(self._listen())
        except (OSError, UnicodeError) as error:
            self._failure = error
            self._loop.close()
            return
        finally:
            self._started.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _listen(self) -> tuple[web.AppRunner, asyncio.Server]:
        application = web.Application(client_max_size=_BODY)
        application.router.add_routes(self._routes)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_LAST_ANSWERS)
        await runner.setup()

        def admit() -> asyncio.Protocol:
            server = runner.server
            assert server is not None
            for oldest in server.connections[: max(0, len(server.connections) - MOST_CONNECTIONS + 1)]:
                if oldest.transport is not None:
                    oldest.transport.abort()
            return server()

        try:
            server = await self._loop.create_server(admit, self._host, self.port, reuse_address=True)
        except (OSError, UnicodeError):
            await runner.cleanup()
            raise
        self.port = server.sockets[0].getsockname()[1]
        return runner, server
