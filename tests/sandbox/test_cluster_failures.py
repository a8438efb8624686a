"""The cluster's state machine, driven by hand: exits, retries on both levels, and the end of a failing service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.sandbox.cluster_support import Lab, Script, component, service
from yarnserve.sandbox.node import NOT_EXITED, NodeContainer
from yarnserve.sandbox.profile import HADOOP_3_1_4
from yarnserve.sandbox.states import NodeContainerState

FAILURE = "yarn.service.container-failure"
NO_RETRY = {f"{FAILURE}.retry.max": "0"}


def running(properties: dict[str, Any] | None = None, *, count: int = 1, **more: Any) -> Lab:
    """Return a cluster with the service svc whose instances of web all run."""
    lab = Lab()
    lab.create(service(component(count=count, properties=properties, **more)))
    lab.run(2)
    assert len(lab.runtime.scripts) == count
    return lab


def last(lab: Lab, instance: str = "web-0") -> Script:
    """Return what was started last for an instance."""
    return lab.runtime.of(instance)[-1]


def on_node(lab: Lab, container_id: str) -> NodeContainer:
    """Return a container as its node sees it."""
    return next(container for container in lab.cluster.containers() if container.id == container_id)


def test_node_retries_in_place_and_tells_nobody() -> None:
    """A failed container is relaunched under the same id: GET shows READY all along, only the node tells."""
    lab = running({f"{FAILURE}.retry-interval-ms": "5000"})
    container = lab.container("web-0")
    last(lab).exit_code = 3
    lab.run(1)
    seen = on_node(lab, container)
    assert (seen.state, seen.exit_code) == (NodeContainerState.RELAUNCHING, 3)
    assert lab.states() == ("STABLE", {"web": "STABLE"}, {"web-0": "READY"})
    lab.run(5)
    assert len(lab.runtime.of("web-0")) == 2
    assert (seen.state, seen.exit_code) == (NodeContainerState.RUNNING, 3)
    assert "Exit code: 3" in seen.diagnostics
    assert lab.container("web-0") == container


def test_default_of_3_1_4_is_to_retry_for_ever() -> None:
    """Without settings the node retries every 30 s without end."""
    lab = running()
    container = lab.container("web-0")
    assert on_node(lab, container).exit_code == NOT_EXITED
    for starts in range(2, 14):
        last(lab).exit_code = 1
        lab.run(30.5, step=0.5)
        assert len(lab.runtime.of("web-0")) == starts
    assert lab.container("web-0") == container


def test_retry_interval_has_a_floor() -> None:
    """An interval below the NodeManager's minimum of 1 s is raised to it."""
    lab = running({f"{FAILURE}.retry-interval-ms": "100"})
    last(lab).exit_code = 1
    lab.run(0.9)
    assert len(lab.runtime.of("web-0")) == 1
    lab.run(0.3)
    assert len(lab.runtime.of("web-0")) == 2


def test_retries_are_counted_within_the_validity_interval() -> None:
    """Only failures of the last validity interval use up the retries; a slow crash loop is retried for ever."""
    settings = {"retry.max": "1", "retry-interval-ms": "1000", "validity-interval-ms": "10000"}
    lab = running({f"{FAILURE}.{name}": value for name, value in settings.items()})
    container = lab.container("web-0")
    for _ in range(3):
        lab.run(11)
        last(lab).exit_code = 1
        lab.run(2)
    assert lab.container("web-0") == container
    last(lab).exit_code = 1
    lab.run(2)
    assert lab.container("web-0") != container


@pytest.mark.parametrize(("code", "state"), [(0, "SUCCEEDED"), (137, "FAILED"), (143, "FAILED")])
def test_some_exits_are_not_retried_in_place(code: int, state: str) -> None:
    """Exit 0 and death by KILL or TERM reach the master at once, which starts a new container."""
    lab = running()
    before = lab.container("web-0")
    last(lab).exit_code = code
    lab.run(0.2)
    assert lab.states() == ("STARTED", {"web": "FLEXING"}, {"web-0": state})
    assert lab.container("web-0") == before
    lab.run(1.5)
    assert lab.states() == ("STABLE", {"web": "STABLE"}, {"web-0": "READY"})
    assert lab.container("web-0") != before


def test_exhausted_retries_reach_the_master() -> None:
    """After its retries a container has failed for good: FAILED is shown until the replacement runs."""
    lab = running({f"{FAILURE}.retry.max": "2", f"{FAILURE}.retry-interval-ms": "1000"})
    first = lab.container("web-0")
    for _ in range(2):
        last(lab).exit_code = 7
        lab.run(1.2)
    assert (len(lab.runtime.of("web-0")), lab.container("web-0")) == (3, first)
    last(lab).exit_code = 7
    lab.run(0.2)
    assert lab.states()[2] == {"web-0": "FAILED"}
    lab.run(0.4)
    assert lab.container("web-0") != first


def fail(lab: Lab, times: int, instance: str = "web-0") -> None:
    """Let an instance fail in front of the master."""
    for _ in range(times):
        last(lab, instance).exit_code = 1
        lab.run(0.5)


def test_threshold_ends_the_attempt_and_keeps_the_other_containers() -> None:
    """One failure more than the threshold: FAILED for a while, then a second master that adopts what still runs."""
    lab = Lab()
    failing = component("web", properties={**NO_RETRY, f"{FAILURE}-per-component.threshold": "2"})
    lab.create(service(failing, component("side")))
    lab.run(2)
    kept, application = lab.container("side-0"), lab.get()["id"]
    fail(lab, 2)
    assert lab.states()[0] == "STARTED"
    last(lab).exit_code = 1
    lab.run(0.3)
    assert lab.states()[:2] == ("FAILED", {"web": "FAILED", "side": "STABLE"})
    lab.run(1.2)
    assert lab.states() == ("ACCEPTED", {}, {})
    lab.run(0.7)
    assert lab.get()["id"] == application
    assert lab.container("side-0") == kept
    lab.run(1.5)
    assert lab.states()[0] == "STABLE"
    assert lab.container("web-0").endswith("_02_000002")


def test_second_attempt_is_the_last() -> None:
    """When the second master gives up too, the application has FAILED and nothing runs any more."""
    lab = running({**NO_RETRY, f"{FAILURE}-per-component.threshold": "0"})
    application = lab.cluster.applications[lab.get()["id"]]
    fail(lab, 1)
    lab.run(3)
    assert [attempt.number for attempt in application.attempts] == [1, 2]
    fail(lab, 1)
    lab.run(2)
    assert lab.states() == ("FAILED", {}, {})
    assert (application.state, application.final_status) == ("FAILED", "FAILED")
    assert "failed 2 times due to AM Container" in application.diagnostics
    assert "exitCode: 255" in application.diagnostics
    lab.run(2)
    assert list(lab.cluster.containers()) == []


def test_default_threshold_is_ten() -> None:
    """Ten failures are borne, the eleventh ends the attempt, unless too few nodes are left to fail on before."""
    lab = running({**NO_RETRY, "yarn.service.node-blacklist.threshold": "10"})
    fail(lab, 10)
    assert lab.states()[0] != "FAILED"
    last(lab).exit_code = 1
    lab.run(0.3)
    assert lab.states()[0] == "FAILED"


def test_success_is_no_failure() -> None:
    """Exits with 0 never count against the threshold."""
    lab = running({f"{FAILURE}-per-component.threshold": "0"})
    for _ in range(3):
        last(lab).exit_code = 0
        lab.run(0.6)
    assert len(lab.runtime.of("web-0")) == 4
    assert len(lab.cluster.applications[lab.get()["id"]].attempts) == 1


@pytest.mark.parametrize(("code", "state", "final"), [(0, "SUCCEEDED", "SUCCEEDED"), (5, "FAILED", "FAILED")])
def test_never_is_over_when_its_containers_are(code: int, state: str, final: str) -> None:
    """A service of NEVER components ends with them, is STOPPED for GET, and tells its outcome as finalStatus."""
    lab = running(restart_policy="NEVER")
    application = lab.cluster.applications[lab.get()["id"]]
    last(lab).exit_code = code
    lab.run(0.2)
    assert lab.states() == (state, {"web": state}, {"web-0": state})
    lab.run(1)
    assert (application.state, application.final_status) == ("FINISHED", final)
    assert lab.states()[0] == "STOPPED"


def test_on_failure_restarts_failures_only() -> None:
    """ON_FAILURE replaces a failed container, and is over after a success."""
    lab = running(NO_RETRY, restart_policy="ON_FAILURE")
    last(lab).exit_code = 5
    lab.run(1.5)
    assert len(lab.runtime.of("web-0")) == 2
    last(lab).exit_code = 0
    lab.run(0.2)
    assert lab.states()[0] == "SUCCEEDED"


def test_death_of_the_master_keeps_the_containers() -> None:
    """A killed ApplicationMaster is replaced under a new attempt, and the processes never notice."""
    lab = running()
    kept, application = lab.container("web-0"), lab.cluster.applications[lab.get()["id"]]
    master = application.attempts[0].container
    assert master is not None
    master.signal(9, lab.now)
    lab.run(3)
    assert [attempt.number for attempt in application.attempts] == [1, 2]
    assert lab.container("web-0") == kept
    assert len(lab.runtime.scripts) == 1


def test_service_waits_for_room_for_its_master() -> None:
    """Without room for an ApplicationMaster a service stays ACCEPTED."""
    lab = Lab(profile=replace(HADOOP_3_1_4, am_memory_mb=5000))
    for name in ("one", "two", "three"):
        lab.create(service(component(), name=name))
    lab.run(3)
    assert [lab.states(name)[0] for name in ("one", "two", "three")] == ["STABLE", "STABLE", "ACCEPTED"]
    lab.services.stop("alice", "one", lab.now)
    lab.run(3)
    assert lab.states("three")[0] == "STABLE"


def test_node_forgets_an_ended_container_soon() -> None:
    """A container that has ended is DONE on its node for a moment, then its files go."""
    lab = running(NO_RETRY)
    container = lab.container("web-0")
    last(lab).exit_code = 9
    lab.run(0.3)
    assert on_node(lab, container).state is NodeContainerState.DONE
    lab.run(1)
    assert container not in [each.id for each in lab.cluster.containers()]
    assert lab.runtime.forgotten == [container]


def test_setting_that_is_no_number_kills_the_master() -> None:
    """A malformed retry setting is accepted by POST, and ends the application when no master can start."""
    lab = Lab()
    lab.create(service(component(properties={f"{FAILURE}.retry.max": "often"})))
    lab.run(3)
    assert lab.states() == ("FAILED", {}, {})


def test_nodes_where_it_fails_are_avoided_until_none_is_left() -> None:
    """A node is blacklisted on the fourth failure there; with all of them gone nothing more is tried, or said."""
    lab = Lab()
    properties = {"yarn.service.container-failure.retry.max": "0"}
    lab.create(service(component(properties=properties, launch_command="run web-0 ")))

    def fail() -> None:
        for script in lab.runtime.scripts:
            script.exit_code = 7
        lab.run(0.1)

    for _ in range(100):
        fail()
    assert len(lab.runtime.scripts) == 8
    application = next(iter(lab.cluster.applications.values()))
    master = application.master
    assert master is not None
    assert master.blacklisted == {node.address.id for node in lab.nodes}
    assert lab.get()["state"] == "STARTED"
    assert not application.diagnostics
