"""Many replicas looked at at once, each with its own deadline; what is seen comes back unjudged.

A plain call around one event loop: :func:`observe` asks every target for the status of its models and, where one
is AVAILABLE, for a prediction; :func:`predict` sends one prediction. Owns aiohttp on the client side.

A status answer of 200 AVAILABLE never touches the model (tf-serving.md 4.2), therefore the prediction.
"""

from __future__ import annotations

import asyncio
import json
import math
import socket
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.abc import AbstractResolver

from yarnserve.errors import MalformedAnswerError, RequestTimeoutError, UnreachableError, first_line
from yarnserve.records.agent import AgentReport
from yarnserve.records.replica import (
    Contact,
    Endpoint,
    Example,
    ModelCheck,
    ModelObservation,
    ModelState,
    Observation,
    Prediction,
    Proof,
    Target,
)
from yarnserve.serving import rest

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult

#: So many models are looked at at a time, each over one connection: a process may often have 1024 open files.
AT_ONCE = 500

#: Answers of a model server are cut here: a probe must not be fed a gigabyte.
MAX_ANSWER_BYTES = 64 * 1024 * 1024

#: Bodies are sent and read in pieces of so many bytes.
_PIECE = 1 << 16

#: The part of an exchange's time that finding the host and connecting to it may take. Less than the whole, so that
#: a host that cannot be reached is told apart from a server that accepts and is silent.
_CONNECT_SHARE = 0.8

#: So many host names are looked up at a time, each in a thread.
_LOOKUPS = 64


@dataclass(frozen=True)
class _Answer:
    """One HTTP exchange: *text* is the body, or the reason when *contact* is not ANSWERED."""

    contact: Contact
    status: int = 0
    text: str = ""


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
    answer = asyncio.run(_exchange_once(url, _encoded(body), deadline))
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

    async def read_them() -> list[_Answer]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def read_one(url: str) -> _Answer:
            async with turns:
                return await _exchange(session, url, b"", deadline)

        async with _session() as session:
            return await asyncio.gather(*map(read_one, urls))

    answers = asyncio.run(read_them()) if urls else []
    return tuple(
        answer.text if answer.contact is Contact.ANSWERED and answer.status == 200 else None for answer in answers
    )


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
    answer = asyncio.run(_exchange_once(url, b"", deadline, method="POST", headers=headers))
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


async def _exchange_once(
    url: str, body: bytes, deadline: float, *, method: str = "", headers: Mapping[str, str] | None = None
) -> _Answer:
    async with _session() as session:
        return await _exchange(session, url, body, deadline, method=method, headers=headers)


async def _observe_all(
    targets: Sequence[Target], shared: _Shared, deadline: float, at_once: int
) -> tuple[Observation, ...]:
    turns = asyncio.Semaphore(at_once)

    async def observe_model(endpoint: Endpoint, check: ModelCheck) -> ModelObservation:
        async with turns:
            ends = asyncio.get_running_loop().time() + deadline
            return await _observe_model(_Replica(session, endpoint, ends), check, shared)

    async def observe_target(target: Target) -> Observation:
        models = await asyncio.gather(*(observe_model(target.endpoint, check) for check in target.models))
        return Observation(target.instance, target.endpoint, tuple(models))

    async with _session() as session:
        return tuple(await asyncio.gather(*map(observe_target, targets)))


class _Shared:
    """What the replicas of one call have in common, worked out once.

    To encode 224 x 224 x 3 numbers, or to compare as many, takes a good part of a second: done for every replica
    while the deadlines of others run, it would make healthy ones late.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        # By identity, because an example cannot be hashed; the targets keep it alive.
        examples = {id(check.example): check.example for target in targets for check in target.models}
        self._of_examples = {key: _encoded(example.request) for key, example in examples.items() if example}
        self._of_metadata: dict[str, bytes | None] = {}
        self._compared: dict[tuple[int, str], tuple[Contact, str, str]] = {}

    def body_of(self, example: Example) -> bytes:
        """The encoded request of an example of the targets."""
        return self._of_examples[id(example)]

    def body_from(self, metadata: str) -> bytes | None:
        """The encoded request that a metadata answer allows, None for none."""
        if metadata not in self._of_metadata:
            self._of_metadata[metadata] = _body_from(metadata)
        return self._of_metadata[metadata]

    def compared(self, answer: str, example: Example | None) -> tuple[Contact, str, str]:
        """Contact, error and mismatch of an answer to a prediction; replicas of one version mostly say the same."""
        key = (id(example), answer)
        if key not in self._compared:
            self._compared[key] = _compare(answer, example)
        return self._compared[key]


@dataclass(frozen=True)
class _Replica:
    """A replica that is being looked at, until *ends* (time of the event loop)."""

    session: aiohttp.ClientSession
    endpoint: Endpoint
    ends: float

    async def ask(self, path: str, body: bytes = b"") -> _Answer:
        left = max(0.001, self.ends - asyncio.get_running_loop().time())
        return await _exchange(self.session, self.endpoint.rest_url + path, body, left)


async def _observe_model(replica: _Replica, check: ModelCheck, shared: _Shared) -> ModelObservation:
    answer = await replica.ask(rest.status_path(check.name))
    if answer.contact is not Contact.ANSWERED:
        return ModelObservation(check.name, answer.contact, error=answer.text)
    if answer.status != 200:
        return ModelObservation(check.name, answer.contact, answer.status, error=_server_error(answer.text))
    try:
        versions = rest.parse_status(_decoded(answer.text))
    except MalformedAnswerError as error:
        return ModelObservation(check.name, Contact.BROKEN, answer.status, error=error.what)
    seen = ModelObservation(check.name, answer.contact, answer.status, versions)
    available = {version.version for version in versions if version.state is ModelState.AVAILABLE}
    if not available or check.version not in {None, *available}:
        return seen
    return replace(seen, prediction=await _prove(replica, check, shared))


async def _prove(replica: _Replica, check: ModelCheck, shared: _Shared) -> Prediction | None:
    if check.example is not None:
        return await _try(replica, check, Proof.EXAMPLE, shared.body_of(check.example), shared)
    answer = await replica.ask(rest.metadata_path(check.name, check.version))
    if answer.contact is not Contact.ANSWERED or answer.status != 200:
        return None
    body = shared.body_from(answer.text)
    return None if body is None else await _try(replica, check, Proof.METADATA, body, shared)


async def _try(replica: _Replica, check: ModelCheck, proof: Proof, body: bytes, shared: _Shared) -> Prediction:
    clock = asyncio.get_running_loop().time
    started = clock()
    answer = await replica.ask(rest.predict_path(check.name, check.version), body)
    seconds = clock() - started
    if answer.contact is not Contact.ANSWERED:
        return Prediction(proof, answer.contact, error=answer.text, seconds=seconds)
    if answer.status != 200:
        return Prediction(proof, answer.contact, answer.status, _server_error(answer.text), seconds=seconds)
    contact, error, mismatch = shared.compared(answer.text, check.example)
    return Prediction(proof, contact, answer.status, error, mismatch, seconds)


def _body_from(metadata: str) -> bytes | None:
    try:
        request = rest.request_from_metadata(_decoded(metadata))
    except MalformedAnswerError:
        return None
    return None if request is None else _encoded(request)


def _compare(answer: str, example: Example | None) -> tuple[Contact, str, str]:
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


def _session() -> aiohttp.ClientSession:
    # One connection per exchange: a kept-alive one would hide a server that accepts nobody new.
    connector = aiohttp.TCPConnector(limit=0, force_close=True, resolver=_Resolver(), use_dns_cache=False)
    return aiohttp.ClientSession(connector=connector)


class _Resolver(AbstractResolver):
    """Looks up every host once, in daemon threads.

    The threads of asyncio's own resolver are waited for at the end of asyncio.run, however long a name server takes.
    """

    def __init__(self) -> None:
        self._lookups: dict[str, asyncio.Future[list[Any] | OSError]] = {}
        self._slots = asyncio.Semaphore(_LOOKUPS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host not in self._lookups:
            self._lookups[host] = asyncio.ensure_future(self._look_up(host, family))
        # Whoever runs out of time leaves the look-up to the others who wait for it.
        found = await asyncio.shield(self._lookups[host])
        if isinstance(found, OSError):
            raise OSError(found.errno, found.strerror)
        return [
            {
                "hostname": host,
                "host": address[0],
                "port": port,
                "family": family,
                "proto": proto,
                "flags": socket.AI_NUMERICHOST,
            }
            for family, _, proto, _, address in found
        ]

    async def _look_up(self, host: str, family: int) -> list[Any] | OSError:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[Any] | OSError] = loop.create_future()

        def deliver(result: list[Any] | OSError) -> None:
            if not found.done():
                found.set_result(result)

        def look_up() -> None:
            result: list[Any] | OSError
            try:
                result = socket.getaddrinfo(host, None, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
            except OSError as error:
                result = error
            with suppress(RuntimeError):  # the event loop has ended, nobody waits any more
                loop.call_soon_threadsafe(deliver, result)

        async with self._slots:
            threading.Thread(target=look_up, daemon=True).start()
            return await found

    async def close(self) -> None:
        """Nothing is waited for."""


async def _exchange(
    session: aiohttp.ClientSession,
    url: str,
    body: bytes,
    seconds: float,
    *,
    method: str = "",
    headers: Mapping[str, str] | None = None,
) -> _Answer:
    """Send one request, a POST where there is a body; every way it can fail is an _Answer."""
    told = {"Content-Type": "application/json", "Content-Length": str(len(body))} if body else {}
    connect = _CONNECT_SHARE * seconds
    # aiohttp rounds longer times up to whole seconds, unless it is given a threshold.
    timeout = aiohttp.ClientTimeout(total=seconds, connect=connect, ceil_threshold=math.inf)
    data = _pieces(body) if body else None
    try:
        async with session.request(
            method or ("POST" if body else "GET"),
            url,
            data=data,
            headers={**told, **(headers or {})},
            timeout=timeout,
            allow_redirects=False,
        ) as reply:
            return _Answer(Contact.ANSWERED, reply.status, await _text(reply))
    except aiohttp.ServerTimeoutError:  # only of connecting: a time-out of reading is not set
        return _Answer(Contact.UNREACHABLE, text=f"no connection within {connect:.1f} s")
    except asyncio.TimeoutError:  # before Python 3.11 this is not the builtin TimeoutError
        return _Answer(Contact.TIMED_OUT, text=f"no answer within {seconds:.1f} s")
    except aiohttp.ClientConnectorError as error:
        refused = isinstance(error.os_error, ConnectionRefusedError)
        return _Answer(Contact.REFUSED if refused else Contact.UNREACHABLE, text=first_line(str(error.os_error)))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return _Answer(Contact.BROKEN, text=first_line(str(error)) or type(error).__name__)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    """Hand *body* over bit by bit: given it whole, aiohttp would buffer a copy for every replica."""
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]


async def _text(reply: aiohttp.ClientResponse) -> str:
    content = bytearray()
    async for chunk in reply.content.iter_chunked(_PIECE):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise ValueError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    return content.decode("utf-8", "replace")
