"""The probe among servers that answer endlessly, slowly, in another tongue or with rubbish: each is only observed."""

from __future__ import annotations

import json
import resource
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain, repeat
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.sandbox.rude_servers import RUDE, Manners, rude, tls
from yarnserve import probe
from yarnserve.judge.verdict import judge_answers
from yarnserve.records.replica import (
    Contact,
    Endpoint,
    Example,
    Health,
    ModelCheck,
    ModelObservation,
    Observation,
    Target,
)

EXAMPLE = Example({"instances": [[1, 2]]}, {"predictions": [3.0]}, 0.01)
OK = {"error_code": "OK", "error_message": ""}
STATUS = json.dumps({"model_version_status": [{"version": "3", "state": "AVAILABLE", "status": OK}]}).encode()
PREDICTION = b'{"predictions": [3.0]}'


def observe(endpoint: Endpoint, example: Example | None = EXAMPLE, deadline: float = 5.0) -> ModelObservation:
    """Look at one model of one replica."""
    return probe.observe([Target("serve-0", endpoint, (ModelCheck("m", example),))], deadline=deadline)[0].models[0]


def health(endpoint: Endpoint, seen: ModelObservation) -> Health:
    """What the judge says of it."""
    return judge_answers(Observation("serve-0", endpoint, (seen,))).health


@contextmanager
def at_most(megabytes: float, seconds: float) -> Iterator[None]:
    """Fail where this process takes more memory or time."""
    tracemalloc.start()
    began = time.monotonic()
    try:
        yield
        took, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert took < seconds
    assert peak < megabytes * 2**20


@pytest.mark.parametrize("kind", RUDE)
def test_a_rude_status_is_broken(kind: str) -> None:
    """Whatever it says in place of a status, it is seen at once, and the replica is failing."""
    with rude(Manners(RUDE[kind])) as endpoint, at_most(30, 4):
        seen = observe(endpoint)
    assert seen.contact is Contact.BROKEN
    assert health(endpoint, seen) is Health.FAILING


@pytest.mark.parametrize("kind", RUDE)
def test_a_rude_prediction_is_broken(kind: str) -> None:
    """A server whose status is fine, and which then says that in place of a prediction, is failing."""
    with rude(Manners(RUDE[kind], polite={b"GET": STATUS})) as endpoint, at_most(30, 4):
        seen = observe(endpoint)
    assert seen.contact is Contact.ANSWERED
    assert seen.prediction is not None
    assert seen.prediction.contact is Contact.BROKEN or seen.prediction.mismatch
    assert health(endpoint, seen) is Health.FAILING


@pytest.mark.parametrize("kind", RUDE)
def test_rude_metadata_prove_nothing(kind: str) -> None:
    """Without an example nothing can be sent, and nothing is held against the replica."""
    with rude(Manners(RUDE[kind], polite={b"GET /v1/models/m HTTP": STATUS})) as endpoint, at_most(30, 4):
        assert observe(endpoint, None).prediction is None


@pytest.mark.parametrize("kind", RUDE)
def test_rude_agents_and_counters_say_nothing(kind: str) -> None:
    """Who reads a page or asks an agent gets nothing from it, or what the judge of the page will refuse."""
    with rude(Manners(RUDE[kind])) as endpoint, at_most(30, 4):
        place = Endpoint(endpoint.host, 1, 1, endpoint.rest_port)
        assert probe.agents_at({"serve-0": place}, deadline=5) == {}


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "])
def test_a_slow_drip_costs_the_deadline(head: bytes) -> None:
    """A byte now and then, of the body or of a header, is no answer."""
    with rude(Manners(lambda: chain([head], repeat(b"x")), pause=0.05)) as endpoint, at_most(30, 3):
        seen = observe(endpoint, deadline=0.5)
    assert (seen.contact, seen.error) == (Contact.TIMED_OUT, "no answer within 0.5 s")


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"])
def test_a_reset_is_broken(sent: bytes) -> None:
    """Before the first byte or in the middle of the body."""
    with rude(Manners(lambda: [sent], resets=True)) as endpoint:
        assert observe(endpoint).contact is Contact.BROKEN


def test_tls_where_plain_was_meant_is_broken() -> None:
    """A real TLS server hangs up on a plain request."""
    with tls() as endpoint:
        assert observe(endpoint).contact is Contact.BROKEN


def test_a_redirect_is_an_answer_and_no_proof() -> None:
    """It is not followed, neither for a status nor for a prediction."""
    there = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n"
    with rude(Manners(lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b'{"predictions": [3]}'])) as other:
        says = there % other.rest_port
        with rude(Manners(lambda: [says])) as endpoint:
            seen = observe(endpoint)
            assert (seen.contact, seen.http_status, health(endpoint, seen)) == (Contact.ANSWERED, 307, Health.FAILING)
        with rude(Manners(lambda: [says], polite={b"GET": STATUS})) as endpoint:
            seen = observe(endpoint)
            assert seen.prediction is not None
            assert (seen.prediction.status, health(endpoint, seen)) == (307, Health.AVAILABLE)


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", '"3.0"', "null", "[3.0]", "true"])
def test_what_is_no_number_of_ours_is_a_mismatch(text: str) -> None:
    """JSON of any kind where 3.0 is expected is told as wrong."""
    body = f'{{"predictions": [{text}]}}'.encode()
    with rude(Manners(list, polite={b"GET": STATUS, b"POST": body})) as endpoint:
        seen = observe(endpoint)
    assert seen.prediction is not None
    assert seen.prediction.mismatch.startswith("predictions[0]: expected 3.0, got")


def test_a_long_answer_that_is_compared_with_nothing_counts() -> None:
    """Where any 200 will do, megabytes are read and not decoded; half of them, or a page of HTML, prove nothing."""
    long = b'{"predictions": [' + b"0.5, " * 600_000 + b"0.5]}\n"
    example = Example(EXAMPLE.request)
    for body, contact in ((long, Contact.ANSWERED), (long[:-5], Contact.BROKEN), (b"<" + long, Contact.BROKEN)):
        with rude(Manners(list, polite={b"GET": STATUS, b"POST": body})) as endpoint:
            seen = observe(endpoint, example)
        assert seen.prediction is not None
        assert (seen.prediction.contact, seen.prediction.status) == (contact, 200)


def test_an_expected_answer_may_be_written_at_length() -> None:
    """Whole numbers in an example are sixteen digits in an answer, and it is read all the same."""
    example = Example({"instances": [0]}, {"predictions": [1] * 20_000}, 1e-6)
    body = b'{"predictions": [' + b", ".join([b"0.99999999999999989"] * 20_000) + b"]}"
    with rude(Manners(list, polite={b"GET": STATUS, b"POST": body})) as endpoint:
        seen = observe(endpoint, example)
    assert seen.prediction is not None
    assert (seen.prediction.contact, seen.prediction.mismatch) == (Contact.ANSWERED, "")


def test_a_hundred_gigabytes_at_once_are_bounded_and_hide_nobody() -> None:
    """A hundred replicas that never stop answering, and a good one among them, without an example to tell how long."""
    with ExitStack() as stack:
        flood = stack.enter_context(rude(Manners(RUDE["endless body"], polite={b"GET": STATUS})))
        good = stack.enter_context(rude(Manners(list, polite={b"GET": STATUS, b"POST": PREDICTION})))
        targets = [Target(f"serve-{number}", flood, (ModelCheck("m", Example({})),)) for number in range(100)]
        targets.append(Target("serve-100", good, (ModelCheck("m", EXAMPLE),)))
        with at_most(250, 20):
            seen = probe.observe(targets, deadline=5)
    assert {health(flood, one.models[0]) for one in seen[:100]} == {Health.FAILING}
    assert health(good, seen[100].models[0]) is Health.LIVE


def seen_without_files(endpoint: Endpoint) -> list[Health]:
    """Ten replicas, looked at by this process while others have all but a few of its files, for a third of a second."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    targets = [Target(f"serve-{number}", endpoint, (ModelCheck("m", EXAMPLE),)) for number in range(10)]
    with ExitStack() as others:
        files = [others.enter_context(Path("/dev/null").open("rb"))]
        resource.setrlimit(resource.RLIMIT_NOFILE, (files[0].fileno() + 20, hard))
        with suppress(OSError):
            while True:
                files.append(others.enter_context(Path("/dev/null").open("rb")))
        # Three for the event loop, one for a first connection.
        for file in files[-4:]:
            file.close()
        closing = threading.Timer(0.3, others.close)
        closing.start()
        seen = probe.observe(targets, deadline=10)
        closing.join()
    return [health(endpoint, each.models[0]) for each in seen]


def test_a_lack_of_files_is_not_held_against_the_replicas() -> None:
    """While this process has no file left for a connection it waits; when others are closed, all are looked at."""
    # In a process of its own: the server that answers must not lack them too.
    with (
        rude(Manners(list, polite={b"GET": STATUS, b"POST": PREDICTION})) as endpoint,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as poor,
    ):
        assert poor.submit(seen_without_files, endpoint).result(60) == [Health.LIVE] * 10
