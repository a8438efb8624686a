"""``/sandbox/failover``: end the active ResourceManager or NameNode of a pair, as ``kill -9`` or SIGTERM does.

``POST /sandbox/failover?of=resourcemanager|namenode&how=kill|term&at=now|before|saved|after`` answers 204, 404 where
there is no pair or no active one, 400 for anything else; *at* other than ``now`` waits for a request to the active
ResourceManager (see :class:`standby.Moment`). ``GET /sandbox/daemons`` lists both pairs with what each one is.
"""

from __future__ import annotations

from aiohttp import web

from yarnserve.sandbox.answers import Refusal
from yarnserve.sandbox.pair import Pair
from yarnserve.sandbox.standby import Moment
from yarnserve.sandbox.web_answers import answer
from yarnserve.sandbox.yarn import YarnServers


class Failover:
    """The control paths of the ResourceManagers of *yarn* and of the NameNodes."""

    def __init__(self, yarn: YarnServers, namenodes: Pair) -> None:
        self._yarn = yarn
        self._namenodes = namenodes

    def add_to(self, application: web.Application) -> None:
        """Route the paths."""
        application.router.add_post("/sandbox/failover", self._fail_over)
        application.router.add_get("/sandbox/daemons", self._daemons)

    async def _daemons(self, request: web.Request) -> web.Response:
        return answer({"resourcemanager": self._yarn.managers.shown(), "namenode": self._namenodes.shown()})

    async def _fail_over(self, request: web.Request) -> web.Response:
        query = request.query
        of, how, at = query.get("of", "resourcemanager"), query.get("how", "kill"), query.get("at", "now")
        moments = [moment.value for moment in Moment]
        is_namenode = of == "namenode"
        if of not in ("resourcemanager", "namenode") or how not in ("kill", "term") or at not in moments:
            words = f"of=resourcemanager|namenode, how=kill|term, at={'|'.join(moments)}"
            raise Refusal(400, {"error": words})
        if is_namenode and (how, at) != ("kill", "now"):
            raise Refusal(400, {"error": "a NameNode is killed, now"})
        is_done = await (self._namenodes.kill_active() if is_namenode else self._yarn.fail_over(how, Moment(at)))
        if not is_done:
            raise Refusal(404, {"error": f"no {of} is active that another could take over from: see --ha"})
        return web.Response(status=204)
