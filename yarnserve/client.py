"""The predict client: finds the replicas of a service and asks one that answers."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence, Set
from typing import Any

from yarnserve import probe
from yarnserve.errors import (
    MalformedAnswerError,
    NotFoundError,
    RefusedError,
    UnhealthyError,
    UnreachableError,
    YarnserveError,
)
from yarnserve.records.replica import Endpoint, Example
from yarnserve.service.connection import Connection
from yarnserve.service.finding import endpoint_of, no_service
from yarnserve.service.state import Revision
from yarnserve.service.store import Saved
from yarnserve.spec.model import COMPONENT, ModelSpec

#: Seconds one replica may take for one prediction.
PREDICT_DEADLINE = 30.0


class PredictClient:
    """Sends predictions to the replicas of one service, each to a random one, the next one when it fails.

    Args:
        endpoints: where the replicas answer.
        deadline: seconds one replica may take.
        rng: picks the replica.
    """

    def __init__(
        self, endpoints: Sequence[Endpoint], *, deadline: float = PREDICT_DEADLINE, rng: random.Random | None = None
    ) -> None:
        self._endpoints = tuple(endpoints)
        self._deadline = deadline
        self._rng = rng or random.Random()

    def predict(self, model: str, body: Mapping[str, Any]) -> Any:
        """Return the decoded answer of one replica to the REST predict body *body*.

        A prediction changes nothing on the server, so a replica that failed is no reason not to ask the next.

        Raises:
            RefusedError: the request is wrong (400), so every replica would refuse it; or all that answer refuse it
                with a 4xx other than 404 and 429.
            UnhealthyError: replicas answer, but none with a prediction; *why* lists what each said.
            UnreachableError: no replica answers; *why* lists how each failed.
        """
        answered: set[int] = set()
        failures = []
        for endpoint in self._rng.sample(self._endpoints, len(self._endpoints)):
            try:
                status, document = probe.predict(endpoint, model, body, deadline=self._deadline)
            except UnreachableError as error:
                if isinstance(error, MalformedAnswerError):
                    answered.add(200)
                failures.append(_failure(endpoint, error.what, error.why))
                continue
            if status == 200:
                return document
            if status == 400:
                raise RefusedError("the model server refuses the request", where=endpoint.rest_url, why=document)
            answered.add(status)
            failures.append(_failure(endpoint, str(status), document))
        raise _nobody(answered, "; ".join(failures) or "there is none")


def _failure(endpoint: Endpoint, what: str, why: str) -> str:
    return f"{endpoint.host}:{endpoint.rest_port}: {what}" + (f" ({why})" if why else "")


def _nobody(answered: Set[int], why: str) -> YarnserveError:
    """The error for a request that no replica answered with a prediction, by the statuses *answered* with.

    404 says that the model is not loaded (tf-serving.md 4.4), 429 that memory is exhausted (4.1, 7.8): the server's
    state, and not the request's fault.
    """
    if not answered:
        return UnreachableError("no replica answers", why=why, next="yarnserve status")
    if all(400 <= status < 500 and status not in (404, 429) for status in answered):
        return RefusedError("every replica that answers refuses the request", why=why)
    return UnhealthyError("no replica answers with a prediction", why=why, next="yarnserve status")


def discover(connection: Connection, name: str) -> tuple[Saved[Revision], PredictClient]:
    """Find the replicas of service *name*.

    Raises:
        NotFoundError: yarnserve has not launched it, or YARN does not know it.
        UnhealthyError: no replica has an address.
    """
    revision = connection.store(name).revisions.latest()
    if revision is None:
        owner = no_service(connection, name).fix
        raise NotFoundError(f"yarnserve has not launched a service {name!r}", fix=owner, next="yarnserve list")
    service = connection.services.get(name)
    component = service.component(COMPONENT)
    containers = component.containers if component else ()
    endpoints = [endpoint for container in containers if (endpoint := endpoint_of(container, revision)) is not None]
    if not endpoints:
        raise UnhealthyError(
            f"{name} is {service.state.value} and no replica has an address", next=f"yarnserve status {name}"
        )
    return revision, PredictClient(endpoints)


def model_of(revision: Saved[Revision], name: str | None) -> ModelSpec:
    """Return the model called *name*; None means the first.

    Raises:
        NotFoundError: the service has no such model.
    """
    models = revision.record.spec.models
    if name is None:
        return models[0]
    for model in models:
        if model.name == name:
            return model
    raise NotFoundError(
        f"the service has no model {name!r}", why=f"it serves {', '.join(model.name for model in models)}"
    )


def example_of(model: ModelSpec) -> Example:
    """Return the example of *model*.

    Raises:
        NotFoundError: its service.yaml names none.
    """
    if model.example is None:
        raise NotFoundError(
            f"model {model.name!r} has no example", fix="name one in service.yaml (model.example), or give a FILE"
        )
    return model.example
