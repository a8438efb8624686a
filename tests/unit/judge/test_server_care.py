"""When a server is started anew, when it counts as drained, whether a canary is worse, and who differs."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from yarnserve.judge.backoff import LONG_LIFE, Backoff
from yarnserve.judge.busy import Ours
from yarnserve.judge.canary import Tally, objection
from yarnserve.judge.drain import Drain
from yarnserve.judge.pulse import Pulse, beat, is_wedged
from yarnserve.judge.skew import skew
from yarnserve.records.agent import AgentReport, ModelReport
from yarnserve.records.replica import Contact, Prediction, Proof

LATE = Prediction(Proof.EXAMPLE, Contact.TIMED_OUT)
FULL = Prediction(Proof.EXAMPLE, Contact.ANSWERED, 503)
BAD = Prediction(Proof.EXAMPLE, Contact.ANSWERED, 500)


def test_a_server_that_never_answered_is_not_wedged() -> None:
    """A golden prediction is evidence only after it has passed once."""
    pulse = Pulse()
    for _ in range(10):
        pulse = beat(pulse, "no answer", LATE, None, Ours(late=1))
    assert not is_wedged(pulse, 3)


def test_time_outs_count_only_while_the_server_s_own_counter_stands_still() -> None:
    """A busy server answers others: it is slow, or its queue is full, and does not hang."""
    busy = full = hung = Pulse(proved=True)
    for look in range(5):
        busy = beat(busy, "no answer", LATE, 3.0 * look, Ours(late=1))
        full = beat(full, "503", FULL, 3.0 * look, Ours())
        hung = beat(hung, "no answer", LATE, 7.0, Ours(late=1))
    assert not is_wedged(busy, 3)
    assert not is_wedged(full, 3)
    assert is_wedged(hung, 3)


def test_a_server_too_slow_for_the_agent_alone_is_not_busy() -> None:
    """It answers each golden prediction after the deadline and counts it: nobody gets anything of it in time."""
    slow = Pulse(proved=True)
    for look in range(3):
        slow = beat(slow, "no answer", LATE, float(look), Ours(late=1))
    assert is_wedged(slow, 3)


def test_errors_count_whatever_the_counter_does() -> None:
    """A server that answers 500 is broken for everybody, as after a CUDA error."""
    pulse = Pulse(proved=True)
    for look in range(3):
        pulse = beat(pulse, "500", BAD, 3.0 * look, Ours())
    assert is_wedged(pulse, 3)
    assert not is_wedged(beat(pulse, "", None, None, Ours()), 1)


def test_pauses_double_up_to_the_longest_and_a_long_life_forgives() -> None:
    """1, 2, 4, ... s; after ten minutes of life the next end is a first one."""
    backoff, pauses = Backoff(), []
    for now in range(6):
        backoff = backoff.ended(float(now), 1.0, 600.0)
        pauses.append(backoff.pause(10.0))
    assert pauses == [1, 2, 4, 8, 10, 10]
    assert backoff.exhausted(5)
    assert backoff.ended(5000.0, LONG_LIFE, 600.0).pause(10.0) == 1
    assert not backoff.ended(5000.0, 1.0, 600.0).exhausted(5)


def test_a_drain_is_settled_by_quiet_or_by_its_end() -> None:
    """Quiet is what two looks saw, the later one that much after the earlier; without counters only the end counts."""
    drain = Drain(100.0, "why").observe(5.0, 100.1).observe(6.0, 101.0)
    assert not drain.observe(6.0, 102.9).is_settled(103.5, quiet=2.0, longest=30.0)
    assert drain.observe(6.0, 103.0).is_settled(103.0, quiet=2.0, longest=30.0)
    assert not drain.observe(7.0, 103.0).is_settled(104.0, quiet=2.0, longest=30.0)
    assert not Drain(100.0, "why").is_settled(129.9, quiet=2.0, longest=30.0)
    assert Drain(100.0, "why").is_settled(130.0, quiet=2.0, longest=30.0)


def test_a_drain_is_not_settled_by_what_was_seen_before_it() -> None:
    """While a look waits for a server that is slow nobody knows whether callers wait for it too."""
    drain = Drain(100.0, "why").observe(5.0, 95.0)
    assert not drain.is_settled(110.0, quiet=2.0, longest=30.0)
    drain = drain.observe(5.0, 106.0)
    assert not drain.is_settled(110.0, quiet=2.0, longest=30.0)
    assert drain.observe(5.0, 108.0).is_settled(110.0, quiet=2.0, longest=30.0)


def test_a_canary_is_worse_when_a_larger_part_fails() -> None:
    """Three at least, more than twice the others' part and one of a hundred."""
    assert objection(Tally(100, 2), Tally(100, 0)) == ""
    assert objection(Tally(1000, 8), Tally(1000, 0)) == ""
    assert "5 of its 100" in objection(Tally(100, 5), Tally(100, 1))
    assert objection(Tally(100, 5), Tally(100, 4)) == ""
    assert objection(Tally(), Tally()) == ""


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_canary_like_the_others_is_never_worse(requests: int, failed: int) -> None:
    """Whatever part of the requests fails, as long as it is the same."""
    tally = Tally(float(requests), float(min(failed, requests)))
    assert objection(tally, tally) == ""


def test_skew_names_who_serves_what_since_when() -> None:
    """Nothing where all serve the same; else each version with its instances, the highest first."""

    def report(version: int | None, since: float | None) -> AgentReport:
        return AgentReport("digits", "serve-0", "boot", models=(ModelReport("digits", version, since),))

    assert skew({"serve-0": report(1, 5.0), "serve-1": report(1, 6.0)}) == ()
    found = skew(
        {"serve-2": report(1, 6.0), "serve-0": report(1, 5.0), "serve-1": report(2, 9.0), "serve-3": report(None, None)}
    )
    (one,) = found
    words = one.in_words(lambda since: f"{since:g}s" if since is not None else "-")
    assert words == "skew of digits: 2 on serve-1 (for 9s); 1 on serve-0, serve-2 (for 5s); none on serve-3"
