"""What a ResourceManager that is not active answers (real-hadoop-ha.md 2 and 3), and how one dies on a request."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable
from enum import Enum
from random import Random

from aiohttp import web

from yarnserve.sandbox.cluster import Struck
from yarnserve.sandbox.election import Standing
from yarnserve.sandbox.profile import Profile
from yarnserve.sandbox.web_answers import Handler, error_page, text

_INFO = "/ws/v1/cluster/info"
_INTERVAL = "next.refresh.interval"
#: RMWebAppFilter: seconds of the first pause, and the longest that it still tells.
_BASE, _LONGEST = 5, 300


class Moment(str, Enum):
    """When the active ResourceManager dies."""

    NOW = "now"
    #: When the next write arrives; nothing is carried out.
    BEFORE = "before"
    #: In the next POST of a service: its definition is saved, no application is submitted.
    SAVED = "saved"
    #: When the next write is carried out; its answer is lost.
    AFTER = "after"


class StandbyFilter:
    """What stands before everything that one ResourceManager answers.

    Args:
        url: its own base URL.
        standing: tells what it is now.
        active_url: tells the active one's base URL, empty while there is none.
        profile: the Hadoop release.
        is_due: tells whether it has to die at a moment, once.
        die: ends it, and with it every connection.
        random: of the pauses that it tells.
    """

    def __init__(
        self,
        *,
        url: str,
        standing: Callable[[], Standing],
        active_url: Callable[[], str],
        profile: Profile,
        is_due: Callable[[Moment], bool],
        die: Callable[[], Awaitable[None]],
        random: Random,
    ) -> None:
        self._url = url
        self._standing = standing
        self._active_url = active_url
        self._profile = profile
        self._is_due = is_due
        self._die = die
        self._random = random

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer in place of the handlers where the ResourceManager is not active."""
        if request.path == "/isActive" and self._profile.has_signals:
            return self._is_active()
        if self._standing() is Standing.ACTIVE:
            if request.path == "/isActive":
                return web.Response(status=404)  # 3.1 does not know it, and says so without a page
            return await self._carry_out(request, handler)
        if request.path in (_INFO, "/conf"):
            return await handler(request)
        if request.path.startswith("/proxy/"):
            return error_page(500)
        if self._active_url():
            return _redirect(self._active_url(), request.raw_path)
        return _redirect(self._url, request.raw_path) if self._standing() is Standing.LOADING else self._wait(request)

    async def _carry_out(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method in ("GET", "HEAD"):
            return await handler(request)
        await request.read()
        if self._is_due(Moment.BEFORE):
            return await self._end()
        try:
            response = await handler(request)
        except Struck:
            return await self._end()
        return await self._end() if self._is_due(Moment.AFTER) else response

    async def _end(self) -> web.StreamResponse:
        await self._die()
        return web.Response(status=499)  # for nobody: the connection is gone

    def _is_active(self) -> web.Response:
        if self._standing() is Standing.ACTIVE:
            return text("I am Active!")
        return error_page(405, "I am not Active!")

    def _wait(self, request: web.Request) -> web.Response:
        """Tell to come back, or after too many times that there is no use (RMWebAppFilter)."""
        given = request.query.get(_INTERVAL, "0")
        turn = int(given) if re.fullmatch("[0-9]{1,2}", given) else 0
        pause = int(_BASE * 2**turn * (self._random.random() + 0.5))
        state = "HA Zookeeper Connection State: CONNECTED\n"
        if pause > _LONGEST:
            return text(f"There is no active RM right now.\n{state}")
        path = request.raw_path
        if _INTERVAL in request.query:
            path = re.sub(rf"{re.escape(_INTERVAL)}=[^&]*", f"{_INTERVAL}={turn + 1}", path)
        else:
            path += f"{'&' if '?' in path else '?'}{_INTERVAL}={turn + 1}"
        response = text(f"Can not find any active RM. Will retry in next {pause} seconds.\n{state}", 307)
        response.headers["Refresh"] = f"{pause};url={self._url}{path}"
        return response


def _redirect(base: str, path: str) -> web.Response:
    response = text(f"This is standby RM. The redirect url is: {html.escape(path, quote=False)}\n", 307)
    response.headers["Location"] = base + path
    return response
