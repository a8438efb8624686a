"""Where a start stands: live, waiting with a reason, or failed with the cause."""

from __future__ import annotations

import pytest

from yarnserve.judge.progress import Phase, Progress, folded
from yarnserve.judge.progress import judge_progress as judge
from yarnserve.records.replica import (
    Contact,
    Endpoint,
    Health,
    LastExit,
    ModelObservation,
    Observation,
    Prediction,
    Proof,
    Replica,
    Verdict,
)
from yarnserve.records.yarn import Application, ApplicationState, Service, ServiceState

STABLE = Service("digits", ServiceState.STABLE)


def judge_progress(
    service: Service | None,
    application: Application | None,
    replicas: tuple[Replica, ...],
    observations: tuple[Observation, ...],
    wanted: int | None = None,
    restarts: int = 0,
) -> Progress:
    """Judge, with as many replicas wanted as there are and serve-0 restarted that often since it served."""
    wanted = len(replicas) if wanted is None else wanted
    return judge(service, application, replicas, observations, wanted=wanted, restarts={"serve-0": restarts})


def replica(health: Health, instance: str = "serve-0") -> Replica:
    """A replica of some health."""
    return Replica(instance, Verdict(health, f"because {health.value}"))


def application(state: ApplicationState = ApplicationState.RUNNING, diagnostics: str = "") -> Application:
    """The service's application."""
    return Application("application_1_0001", "digits", "alice", "ml", state, "FAILED", diagnostics, 0.0)


def test_live_only_when_every_replica_serves() -> None:
    """One replica that is still loading keeps the whole service waiting, and is named."""
    both = (replica(Health.LIVE), replica(Health.LOADING, "serve-1"))
    progress = judge_progress(STABLE, application(), both, ())
    assert progress.phase is Phase.WAITING
    assert progress.reason == "serve-1: because loading"
    assert judge_progress(STABLE, application(), (replica(Health.LIVE),), ()).phase is Phase.LIVE


def test_available_is_as_good_as_it_gets_without_a_proof() -> None:
    """A model that offers nothing to prove it by ends the wait, and the reason says that it is not proved."""
    progress = judge_progress(STABLE, application(), (replica(Health.AVAILABLE),), ())
    assert progress.phase is Phase.LIVE
    assert "not proved" in progress.reason


@pytest.mark.parametrize(
    ("service", "app", "replicas", "cause"),
    [
        (STABLE, application(ApplicationState.FAILED, "AM exited\n\tat java"), (), "has failed: AM exited"),
        (STABLE, application(ApplicationState.KILLED, "killed by bob"), (), "has killed: killed by bob"),
        (STABLE, application(ApplicationState.FINISHED), (), "has finished (FAILED)"),
        (Service("digits", ServiceState.FAILED), application(), (), "YARN gave the service up"),
        (STABLE, application(diagnostics="AMRM: Invalid resource request! gpu"), (), "no node can ever hold a replica"),
    ],
    ids=["failed", "killed", "finished", "given up", "impossible request"],
)
def test_what_is_certain_to_fail_is_called_failed(
    service: Service, app: Application, replicas: tuple[Replica, ...], cause: str
) -> None:
    """Nobody waits for ten minutes for what cannot happen any more."""
    progress = judge_progress(service, app, replicas, ())
    assert progress.phase is Phase.FAILED
    assert cause in progress.reason


def test_a_replica_restarted_three_times_without_serving_is_in_a_crash_loop() -> None:
    """Three restarts since it last served are a loop, two are bad luck; while it serves it is neither."""
    starting, live = (replica(Health.STARTING),), (replica(Health.LIVE),)
    assert "serve-0 keeps ending" in judge_progress(STABLE, application(), starting, (), restarts=3).reason
    assert judge_progress(STABLE, application(), starting, (), restarts=2).phase is Phase.WAITING
    assert judge_progress(STABLE, application(), live, (), restarts=5).phase is Phase.LIVE


def test_a_crash_loop_is_told_with_what_its_log_says() -> None:
    """An exit that was explained by the server's log says more than the bare code."""
    explained = LastExit(255, "the port is taken", "choose other ports", False, "c")
    starting = Replica("serve-0", Verdict(Health.STARTING, "loads"), last_exit=LastExit(255, "unclear", "", False, "c"))
    progress = judge(
        STABLE, application(), (starting,), (), wanted=1, restarts={"serve-0": 3}, exits={"serve-0": explained}
    )
    assert progress.reason.endswith("last exit 255: the port is taken")
    assert progress.fix == "choose other ports"


def test_a_replica_without_hope_fails_the_start_at_once() -> None:
    """A cause that no repetition removes ends the wait with its fix; one that may pass does not."""
    hopeless = Replica("serve-0", Verdict(Health.GONE, "no image", fix="correct the tag", certain=True))
    progress = judge_progress(STABLE, application(), (hopeless,), ())
    assert progress == Progress(Phase.FAILED, "serve-0: no image", "correct the tag")
    hopeful = Replica("serve-0", Verdict(Health.GONE, "port taken", fix="choose another"))
    assert judge_progress(STABLE, application(), (hopeful,), ()).phase is Phase.WAITING


def test_an_impossible_request_says_what_to_change() -> None:
    """YARN's own words about a request too large come with a fix."""
    words = "Invalid resource request! Cannot allocate. Requested resource type=[yarn.io/gpu], Requested resource=<>"
    progress = judge_progress(STABLE, application(diagnostics=words), (), ())
    assert progress.phase is Phase.FAILED
    assert "fewer GPUs" in progress.fix


def test_an_end_that_will_come_again_fails_the_start_unless_it_serves_now() -> None:
    """The container may be replaced already: what ended the one before it will end this one too."""
    died = {"serve-0": LastExit(7, "no image", "correct the tag", certain=True, container_id="c2")}
    args = {"wanted": 1, "restarts": {}, "exits": died}
    assert judge(STABLE, application(), (replica(Health.STARTING),), (), **args) == Progress(
        Phase.FAILED, "serve-0 ended with exit code 7: no image", "correct the tag"
    )
    assert judge(STABLE, application(), (replica(Health.LIVE),), (), **args).phase is Phase.LIVE


def test_live_needs_as_many_replicas_as_are_wanted() -> None:
    """A scaling that YARN has not acted on yet is not done, up or down; none wanted is done at once."""
    one = (replica(Health.LIVE),)
    assert judge_progress(STABLE, application(), one, (), wanted=2).phase is Phase.WAITING
    assert judge_progress(STABLE, application(), (*one, replica(Health.LIVE, "serve-1")), (), wanted=1).phase is (
        Phase.WAITING
    )
    assert judge_progress(STABLE, application(), (), (), wanted=0).phase is Phase.LIVE


@pytest.mark.parametrize(("status", "phase"), [(400, Phase.FAILED), (404, Phase.WAITING), (429, Phase.WAITING)])
def test_a_refused_example_is_a_cause(status: int, phase: Phase) -> None:
    """What the model refuses can never be answered; 404 (versions change) and 429 (no memory) are waited out."""
    prediction = Prediction(Proof.EXAMPLE, Contact.ANSWERED, status, "bad shape")
    model = ModelObservation("digits", Contact.ANSWERED, 200, prediction=prediction)
    seen = Observation("serve-0", Endpoint("h", 1, 2), (model,))
    assert judge_progress(STABLE, application(), (replica(Health.AVAILABLE),), (seen,)).phase is phase


def test_before_yarn_accepts_there_is_nothing_but_waiting() -> None:
    """No service, no application, no replica: waiting."""
    assert judge_progress(None, None, (), ()).phase is Phase.WAITING


def test_many_replicas_that_wait_for_the_same_are_one_group() -> None:
    """Sixty pending replicas are told once; those with a container, or few, each for themselves."""
    waiting = Verdict(Health.PENDING, "YARN has not placed a container for it")
    placed = Replica("serve-0", waiting, container_id="container_1")
    pending = [Replica(f"serve-{number}", waiting) for number in range(1, 61)]
    assert [len(group) for group in folded([placed, *pending])] == [1, 60]
    assert [len(group) for group in folded([placed, *pending[:3]])] == [1, 1, 1, 1]
