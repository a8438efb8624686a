"""Sightings: how container ids seen over time become restart counts."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import REPOSITORY
from yarnserve.judge.exits import exits_after
from yarnserve.records.document import from_document, to_document
from yarnserve.records.yarn import Component, ComponentState, Container, ContainerState, NodeContainer
from yarnserve.service.state import Sightings, Supervision


def component(state: ComponentState = ComponentState.STABLE, **containers: str) -> Component:
    """A component whose instances run the given containers."""
    listed = tuple(
        Container(id, instance.replace("_", "-"), ContainerState.READY) for instance, id in containers.items()
    )
    return Component("serve", state, len(listed), listed)


def test_a_new_container_id_is_a_restart() -> None:
    """The first id is the start, each further one a restart, and the same id again is none."""
    seen = Sightings().with_seen("app_1", component(serve_0="c2", serve_1="c3"))
    seen = seen.with_seen("app_1", component(serve_0="c4", serve_1="c3"))
    seen = seen.with_seen("app_1", component(serve_0="c4", serve_1="c3"))
    assert (seen.restarts("serve-0"), seen.restarts("serve-1"), seen.restarts("serve-9")) == (1, 0, 0)


def test_a_replica_that_is_started_again_for_ever_takes_no_more_room() -> None:
    """Of fifty containers the newest are kept, and every restart is counted, those in place as well."""
    seen = Sightings()
    for number in range(50):
        processes = [ended(f"c{number}", "RUNNING", 139, number)]
        seen = seen.with_seen("app_1", component(serve_0=f"c{number}"), processes)
    assert len(seen.containers["serve-0"]) == len(seen.exits) == 20
    assert seen.restarts("serve-0") == 49 + 50


def test_another_application_starts_from_nothing() -> None:
    """Stop and start give new containers; they are no restarts."""
    seen = Sightings().with_seen("app_1", component(serve_0="c2")).with_seen("app_2", component(serve_0="c9"))
    assert seen.restarts("serve-0") == 0


def test_an_instance_scaled_away_is_forgotten_only_when_the_component_is_stable() -> None:
    """A replica that is being replaced is absent for a moment; one that was scaled away is absent for good."""
    both = Sightings().with_seen("app_1", component(serve_0="c2", serve_1="c3"))
    replacing = both.with_seen("app_1", component(ComponentState.FLEXING, serve_0="c2"))
    assert replacing.with_seen("app_1", component(serve_0="c2", serve_1="c4")).restarts("serve-1") == 1
    scaled = both.with_seen("app_1", component(serve_0="c2"))
    assert scaled.with_seen("app_1", component(serve_0="c2", serve_1="c4")).restarts("serve-1") == 0


def ended(container: str, state: str, code: int, minute: int) -> NodeContainer:
    """What a NodeManager says of a process that has ended in some *minute*."""
    words = f"[2026-11-28 10:{minute:02}:00.000]Container exited with a non-zero exit code {code}."
    return NodeContainer(container, state, code, words)


def test_an_end_that_nobody_saw_is_not_taken_for_an_earlier_one() -> None:
    """A crash in place, then an end that the NodeManager forgot at once: what happened last is not known."""
    seen = Sightings().with_seen("app_1", component(serve_0="c2"), [ended("c2", "RUNNING", 139, 1)])
    crashed = seen.last_exit("serve-0")
    assert crashed is not None
    assert crashed.code == 139
    assert seen.with_seen("app_1", component(serve_0="c3")).last_exit("serve-0") is None
    final = seen.with_seen("app_1", component(serve_0="c2"), [ended("c2", "DONE", 137, 2)])
    known = final.with_seen("app_1", component(serve_0="c3")).last_exit("serve-0")
    assert known is not None
    assert known.code == 137


def test_sightings_survive_being_saved() -> None:
    """What is read back from HDFS counts on where it stopped."""
    seen = Sightings().with_seen("app_1", component(serve_0="c2")).with_seen("app_1", component(serve_0="c3"))
    assert from_document(Sightings, to_document(seen)) == seen


def test_what_happened_to_a_recorded_crash_loop_is_counted() -> None:
    """On a real 3.3.6, with two retries in place: each container was relaunched twice and then replaced."""
    seen, ids = Sightings(), set()
    with gzip.open(REPOSITORY / "tests" / "golden" / "docker-3.3.6.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if (line["scenario"], line["what"]) != ("crash", "seen"):
                continue
            listed = [each for one in line["data"]["service"]["body"]["components"] for each in one["containers"]]
            ids |= {each["id"] for each in listed}
            containers = tuple(Container(each["id"], "serve-0", ContainerState(each["state"])) for each in listed)
            told = [
                NodeContainer(each["id"], each["state"], each["exitCode"], each["diagnostics"])
                for each in line["data"]["nodemanager"]
            ]
            seen = seen.with_seen("app_1", Component("serve", ComponentState.FLEXING, 1, containers), told)
    assert len(ids) == 4
    assert seen.restarts("serve-0") == 3 + 2 * len(ids)
    last = seen.last_exit("serve-0")
    assert last is not None
    assert (last.code, last.container_id) == (3, max(ids))
    assert from_document(Sightings, to_document(seen)) == seen


@pytest.mark.parametrize(
    ("state", "relaunches"), [("RELAUNCHING", 1), ("RUNNING", 1), ("DONE", 0), ("EXITED_WITH_FAILURE", 0)]
)
def test_an_exit_code_is_evidence_without_diagnostics(state: str, relaunches: int) -> None:
    """A container that goes on after an exit code was started again in place; one that is over was not."""
    found = exits_after(None, NodeContainer("c", state, 1, ""))
    assert found is not None
    assert (found.deaths, found.relaunches) == (1, relaunches)
    assert exits_after(found, NodeContainer("c", state, 1, "")) == found


@pytest.mark.parametrize(("state", "code"), [("RUNNING", -1000), ("RUNNING", 0), ("LOCALIZING", -1000)])
def test_a_process_that_never_ended_has_no_exit(state: str, code: int) -> None:
    """-1000 means that it has not ended yet."""
    assert exits_after(None, NodeContainer("c", state, code, "")) is None


@given(
    st.lists(
        st.builds(
            NodeContainer,
            st.just("c2"),
            st.sampled_from(["RUNNING", "RELAUNCHING", "DONE"]),
            st.integers(-1000, 260),
            st.text()
            | st.just("[2026-99-99 00:00:00.000]Container exited with a non-zero exit code 1")
            | st.datetimes(min_value=datetime(2000, 1, 1)).map(
                lambda at: f"[{at.isoformat(' ', 'milliseconds')}]Diagnostic message from attempt"
            ),
        )
    )
)
def test_restarts_never_go_down(processes: list[NodeContainer]) -> None:
    """Whatever NodeManagers say, in any order, a count once told is never taken back."""
    seen, told = Sightings(), 0
    for process in processes:
        seen = seen.with_seen("app_1", component(serve_0="c2"), [process])
        assert seen.restarts("serve-0") >= told
        told = seen.restarts("serve-0")


def test_a_supervisor_that_has_fallen_silent_is_one_no_more() -> None:
    """Its lease lasts 24 s; clocks of two hosts may be a minute apart. One that has ended in order has ended."""
    heard = Supervision("alice@edge1: supervise", at=1000.0, lasts=24.0, is_over=False)
    assert heard.goes_on(940.0)
    assert heard.goes_on(1083.0)
    assert not heard.goes_on(1085.0)
    assert not replace(heard, is_over=True).goes_on(1000.0)
