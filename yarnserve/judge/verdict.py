"""What was seen of a replica -> how it is, and why. Pure: every answer follows from the arguments alone.

The rules (design: Live): a replica is live when it answered its example, or an input built from its own metadata,
with 200 and the expected values. A 4xx is an answer, never a proof; TF Serving opens its ports only after the
first load (tf-serving.md 5.3), so a refused connection means starting or dead, which only time can tell apart.
"""

from __future__ import annotations

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
from yarnserve.records.yarn import Container, ContainerState

_ENDED = (ContainerState.STOPPED, ContainerState.SUCCEEDED, ContainerState.FAILED, ContainerState.FAILED_UPGRADE)

#: From best to worst: a replica is as well as the worst of its models.
_ORDER = list(Health)


def judge_replica(container: Container | None, observation: Observation | None) -> Verdict:
    """Return the verdict on one component instance.

    Args:
        container: what YARN reports for the instance, None when it reports nothing.
        observation: what the replica itself said, None when it could not be asked (no address yet).
    """
    if container is None:
        return Verdict(Health.PENDING, "YARN has not placed a container for it")
    if container.state in _ENDED:
        return Verdict(Health.GONE, f"its container has ended ({container.state.value}); YARN replaces it")
    if not container.bare_host:
        return Verdict(Health.STARTING, "its container is being launched and has no address yet")
    if observation is None:
        return Verdict(Health.UNKNOWN, "not launched by yarnserve: nothing is known of its ports and models")
    verdicts = [_judge_model(model, observation) for model in observation.models]
    return max(verdicts, key=lambda verdict: _ORDER.index(verdict.health))


def _judge_model(model: ModelObservation, observation: Observation) -> Verdict:
    address = f"{observation.endpoint.host}:{observation.endpoint.rest_port}"
    if model.contact is Contact.REFUSED:
        return Verdict(Health.STARTING, f"nothing listens on {address}: the server is loading, or has died")
    if model.contact is Contact.TIMED_OUT:
        return Verdict(Health.FAILING, f"{address} accepts and does not answer: {model.error}")
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
        return Verdict(Health.FAILING, f"version {failed.version} of {model.name} did not load: {failed.error}")
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
    if prediction.status >= 500:
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
