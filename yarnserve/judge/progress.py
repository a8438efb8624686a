"""Is a service that was told to run live, on its way, or certain to fail? Pure, for ``launch --wait``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby

from yarnserve.errors import first_line
from yarnserve.judge.explain import Explanation, explain_text
from yarnserve.judge.verdict import impossible_request, refusal
from yarnserve.records.replica import Health, LastExit, Observation, Proof, Replica
from yarnserve.records.yarn import Application, ApplicationState, Service, ServiceState

#: A replica that was started again this often since it was last live is in a crash loop, not out of luck.
RESTARTS_THAT_PROVE_A_LOOP = 3

#: So many replicas without a container, one after the other and for one reason, are told in one line.
FOLDED = 4


class Phase(str, Enum):
    """Where a start stands."""

    LIVE = "live"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True)
class Progress:
    """The phase and its reason; for FAILED the reason is the cause, and *fix* what to change, where that is known."""

    phase: Phase
    reason: str
    fix: str = ""


def judge_progress(
    service: Service | None,
    application: Application | None,
    replicas: Sequence[Replica],
    observations: Sequence[Observation],
    *,
    wanted: int,
    restarts: Mapping[str, int],
    exits: Mapping[str, LastExit] | None = None,
) -> Progress:
    """Return where the start of a service stands.

    Args:
        service: what the services API says, None while it cannot be asked.
        application: its newest application in the ResourceManager, None while there is none.
        replicas: one per wanted or reported instance.
        observations: what the replicas that could be asked said.
        wanted: how many replicas there should be.
        restarts: by instance, how often it was started again since it was last seen serving.
        exits: by instance, how its process ended during this start, in this container or an earlier one.
    """
    told = explain_text(application.diagnostics) if application is not None else None
    if cause := _ended(service, application) or _impossible(application):
        return _failed(cause, told)
    hopeless = next((replica for replica in replicas if replica.verdict.certain), None)
    if hopeless is not None:
        verdict = hopeless.verdict
        return Progress(Phase.FAILED, f"{hopeless.instance}: {verdict.reason}", verdict.fix)
    if doomed := _doomed(replicas, exits or {}):
        return doomed
    if looping := _loop(replicas, restarts, exits or {}):
        return looping
    if cause := refused_example(observations):
        return Progress(Phase.FAILED, cause)
    lagging = [
        f"{replica.instance}: {replica.verdict.reason}" for replica in replicas if not is_done(replica, observations)
    ]
    if lagging:
        return Progress(Phase.WAITING, "; ".join(lagging))
    if service is None:
        return Progress(Phase.WAITING, "the services API does not answer for it now")
    if len(replicas) != wanted:
        return Progress(Phase.WAITING, f"YARN reports {len(replicas)} replicas, {wanted} are wanted")
    return Progress(Phase.LIVE, summary(replicas))


def _failed(cause: str, told: Explanation | None) -> Progress:
    return Progress(Phase.FAILED, f"{cause}: {told.cause}" if told else cause, told.fix if told else "")


def folded(replicas: Sequence[Replica]) -> list[tuple[Replica, ...]]:
    """Return *replicas* in groups: those without a container that wait for the same together, all others alone."""
    groups: list[tuple[Replica, ...]] = []
    for _, group in groupby(replicas, key=lambda each: each.container_id or (each.verdict, each.restarts)):
        members = tuple(group)
        alone = len(members) < FOLDED or bool(members[0].container_id)
        groups += [(each,) for each in members] if alone else [members]
    return groups


def summary(replicas: Sequence[Replica]) -> str:
    """``2 of 3 replicas live``, and how many of the others are available without a proof."""
    live = sum(replica.verdict.health is Health.LIVE for replica in replicas)
    available = sum(replica.verdict.health is Health.AVAILABLE for replica in replicas)
    text = f"{live} of {len(replicas)} replicas live"
    return f"{text}, {available} available (not proved by a prediction)" if available else text


def is_done(replica: Replica, observations: Sequence[Observation]) -> bool:
    """Whether waiting longer would prove no more: live, or available where nothing can prove it."""
    if replica.verdict.health is not Health.AVAILABLE:
        return replica.verdict.health is Health.LIVE
    models = (model for seen in observations if seen.instance == replica.instance for model in seen.models)
    return all(model.prediction is None or model.prediction.proof is Proof.METADATA for model in models)


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
    words = impossible_request(application) if application is not None else ""
    return f"no node can ever hold a replica: {words}" if words else ""


def _doomed(replicas: Sequence[Replica], exits: Mapping[str, LastExit]) -> Progress | None:
    for replica in replicas:
        died = exits.get(replica.instance)
        if died is not None and died.certain and not replica.verdict.health.serving:
            return Progress(
                Phase.FAILED, f"{replica.instance} ended with exit code {died.code}: {died.cause}", died.fix
            )
    return None


def _loop(replicas: Sequence[Replica], restarts: Mapping[str, int], exits: Mapping[str, LastExit]) -> Progress | None:
    for replica in replicas:
        times = restarts.get(replica.instance, 0)
        if times >= RESTARTS_THAT_PROVE_A_LOOP and not replica.verdict.health.serving:
            died = exits.get(replica.instance, replica.last_exit)
            cause = f"{replica.instance} keeps ending: it was started again {times} times without becoming live"
            if died is None:
                return Progress(Phase.FAILED, cause)
            return Progress(Phase.FAILED, f"{cause}; last exit {died.code}: {died.cause}", died.fix)
    return None


def refused_example(observations: Sequence[Observation]) -> str:
    """Say which replica refuses the example of its model, which no waiting will change; empty where none does."""
    for observation in observations:
        for model in observation.models:
            prediction = model.prediction
            if prediction is None or prediction.proof is not Proof.EXAMPLE or prediction.server_failed:
                continue
            # 404 is what TF Serving says while versions change (tf-serving.md 7.8): not certain.
            if prediction.status >= 400 and prediction.status != 404:
                return f"{observation.instance} serves {model.name}, but {refusal(prediction)}"
    return ""
