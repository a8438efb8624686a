"""The sandbox's Docker beside that of real clusters: every recorded step, on a clock that stands still in between.

A recorded cluster was looked at every second, and each look that differed from the one before is a step: the services
API, the NodeManager and ``docker ps``. The sandbox is looked at ten times a second; each recorded look must be among
its own, in the recorded order. What was done in between (POST, kill, pause, stop, signal) is done over HTTP.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import pytest

from tests.sandbox.cluster_support import START, AnyHome, HttpAnswer, Script, ScriptedRuntime, send
from tests.support import REPOSITORY, golden
from yarnserve.sandbox.docker import DockerHost
from yarnserve.sandbox.node import Resource
from yarnserve.sandbox.profile import HADOOP_3_1_4, HADOOP_3_3_6, Profile
from yarnserve.sandbox.runtime import Launch
from yarnserve.sandbox.yarn import YarnServers

NAMES = ("docker-3.1.4", "docker-3.3.6")

#: The pace of the recorded clusters: what the profiles make quick takes its time.
PACE = {
    "am_start": 2.0,
    "container_start": 0.5,
    "heartbeat": 1.0,
    "address_delay": 0.3,
    "readiness_interval": 0.5,
    "completed_linger": 1.5,
    "stop_delay": 2.0,
    "am_exit": 0.2,
    "am_memory_mb": 256,
}
PROFILES = {
    "docker-3.1.4": replace(HADOOP_3_1_4, **PACE),  # type: ignore[arg-type]
    "docker-3.3.6": replace(HADOOP_3_3_6, **PACE),  # type: ignore[arg-type]
}

DOCKER = DockerHost(images=frozenset(["local/base:1"]), trusted=frozenset(["local"]))

#: How the processes of a scenario end by themselves: seconds after their start, and code.
LIVES = {"crash": (2.0, 3), "slowloop": (45.0, 1)}

#: Seconds between two looks; the long scenario has long states.
LOOK = {"slowloop": 0.5}

_NO_DOCKER = "docker inspect: there is no Docker"
_NEW = "an ApplicationMaster's container that is NEW while the service before it ends"
_WAITS = "an ApplicationMaster that has unregistered and waits for docker stop: here it ends at once"
_AHEAD = "a moment in which one API is ahead of the other"

#: Steps that are not replayed, by their line in the transcript, and why.
LEFT_OUT = {
    "docker-3.1.4": {
        **dict.fromkeys((10, 11, 12, 82, 83, 95, 96), _NEW),
        **dict.fromkeys((26, 61), _AHEAD),
        77: _NO_DOCKER,
        107: _WAITS,
    },
    "docker-3.3.6": {40: _AHEAD, 107: _NO_DOCKER, 134: _AHEAD},
}


@dataclass
class PlayedRuntime(ScriptedRuntime):
    """Containers that end by themselves after *life* seconds with *code*, on the clock that *now* holds."""

    life: float = 1e9
    code: int = 0
    now: list[float] = field(default_factory=lambda: [START])
    starts: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def start(self, launch: Launch) -> Script:
        """Remember when."""
        self.starts.append(self.now[0])
        return super().start(launch)

    def poll(self, handle: Script) -> int | None:
        """End it when its life is over."""
        started = self.starts[next(at for at, each in enumerate(self.scripts) if each is handle)]
        return self.code if self.now[0] >= started + self.life else super().poll(handle)


@dataclass(frozen=True)
class Look:
    """What is compared of one look: the service, and this application's containers on the node."""

    service: str
    node: tuple[tuple[str, str, int], ...]
    told: tuple[str, ...] = ()


def look(service: dict[str, Any], containers: list[dict[str, Any]], application: str) -> Look:
    """Return what is compared; ids become their last number."""
    shown = [
        [component["name"], component["state"]]
        + [
            [
                each["component_instance_name"],
                number(each["id"]),
                each["state"],
                bool(each.get("ip")),
                each.get("hostname"),
            ]
            for each in component.get("containers", [])
        ]
        for component in service.get("components", [])
        if service["state"] not in ("ACCEPTED", "STOPPED")
    ]
    own = sorted((each for each in containers if application in each["id"]), key=lambda each: str(each["id"]))
    node = tuple((number(each["id"]), each["state"], each["exitCode"]) for each in own)
    return Look(json.dumps([service["state"], shown]), node, tuple(words(each["diagnostics"]) for each in own))


def number(container: str) -> str:
    """The last part of a container's id."""
    return container.rpartition("_")[2]


def words(diagnostics: str) -> str:
    """Diagnostics without moments, ids and process numbers."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", "NOW", diagnostics)
    return re.sub(r"(application|container)_\d+(_\d+)+|pid \d+", "ID", text)


def same(recorded: Look, own: Look, scenario: str) -> bool:
    """Whether a look of ours is the recorded one; the recorder kept the last 600 characters of diagnostics.

    What a process had written is that machine's, so the diagnostics of the crash loops are not compared.
    """
    if (recorded.service, recorded.node) != (own.service, own.node):
        return False
    return scenario in LIVES or all(a.endswith(b) for a, b in zip(own.told, recorded.told, strict=True))


class Driven:
    """The servers of one recorded cluster, on a clock of its own."""

    def __init__(self, profile: Profile, scenario: str) -> None:
        life, code = LIVES.get(scenario, (1e9, 0))
        self._runtime = PlayedRuntime(life, code)
        self._now = self._runtime.now
        self._step = LOOK.get(scenario, 0.1)
        self.yarn = YarnServers(
            nodes=1,
            capacity=Resource(8192, 4, 2),
            profile=profile,
            faults=set(),
            runtime=self._runtime,
            home=AnyHome(),
            filesystem="hdfs://localhost:8020",
            clock=lambda: self._now[0],
            on_breakdown=self._fail,
            docker=DOCKER,
        )
        self.url = f"http://{self.yarn.managers.addresses[0]}"
        (node,) = self.yarn.cluster.nodes
        self._node_url = f"http://{node.address.http}/ws/v1/node/containers"
        self.application = ""
        #: The recorded application's.
        self.recorded = ""
        self.name = ""
        self.breakdowns: list[Exception] = []

    def _fail(self, error: Exception) -> None:
        self.breakdowns.append(error)

    def ask(self, method: str, path: str, body: Any = None) -> HttpAnswer:
        """Send one request as alice."""
        return send(method, f"{self.url}{path}", body, **{"user.name": "alice"})

    def look(self) -> Look:
        """Ask both APIs."""
        service = self.ask("GET", f"/app/v1/services/{self.name}").document()
        containers = send("GET", self._node_url).document()["containers"].get("container", [])
        return look(service, containers, self.application)

    def looks(self, seconds: float) -> list[Look]:
        """Look again and again for *seconds*; return what differs from the look before."""
        seen = [self.look()]
        for _ in range(round(seconds / self._step)):
            for _ in range(round(self._step / 0.1)):
                self._now[0] += 0.1
                self.yarn.cluster.advance(self._now[0])
            newest = self.look()
            if newest != seen[-1]:
                seen.append(newest)
        return seen

    def container(self) -> str:
        """The id of the first replica's container."""
        service = self.ask("GET", f"/app/v1/services/{self.name}").document()
        found: str = service["components"][0]["containers"][0]["id"]
        return found


@contextmanager
def driven(profile: Profile, scenario: str) -> Iterator[Driven]:
    """Run the servers in a thread; nothing happens in them but what is asked and :meth:`Driven.looks` lets happen."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        cluster = Driven(profile, scenario)
        asyncio.run_coroutine_threadsafe(cluster.yarn.start(), loop).result(10)
        yield cluster
        asyncio.run_coroutine_threadsafe(cluster.yarn.stop(), loop).result(10)
        assert cluster.breakdowns == []
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def act(cluster: Driven, step: dict[str, Any]) -> str:
    """Do what a step did; return how its answer differs from the recorded one."""
    what, data = step["what"], step["data"]
    if what == "POST":
        cluster.name = data["request"]["name"]
        answer = cluster.ask("POST", "/app/v1/services", data["request"])
        cluster.application = words_of_id(answer.document()["diagnostics"])
        cluster.recorded = words_of_id(data["body"]["diagnostics"])
        return difference(data, answer)
    if what == "PUT STOPPED":
        return difference(data, cluster.ask("PUT", f"/app/v1/services/{cluster.name}", {"state": "STOPPED"}))
    if what == "apps":
        return difference(data, cluster.ask("GET", "/ws/v1/cluster/apps"))
    if what.startswith("signal"):
        command = what.partition(" ")[2]
        answer = cluster.ask("POST", f"/ws/v1/cluster/containers/{cluster.container()}/signal/{command}")
        return difference(data, answer)
    verb = {"docker pause": "pause", "kill -9 of PID 1": "kill"}[what]
    done = cluster.ask("POST", f"/sandbox/containers/{cluster.container()}/{verb}")
    return "" if done.status == 204 else done.text


def words_of_id(text: str) -> str:
    """The numbers of an application's id in *text*."""
    found = re.search(r"application_(\d+_\d+)", text)
    assert found
    return found[1]


def difference(recorded: dict[str, Any], answer: HttpAnswer) -> str:
    """Say how *answer* differs from the recorded one in status, kind, names and words; empty when it does not."""
    if answer.status != recorded["status"]:
        return f"status {answer.status}: {answer.text}"
    body = recorded["body"]
    if not isinstance(body, dict):
        kind = "text/html" if "<!DOCTYPE" in body else "application/json"
        is_same = answer.content_type.startswith(kind) and bool(answer.text) == bool(body)
        return "" if is_same else f"{answer.content_type} {answer.text}"
    return unlike(body, answer.document())


def unlike(recorded: Any, own: Any) -> str:
    """Say where *own* has another type or word than *recorded*; the cluster API shows less than YARN."""
    if isinstance(recorded, dict) and isinstance(own, dict):
        strange = [f"{key}: not in YARN" for key in own if key not in recorded]
        return "; ".join(filter(None, [*strange, *(unlike(recorded[key], own[key]) for key in own if key in recorded)]))
    if isinstance(recorded, list) and isinstance(own, list):
        return unlike(recorded[0], own[0]) if recorded and own else ""
    if type(recorded) is not type(own):
        return f"{own!r} instead of {recorded!r}"
    is_text = isinstance(recorded, str) and "://" not in recorded and not re.search(r":\d+$", recorded)
    return "" if not is_text or words(recorded) == words(own) else f"{own!r} instead of {recorded!r}"


def scenarios(name: str) -> list[tuple[str, list[tuple[int, dict[str, Any]]]]]:
    """The scenarios of a transcript, each with its steps by line."""
    grouped = groupby(enumerate(golden(name), start=1), key=lambda numbered: str(numbered[1]["scenario"]))
    return [(scenario, list(steps)) for scenario, steps in grouped]


def phases(steps: list[tuple[int, dict[str, Any]]]) -> Iterator[tuple[list[tuple[int, dict[str, Any]]], float]]:
    """Yield each act with the looks that follow it, and how many seconds they took."""
    phase: list[tuple[int, dict[str, Any]]] = []
    for line, step in steps:
        if step["what"] != "seen" and phase:
            yield phase, max(each["t"] for _, each in phase)
            phase = []
        phase.append((line, step))
    yield phase, max(each["t"] for _, each in phase)


def unmatched(
    cluster: Driven, scenario: str, phase: list[tuple[int, dict[str, Any]]], seconds: float
) -> dict[int, str]:
    """Return which recorded looks of a phase our looks do not have, in their order."""
    own = cluster.looks(seconds + 5)
    different, at = {}, 0
    for line, step in phase:
        if step["what"] != "seen":
            continue
        data = step["data"]
        wanted = look(data["service"]["body"], data["nodemanager"], cluster.recorded)
        found = next((index for index in range(at, len(own)) if same(wanted, own[index], scenario)), None)
        if found is None:
            different[line] = f"{wanted} not in {own[at : at + 12]}"
        else:
            at = found
    return different


@pytest.mark.parametrize(
    ("name", "scenario", "steps"),
    [(name, scenario, steps) for name in NAMES for scenario, steps in scenarios(name)],
    ids=[f"{name}-{scenario}" for name in NAMES for scenario, _ in scenarios(name)],
)
def test_recorded_scenario(name: str, scenario: str, steps: list[tuple[int, dict[str, Any]]]) -> None:
    """Every answer has the recorded status and JSON, and every recorded look is met in its order."""
    different: dict[int, str] = {}
    with driven(PROFILES[name], scenario) as cluster:
        for phase, seconds in phases(steps):
            line, step = phase[0]
            if step["what"] == "inspect":
                different[line] = _NO_DOCKER
            elif problem := act(cluster, step):
                different[line] = problem
            different |= unmatched(cluster, scenario, phase, seconds)
    left_out = {line for line, _ in steps} & set(LEFT_OUT[name])
    assert {line: why for line, why in different.items() if line not in left_out} == {}
    assert left_out <= set(different), "replayed after all"


def test_documented_counts() -> None:
    """docs/sandbox.md tells for each transcript how many steps are replayed, and why the others are not."""
    page = (REPOSITORY / "docs" / "sandbox.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert row(name) in page, f"put this into docs/sandbox.md: {row(name)}"


def row(name: str) -> str:
    """A transcript's line in docs/sandbox.md."""
    total, left_out = sum(1 for _ in golden(name)), LEFT_OUT[name]
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(Counter(left_out.values()).items()))
    return f"| {name} | {total} | {total - len(left_out)} | {reasons} |"
