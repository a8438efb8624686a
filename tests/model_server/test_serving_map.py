"""Versions that come and go while requests are under way."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support import wait_until
from yarnserve.sandbox.model_server.servable import Signature
from yarnserve.sandbox.model_server.serving_map import ServingMap
from yarnserve.sandbox.model_server.status import ServingError


class Echo:
    """A servable that answers what it is asked."""

    signatures: Mapping[str, Signature] = {}

    def run(self, signature: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return *inputs*."""
        return inputs


def waits(future: Future[None]) -> bool:
    """Whether it has not ended after a moment."""
    try:
        future.result(0.05)
    except StillWaiting:
        return True
    return False


@pytest.fixture
def serving() -> ServingMap:
    """Versions 1 of two models."""
    found = ServingMap()
    found.put("m", 1, Echo())
    found.put("other", 1, Echo())
    return found


def test_the_highest_answers_at_once(serving: ServingMap) -> None:
    """While a new version still waits for a request that began before it, new requests are already its own."""
    with ThreadPoolExecutor(1) as pool:
        with serving.use("m", None) as (old, _):
            coming = pool.submit(serving.put, "m", 2, Echo())
            wait_until(lambda: 2 in serving.versions("m"))
            with serving.use("m", None) as (new, _):
                assert (old, new) == (1, 2)
            assert waits(coming)
        coming.result(10)


@pytest.mark.parametrize("model", ["m", "other"])
def test_unloading_waits_for_requests(serving: ServingMap, model: str) -> None:
    """A version goes when no request that could have it is left; of another model's requests none is left either."""
    serving.put("m", 2, Echo())
    with ThreadPoolExecutor(1) as pool:
        with serving.use(model, 1) as (_, servable):
            going = pool.submit(serving.drop, "m", 1)
            wait_until(lambda: serving.versions("m") == {2})
            assert waits(going)
            assert servable.run("", {"x": 1}) == {"x": 1}
        going.result(10)


def test_a_request_that_fails_is_over(serving: ServingMap) -> None:
    """A request for what is not there, or that ends in an error, keeps nothing loaded."""
    with ExitStack() as stack, pytest.raises(ServingError, match=r"Specific\(m, 7\)"):
        stack.enter_context(serving.use("m", 7))
    with pytest.raises(ValueError, match="of its own"), serving.use("m", 1):
        raise ValueError("of its own")
    serving.drop("m", 1)
    assert serving.versions("m") == set()
