"""Busy or hung, by two counts, and by what in them is ours."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from yarnserve.judge.busy import Count, Ours, follow, is_busy, ours_of
from yarnserve.records.replica import Contact, Prediction, Proof

LATE = Prediction(Proof.EXAMPLE, Contact.TIMED_OUT)
GOOD = Prediction(Proof.EXAMPLE, Contact.ANSWERED, 200)
REFUSED = Prediction(Proof.EXAMPLE, Contact.ANSWERED, 400)


@pytest.mark.parametrize(
    ("before", "after", "busy"),
    [
        (5.0, 7.0, True),
        (5.0, 6.0, False),
        (5.0, 5.0, False),
        (0.0, 0.0, False),
        (5.0, 0.0, True),
        (None, 5.0, False),
        (5.0, None, False),
    ],
)
def test_only_a_count_that_moved_by_more_than_ours_tells_that_a_server_works(
    before: float | None, after: float | None, busy: bool
) -> None:
    """Upwards, or back because it has begun anew; what was not told is no evidence for it."""
    assert is_busy(before, after, 1) is busy


def test_ours_are_those_that_a_server_counts_or_may_yet_count() -> None:
    """A refusal, and what could not be asked for, is in no server's count of answers."""
    assert ours_of([LATE, GOOD, REFUSED, None, LATE]) == Ours(answered=1, late=2)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 9), st.booleans())))
def test_a_server_that_answers_nobody_but_us_is_never_busy(looks: list[tuple[int, int, int, bool]]) -> None:
    """Whenever it gets to our late predictions: the same look, much later, several at once, or never."""
    known, answered, owed = None, 100, 0
    for in_time, late, most, tells in looks:
        owed += late
        done = min(most, owed)
        answered, owed = answered + in_time + done, owed - done
        known, busy = follow(known, float(answered) if tells else None, Ours(in_time, late))
        assert not busy


@given(st.integers(1, 3), st.integers(2, 100), st.booleans())
def test_a_server_that_answers_others_is_busy_by_the_third_look(ours: int, others: int, is_late_answered: bool) -> None:
    """More than one answer to others for each of ours is seen, and as long as it goes on."""
    known, answered, told = None, 0, list[bool]()
    for _ in range(6):
        answered += ours * others + (ours if is_late_answered else 0)
        known, busy = follow(known, float(answered), Ours(late=ours))
        told.append(busy)
    assert told[0] is False
    assert all(told[2:])


def test_a_server_that_begins_anew_owes_us_nothing() -> None:
    """Its count goes back, and is what the next ones are compared with."""
    assert follow(Count(50.0, 3), 2.0, Ours(late=1)) == (Count(2.0, 0), True)
