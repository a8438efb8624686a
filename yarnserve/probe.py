"""Many replicas looked at at once, each with its own deadline; what is seen comes back unjudged.

A plain call around one event loop: :func:`observe` asks every target for the status of its models and, where one
is AVAILABLE, for a prediction; :func:`predict` sends one prediction. Owns aiohttp on the client side.

A status answer of 200 AVAILABLE never touches the model (tf-serving.md 4.2), therefore the prediction.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from yarnserve.errors import MalformedAnswerError, RequestTimeoutError, UnreachableError, first_line
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

#: Answers of a model server are cut here: a probe must not be fed a gigabyte.
MAX_ANSWER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class _Answer:
    """One HTTP exchange: *text* is the body, or the reason when *contact* is not ANSWERED."""

    contact: Contact
    status: int = 0
    text: str = ""


def observe(targets: Sequence[Target], *, deadline: float) -> tuple[Observation, ...]:
    """Look at every target at once; a replica that does not answer costs *deadline* seconds, never more.

    Returns one Observation per target, in their order. Whatever a replica does is an observation, not an error.
    """
    if not targets:
        return ()
    return asyncio.run(_observe_all(targets, deadline))


def predict(endpoint: Endpoint, model: str, body: Mapping[str, Any], *, deadline: float) -> tuple[int, Any]:
    """Send one REST prediction; return the HTTP status and the decoded JSON answer.

    Raises:
        UnreachableError: nothing listens at *endpoint*, or the connection broke.
        RequestTimeoutError: no answer within *deadline* seconds.
        MalformedAnswerError: the answer is not JSON.
    """
    url = endpoint.rest_url + rest.predict_path(model)
    answer = asyncio.run(_exchange_once("POST", url, json.dumps(body), deadline))
    if answer.contact is Contact.TIMED_OUT:
        raise RequestTimeoutError(f"no answer to a prediction within {deadline:g} s", where=url)
    if answer.contact is not Contact.ANSWERED:
        raise UnreachableError("the replica does not answer", where=url, why=answer.text)
    try:
        return answer.status, json.loads(answer.text)
    except ValueError as error:
        raise MalformedAnswerError("the answer to a prediction is not JSON", where=url, why=str(error)) from error


async def _exchange_once(method: str, url: str, body: str, deadline: float) -> _Answer:
    async with _session() as session:
        return await _exchange(session, method, url, body, deadline)


async def _observe_all(targets: Sequence[Target], deadline: float) -> tuple[Observation, ...]:
    async with _session() as session:
        return tuple(await asyncio.gather(*(_observe(session, target, deadline) for target in targets)))


def _session() -> aiohttp.ClientSession:
    # One connection per look: a kept-alive one would hide a server that accepts nobody new.
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))


async def _observe(session: aiohttp.ClientSession, target: Target, deadline: float) -> Observation:
    ends = asyncio.get_running_loop().time() + deadline
    checks = (_observe_model(session, target.endpoint, check, ends) for check in target.models)
    return Observation(target.instance, target.endpoint, tuple(await asyncio.gather(*checks)))


async def _observe_model(
    session: aiohttp.ClientSession, endpoint: Endpoint, check: ModelCheck, ends: float
) -> ModelObservation:
    url = endpoint.rest_url + rest.status_path(check.name)
    answer = await _exchange(session, "GET", url, "", _left(ends))
    if answer.contact is not Contact.ANSWERED:
        return ModelObservation(check.name, answer.contact, error=answer.text)
    if answer.status != 200:
        return ModelObservation(check.name, answer.contact, answer.status, error=_server_error(answer.text))
    try:
        versions = rest.parse_status(json.loads(answer.text))
    except (ValueError, MalformedAnswerError) as error:
        return ModelObservation(check.name, Contact.BROKEN, answer.status, error=first_line(str(error)))
    seen = ModelObservation(check.name, answer.contact, answer.status, versions)
    if not any(version.state is ModelState.AVAILABLE for version in versions):
        return seen
    return replace(seen, prediction=await _prove(session, endpoint, check, ends))


async def _prove(
    session: aiohttp.ClientSession, endpoint: Endpoint, check: ModelCheck, ends: float
) -> Prediction | None:
    if check.example is not None:
        return await _try_example(session, endpoint, check.name, check.example, Proof.EXAMPLE, ends)
    answer = await _exchange(session, "GET", endpoint.rest_url + rest.metadata_path(check.name), "", _left(ends))
    if answer.contact is not Contact.ANSWERED or answer.status != 200:
        return None
    try:
        request = rest.request_from_metadata(json.loads(answer.text))
    except (ValueError, MalformedAnswerError):
        return None
    if request is None:
        return None
    return await _try_example(session, endpoint, check.name, Example(request), Proof.METADATA, ends)


async def _try_example(
    session: aiohttp.ClientSession,
    endpoint: Endpoint,
    model: str,
    example: Example,
    proof: Proof,
    ends: float,
    clock: Callable[[], float] = time.monotonic,
) -> Prediction:
    started = clock()
    url = endpoint.rest_url + rest.predict_path(model)
    answer = await _exchange(session, "POST", url, json.dumps(example.request), _left(ends))
    seconds = clock() - started
    if answer.contact is not Contact.ANSWERED:
        return Prediction(proof, answer.contact, error=answer.text, seconds=seconds)
    if answer.status != 200:
        return Prediction(proof, answer.contact, answer.status, _server_error(answer.text), seconds=seconds)
    try:
        mismatch = rest.mismatch(json.loads(answer.text), example)
    except ValueError as error:
        return Prediction(proof, Contact.BROKEN, 200, f"the answer is not JSON: {error}", seconds=seconds)
    return Prediction(proof, answer.contact, 200, mismatch=mismatch, seconds=seconds)


def _left(ends: float) -> float:
    return max(0.001, ends - asyncio.get_running_loop().time())


def _server_error(text: str) -> str:
    """TF Serving's own ``{"error": ...}`` text, else the first line of whatever came."""
    try:
        document = json.loads(text)
    except ValueError:
        return first_line(text)
    if isinstance(document, dict) and isinstance(document.get("error"), str):
        return first_line(document["error"])
    return first_line(text)


async def _exchange(session: aiohttp.ClientSession, method: str, url: str, body: str, seconds: float) -> _Answer:
    """Send one request; every way it can fail is an _Answer."""
    headers = {"Content-Type": "application/json"} if body else {}
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with session.request(
            method, url, data=body or None, headers=headers, timeout=timeout, allow_redirects=False
        ) as reply:
            return _Answer(Contact.ANSWERED, reply.status, await _text(reply))
    except asyncio.TimeoutError:  # before Python 3.11 this is not the builtin TimeoutError
        return _Answer(Contact.TIMED_OUT, text=f"no answer within {seconds:.1f} s")
    except aiohttp.ClientConnectorError as error:
        refused = isinstance(error.os_error, ConnectionRefusedError)
        return _Answer(Contact.REFUSED if refused else Contact.BROKEN, text=first_line(str(error.os_error)))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return _Answer(Contact.BROKEN, text=first_line(str(error)) or type(error).__name__)


async def _text(reply: aiohttp.ClientResponse) -> str:
    content = bytearray()
    async for chunk in reply.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise ValueError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    return content.decode("utf-8", "replace")
