"""The predict client in front of replicas that answer, refuse, fail, or are not there."""

from __future__ import annotations

import random
from contextlib import ExitStack

import pytest

from tests.sandbox.test_probe import closed_port, server
from yarnserve.client import PredictClient
from yarnserve.errors import RefusedError, UnhealthyError, UnreachableError, YarnserveError

#: What one replica does: a status and a body, or nothing listens.
Answer = tuple[int, str] | None

GOOD = (200, '{"predictions": [3.0]}')
BAD_REQUEST = (400, '{"error": "JSON Parse error"}')
NOT_LOADED = (404, '{"error": "Servable not found for request: Latest(m)"}')
TOO_LARGE = (413, "<html>too large</html>")
NO_MEMORY = (429, '{"error": "OOM when allocating tensor"}')
OVERLOADED = (503, '{"error": "queue full"}')
HTML = (200, "<html>")


def predict(*answers: Answer) -> object:
    """Ask replicas that give *answers*."""
    with ExitStack() as running:
        endpoints = [
            running.enter_context(server({"/v1/models/m:predict": answer})) if answer else closed_port()
            for answer in answers
        ]
        return PredictClient(endpoints, deadline=5, rng=random.Random(1)).predict("m", {"instances": [1]})


@pytest.mark.parametrize("failing", [None, NOT_LOADED, TOO_LARGE, OVERLOADED, HTML])
def test_one_good_replica_is_enough(failing: Answer) -> None:
    """Whatever the others do, the prediction comes from the one that gives it."""
    assert predict(failing, GOOD, failing) == {"predictions": [3.0]}


FAILURES: list[tuple[list[Answer], type[YarnserveError], int, list[str]]] = [
    ([BAD_REQUEST, BAD_REQUEST], RefusedError, 1, ["JSON Parse error"]),
    ([TOO_LARGE, None, TOO_LARGE], RefusedError, 1, ["413 (<html>too large</html>)"]),
    ([NOT_LOADED, NOT_LOADED], UnhealthyError, 9, ["404 (Servable not found for request: Latest(m))"]),
    ([NO_MEMORY, TOO_LARGE], UnhealthyError, 9, ["429 (OOM", "413 (<html>"]),
    ([OVERLOADED, OVERLOADED], UnhealthyError, 9, ["503 (queue full)"]),
    ([NOT_LOADED, OVERLOADED], UnhealthyError, 9, ["404 (Servable", "503 (queue full)"]),
    ([TOO_LARGE, OVERLOADED], UnhealthyError, 9, ["413 (<html>", "503 (queue full)"]),
    ([OVERLOADED, None], UnhealthyError, 9, ["503 (queue full)", "does not answer ("]),
    ([HTML, HTML], UnhealthyError, 9, ["the answer is not JSON"]),
    ([None, None], UnreachableError, 7, ["does not answer ("]),
    ([], UnreachableError, 7, ["there is none"]),
]


@pytest.mark.parametrize(("answers", "error", "exit_status", "told"), FAILURES)
def test_without_a_prediction_the_error_says_what_the_replicas_did(
    answers: list[Answer], error: type[YarnserveError], exit_status: int, told: list[str]
) -> None:
    """Refused, not well and not there are three things, and each replica's own words are in the error."""
    with pytest.raises(YarnserveError) as raised:
        predict(*answers)
    assert type(raised.value) is error
    assert raised.value.exit_status == exit_status
    assert all(words in raised.value.why for words in told), raised.value.why
