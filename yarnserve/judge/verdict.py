"""What was seen of a replica -> how it is, and why. Pure: every answer follows from the arguments alone.

The rules (design: Live): a replica is live when it answered its example, or an input built from its own metadata,
with 200 and the expected values. A 4xx is an answer, never a proof, but for 429, which is a failure; TF Serving opens
its ports only after the first load (tf-serving.md 5.3), so a refused connection means starting or dead, which only
time can tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yarnserve.errors import first_line
from yarnserve.judge.explain import Explanation, Kind, explain_exit, explain_text
from yarnserve.records.agent import AgentReport
from yarnserve.records.replica import (
    Contact,
    Health,
    ModelObservation,
    ModelState,
    Observation,
    Prediction,
    Proof,
    Verdict,
)
from yarnserve.records.yarn import Application, Container, Node, NodeContainer, Service

#: NodeManager states of a container whose process does not run yet (yarn-services.md 6).
_NOT_STARTED = ("NEW", "LOCALIZING", "LOCALIZED", "SCHEDULED", "REINITIALIZING", "REINITIALIZING_AWAITING_KILL")

#: What to do with a replica that does not answer.
HUNG = "if it stays so, it hangs, and YARN does not see that: yarnserve restart NAME --replica R replaces it"

#: From best to worst: a replica is as well as the worst of its models.
_ORDER = list(Health)


def judge_replica(
    container: Container,
    observation: Observation | None,
    process: NodeContainer | None,
    *,
    unobserved: str = "",
    silence: Explanation | None = None,
    agent: AgentReport | None = None,
    stranger: AgentReport | None = None,
) -> Verdict:
    """Return the verdict on a component instance that YARN has placed.

    Args:
        container: what YARN reports for the instance.
        observation: what answered at the replica's address, None when it could not be asked.
        process: what the NodeManager says of the container, None when it could not be asked. Only it knows that
            a process has ended while the services API says READY; whoever answers on the replica's port then is
            somebody else.
        unobserved: why there is no observation, for a container that has an address.
        silence: why YARN may replace nothing, by :func:`judge_silence`.
        agent: what the replica's agent says, None where it has none or that does not answer.
        stranger: what the agent of another replica says at this one's address: then so is the server there.
    """
    if container.state.ended and silence is not None and silence.certain:
        return _because(Health.GONE, f"its container has ended ({container.state.value})", silence)
    if container.state.ended:
        return _because(
            Health.GONE, f"its container has ended ({container.state.value}); YARN replaces it", exit_of(process)
        )
    if not container.bare_host:
        return Verdict(Health.STARTING, "its container is being launched and has no address yet")
    if process is not None and process.state in _NOT_STARTED:
        return Verdict(Health.STARTING, f"its process has not started yet (NodeManager: {process.state})")
    if process is not None and not process.runs:
        code = f" with exit code {process.exit_code}" if process.has_exited else ""
        return _because(Health.FAILING, f"its process has ended{code} (NodeManager: {process.state})", exit_of(process))
    if stranger is not None:
        return Verdict(
            Health.FAILING,
            f"its ports on {container.bare_host} are those of {stranger.instance} of {stranger.service}",
            "choose other ports in service.yaml: two services on one node cannot have the same",
        )
    if observation is None:
        return Verdict(Health.UNKNOWN, unobserved)
    worst = judge_answers(observation, exit_of(process))
    return told_by_agent(worst, agent) if agent is not None else worst


def told_by_agent(verdict: Verdict, agent: AgentReport) -> Verdict:
    """The agent knows what nobody sees from outside: why the server is not up, and that callers are let out."""
    if agent.state in ("draining", "drained", "ending") and verdict.health.serving:
        return Verdict(Health.DRAINING, f"its agent sends callers elsewhere ({agent.state}): {agent.why}")
    if verdict.health is Health.STARTING:
        return replace(verdict, reason=f"its agent says {agent.state}: {agent.why}")
    refused = [f"version {model.wanted} of {model.name}: {model.refused}" for model in agent.models if model.refused]
    if refused:
        return replace(verdict, reason=f"{verdict.reason}; its agent refuses {'; '.join(refused)}")
    return verdict


def judge_answers(observation: Observation, died: Explanation | None = None, *, hung_fix: str = HUNG) -> Verdict:
    """Return the verdict on a replica whose process runs, by what it answered.

    *died* says how it ended before, *hung_fix* what to do with one that hangs.
    """
    verdicts = [_judge_model(model, observation, died, hung_fix) for model in observation.models]
    return max(verdicts, key=lambda verdict: _ORDER.index(verdict.health))


def judge_missing(
    service: Service | None, application: Application | None, *, silence: Explanation | None = None
) -> Verdict:
    """Return the verdict on a wanted instance for which YARN reports no container.

    Args:
        service: what the services API says, None when it could not be asked.
        application: the service's newest application, None while there is none.
        silence: why YARN may place nothing, by :func:`judge_silence`.
    """
    if application is not None and application.state.ended:
        told = first_line(application.diagnostics) or "YARN gives no diagnostics"
        text = f"its application has ended ({application.state.value}): {told}"
        return _because(Health.GONE, text, explain_text(application.diagnostics))
    if application is not None and (impossible := impossible_request(application)):
        return _because(Health.PENDING, f"no node can ever hold it: {impossible}", explain_text(impossible))
    if service is None:
        return Verdict(Health.UNKNOWN, "the services API does not answer for it now")
    if not service.components:
        # Only the ResourceManager knows what an application waits for (yarn-services.md 8 item 16).
        waits_for = explain_text(application.diagnostics) if application is not None else None
        return _because(Health.PENDING, "the service's ApplicationMaster has not started yet", waits_for)
    return _because(Health.PENDING, "YARN has not placed a container for it", silence)


def judge_silence(avoided: Sequence[str], nodes: Sequence[Node]) -> Explanation | None:
    """Explain why YARN places no container and says nothing of it: it avoids nodes where the service has failed.

    Args:
        avoided: the nodes, by host or id, that YARN avoids for this service (docker-on-yarn-observed.md).
        nodes: the nodes of the cluster, as far as they are known. When all that run are avoided it is certain.
    """
    if not avoided:
        return None
    usable = [node for node in nodes if node.state == "RUNNING"]
    everywhere = bool(usable) and all(node.id in avoided or node.host in avoided for node in usable)
    where = "every node" if everywhere else ", ".join(avoided)
    return Explanation(
        Kind.NODE,
        f"it has failed so often that YARN avoids {where} for this service",
        "mend what made it fail, then stop and launch the service again: YARN forgets failures only after 6 hours",
        "docker-on-yarn-observed.md",
        everywhere,
    )


def exit_of(process: NodeContainer | None) -> Explanation | None:
    """Explain how the process of a container ended, or ended before it was started again; None where it never did."""
    if process is None or not process.has_exited:
        return None
    return explain_exit(process.exit_code, process.diagnostics)


def _because(health: Health, reason: str, found: Explanation | None) -> Verdict:
    if found is None:
        return Verdict(health, reason)
    return Verdict(health, f"{reason}: {found.cause}", found.fix, found.certain)


def impossible_request(application: Application) -> str:
    """YARN's words for a request that no node can ever satisfy, or nothing (docker-on-yarn-observed.md)."""
    start = application.diagnostics.find("Invalid resource request")
    return first_line(application.diagnostics[start:]) if start >= 0 else ""


def _judge_model(model: ModelObservation, observation: Observation, died: Explanation | None, hung_fix: str) -> Verdict:
    address = f"{observation.endpoint.host}:{observation.endpoint.rest_port}"
    if model.contact is Contact.REFUSED:
        if died is not None:
            return _because(Health.STARTING, f"nothing listens on {address}; it has ended before and runs again", died)
        return Verdict(Health.STARTING, f"nothing listens on {address}: the server is loading, or has died")
    if model.contact is Contact.UNREACHABLE:
        return Verdict(Health.FAILING, f"{address} cannot be reached: {model.error}")
    if model.contact is Contact.TIMED_OUT:
        return Verdict(Health.FAILING, f"{address} accepts and does not answer: {model.error}", hung_fix)
    if model.contact is Contact.BROKEN:
        return Verdict(Health.FAILING, f"{address} gives no usable answer: {model.error}")
    if model.http_status != 200:
        return Verdict(Health.FAILING, f"{address} answers {model.http_status} for model {model.name}: {model.error}")
    available = [version.version for version in model.versions if version.state is ModelState.AVAILABLE]
    if not available:
        return _judge_unavailable(model)
    return _judge_prediction(model, max(available))


def _judge_unavailable(model: ModelObservation) -> Verdict:
    failed = next((version for version in model.versions if version.error), None)
    if failed is not None:
        text = f"version {failed.version} of {model.name} did not load: {failed.error}"
        return _because(Health.FAILING, text, explain_text(failed.error))
    return Verdict(Health.LOADING, f"no version of {model.name} is available yet")


def _judge_prediction(model: ModelObservation, version: int) -> Verdict:
    name = f"{model.name} version {version}"
    prediction = model.prediction
    if prediction is None:
        return Verdict(Health.AVAILABLE, f"{name} is available (not proved by a prediction)")
    if prediction.contact is Contact.TIMED_OUT:
        return Verdict(Health.FAILING, f"{name} is AVAILABLE but does not answer a prediction: {prediction.error}")
    if prediction.contact is not Contact.ANSWERED:
        return Verdict(Health.FAILING, f"{name} broke off a prediction: {prediction.error}")
    if prediction.server_failed:
        return Verdict(Health.FAILING, f"{name} answers a prediction with {prediction.status}: {prediction.error}")
    if prediction.status != 200:
        return Verdict(Health.AVAILABLE, f"{name} is available, not proved: {refusal(prediction)}")
    if prediction.mismatch:
        return Verdict(Health.FAILING, f"{name} answers the example wrongly: {prediction.mismatch}")
    return Verdict(Health.LIVE, f"{name} answered {_proof(prediction)} in {prediction.seconds * 1000:.0f} ms")


def refusal(prediction: Prediction) -> str:
    """Say in words that the server refused the request of *prediction*."""
    return f"it refuses {_proof(prediction)} with {prediction.status}: {prediction.error}"


def _proof(prediction: Prediction) -> str:
    return "the example" if prediction.proof is Proof.EXAMPLE else "a request built from its metadata"
