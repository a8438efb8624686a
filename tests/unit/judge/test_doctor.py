"""What doctor thinks of what was seen; the seeded faults of a whole cluster are in tests/sandbox/test_doctor.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.errors import UnreachableError
from yarnserve.judge import doctor
from yarnserve.records.doctor import Check, Needs, Outcome
from yarnserve.records.scheduler import Queue, Scheduler
from yarnserve.records.version import Version
from yarnserve.records.yarn import Node

NEEDS = Needs(queue="default", replicas=2, memory_mb=1024, vcores=2, gpus=0)


@pytest.mark.parametrize(
    ("told", "assumed", "outcome", "what"),
    [
        ("3.1.4", None, Outcome.OK, "Hadoop 3.1.4"),
        ("3.1.1.7.1.7.0-551", None, Outcome.OK, "Hadoop 3.1.1, build 3.1.1.7.1.7.0-551 of a vendor"),
        ("3.3.6", "3.1.1", Outcome.OK, "Hadoop 3.3.6"),
        ("3.1.1", "3.3.6", Outcome.WARNING, "Hadoop 3.1.1, told to treat it as 3.3.6"),
        ("2.10.1", None, Outcome.FAILED, "Hadoop 2.10.1"),
        ("nightly", "3.3.6", Outcome.OK, "Hadoop nightly, treated as 3.3.6"),
        ("nightly", None, Outcome.FAILED, "the cluster calls its Hadoop 'nightly', which is no version"),
    ],
)
def test_versions(told: str, assumed: str | None, outcome: Outcome, what: str) -> None:
    """A vendor's build is named; too old fails; treating it as newer than it is warns, as older does not."""
    check = doctor.version(told, Version.parse(assumed) if assumed else None)
    assert (check.outcome, check.what) == (outcome, what)


def test_the_first_application_master_always_gets_in() -> None:
    """CapacityScheduler lets one through whatever it takes; the second has to fit."""
    assert doctor.am_room(Queue("a", "root.a", "RUNNING", 512, 0), 1024).outcome is Outcome.OK
    assert doctor.am_room(Queue("a", "root.a", "RUNNING", 1500, 1024), 1024).outcome is Outcome.FAILED
    assert doctor.am_room(Queue("a", "root.a", "RUNNING"), 1024).outcome is Outcome.SKIPPED


def test_part_of_an_ensemble() -> None:
    """An ensemble of which a server is down still answers: a warning that names it."""
    check = doctor.zookeeper({"a:1": "", "b:1": "refused"}, "by yarn-site.xml")
    assert check.outcome is Outcome.WARNING
    assert "b:1: refused" in check.why


def test_who_we_are() -> None:
    """A home that belongs to another name means another user; one that is not told means nothing."""
    assert doctor.user("alice", "flag", "/user/alice").outcome is Outcome.OK
    assert doctor.user("alice", "flag", "").outcome is Outcome.OK
    assert doctor.user("alice", "flag", "/user/httpfs").outcome is Outcome.WARNING
    assert doctor.user("alice", "flag", "/user/dr.who").outcome is Outcome.WARNING


NODES = st.lists(
    st.builds(
        Node,
        id=st.text(max_size=3),
        host=st.sampled_from(["a", "b", ""]),
        http_address=st.just("a:1"),
        state=st.sampled_from(["RUNNING", "UNHEALTHY", "DECOMMISSIONING", "?"]),
        memory_mb=st.integers(),
        vcores=st.integers(),
        gpus=st.integers(0, 9),
        health_report=st.text(max_size=5),
    ),
    max_size=3,
)
AMOUNT = st.none() | st.integers()
QUEUES = st.builds(
    Queue, st.sampled_from(["default", "x"]), st.just("root.default"), st.text(max_size=3), AMOUNT, st.integers()
)
SCHEDULERS = st.builds(
    Scheduler,
    st.text(max_size=3),
    st.lists(QUEUES, max_size=2).map(tuple),
    AMOUNT,
    AMOUNT,
    st.none() | st.frozensets(st.sampled_from(["memory-mb", doctor.GPU])),
)
WANTED = st.builds(
    Needs, st.text(max_size=3), st.integers(1, 9), st.integers(), st.integers(), st.integers(0, 9), st.booleans()
)


@given(
    SCHEDULERS,
    NODES,
    WANTED,
    st.dictionaries(st.sampled_from([doctor.LOG_AGGREGATION, doctor.ROLLING_LOGS]), st.text()),
)
def test_anything_seen_gives_a_check(
    scheduler: Scheduler, nodes: list[Node], needs: Needs, properties: dict[str, str]
) -> None:
    """Whatever a cluster says, each judgement ends in a check, and each failure says what to change."""
    error = UnreachableError("x")
    checks = [
        doctor.queue(scheduler, needs.queue),
        doctor.am_room(scheduler.queue("default")),
        doctor.resources(needs, scheduler, nodes),
        doctor.gpu(needs.gpus, scheduler, nodes),
        doctor.hosts(needs, nodes),
        doctor.nodes(nodes, {node.id: error for node in nodes[:1]}),
        doctor.placement(needs, properties),
        doctor.log_aggregation(properties),
    ]
    for check in checks:
        assert isinstance(check, Check)
        assert check.fix or check.outcome in (Outcome.OK, Outcome.SKIPPED)


def test_a_replica_that_fits() -> None:
    """A node has to have all that is wanted: memory of one and vcores of another do not add up."""
    small = Node("a", "a", "a:1", "RUNNING", 4096, 1, 0)
    narrow = Node("b", "b", "b:1", "RUNNING", 512, 8, 0)
    scheduler = Scheduler("capacityScheduler", ())
    assert doctor.resources(NEEDS, scheduler, [small, narrow]).outcome is Outcome.FAILED
    assert doctor.resources(NEEDS, scheduler, [Node("c", "c", "c:1", "RUNNING", 1024, 2, 0)]).outcome is Outcome.OK
