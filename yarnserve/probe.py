"""Many replicas looked at at once, each with its own deadline; what is seen comes back unjudged.

A plain call around one event loop: :func:`observe` asks every target for the status of its models and, where one
is AVAILABLE, for a prediction; :func:`predict` sends one prediction.

A status answer of 200 AVAILABLE never touches the model (tf-serving.md 4.2), therefore the prediction.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from yarnserve.errors import MalformedAnswerError, RequestTimeoutError, UnreachableError, first_line
from yarnserve.exchange.client import PIECE, Answer, Client, Request
from yarnserve.records.agent import AgentReport
from yarnserve.records.replica import (
    Contact,
    Endpoint,
    Example,
    ModelCheck,
    ModelObservation,
    ModelState,
    ModelVersion,
    Observation,
    Prediction,
    Proof,
    Target,
)
from yarnserve.serving import rest

T = TypeVar("T")

#: So many models are looked at at a time, each over one connection: a process may often have 1024 open files.
AT_ONCE = 500

#: Bytes of an answer of which nobody knows how long it should be: a status (of a server that has had a new version
#: every hour for years), metadata, an agent's report, a page of counters.
MAX_ANSWER_BYTES = 4 * 1024 * 1024

#: Bytes of an answer to a prediction of which nothing is expected.
MAX_PREDICTION_BYTES = 64 * 1024 * 1024

#: An answer with the expected values has at most so many times the bytes that we would write: ``1`` is also
#: ``0.99999999999999989``.
_LONGEST_WRITING = 8

#: An answer that is compared with nothing is decoded up to so many bytes: decoding a long one makes others late.
_MAX_DECODED = 1024 * 1024

#: So many different answers are remembered for all replicas of one call.
_REMEMBERED = 100


def observe(targets: Sequence[Target], *, deadline: float, at_once: int = AT_ONCE) -> tuple[Observation, ...]:
    """Look at every target, *at_once* models at a time.

    Each model of each target has *deadline* seconds, counted from its own turn, so that all of them together take
    at most ``ceil(models / at_once) * deadline`` seconds, and that only where they hang.

    Returns one Observation per target, in their order. Whatever a replica does is an observation, not an error.
    """
    if not targets:
        return ()
    return asyncio.run(_observe_all(targets, _Shared(targets), deadline, at_once))


def predict(endpoint: Endpoint, model: str, body: Mapping[str, Any], *, deadline: float) -> tuple[int, Any]:
    """Send one REST prediction; return the HTTP status and, for 200, the decoded answer, else the server's error text.

    Raises:
        UnreachableError: nothing answers at *endpoint*, or the connection broke.
        RequestTimeoutError: no answer within *deadline* seconds.
        MalformedAnswerError: the answer has status 200 and is not JSON.
    """
    url = endpoint.rest_url + rest.predict_path(model)
    request = Request(endpoint.host, endpoint.rest_port, rest.predict_path(model), _encoded(body))
    answer = asyncio.run(_ask_once(request, deadline, MAX_PREDICTION_BYTES))
    if answer.contact is Contact.TIMED_OUT:
        raise RequestTimeoutError(f"no answer to a prediction within {deadline:g} s", where=url)
    if answer.contact is not Contact.ANSWERED:
        raise UnreachableError("the replica does not answer", where=url, why=answer.text)
    if answer.status != 200:
        return answer.status, _server_error(answer.text)
    return answer.status, _decoded(answer.text, where=url)


def read(url: str, *, deadline: float) -> str | None:
    """Return what a GET of *url* answers with 200 within *deadline* seconds; None for everything else."""
    return read_all([url], deadline=deadline)[0]


def read_all(urls: Sequence[str], *, deadline: float) -> tuple[str | None, ...]:
    """The same for many addresses, in their order, :data:`AT_ONCE` of them at a time."""
    if not urls:
        return ()
    answers = asyncio.run(_ask_all([Request.to(url) for url in urls], deadline))
    return tuple(answer.text if answer.is_ok else None for answer in answers)


def agent_reports(places: Mapping[str, Endpoint], service: str, *, deadline: float) -> Mapping[str, AgentReport]:
    """Return what the agents of *service* at *places* say, by instance; those that say nothing usable are left out."""
    found = agents_at(places, deadline=deadline)
    # Whoever else listens on that port is not the replica's agent.
    return {instance: report for instance, report in found.items() if report.is_of(service, instance)}


def agents_at(places: Mapping[str, Endpoint], *, deadline: float) -> Mapping[str, AgentReport]:
    """Return what the agents at *places* say, whosever they are; those that say nothing usable are left out."""
    asked = {instance: place.agent_url for instance, place in places.items() if place.agent_url}
    texts = read_all([f"{url}/status" for url in asked.values()], deadline=deadline)
    reports: dict[str, AgentReport] = {}
    for instance, text in zip(asked, texts, strict=True):
        with suppress(ValueError, RecursionError):
            reports[instance] = AgentReport.from_document(json.loads(text or ""))
    return reports


def post(url: str, headers: Mapping[str, str], *, deadline: float) -> tuple[int, str]:
    """Send a POST without a body; return the HTTP status and the answer's text.

    Raises:
        UnreachableError: nothing answers, or not within *deadline* seconds.
    """
    answer = asyncio.run(_ask_once(Request.to(url, method="POST", headers=headers), deadline, MAX_ANSWER_BYTES))
    if answer.contact is not Contact.ANSWERED:
        raise UnreachableError("nobody takes the order", where=url, why=answer.text)
    return answer.status, answer.text


def accepts(host: str, port: int, *, deadline: float) -> bool:
    """Whether anybody accepts connections there."""
    try:
        socket.create_connection((host, port), deadline).close()
    except OSError:
        return False
    return True


async def _ask_once(request: Request, deadline: float, limit: int) -> Answer:
    return await Client().ask(request, seconds=deadline, limit=limit)


async def _ask_all(requests: Sequence[Request], deadline: float) -> list[Answer]:
    client, turns = Client(), asyncio.Semaphore(AT_ONCE)

    async def ask(request: Request) -> Answer:
        async with turns:
            return await client.ask(request, seconds=deadline, limit=MAX_ANSWER_BYTES)

    return await asyncio.gather(*map(ask, requests))


async def _observe_all(
    targets: Sequence[Target], shared: _Shared, deadline: float, at_once: int
) -> tuple[Observation, ...]:
    client, clock = Client(), asyncio.get_running_loop().time
    seen: list[list[ModelObservation | None]] = [[None] * len(target.models) for target in targets]
    looks = [(number, index) for number, target in enumerate(targets) for index in range(len(target.models))]
    turns = iter(looks)

    async def take_turns() -> None:
        for number, index in turns:
            replica = _Replica(client, targets[number].endpoint, clock() + deadline)
            seen[number][index] = await _observe_model(replica, targets[number].models[index], shared)

    await asyncio.gather(*(take_turns() for _ in range(min(at_once, len(looks)))))
    return tuple(
        Observation(target.instance, target.endpoint, tuple(model for model in models if model is not None))
        for target, models in zip(targets, seen, strict=True)
    )


class _Shared:
    """What the replicas of one call have in common, worked out once.

    To encode 224 x 224 x 3 numbers, or to compare as many, takes a good part of a second: done for every replica
    while the deadlines of others run, it would make healthy ones late.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        # By identity, because an example cannot be hashed; the targets keep it alive.
        examples = {id(check.example): check.example for target in targets for check in target.models}
        self._of_examples = {key: _encoded(example.request) for key, example in examples.items() if example}
        self._limits = {key: self._limit(key, example) for key, example in examples.items() if example}
        self._statuses = _Memory[tuple[ModelVersion, ...] | MalformedAnswerError]()
        self._of_metadata = _Memory[bytes | None]()
        self._compared = _Memory[tuple[Contact, str, str]]()

    def body_of(self, example: Example) -> bytes:
        """The encoded request of an example of the targets."""
        return self._of_examples[id(example)]

    def limit_of(self, example: Example | None) -> int:
        """How many bytes the answer to a prediction may have."""
        return self._limits.get(id(example), MAX_PREDICTION_BYTES)

    def status(self, answer: str) -> tuple[ModelVersion, ...] | MalformedAnswerError:
        """What a status answer says, or why it is none."""
        return self._statuses.recall(answer, None, lambda: _status(answer))

    def body_from(self, metadata: str) -> bytes | None:
        """The encoded request that a metadata answer allows, None for none."""
        return self._of_metadata.recall(metadata, None, lambda: _body_from(metadata))

    def compared(self, answer: str, example: Example | None) -> tuple[Contact, str, str]:
        """Contact, error and mismatch of an answer to a prediction; replicas of one version mostly say the same."""
        return self._compared.recall(answer, example, lambda: _compare(answer, example))

    def _limit(self, key: int, example: Example) -> int:
        if example.expected is None:
            return MAX_PREDICTION_BYTES
        # A server that refuses the request may quote it.
        longest = _LONGEST_WRITING * len(_encoded(example.expected)) + 2 * len(self._of_examples[key])
        return min(PIECE + longest, MAX_PREDICTION_BYTES)


class _Memory(Generic[T]):
    """What was worked out of answers; of the answers themselves nothing is kept, however many different ones come."""

    def __init__(self) -> None:
        self._results: dict[tuple[int, bytes], T] = {}

    def recall(self, answer: str, example: Example | None, work_out: Callable[[], T]) -> T:
        """What *work_out* gave for the same *answer* and *example* before, or gives now."""
        key = (id(example), hashlib.blake2b(answer.encode(), digest_size=16).digest())
        if key not in self._results:
            if len(self._results) >= _REMEMBERED:
                self._results.clear()
            self._results[key] = work_out()
        return self._results[key]


@dataclass(frozen=True)
class _Replica:
    """A replica that is being looked at, until *ends* (time of the event loop)."""

    client: Client
    endpoint: Endpoint
    ends: float

    async def ask(self, path: str, body: bytes = b"", limit: int = MAX_ANSWER_BYTES) -> Answer:
        left = max(0.001, self.ends - asyncio.get_running_loop().time())
        request = Request(self.endpoint.host, self.endpoint.rest_port, path, body)
        return await self.client.ask(request, seconds=left, limit=limit)


async def _observe_model(replica: _Replica, check: ModelCheck, shared: _Shared) -> ModelObservation:
    answer = await replica.ask(rest.status_path(check.name))
    if answer.contact is not Contact.ANSWERED:
        return ModelObservation(check.name, answer.contact, answer.status, error=answer.text)
    if answer.status != 200:
        return ModelObservation(check.name, answer.contact, answer.status, error=_server_error(answer.text))
    versions = shared.status(answer.text)
    if isinstance(versions, MalformedAnswerError):
        return ModelObservation(check.name, Contact.BROKEN, answer.status, error=versions.what)
    seen = ModelObservation(check.name, answer.contact, answer.status, versions)
    available = {version.version for version in versions if version.state is ModelState.AVAILABLE}
    if not available or check.version not in {None, *available}:
        return seen
    return replace(seen, prediction=await _prove(replica, check, shared))


async def _prove(replica: _Replica, check: ModelCheck, shared: _Shared) -> Prediction | None:
    if check.example is not None:
        return await _try(replica, check, Proof.EXAMPLE, shared.body_of(check.example), shared)
    answer = await replica.ask(rest.metadata_path(check.name, check.version))
    if not answer.is_ok:
        return None
    body = shared.body_from(answer.text)
    return None if body is None else await _try(replica, check, Proof.METADATA, body, shared)


async def _try(replica: _Replica, check: ModelCheck, proof: Proof, body: bytes, shared: _Shared) -> Prediction:
    clock = asyncio.get_running_loop().time
    started = clock()
    answer = await replica.ask(rest.predict_path(check.name, check.version), body, shared.limit_of(check.example))
    seconds = clock() - started
    if answer.contact is not Contact.ANSWERED:
        return Prediction(proof, answer.contact, answer.status, answer.text, seconds=seconds)
    if answer.status != 200:
        return Prediction(proof, answer.contact, answer.status, _server_error(answer.text), seconds=seconds)
    contact, error, mismatch = shared.compared(answer.text, check.example)
    return Prediction(proof, contact, answer.status, error, mismatch, seconds)


def _status(answer: str) -> tuple[ModelVersion, ...] | MalformedAnswerError:
    try:
        return rest.parse_status(_decoded(answer))
    except MalformedAnswerError as error:
        return error


def _body_from(metadata: str) -> bytes | None:
    try:
        request = rest.request_from_metadata(_decoded(metadata))
    except MalformedAnswerError:
        return None
    return None if request is None else _encoded(request)


def _compare(answer: str, example: Example | None) -> tuple[Contact, str, str]:
    if example is None and len(answer) > _MAX_DECODED and answer[0] == "{" and answer.rstrip()[-1] == "}":
        return Contact.ANSWERED, "", ""
    try:
        document = _decoded(answer)
    except MalformedAnswerError as error:
        return Contact.BROKEN, error.what, ""
    return Contact.ANSWERED, "", rest.mismatch(document, example) if example else ""


def _encoded(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


def _decoded(text: str, where: str = "") -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedAnswerError(f"the answer is not JSON: {error}", where=where) from error


def _server_error(text: str) -> str:
    """TF Serving's own ``{"error": ...}`` text, else the first line of whatever came."""
    try:
        document = _decoded(text)
    except MalformedAnswerError:
        return first_line(text)
    if isinstance(document, dict) and isinstance(document.get("error"), str):
        return first_line(document["error"])
    return first_line(text)
