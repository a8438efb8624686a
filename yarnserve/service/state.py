"""What yarnserve remembers of a service beside YARN: wanted state, revisions, container ids seen. Pure records.

YARN forgets the definition of a stopped service (yarn-services.md 1.5), so what was launched is kept here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from yarnserve.judge.exits import Exits, exits_after
from yarnserve.records.document import to_document
from yarnserve.records.moments import timestamp
from yarnserve.records.replica import LastExit
from yarnserve.records.yarn import Component, ComponentState, NodeContainer
from yarnserve.spec.model import ServiceSpec

#: Containers of one instance that are remembered.
KEPT_CONTAINERS = 20

#: Containers that acts of ours have ended, of which it is remembered: as many as a service may be scaled away at once.
KEPT_ENDED = 200


class Wanted(str, Enum):
    """What a person last asked of a service."""

    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Desired:
    """The wanted state, recorded before it is carried out.

    *by* is ``user@host``, *at* seconds since the epoch on the writer's clock (for people, never for decisions).
    """

    state: Wanted
    replicas: int
    by: str
    at: float
    why: str


@dataclass(frozen=True)
class Pause:
    """A person's word to supervisors: to do nothing *until* then (epoch, on their clocks), None without an end.

    *paused* is False for the word that they may go on.
    """

    paused: bool
    by: str
    at: float
    why: str = ""
    until: float | None = None

    def holds(self, now: float) -> bool:
        """Whether nothing is to be done at *now*."""
        return self.paused and (self.until is None or now < self.until)

    @property
    def in_words(self) -> str:
        """Who has paused it, until when and why."""
        until = f" until {timestamp(self.until)}" if self.until is not None else ""
        return f"paused by {self.by}{until}" + (f": {self.why}" if self.why else "")


#: Seconds by which HDFS's clock and that of whoever reads a time of it may differ.
CLOCKS_APART = 60.0


@dataclass(frozen=True)
class Supervision:
    """The newest sign of life of a supervisor: who it is, and when it gave it (epoch, on HDFS's clock).

    *lasts*: for how many seconds one that lives gives no other. *is_over*: it has ended its work in order. Where there
    never was one, *by* is empty.
    """

    by: str = ""
    at: float = 0.0
    lasts: float = 0.0
    is_over: bool = True

    def goes_on(self, now: float) -> bool:
        """Whether it has not ended, nor fallen silent, as far as clocks can be compared."""
        return not self.is_over and now < self.at + self.lasts + CLOCKS_APART


@dataclass(frozen=True)
class Revision:
    """What was launched: the spec with its examples, and the YARN document rendered from it."""

    spec: ServiceSpec
    rendered: Mapping[str, Any]
    by: str
    at: float

    def same_spec(self, spec: ServiceSpec) -> bool:
        """Whether *spec* says the same; compared as text, because NaN in an example equals nothing."""
        return json.dumps(to_document(self.spec), sort_keys=True) == json.dumps(to_document(spec), sort_keys=True)


@dataclass(frozen=True)
class Sightings:
    """What was seen of each instance of one application: its container ids, oldest first, and how they ended.

    A new id means a restart, and so does an end after which the NodeManager started the same container again
    (*exits*, by container id). Of an instance that is started again for ever only the newest containers are kept;
    *dropped* counts the restarts of the others. *ended* are the containers that an act of ours has ended last.
    """

    application_id: str = ""
    containers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exits: Mapping[str, Exits] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    ended: tuple[str, ...] = ()

    def restarts(self, instance: str) -> int:
        """How often *instance* was started again, in a new container or in place, as far as it was seen."""
        seen = self.containers.get(instance, ())
        in_place = sum(self.exits[container].relaunches for container in seen if container in self.exits)
        return self.dropped.get(instance, 0) + max(0, len(seen) - 1) + in_place

    def last_exit(self, instance: str) -> LastExit | None:
        """How the process of *instance* last ended; None where nobody saw that, whatever was seen before."""
        seen = self.containers.get(instance, ())
        for container in reversed(seen):
            exits = self.exits.get(container)
            if container == seen[-1] and exits is None:
                continue
            if exits is None or (container != seen[-1] and exits.deaths == exits.relaunches):
                return None
            return LastExit(exits.code, exits.cause, exits.fix, exits.certain, container, exits.text)
        return None

    def was_ordered(self, instance: str) -> bool:
        """Whether the newest end of *instance* was an act of ours, and no death, as far as it was seen."""
        *_, before, newest = ("", "", *self.containers.get(instance, ()))
        return before in self.ended and newest not in self.exits

    def with_ended(self, containers: Iterable[str]) -> Sightings:
        """Return the sightings after an act of ours has ended these *containers*."""
        ended = dict.fromkeys((*self.ended, *containers))
        return replace(self, ended=tuple(ended)[-KEPT_ENDED:])

    def with_seen(
        self, application_id: str, component: Component, processes: Iterable[NodeContainer] = ()
    ) -> Sightings:
        """Return the sightings after a look at *component* of *application_id* and at its *processes*.

        Another application starts from nothing. An instance that a STABLE component no longer has was scaled
        away; forgetting it keeps a later scale-up from counting as a restart.
        """
        if application_id != self.application_id:
            return Sightings(application_id).with_seen(application_id, component, processes)
        containers, dropped = dict(self.containers), dict(self.dropped)
        for container in component.containers:
            seen = containers.get(container.instance, ())
            if container.id in seen:
                continue
            containers[container.instance] = (*seen, container.id)[-KEPT_CONTAINERS:]
            for gone in seen[: max(0, len(seen) + 1 - KEPT_CONTAINERS)]:
                in_place = self.exits[gone].relaunches if gone in self.exits else 0
                dropped[container.instance] = dropped.get(container.instance, 0) + 1 + in_place
        if component.state is ComponentState.STABLE:
            present = {container.instance for container in component.containers}
            containers = {instance: ids for instance, ids in containers.items() if instance in present}
            dropped = {instance: count for instance, count in dropped.items() if instance in present}
        return replace(self, containers=containers, exits=self._exits(containers, processes), dropped=dropped)

    def _exits(self, containers: Mapping[str, tuple[str, ...]], processes: Iterable[NodeContainer]) -> dict[str, Exits]:
        ours = {container for seen in containers.values() for container in seen}
        exits = {container: known for container, known in self.exits.items() if container in ours}
        for process in processes:
            known = exits_after(exits.get(process.id), process)
            if process.id in ours and known is not None:
                exits[process.id] = known
        return exits
