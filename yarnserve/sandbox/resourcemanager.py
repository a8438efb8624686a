"""``/ws/v1/cluster`` of the ResourceManager (yarn-services.md 6), and the sandbox's own control paths.

Outside Hadoop's paths there is ``POST /sandbox/containers/{id}/kill?signal=9``: send a signal (default 9) to all
processes of a container, as an out-of-memory killer or an admin on the node would. It answers 204, or 404 for a
container that does not run. An ApplicationMaster's container dies of any signal. ``/exit?code=3`` in its place ends a
component's container as if its first process had ended with that code (default 1). ``/pause`` and ``/unpause`` in place
of ``/kill`` are Docker's: all of the container's processes stand still, and YARN sees nothing of it.

``PUT`` and ``DELETE /sandbox/faults/{name}`` turn a fault of :mod:`faults` on and off (204, or 404 for a name that is
none), and ``GET /sandbox/faults`` lists those that are on.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from yarnserve.errors import UsageError
from yarnserve.sandbox import daemon_configuration, shapes
from yarnserve.sandbox.answers import JSON, Refusal
from yarnserve.sandbox.application import Application
from yarnserve.sandbox.cluster import Cluster
from yarnserve.sandbox.election import Standing
from yarnserve.sandbox.faults import faults_of
from yarnserve.sandbox.node import NodeContainer
from yarnserve.sandbox.pair import Pair
from yarnserve.sandbox.states import NodeContainerState
from yarnserve.sandbox.web_answers import answer, bad_request, not_found, text, user_of, wrapped

_APP_STATES = ("NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED", "RUNNING", "FINISHED", "FAILED", "KILLED")
_NODE_STATES = (*("NEW", "RUNNING", "UNHEALTHY", "DECOMMISSIONED", "LOST", "REBOOTED", "DECOMMISSIONING", "SHUTDOWN"),)
_COMMANDS = {
    "OUTPUT_THREAD_DUMP": signal.SIGQUIT,
    "GRACEFUL_SHUTDOWN": signal.SIGTERM,
    "FORCEFUL_SHUTDOWN": signal.SIGKILL,
}
_CLUSTER = "/ws/v1/cluster"


@dataclass(frozen=True)
class Seat:
    """Which of a pair of ResourceManagers one is."""

    pair: Pair
    index: int

    @property
    def ha_state(self) -> str:
        """What it says of itself."""
        return "ACTIVE" if self.pair.standing(self.index) is Standing.ACTIVE else "STANDBY"

    @property
    def timestamp(self) -> int:
        """When it was started, in milliseconds."""
        return int(self.pair.started_at[self.index] * 1000)


class ClusterApi:
    """Handlers for *cluster*; *base_url* is the ResourceManager's own, for links, *seat* is of one of a pair."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float], base_url: str, seat: Seat | None = None) -> None:
        self._seat = seat
        self._cluster = cluster
        self._clock = clock
        self._base_url = base_url

    def add_to(self, application: web.Application) -> None:
        """Route the API's paths."""
        router = application.router
        router.add_get(f"{_CLUSTER}/info", self._info)
        router.add_get("/conf", self._configuration)
        router.add_get(f"{_CLUSTER}/metrics", self._metrics)
        router.add_get(f"{_CLUSTER}/scheduler", self._scheduler)
        router.add_get(f"{_CLUSTER}/nodes", self._nodes)
        router.add_get(f"{_CLUSTER}/apps", self._applications)
        router.add_get(f"{_CLUSTER}/apps/{{id}}", self._application)
        router.add_get(f"{_CLUSTER}/apps/{{id}}/state", self._state)
        router.add_put(f"{_CLUSTER}/apps/{{id}}/state", self._kill)
        router.add_get(f"{_CLUSTER}/apps/{{id}}/appattempts", self._attempts)
        router.add_get(f"{_CLUSTER}/apps/{{id}}/appattempts/{{attempt}}/containers", self._containers)
        if self._cluster.profile.has_signals:
            router.add_post(f"{_CLUSTER}/containers/{{id}}/signal/{{command}}", self._command)

    def add_control_to(self, application: web.Application) -> None:
        """Route the sandbox's own paths."""
        router = application.router
        router.add_post("/sandbox/containers/{id}/kill", self._signal)
        router.add_post("/sandbox/containers/{id}/exit", self._exit)
        router.add_post("/sandbox/containers/{id}/pause", self._pause)
        router.add_post("/sandbox/containers/{id}/unpause", self._pause)
        router.add_get("/sandbox/faults", self._faults)
        router.add_put("/sandbox/faults/{name}", self._switch_fault)
        router.add_delete("/sandbox/faults/{name}", self._switch_fault)

    async def _info(self, request: web.Request) -> web.Response:
        profile, seat = self._cluster.profile, self._seat
        timestamp = seat.timestamp if seat else self._cluster.timestamp
        store = "ZKRMStateStore" if seat else "NullRMStateStore"
        alone = "Could not find leader elector. Verify both HA and automatic failover are enabled."
        info = {
            "id": timestamp,
            "startedOn": timestamp,
            "state": "STARTED",
            "haState": seat.ha_state if seat else "ACTIVE",
            "rmStateStoreName": f"org.apache.hadoop.yarn.server.resourcemanager.recovery.{store}",
            "resourceManagerVersion": profile.version,
            "resourceManagerBuildVersion": profile.build_version,
            "resourceManagerVersionBuiltOn": profile.built_on,
            "hadoopVersion": profile.version,
            "hadoopBuildVersion": profile.build_version,
            "hadoopVersionBuiltOn": profile.built_on,
            "haZooKeeperConnectionState": "CONNECTED" if seat else alone,
        }
        return answer({"clusterInfo": info})

    async def _metrics(self, request: web.Request) -> web.Response:
        return answer({"clusterMetrics": shapes.metrics(self._cluster)})

    async def _scheduler(self, request: web.Request) -> web.Response:
        return answer({"scheduler": daemon_configuration.scheduler(self._cluster)})

    async def _configuration(self, request: web.Request) -> web.Response:
        return daemon_configuration.configuration(request, daemon_configuration.resource_manager(self._cluster))

    async def _nodes(self, request: web.Request) -> web.Response:
        states = _listed(request, "states")
        for state in states - set(_NODE_STATES):
            words = f"No enum constant org.apache.hadoop.yarn.api.records.NodeState.{state}"
            raise wrapped(400, "java.lang.IllegalArgumentException", words)
        now = self._clock()
        shown = [shapes.node(node, self._cluster, now) for node in self._cluster.nodes]
        chosen = [node for node in shown if not states or node["state"] in states]
        return answer({"nodes": {"node": chosen} if chosen else {}})

    async def _applications(self, request: web.Request) -> web.Response:
        states = _listed(request, "states") | _listed(request, "state")
        for state in states - set(_APP_STATES):
            words = f"Invalid application-state {state} specified. It should be one of [{', '.join(_APP_STATES)}]"
            raise bad_request(f"java.lang.Exception: {words}")
        name = request.query.get("name") if self._cluster.profile.filters_names else None
        chosen = [
            one
            for one in self._cluster.applications.values()
            if _is_chosen(one, request, states) and name in (None, one.name)
        ]
        shown = [shapes.application(one, self._cluster, self._base_url, self._clock()) for one in chosen]
        return answer({"apps": {"app": shown} if shown else {}})

    async def _application(self, request: web.Request) -> web.Response:
        found = self._find(request)
        return answer({"app": shapes.application(found, self._cluster, self._base_url, self._clock())})

    async def _state(self, request: web.Request) -> web.Response:
        return answer({"state": self._find(request).state.value})

    async def _kill(self, request: web.Request) -> web.Response:
        found = self._find(request)
        try:
            wanted = json.loads(await request.read())["state"]
        except (ValueError, KeyError, TypeError) as error:
            raise wrapped(
                400, "javax.ws.rs.WebApplicationException", f"javax.xml.bind.UnmarshalException: {error}"
            ) from error
        if wanted != "KILLED":
            raise bad_request("java.lang.Exception: Only 'KILLED' is allowed as a target state.")
        if found.state.ended:
            return answer({"state": found.state.value})
        before = "KILLING" if found.killing else found.state.value
        found.kill(user_of(request), self._clock())
        return answer({"state": before}, 202)

    async def _attempts(self, request: web.Request) -> web.Response:
        found = self._find(request)
        return answer({"appAttempts": {"appAttempt": [shapes.attempt(found, each) for each in found.attempts]}})

    async def _containers(self, request: web.Request) -> web.Response:
        found, wanted = self._find(request), request.match_info["attempt"]
        if wanted not in [found.attempt_id(each) for each in found.attempts]:
            raise not_found(f"app attempt with id: {wanted} not found")
        is_current = wanted == found.attempt_id(found.attempts[-1])
        held = self._cluster.containers_of(found.id) if is_current else []
        now = self._clock()
        return answer(
            {"container": [shapes.placed_container(each, now, self._cluster) for each in held]} if held else {}
        )

    async def _signal(self, request: web.Request) -> web.Response:
        wanted, number = request.match_info["id"], request.query.get("signal", "9")
        if not number.isdecimal() or not 0 < int(number) < 65:
            raise Refusal(400, {"error": f"signal={number}: not a signal number"})
        self._running(wanted).signal(int(number), self._clock())
        return web.Response(status=204)

    async def _exit(self, request: web.Request) -> web.Response:
        code = request.query.get("code", "1")
        if not code.isdecimal() or int(code) > 255:
            raise Refusal(400, {"error": f"code={code}: not an exit code"})
        self._component_container(request).exit(int(code))
        return web.Response(status=204)

    async def _pause(self, request: web.Request) -> web.Response:
        container = self._component_container(request)
        number = signal.SIGSTOP if request.path.endswith("/pause") else signal.SIGCONT
        container.signal(number, self._clock())
        return web.Response(status=204)

    def _component_container(self, request: web.Request) -> NodeContainer:
        container = self._running(request.match_info["id"])
        if container.launch is None:
            raise Refusal(404, {"error": f"{container.id} is an ApplicationMaster's: no process stands behind it"})
        return container

    def _running(self, wanted: str) -> NodeContainer:
        container = next((each for each in self._cluster.containers() if each.id == wanted), None)
        if container is None or container.state is not NodeContainerState.RUNNING:
            raise Refusal(404, {"error": f"{wanted} does not run"})
        return container

    async def _faults(self, request: web.Request) -> web.Response:
        return answer(sorted(fault.value for fault in self._cluster.faults))

    async def _switch_fault(self, request: web.Request) -> web.Response:
        try:
            chosen = faults_of([request.match_info["name"]])
        except UsageError as error:
            raise Refusal(404, {"error": f"{error.what}; {error.fix}"}) from error
        if request.method == "PUT":
            self._cluster.faults |= chosen
        else:
            self._cluster.faults -= chosen
        return web.Response(status=204)

    async def _command(self, request: web.Request) -> web.Response:
        # whoever asks: with ACLs off nobody is checked (real-hadoop.md 7, item 15)
        wanted, command = request.match_info["id"], request.match_info["command"]
        if command not in _COMMANDS:
            return text(f"Invalid command: {command}, valid commands are: [{', '.join(_COMMANDS)}]", 400, JSON)
        if not wanted.startswith("container_"):
            return text(f"Invalid ContainerId prefix: {wanted}", 500, JSON)
        container = next((each for each in self._cluster.containers() if each.id == wanted), None)
        if container is None:
            return text(f"Trying to signal an absent container {wanted}", 500, JSON)
        if container.state is NodeContainerState.RUNNING:
            container.command(command, _COMMANDS[command], self._clock())
        return text("", 200, JSON)

    def _find(self, request: web.Request) -> Application:
        wanted = request.match_info["id"]
        if not wanted.startswith("application_"):
            words = (
                f"Invalid ApplicationId prefix: {wanted}. The valid ApplicationId should start with prefix application"
            )
            raise bad_request(f"java.lang.IllegalArgumentException: {words}")
        found = self._cluster.applications.get(wanted)
        if found is None:
            raise not_found(f"app with id: {wanted} not found")
        return found


def _listed(request: web.Request, name: str) -> set[str]:
    values = ",".join(request.query.getall(name, []))
    return {value.strip().upper() for value in values.split(",") if value.strip()}


def _is_chosen(one: Application, request: web.Request, states: set[str]) -> bool:
    query = request.query
    types, tags = _listed(request, "applicationTypes"), _listed(request, "applicationTags")
    return (
        (not states or one.state.value in states)
        and (not types or "YARN-SERVICE" in types)
        and (not tags or f"NAME: {one.name.upper()}" in tags)
        and query.get("user", one.user) == one.user
        and query.get("queue", one.queue) == one.queue
    )
