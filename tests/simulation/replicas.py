"""The model servers of a simulation: processes that are state only, and answer as their state says."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from enum import Enum
from math import inf
from pathlib import Path
from urllib.parse import urlsplit

from tests.simulation.transport import Call, Network
from yarnserve.errors import UnreachableError
from yarnserve.records.agent import AgentReport
from yarnserve.records.replica import (
    Contact,
    Endpoint,
    ModelObservation,
    ModelState,
    ModelVersion,
    Observation,
    Prediction,
    Proof,
    Target,
)
from yarnserve.sandbox.docker import NO_IMAGE
from yarnserve.sandbox.runtime import Check, Launch
from yarnserve.spec.model import PORT_STRIDE

_PORT = re.compile(r"--rest_api_port=\S*?\(\((\d+)\+(\d+)\*(\d+)\)\)")
_AGENT = re.compile(r"yarnserve agent \S+ --instance \D*(\d+)")
_NOWHERE = Path("/nonexistent")
#: How an agent ends that was told to leave: YARN makes another container in place of its own.
_LEFT = 143


class Condition(Enum):
    """How a server that is up answers."""

    RIGHT = "right"
    WRONG = "wrong"
    HANGS = "hangs"
    OUT_OF_MEMORY = "out of memory"


@dataclass
class Process:
    """One run of a model server.

    Attributes:
        launch: what it was started with.
        number: of its component instance.
        port: where it listens.
        started_at: when it was started.
        up_at: when it begins to listen: its model is loaded.
        ends_at: when it ends by itself, with *ends_with*.
        version: what it serves.
        turns_at: when it serves the version that is stable now; infinite once it does.
        sours_at: when it begins to answer wrongly, by the fault of its version.
        condition: how it answers.
        fell_ill_at: since when it has not been as it should, by no hand of ours; infinite while it is well.
        ended_at: when it ended.
        exit_code: how it ended, None while it runs.
    """

    launch: Launch
    number: int
    port: int
    started_at: float
    up_at: float
    ends_at: float = inf
    ends_with: int = 1
    version: int = 1
    turns_at: float = inf
    sours_at: float = inf
    condition: Condition = Condition.RIGHT
    fell_ill_at: float = inf
    ended_at: float = inf
    exit_code: int | None = None

    @property
    def host(self) -> str:
        """Where it runs."""
        return self.launch.node.host

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.exit_code is None

    def is_right(self, now: float) -> bool:
        """Whether it answers as it should."""
        is_up = self.exit_code is None and self.up_at <= now < min(self.ends_at, self.sours_at)
        return is_up and self.condition is Condition.RIGHT

    def serve(self, version: int, now: float, sours_at: float) -> None:
        """Serve *version* from now on, which is bad from a time on."""
        self.version, self.sours_at, self.turns_at = version, sours_at, inf
        if sours_at < inf:
            self.fell_ill_at = min(self.fell_ill_at, max(now, sours_at))

    def ails(self, condition: Condition, now: float) -> None:
        """Answer like that from *now* on."""
        self.condition = condition
        self.fell_ill_at = min(self.fell_ill_at, max(now, self.up_at))

    def die(self, code: int, at: float) -> None:
        """End by itself at a time."""
        if at < self.ends_at:
            self.ends_at, self.ends_with = at, code
            self.fell_ill_at = min(self.fell_ill_at, at)


class Servers:
    """Runs containers as :class:`Process`; the runtime of a sandbox's cluster.

    Args:
        network: on which hosts fall silent.
        clock: seconds since the epoch.
        born: told of each process that is started.

    Attributes:
        deaths: times and numbers of the processes that have ended by themselves.
        started: every process, in order.
    """

    def __init__(self, network: Network, clock: Callable[[], float], born: Callable[[Process], None]) -> None:
        self._network = network
        self._clock = clock
        self._born = born
        self.deaths: list[tuple[float, int]] = []
        self.started: list[Process] = []
        self._at: dict[tuple[str, int], Process] = {}
        self._runs: dict[str, list[Process]] = {}

    def start(self, launch: Launch) -> Process:
        """Start one."""
        process = self._new(launch)
        self._born(process)
        self._at[process.host, process.port] = process
        return process

    def refused(self, launch: Launch) -> None:
        """Take in that one could not be started."""
        process, now = self._new(launch), self._clock()
        process.exit_code, process.fell_ill_at, process.ended_at = NO_IMAGE, now, now
        self.deaths.append((now, process.number))

    def _new(self, launch: Launch) -> Process:
        number, port = _place(launch)
        process = Process(launch, number, port, self._clock(), self._clock())
        self._runs.setdefault(launch.container_id, []).append(process)
        self.started.append(process)
        return process

    def poll(self, handle: Process) -> int | None:
        """Return the exit code, or None while it runs."""
        if handle.exit_code is None and handle.ends_at <= self._clock():
            handle.exit_code, handle.ended_at = handle.ends_with, handle.ends_at
            self.deaths.append((handle.ends_at, handle.number))
        return handle.exit_code

    def kill(self, handle: Process, number: int) -> None:
        """End it by KILL; as the first process of a Docker container it takes no notice of anything else."""
        if number == signal.SIGKILL and self.poll(handle) is None:
            handle.exit_code, handle.ended_at = 128 + number, self._clock()

    def address(self, handle: Process) -> tuple[str, str]:
        """Return an ip and the host."""
        return "10.0.0.1", handle.host

    def probe(self, check: Check, ip: str) -> Future[bool]:
        """Pass."""
        passed: Future[bool] = Future()
        passed.set_result(True)
        return passed

    def logs(self, container_id: str) -> Path:
        """Return a place where nothing is."""
        return _NOWHERE / container_id

    def forget(self, launch: Launch) -> None:
        """Nothing is on any disk."""

    def running(self) -> Iterator[Process]:
        """Yield the processes that run."""
        for process in self._at.values():
            if self.poll(process) is None:
                yield process

    def runs_of(self, container_id: str) -> Sequence[Process]:
        """Return every process that a container has had, oldest first."""
        return self._runs.get(container_id, ())

    def observe(self, targets: Sequence[Target], *, deadline: float) -> tuple[Observation, ...]:
        """What the probe brings back; one that hangs takes the whole *deadline*."""
        seen = tuple(self._observation(target) for target in targets)
        if any(_hangs(each) for each in seen):
            self._network.waits.add(deadline)
        return seen

    def _observation(self, target: Target) -> Observation:
        name = target.models[0].name
        return Observation(target.instance, target.endpoint, (self._answer(target, name),))

    def _answer(self, target: Target, name: str) -> ModelObservation:
        host, now = target.endpoint.host, self._clock()
        if host in self._network.silent:
            return ModelObservation(name, Contact.UNREACHABLE, error="no route to host")
        process = self._at.get((host, target.endpoint.rest_port))
        if process is None or self.poll(process) is not None or now < process.up_at:
            return ModelObservation(name, Contact.REFUSED, error="connection refused")
        is_sour = process.condition is Condition.RIGHT and process.sours_at <= now
        told = _ANSWERS[Condition.WRONG if is_sour else process.condition](name)
        return replace(told, versions=(ModelVersion(process.version, ModelState.AVAILABLE),)) if told.versions else told

    def agents_at(self, places: Mapping[str, Endpoint], *, deadline: float) -> Mapping[str, AgentReport]:
        """What the agents at *places* say of themselves: that all is well, for they ask less than a supervisor does."""
        found = {}
        for instance, place in places.items():
            process = self._agent(place.host, place.rest_port) if place.agent_port else None
            if process is not None:
                found[instance] = AgentReport(_SERVICE, instance, process.launch.container_id, "ready", "well")
        return found

    def order(self, url: str, headers: Mapping[str, str], *, deadline: float) -> tuple[int, str]:
        """Have the agent at *url* leave, by the only order that a supervisor gives."""
        place = urlsplit(url)
        host, port = place.hostname or "", (place.port or 0) - AGENT_BEHIND_REST
        process = self._agent(host, port)
        if process is None:
            raise UnreachableError("nobody takes the order", where=url)
        self._network.before(Call("POST", f"{host}:{port}", f"/{process.launch.container_id}{place.path}", b""))
        if self.poll(process) is None:
            process.exit_code, process.ended_at = _LEFT, self._clock()
        return 202, ""

    def _agent(self, host: str, rest_port: int) -> Process | None:
        """The process behind the server's port, if it is there to answer."""
        process = self._at.get((host, rest_port))
        is_there = process is not None and self.poll(process) is None and host not in self._network.silent
        return process if is_there else None


#: Where agents listen, from the server's REST port on (by default 8502 and 8501).
AGENT_BEHIND_REST = 1
_SERVICE = "digits"


def _place(launch: Launch) -> tuple[int, int]:
    """The number of the instance that *launch* starts, and the port on which its server answers."""
    if told := _AGENT.search(launch.command):
        number = int(told[1])
        ports = json.loads(launch.files["conf/agent.json"])["spec"]["ports"]
        return number, ports["rest"] + PORT_STRIDE * number
    base, stride, number = map(int, _PORT.search(launch.command).groups())  # type: ignore[union-attr]
    return number, base + stride * number


def _hangs(observation: Observation) -> bool:
    return observation.models[0].contact is Contact.TIMED_OUT


def _answered(name: str, prediction: Prediction) -> ModelObservation:
    versions = (ModelVersion(1, ModelState.AVAILABLE),)
    return ModelObservation(name, Contact.ANSWERED, 200, versions, prediction=prediction)


_ANSWERS: dict[Condition, Callable[[str], ModelObservation]] = {
    Condition.RIGHT: lambda name: _answered(name, Prediction(Proof.EXAMPLE, Contact.ANSWERED, 200, seconds=0.01)),
    Condition.WRONG: lambda name: _answered(
        name, Prediction(Proof.EXAMPLE, Contact.ANSWERED, 200, mismatch="predictions[0]: 0.1 in place of 0.9")
    ),
    Condition.HANGS: lambda name: ModelObservation(name, Contact.TIMED_OUT, error="no answer in time"),
    # RESOURCE_EXHAUSTED is 429 (tf-serving.md 4.1), and from this one TensorFlow never recovers (10).
    Condition.OUT_OF_MEMORY: lambda name: _answered(
        name, Prediction(Proof.EXAMPLE, Contact.ANSWERED, 429, "OOM when allocating tensor with shape[64,224,224,3]")
    ),
}
