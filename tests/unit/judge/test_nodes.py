"""Quarantine of nodes: what is evidence, for how long, how many, and what becomes of a replica that lands on one."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import REPOSITORY
from yarnserve.judge.deaths import Death
from yarnserve.judge.nodes import (
    CLOCK_SKEW,
    LIMITS,
    REMEMBERED,
    STRIKE_WINDOW,
    TERMS,
    quarantine,
    quarantined,
    release,
    strike,
    strikes_that_count,
)
from yarnserve.records.document import from_document, to_document
from yarnserve.records.nodes import NodeLedger, Quarantine, Strike

NOW = 1_800_000_000.0
HOUR = 3600.0
NODES = ("n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8")


def one(instance: str = "serve-0", at: float = NOW, service: str = "digits", *, is_hardware: bool = False) -> Strike:
    """A strike because of a replica's death."""
    return Strike(at, service, instance, Death.NODE.value, "the disks are full", is_hardware)


def struck(
    ledger: NodeLedger, *strikes: Strike, node: str = "n1", nodes: tuple[str, ...] = NODES
) -> tuple[NodeLedger, str]:
    """The ledger after *strikes*, each taken in at its own time, and what the last one led to."""
    told: str | None = None
    for each in strikes:
        ledger, told = strike(ledger, node, each, each.at, nodes)
    return ledger, told or ""


def test_two_replicas_that_die_on_a_node_have_it_in_common() -> None:
    """One death says nothing; the second replica's does, also when it is another service's."""
    ledger, told = struck(NodeLedger(), one())
    assert (quarantined(ledger, NOW), told) == ({}, "")
    for other in (one("serve-1"), one("serve-0", service="faces")):
        after, told = struck(ledger, other)
        assert quarantined(after, NOW)["n1"].until == NOW + HOUR
        assert told == (
            "node n1 is quarantined for 60 min: 2 replicas have failed there within 1 h, the last because "
            "the disks are full"
        )


def test_one_replica_has_to_die_three_times() -> None:
    """What dies twice on one node may be ill itself."""
    ledger, told = struck(NodeLedger(), one(), one(at=NOW + 60))
    assert (quarantined(ledger, NOW + 60), told) == ({}, "")
    ledger, told = struck(ledger, one(at=NOW + 120))
    assert "serve-0 of digits has failed there 3 times within 1 h" in told
    assert list(quarantined(ledger, NOW + 120)) == ["n1"]


def test_the_same_strike_counts_once() -> None:
    """A supervisor that died between saving and remembering tells it again."""
    ledger, told = struck(NodeLedger(), one(), one(), one())
    assert (quarantined(ledger, NOW), told) == ({}, "")
    assert ledger.strikes == {"n1": (one(),)}


def test_strikes_of_more_than_an_hour_ago_do_not_count() -> None:
    """Two deaths a morning apart are chance."""
    ledger, _ = struck(NodeLedger(), one(), one("serve-1", NOW + STRIKE_WINDOW))
    assert quarantined(ledger, NOW + STRIKE_WINDOW) == {}
    assert strikes_that_count(ledger, NOW + STRIKE_WINDOW) == {"n1": (one("serve-1", NOW + STRIKE_WINDOW),)}


def test_a_node_that_nobody_knows_is_not_struck() -> None:
    """A replica may die before anybody has seen where it was."""
    assert strike(NodeLedger(), " ", one(is_hardware=True), NOW, NODES) == (NodeLedger(), None)


def test_a_node_is_the_same_in_small_and_capital_letters() -> None:
    """YARN and DNS do not always write a host alike."""
    ledger, _ = struck(NodeLedger(), one(), node="N1.example")
    ledger, told = struck(ledger, one("serve-1"), node="n1.EXAMPLE")
    assert "node n1.example is quarantined" in told
    assert "n1.example" in quarantined(ledger, NOW)


def test_terms_grow_from_one_quarantine_to_the_next() -> None:
    """1 h, 4 h, 24 h, 24 h; what led to one does not lead to the next; a well week makes it begin anew."""
    ledger, at = NodeLedger(), NOW
    for level, term in enumerate((*TERMS, TERMS[-1]), start=1):
        ledger, _ = struck(ledger, one("serve-0", at), one("serve-1", at))
        held = quarantined(ledger, at)["n1"]
        assert (held.until, held.level) == (at + term, min(level, len(TERMS)))
        at += term
        assert quarantined(ledger, at) == {}
        ledger, told = struck(ledger, one("serve-2", at))
        assert told == "", "a single new death after it is no evidence"
        at += STRIKE_WINDOW
    at += REMEMBERED
    ledger, _ = struck(ledger, one("serve-0", at), one("serve-1", at))
    assert quarantined(ledger, at)["n1"].until == at + TERMS[0]


def test_broken_hardware_holds_until_somebody_releases_it() -> None:
    """Once is enough, and no time ends it; a term that runs already becomes one without an end."""
    ledger, told = struck(NodeLedger(), one(is_hardware=True))
    assert told == "node n1 is quarantined until somebody releases it: the disks are full"
    assert quarantined(ledger, NOW + 1000 * HOUR)["n1"].until is None
    timed, _ = struck(NodeLedger(), one(), one("serve-1"))
    timed, told = struck(timed, one("serve-2", is_hardware=True))
    assert "until somebody releases it" in told
    assert quarantined(timed, NOW + 1000 * HOUR)["n1"].until is None


def test_evidence_against_a_quarantined_node_changes_nothing() -> None:
    """A replica that had to stay there and dies does not make the term longer, and no alarm."""
    ledger, _ = struck(NodeLedger(), one(), one("serve-1"))
    after, told = struck(ledger, one("serve-2", NOW + 60), one("serve-3", NOW + 61))
    assert told == ""
    assert quarantined(after, NOW + 61) == quarantined(ledger, NOW + 61)


@pytest.mark.parametrize(("count", "most"), [(1, 0), (2, 1), (3, 1), (4, 1), (7, 1), (8, 2), (100, 25)])
def test_only_a_share_of_the_nodes_is_ever_quarantined_by_evidence(count: int, most: int) -> None:
    """A quarter, one of two or three, none of one; whoever stays in use is told of with the reason."""
    nodes = tuple(f"n{number}" for number in range(count))
    ledger, told = NodeLedger(), ""
    for node in nodes:
        ledger, told = struck(ledger, one(is_hardware=True), node=node, nodes=nodes)
    assert len(quarantined(ledger, NOW)) == most
    assert "stays in use" in told
    assert ("there is no other node" in told) is (count == 1)


def test_evidence_that_found_no_room_counts_when_there_is_some() -> None:
    """The node that had to stay in use is quarantined at its next death after another was released."""
    ledger, _ = struck(NodeLedger(), one(is_hardware=True), node="n1", nodes=NODES[:4])
    ledger, told = struck(ledger, one(is_hardware=True), node="n2", nodes=NODES[:4])
    assert "stays in use" in told
    ledger, told = struck(release(ledger, "n1"), one("serve-1", NOW + 1), node="n2", nodes=NODES[:4])
    assert "node n2 is quarantined until somebody releases it" in told


def test_nodes_that_have_left_the_cluster_take_no_room() -> None:
    """What is quarantined and gone is not one of those that are left."""
    ledger = quarantine(NodeLedger(), "gone", "ops@edge", "sold", NOW, None)
    ledger, told = struck(ledger, one(is_hardware=True), nodes=NODES[:4])
    assert "node n1 is quarantined" in told


def test_a_person_s_word_is_obeyed() -> None:
    """Any number of nodes, for any time; it takes room from evidence, and is no step towards longer terms."""
    ledger = NodeLedger()
    for node in NODES:
        ledger = quarantine(ledger, node, "ops@edge", "maintenance", NOW, 4 * HOUR)
    assert len(quarantined(ledger, NOW)) == len(NODES)
    assert quarantined(ledger, NOW + 4 * HOUR) == {}
    ledger, _ = struck(ledger, one(at=NOW + 5 * HOUR), one("serve-1", NOW + 5 * HOUR))
    assert quarantined(ledger, NOW + 5 * HOUR)["n1"].until == NOW + 6 * HOUR


def test_a_released_node_has_a_clean_sheet() -> None:
    """Whoever releases it vouches for it: strikes and earlier terms are forgotten."""
    ledger, _ = struck(NodeLedger(), one(), one("serve-1"), one("serve-2"))
    assert release(ledger, "N1") == NodeLedger()
    assert release(NodeLedger(), "n1") == NodeLedger()


def test_a_clock_that_was_wrong_holds_nothing_for_years() -> None:
    """What was done in a future that turned out not to be holds no node, and no strike counts for ever."""
    future = NOW + 365 * 24 * HOUR
    ledger, _ = struck(NodeLedger(), one(at=future), one("serve-1", future))
    assert quarantined(ledger, future)
    assert quarantined(ledger, NOW) == {}
    assert quarantined(ledger, future - CLOCK_SKEW)
    lone, _ = struck(NodeLedger(), one(at=future))
    assert strikes_that_count(lone, NOW) == {}


_strikes = st.builds(
    Strike,
    at=st.floats(NOW - 3 * HOUR, NOW + 3 * HOUR),
    service=st.sampled_from(["digits", "faces"]),
    instance=st.sampled_from(["serve-0", "serve-1", "serve-2"]),
    death=st.just(Death.NODE.value),
    why=st.just("it broke"),
    is_hardware=st.booleans(),
)


@given(st.integers(1, 9), st.lists(st.tuples(st.integers(0, 8), _strikes, st.floats(0, 2 * HOUR)), max_size=60))
def test_whatever_happens_most_nodes_stay_in_use(count: int, history: list[tuple[int, Strike, float]]) -> None:
    """Any strikes in any order: the share is kept, a node is always left, the ledger is bounded and survives saving."""
    nodes = [f"n{number}" for number in range(count)]
    ledger, now = NodeLedger(), NOW
    for number, each, later in history:
        now += later
        before = quarantined(ledger, now)
        ledger, told = strike(ledger, nodes[number % count], replace(each, at=now - later), now, nodes)
        held = quarantined(ledger, now)
        assert len(held) <= (max(1, count // 4) if count > 1 else 0)
        assert before.keys() <= held.keys(), "evidence never releases a node"
        assert held == before or told
        assert all(len(kept) <= 20 for kept in ledger.strikes.values())
    assert from_document(NodeLedger, to_document(ledger)) == ledger


@given(
    st.sampled_from(["", "n1", "N1", "é"]),
    st.one_of(st.floats(), st.just(NOW)),
    st.builds(
        NodeLedger,
        st.just({}),
        st.dictionaries(
            st.sampled_from(["", "n1", "é"]),
            st.builds(
                Quarantine,
                at=st.one_of(st.floats(), st.just(NOW)),
                until=st.one_of(st.none(), st.floats()),
                level=st.integers(),
                by=st.text(),
                why=st.text(),
            ),
        ),
    ),
    _strikes,
)
def test_nothing_breaks_it(node: str, now: float, ledger: NodeLedger, evidence: Strike) -> None:
    """Any ledger, name and time (nan and infinity too) is answered."""
    after, _ = strike(ledger, node, evidence, now, [node])
    assert isinstance(quarantined(after, now), dict)
    assert node not in quarantined(release(after, node), now)


def test_the_page_shows_the_limits() -> None:
    """docs/supervise.md has each row as the code has it."""
    page = (REPOSITORY / "docs" / "supervise.md").read_text(encoding="utf-8")
    section = page.partition("\n## Nodes\n")[2].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| ([a-z -]+) \| (.*) \| (.*) \|$", section)
    assert rows[1:] == [(limit.name, limit.value, limit.reason) for limit in LIMITS]
