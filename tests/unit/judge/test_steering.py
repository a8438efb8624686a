"""Which versions a server is to have: a good one is never given up for one that has not shown itself."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from yarnserve.judge.steering import (
    Candidate,
    Refusal,
    Sight,
    Steering,
    SteeringPolicy,
    failed_load,
    failure_of,
    forgive,
    judge_trial,
    lasting,
    refuse,
    take_up,
)
from yarnserve.records.replica import Contact, ModelState, ModelVersion, Prediction, Proof

POLICY = SteeringPolicy(loads=3, first_pause=10.0, wrong=3, deadline=600.0, settle=4.0)
OLD, NEW = Candidate(1, "old", 10), Candidate(2, "new", 10)
RIGHT = Prediction(Proof.EXAMPLE, Contact.ANSWERED, 200)
WRONG = Prediction(Proof.EXAMPLE, Contact.ANSWERED, 200, mismatch="predictions[0]: expected 1, got 2")


def on_trial() -> Steering:
    """1 is good, 2 was taken up at 100."""
    steering, turn = take_up(Steering(good=OLD), NEW, 100.0)
    assert turn is not None
    assert turn.what == "trying"
    return steering


def sight(state: ModelState, prediction: Prediction | None = RIGHT, error: str = "") -> Sight:
    """What is said of version 2."""
    versions = {2: ModelVersion(2, state, error)}
    return Sight(versions, {2: prediction} if state is ModelState.AVAILABLE else {})


def test_both_are_served_until_the_new_one_has_answered() -> None:
    """From 1 by 1 and 2 to 2."""
    steering = on_trial()
    assert steering.served == (1, 2)
    steering, _ = judge_trial(steering, sight(ModelState.LOADING), 101.0, POLICY)
    assert steering.served == (1, 2)
    steering, turn = judge_trial(steering, sight(ModelState.AVAILABLE), 102.0, POLICY)
    assert turn is not None
    assert turn.what == "good"
    assert (steering.served, steering.good) == ((2,), NEW)


def test_without_a_request_available_is_enough() -> None:
    """Where none can be built from the metadata, the server's word counts."""
    steering, _ = judge_trial(on_trial(), sight(ModelState.AVAILABLE, None), 102.0, POLICY)
    assert steering.good == NEW


def test_a_load_that_fails_is_taken_back_tried_again_and_refused_at_the_third() -> None:
    """With pauses of 10 and 30 s in which only the good one is served."""
    steering, now = on_trial(), 105.0
    for pause in (10.0, 30.0):
        steering, turn = judge_trial(steering, sight(ModelState.END, error="no memory"), now, POLICY)
        assert turn is not None
        assert (turn.what, steering.served) == ("retrying", (1,))
        steering, turn = judge_trial(steering, sight(ModelState.END, error="no memory"), now + pause - 0.1, POLICY)
        assert turn is None
        now += pause
        steering, turn = judge_trial(steering, sight(ModelState.END, error="no memory"), now, POLICY)
        assert turn is not None
        assert (turn.what, steering.served) == ("trying", (1, 2))
        # The server still tells of the load before.
        steering, turn = judge_trial(steering, sight(ModelState.END, error="no memory"), now + 3.9, POLICY)
        assert turn is None
        now += 4.0
    steering, turn = judge_trial(steering, sight(ModelState.END, error="no memory"), now, POLICY)
    assert turn is not None
    assert (turn.what, steering.served, steering.refused) == ("refused", (1,), {"new": Refusal("no memory")})
    assert take_up(steering, NEW, now) == (steering, None)
    assert take_up(forgive(steering), NEW, now)[1] is not None


def test_three_wrong_answers_refuse_it_and_a_right_one_between_does_not_count_before() -> None:
    """Once it has answered rightly it is good, whatever came before."""
    steering = on_trial()
    for _ in range(2):
        steering, turn = judge_trial(steering, sight(ModelState.AVAILABLE, WRONG), 102.0, POLICY)
        assert turn is None
    assert judge_trial(steering, sight(ModelState.AVAILABLE), 103.0, POLICY)[0].good == NEW
    steering, turn = judge_trial(steering, sight(ModelState.AVAILABLE, WRONG), 103.0, POLICY)
    assert turn is not None
    assert turn.what == "refused"
    assert "expected 1, got 2" in turn.why


def test_one_that_does_not_answer_is_tried_again() -> None:
    """The server may be slow for other reasons: it is taken back, and refused when that does not help."""
    late = Prediction(Proof.EXAMPLE, Contact.TIMED_OUT)
    steering, now, turns = on_trial(), 102.0, []
    while not steering.refused:
        steering, turn = judge_trial(steering, sight(ModelState.AVAILABLE, late), now, POLICY)
        now += 5.0
        turns += [turn.what] if turn else []
    assert turns == ["retrying", "trying", "retrying", "trying", "refused"]
    assert steering.served == (1,)


def test_one_that_never_becomes_available_is_a_load_that_failed() -> None:
    """After the deadline, also when the server says nothing at all."""
    _, turn = judge_trial(on_trial(), None, 700.1, POLICY)
    assert turn is not None
    assert turn.what == "retrying"
    assert "within 600 s" in turn.why


def test_the_first_version_is_never_refused() -> None:
    """There is nothing else to serve; it is tried for ever."""
    steering, _ = take_up(Steering(), NEW, 100.0)
    for now in range(200, 300, 10):
        steering, turn = failed_load(steering, "255", float(now), POLICY)
        assert turn is not None
        assert (turn.what, steering.served) == ("retrying", (2,))


def test_a_first_version_that_fails_is_left_out_where_the_server_has_other_models() -> None:
    """It would end them with it at each start; it is tried again after a pause, and never refused."""
    steering, _ = take_up(Steering(), NEW, 100.0)
    for now in (200.0, 300.0, 500.0, 900.0):
        steering, turn = failed_load(steering, "255", now, POLICY, others=True)
        assert turn is not None
        assert (turn.what, steering.served) == ("retrying", ())
        steering, _ = judge_trial(steering, None, now + 271.0, POLICY, others=True)
        assert steering.served == (2,)


def test_a_roll_back_ends_a_trial() -> None:
    """When the good one is wanted again, the other goes."""
    steering, turn = take_up(on_trial(), OLD, 101.0)
    assert turn is not None
    assert (turn.what, steering.served) == ("good", (1,))


def test_the_same_number_with_another_identity_is_another_candidate() -> None:
    """What was refused may be published anew."""
    steering, _ = refuse(on_trial(), "wrong")
    assert take_up(steering, Candidate(2, "newer", 10), 1.0)[1] is not None


def test_a_refusal_for_a_time_passes_and_is_not_remembered() -> None:
    """What did not fit into the memory may fit later, and for the next agent."""
    steering, _ = refuse(on_trial(), "no memory", until=200.0)
    assert take_up(steering, NEW, 199.0) == (steering, None)
    again, _ = take_up(steering, NEW, 200.0)
    assert (again.served, again.refused) == ((1, 2), {})
    assert lasting(steering) == Steering(good=OLD)
    for_good, _ = refuse(on_trial(), "wrong")
    assert lasting(for_good) == for_good


def test_while_what_is_wanted_is_refused_nothing_else_is_tried() -> None:
    """A trial that nobody wants any more ends; the good version stays."""
    steering, _ = refuse(on_trial(), "wrong")
    other, _ = take_up(steering, Candidate(3, "other", 10), 101.0)
    assert other.served == (1, 3)
    assert take_up(other, NEW, 102.0)[0].served == (1,)


@pytest.mark.parametrize(
    ("prediction", "is_failure"),
    [
        (None, False),
        (RIGHT, False),
        (WRONG, True),
        (Prediction(Proof.EXAMPLE, Contact.TIMED_OUT), True),
        (Prediction(Proof.EXAMPLE, Contact.ANSWERED, 500), True),
        (Prediction(Proof.EXAMPLE, Contact.ANSWERED, 400), True),
        (Prediction(Proof.METADATA, Contact.ANSWERED, 400), False),
        (Prediction(Proof.METADATA, Contact.ANSWERED, 503), True),
    ],
)
def test_what_counts_against_a_version(prediction: Prediction | None, is_failure: bool) -> None:
    """An example that callers send and it does not take does; a request of ours that it does not take does not."""
    assert bool(failure_of(prediction)) is is_failure


candidates = st.integers(1, 4).map(lambda number: Candidate(number, f"id-{number}", 1))
predictions = st.sampled_from([RIGHT, WRONG, None, Prediction(Proof.EXAMPLE, Contact.TIMED_OUT)])


@st.composite
def sights(draw: st.DrawFn) -> Sight | None:
    """Anything a server may say."""
    if draw(st.booleans()):
        return None
    versions = {
        number: ModelVersion(number, draw(st.sampled_from(list(ModelState))), draw(st.sampled_from(["", "error"])))
        for number in draw(st.sets(st.integers(1, 4)))
    }
    available = [number for number, version in versions.items() if version.state is ModelState.AVAILABLE]
    return Sight(versions, {number: draw(predictions) for number in available})


@given(
    st.lists(
        st.tuples(st.sampled_from(["want", "look", "die"]), candidates, sights(), st.floats(0.1, 100)), max_size=60
    )
)
def test_whatever_happens_the_good_version_stays_served(
    events: list[tuple[str, Candidate, Sight | None, float]],
) -> None:
    """Once a version is good, at every moment a good one is among those served, and a refused one never is again."""
    steering, now = Steering(), 0.0
    for kind, candidate, seen, passed in events:
        now += passed
        before = steering
        if kind == "want":
            steering, _ = take_up(steering, candidate, now)
        elif kind == "look":
            steering, _ = judge_trial(steering, seen, now, POLICY)
        else:
            steering, _ = failed_load(steering, "died", now, POLICY)
        assert len(steering.served) <= 2
        if before.good is not None:
            assert steering.good is not None
            assert steering.good.version in steering.served
        if steering.good != before.good:
            assert before.trial is not None
            assert steering.good == before.trial.candidate
        if steering.trial is not None:
            assert steering.trial.candidate.identity not in steering.refused
