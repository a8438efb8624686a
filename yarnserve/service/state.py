"""What yarnserve remembers of a service beside YARN: wanted state, revisions, container ids seen. Pure records.

YARN forgets the definition of a stopped service (yarn-services.md 1.5), so what was launched is kept here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from yarnserve.records.document import to_document
from yarnserve.records.yarn import Component, ComponentState
from yarnserve.spec.model import ServiceSpec


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
    """Container ids seen of each instance of one application, oldest first: a new one means a restart."""

    application_id: str = ""
    containers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def restarts(self, instance: str) -> int:
        """How often the container of *instance* was replaced, as far as it was seen."""
        return max(0, len(self.containers.get(instance, ())) - 1)

    def with_seen(self, application_id: str, component: Component) -> Sightings:
        """Return the sightings after a look at *component* of *application_id*.

        Another application starts from nothing. An instance that a STABLE component no longer has was scaled
        away; forgetting it keeps a later scale-up from counting as a restart.
        """
        if application_id != self.application_id:
            return Sightings(application_id).with_seen(application_id, component)
        containers = dict(self.containers)
        for container in component.containers:
            seen = containers.get(container.instance, ())
            if container.id not in seen:
                containers[container.instance] = (*seen, container.id)
        if component.state is ComponentState.STABLE:
            present = {container.instance for container in component.containers}
            containers = {instance: ids for instance, ids in containers.items() if instance in present}
        return replace(self, containers=containers)
