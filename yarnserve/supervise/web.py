"""``--listen``: health for whoever watches the supervisor, metrics for Prometheus, and the state as JSON.

It only tells; nothing can be ordered here. It answers from what is on the board, whatever the supervisors wait for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from aiohttp import web

from yarnserve.errors import ConfigurationError, UsageError
from yarnserve.hadoop.addresses import HOST_AND_PORT
from yarnserve.supervise.board import Board
from yarnserve.supervise.metrics import CONTENT_TYPE, Metrics
from yarnserve.supervise.state import state_document
from yarnserve.web_thread import WebThread


def parse_listen(text: str) -> tuple[str | None, int]:
    """Return host and port of ``HOST:PORT``, ``[::1]:PORT``, or ``:PORT`` (None: every address).

    Raises:
        UsageError: it is none of these.
    """
    match = HOST_AND_PORT.fullmatch(f"every{text}" if text.startswith(":") else text)
    if match is None or not match["port"] or not 0 < int(match["port"]) < 65536:
        raise UsageError(f"not an address to listen at: {text!r}", fix="write HOST:PORT, such as 127.0.0.1:9118")
    host = None if text.startswith(":") else match["host"].strip("[]")
    return host, int(match["port"])


class SupervisorServer:
    """Tells what is on *board* at *host* and *port*, in a daemon thread.

    Args:
        board: how every service stands.
        host: an address or a name; None for every address of the machine.
        port: 0 for one that is free.
        now: seconds since the epoch.
    """

    def __init__(self, board: Board, host: str | None, port: int, *, now: Callable[[], float] = time.time) -> None:
        self._board = board
        self._host = host
        self._now = now
        self._served = Metrics(board.states, now=now)
        routes = [
            web.get("/healthz", self._healthz),
            web.get("/metrics", self._metrics),
            web.get("/state", self._state),
        ]
        self._thread = WebThread(routes, host, port)

    @property
    def port(self) -> int:
        """Where it listens, once it is started."""
        return self._thread.port

    def start(self) -> None:
        """Begin to answer.

        Raises:
            ConfigurationError: the address is not ours, or somebody else has the port.
        """
        try:
            self._thread.start()
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(
                f"cannot listen at {self._host or ''}:{self._thread.port}",
                why=getattr(error, "strerror", None) or str(error),
                fix="end who has it, or choose another address with --listen",
            ) from error

    def close(self) -> None:
        """End it."""
        self._thread.close()

    async def _healthz(self, request: web.Request) -> web.Response:
        stuck = self._board.stuck()
        if stuck:
            told = "".join(f"{name} is stuck: not stepped for {seconds:.0f} s\n" for name, seconds in stuck.items())
            return web.Response(status=503, text=told)
        return web.Response(text="ok\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._served.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _state(self, request: web.Request) -> web.Response:
        document = state_document(self._board.states(), self._now())
        return web.Response(text=json.dumps(document) + "\n", content_type="application/json")
