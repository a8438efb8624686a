"""The model servers of a simulation: processes that are state only, and answer as their state says."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from math import inf
from pathlib import Path

from tests.simulation.transport import Network
from yarnserve.records.replica import (
    Contact,
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

_PORT = re.compile(r"--rest_api_port=\S*?\(\((\d+)\+(\d+)\*(\d+)\)\)")
_NOWHERE = Path("/nonexistent")
_VERSIONS = (ModelVersion(1, ModelState.AVAILABLE),)


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
        return self.exit_code is None and self.up_at <= now < self.ends_at and self.condition is Condition.RIGHT

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
        base, stride, number = map(int, _PORT.search(launch.command).groups())  # type: ignore[union-attr]
        process = Process(launch, number, base + stride * number, self._clock(), self._clock())
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
        return _ANSWERS[process.condition](name)


def _hangs(observation: Observation) -> bool:
    return observation.models[0].contact is Contact.TIMED_OUT


def _answered(name: str, prediction: Prediction) -> ModelObservation:
    return ModelObservation(name, Contact.ANSWERED, 200, _VERSIONS, prediction=prediction)


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
