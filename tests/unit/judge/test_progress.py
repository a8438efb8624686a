"""Where a start stands: live, waiting with a reason, or failed with the cause."""

from __future__ import annotations

import pytest

from yarnserve.judge.progress import Phase, judge_progress
from yarnserve.records.replica import (
    Contact,
    Endpoint,
    Health,
    ModelObservation,
    Observation,
    Prediction,
    Proof,
    Replica,
    Verdict,
)
from yarnserve.records.yarn import Application, ApplicationState, Service, ServiceState

STABLE = Service("digits", ServiceState.STABLE)


def replica(health: Health, instance: str = "serve-0", restarts: int = 0) -> Replica:
    """A replica of some health."""
    return Replica(instance, Verdict(health, f"because {health.value}"), restarts=restarts)


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
        (STABLE, application(), (replica(Health.STARTING, restarts=2),), "serve-0 keeps ending"),
    ],
    ids=["failed", "killed", "finished", "given up", "impossible request", "crash loop"],
)
def test_what_is_certain_to_fail_is_called_failed(
    service: Service, app: Application, replicas: tuple[Replica, ...], cause: str
) -> None:
    """Nobody waits for ten minutes for what cannot happen any more."""
    progress = judge_progress(service, app, replicas, ())
    assert progress.phase is Phase.FAILED
    assert cause in progress.reason


def test_a_replica_that_recovered_after_two_restarts_is_no_loop() -> None:
    """Restarts alone are history; only a replica that still does not serve is in a crash loop."""
    assert judge_progress(STABLE, application(), (replica(Health.LIVE, restarts=5),), ()).phase is Phase.LIVE


@pytest.mark.parametrize(("status", "phase"), [(400, Phase.FAILED), (404, Phase.LIVE), (200, Phase.LIVE)])
def test_a_refused_example_is_a_cause(status: int, phase: Phase) -> None:
    """An example that the model refuses can never be answered; 404 is only TF Serving changing versions."""
    prediction = Prediction(Proof.EXAMPLE, Contact.ANSWERED, status, "bad shape")
    model = ModelObservation("digits", Contact.ANSWERED, 200, prediction=prediction)
    seen = Observation("serve-0", Endpoint("h", 1, 2), (model,))
    assert judge_progress(STABLE, application(), (replica(Health.AVAILABLE),), (seen,)).phase is phase


def test_before_yarn_accepts_there_is_nothing_but_waiting() -> None:
    """No service, no application, no replica: waiting."""
    assert judge_progress(None, None, (), ()).phase is Phase.WAITING
