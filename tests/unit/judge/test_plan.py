"""The plan of a launch: one step from what runs to what the file says."""

from __future__ import annotations

from typing import Any

import pytest

from yarnserve.judge.plan import Step, plan_launch
from yarnserve.records.yarn import ServiceState


def document(replicas: int = 2, command: str = "exec server") -> dict[str, Any]:
    """A rendered service."""
    return {"name": "digits", "components": [{"number_of_containers": replicas, "launch_command": command}]}


@pytest.mark.parametrize(
    ("state", "running", "saved", "step"),
    [
        (None, None, None, Step.CREATE),
        (None, None, document(), Step.CREATE),
        (ServiceState.STABLE, 2, document(), Step.NOTHING),
        (ServiceState.STABLE, 3, document(), Step.SCALE),
        (ServiceState.STABLE, 3, document(3), Step.SCALE),
        (ServiceState.STABLE, 2, document(3), Step.NOTHING),
        (ServiceState.ACCEPTED, None, document(), Step.NOTHING),
        (ServiceState.ACCEPTED, None, document(3), Step.SCALE),
        (ServiceState.STABLE, 2, document(command="exec other"), Step.CHANGED),
        (ServiceState.STABLE, 2, None, Step.FOREIGN),
        (ServiceState.STOPPED, None, None, Step.FOREIGN),
        (ServiceState.STOPPED, None, document(), Step.START),
        (ServiceState.STOPPED, None, document(3), Step.REPLACE),
        (ServiceState.FAILED, None, document(command="exec other"), Step.REPLACE),
    ],
)
def test_one_step_leads_from_what_is_to_what_is_wanted(
    state: ServiceState | None, running: int | None, saved: dict[str, Any] | None, step: Step
) -> None:
    """Each combination of YARN's state, its size and the saved revision has exactly one step."""
    assert plan_launch(state, running, saved, document(), 2).step is step


def test_a_refusal_names_the_differences() -> None:
    """The admin is told what differs, not only that something does."""
    plan = plan_launch(ServiceState.STABLE, 2, document(command="exec other"), document(), 2)
    assert [change.path for change in plan.differences] == ["components[0].launch_command"]
