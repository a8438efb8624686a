"""Is a service that was told to run live, on its way, or certain to fail? Pure, for ``launch --wait``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from yarnserve.errors import first_line
from yarnserve.judge.verdict import refusal
from yarnserve.records.replica import Health, Observation, Proof, Replica
from yarnserve.records.yarn import Application, ApplicationState, Service, ServiceState

#: A replica on its third container that has never been live is a crash loop, not bad luck.
RESTARTS_THAT_PROVE_A_LOOP = 2

#: YARN's diagnostics for a request that no node can ever satisfy (docker-on-yarn-observed.md, last table).
_IMPOSSIBLE_REQUEST = "Invalid resource request"


class Phase(str, Enum):
    """Where a start stands."""

    LIVE = "live"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True)
class Progress:
    """The phase and its reason; for FAILED the reason is the cause."""

    phase: Phase
    reason: str


def judge_progress(
    service: Service | None,
    application: Application | None,
    replicas: Sequence[Replica],
    observations: Sequence[Observation],
) -> Progress:
    """Return where the start of a service stands.

    Args:
        service: what the services API says, None while it cannot be asked.
        application: its newest application in the ResourceManager, None while there is none.
        replicas: one per wanted instance.
        observations: what the replicas that could be asked said.
    """
    cause = _ended(service, application) or _impossible(application) or _loop(replicas) or _refused(observations)
    if cause:
        return Progress(Phase.FAILED, cause)
    lagging = [replica for replica in replicas if not replica.verdict.health.serving]
    if lagging:
        return Progress(
            Phase.WAITING, "; ".join(f"{replica.instance}: {replica.verdict.reason}" for replica in lagging)
        )
    if not replicas:
        return Progress(Phase.WAITING, "YARN has not accepted the service yet")
    return Progress(Phase.LIVE, _summary(replicas))


def _ended(service: Service | None, application: Application | None) -> str:
    if application is not None and application.state.ended:
        told = first_line(application.diagnostics) or "YARN gives no diagnostics"
        if application.state is ApplicationState.FINISHED:
            return f"{application.id} has finished ({application.final_status}): {told}"
        return f"{application.id} has {application.state.value.lower()}: {told}"
    if service is not None and service.state is ServiceState.FAILED:
        return f"YARN gave the service up: {first_line(service.diagnostics) or 'its containers failed too often'}"
    return ""


def _impossible(application: Application | None) -> str:
    if application is not None and _IMPOSSIBLE_REQUEST in application.diagnostics:
        start = application.diagnostics.index(_IMPOSSIBLE_REQUEST)
        return f"no node can ever hold a replica: {first_line(application.diagnostics[start:])}"
    return ""


def _loop(replicas: Sequence[Replica]) -> str:
    for replica in replicas:
        if replica.restarts >= RESTARTS_THAT_PROVE_A_LOOP and not replica.verdict.health.serving:
            return f"{replica.instance} keeps ending: its container was replaced {replica.restarts} times"
    return ""


def _refused(observations: Sequence[Observation]) -> str:
    for observation in observations:
        for model in observation.models:
            prediction = model.prediction
            if prediction is None or prediction.proof is not Proof.EXAMPLE or not 400 <= prediction.status < 500:
                continue
            # 404 is what TF Serving says while versions change (tf-serving.md 7.8): not certain.
            if prediction.status != 404:
                return f"{observation.instance} serves {model.name}, but {refusal(prediction)}"
    return ""


def _summary(replicas: Sequence[Replica]) -> str:
    live = sum(replica.verdict.health is Health.LIVE for replica in replicas)
    if live == len(replicas):
        return f"{live} of {len(replicas)} replicas live"
    return f"{live} of {len(replicas)} replicas live, the others available (not proved by a prediction)"
