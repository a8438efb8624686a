"""The plan of a launch: one step from what runs to what the file says."""

from __future__ import annotations

from typing import Any

import pytest

from yarnserve.judge.plan import Step, plan_launch


def document(replicas: int = 2, command: str = "exec server") -> dict[str, Any]:
    """A rendered service."""
    return {"name": "digits", "components": [{"number_of_containers": replicas, "launch_command": command}]}


@pytest.mark.parametrize(
    ("exists", "runs", "yarn_replicas", "saved", "step"),
    [
        (False, False, None, None, Step.CREATE),
        (False, False, 2, document(), Step.CREATE),
        (True, True, 2, document(), Step.NOTHING),
        (True, True, 3, document(), Step.SCALE),
        (True, True, 3, document(3), Step.SCALE),
        (True, True, 2, document(3), Step.NOTHING),
        (True, True, None, document(), Step.NOTHING),
        (True, True, None, document(3), Step.SCALE),
        (True, True, 2, document(command="exec other"), Step.CHANGED),
        (True, True, 2, None, Step.FOREIGN),
        (True, False, None, None, Step.LEFTOVER),
        (True, False, 2, document(), Step.START),
        (True, False, 3, document(), Step.REPLACE),
        (True, False, 2, document(3), Step.START),
        (True, False, 0, document(), Step.REPLACE),
        (True, False, 2, document(command="exec other"), Step.REPLACE),
    ],
)
def test_one_step_leads_from_what_is_to_what_is_wanted(
    exists: bool, runs: bool, yarn_replicas: int | None, saved: dict[str, Any] | None, step: Step
) -> None:
    """Each combination of what YARN has, the size it was last told and the saved revision has exactly one step."""
    plan = plan_launch(
        exists=exists, runs=runs, yarn_replicas=yarn_replicas, saved=saved, rendered=document(), replicas=2
    )
    assert plan.step is step


@pytest.mark.parametrize(
    ("runs", "saved", "step"),
    [
        (True, None, Step.REPLACE),
        (False, None, Step.REPLACE),
        (True, document(command="exec other"), Step.REPLACE),
        (True, document(), Step.NOTHING),
        (False, document(), Step.START),
    ],
)
def test_replace_removes_only_what_is_in_the_way(runs: bool, saved: dict[str, Any] | None, step: Step) -> None:
    """``--replace`` exchanges what would be refused, and leaves a service that is as the file says alone."""
    plan = plan_launch(
        exists=True, runs=runs, yarn_replicas=2, saved=saved, rendered=document(), replicas=2, replace=True
    )
    assert plan.step is step


def test_replace_still_scales_a_change_of_size() -> None:
    """A change of replicas alone never costs the running ones."""
    plan = plan_launch(
        exists=True, runs=True, yarn_replicas=3, saved=document(), rendered=document(), replicas=2, replace=True
    )
    assert plan.step is Step.SCALE


def test_a_refusal_names_the_differences() -> None:
    """The admin is told what differs, not only that something does."""
    saved = document(command="exec other")
    plan = plan_launch(exists=True, runs=True, yarn_replicas=2, saved=saved, rendered=document(), replicas=2)
    assert [change.path for change in plan.differences] == ["components[0].launch_command"]
