"""What has to be done so that YARN runs what a service.yaml says? Pure; carried out by ``service.launching``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from yarnserve.judge.changes import Change, changes


class Step(str, Enum):
    """The one step that takes a service to its spec."""

    CREATE = "create"
    NOTHING = "nothing to do"
    SCALE = "scale"
    START = "start"
    REPLACE = "replace"
    STOP = "stop"
    RESTART = "restart one replica"
    FOREIGN = "the name belongs to a running service that yarnserve did not launch"
    LEFTOVER = "the name is taken by a definition that yarnserve did not launch, and of which nothing runs"
    CHANGED = "the service runs something else"


@dataclass(frozen=True)
class Plan:
    """A step, and the differences that led to it."""

    step: Step
    differences: tuple[Change, ...] = ()


def plan_launch(
    *,
    exists: bool,
    runs: bool,
    yarn_replicas: int | None,
    saved: Mapping[str, Any] | None,
    rendered: Mapping[str, Any],
    replicas: int,
    replace: bool = False,
) -> Plan:
    """Return the step for a launch.

    Args:
        exists: whether YARN has a definition of this name.
        runs: whether any application of it has not ended.
        yarn_replicas: the number of containers that YARN was last told, None when that is not known.
        saved: the document of the saved revision, None when yarnserve never launched this name.
        rendered: the document rendered from the spec now.
        replicas: how many replicas the spec wants.
        replace: whether whatever has the name, and differs in more than its size, may be removed first.
    """
    if not exists:
        return Plan(Step.CREATE)
    if saved is None:
        return Plan(Step.REPLACE if replace else Step.FOREIGN if runs else Step.LEFTOVER)
    differences = changes(saved, rendered)
    others = tuple(change for change in differences if not change.path.endswith(".number_of_containers"))
    resized = bool(differences) if yarn_replicas is None else yarn_replicas != replicas
    if not runs:
        # Nothing of it runs, so its definition can be exchanged; PUT STARTED would run the old one.
        return Plan(Step.REPLACE, differences) if others or resized else Plan(Step.START)
    if others:
        return Plan(Step.REPLACE if replace else Step.CHANGED, others)
    return Plan(Step.SCALE, differences) if resized else Plan(Step.NOTHING)
