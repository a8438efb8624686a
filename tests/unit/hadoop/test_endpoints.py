"""The choice among equal servers."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from yarnserve.hadoop.endpoints import MEMORY, EndpointChoice

URLS = ("http://a", "http://b", "http://c")


def test_healthy_endpoints_come_first_equally_often() -> None:
    """Without failures every endpoint gets its share of first places."""
    choice = EndpointChoice(URLS, random=Random(3), clock=lambda: 0.0)
    firsts = Counter(choice.order()[0] for _ in range(3000))
    assert all(850 < firsts[url] < 1150 for url in URLS)


def test_the_last_to_fail_never_comes_first() -> None:
    """A retry goes elsewhere, whatever the dice say."""
    choice = EndpointChoice(URLS, random=Random(3), clock=lambda: 0.0)
    choice.failed("http://b")
    assert "http://b" not in {choice.order()[0] for _ in range(500)}


def test_an_endpoint_that_fails_often_is_weighed_down() -> None:
    """Three failures make an endpoint rare in first place, even when another one failed after it."""
    choice = EndpointChoice(URLS, random=Random(3), clock=lambda: 0.0)
    for url in ("http://a", "http://a", "http://a", "http://b"):
        choice.failed(url)
    firsts = Counter(choice.order()[0] for _ in range(1000))
    assert 0 < firsts["http://a"] < 250
    assert firsts["http://c"] > 750


def test_a_failure_is_forgotten_by_success_and_by_time() -> None:
    """After a success, or MEMORY seconds, an endpoint comes first as often as before."""
    now = [0.0]
    choice = EndpointChoice(("http://a", "http://b"), random=Random(3), clock=lambda: now[0])
    choice.failed("http://a")
    choice.succeeded("http://a")
    assert 350 < sum(choice.order()[0] == "http://a" for _ in range(1000)) < 650
    choice.failed("http://a")
    now[0] = MEMORY
    assert 350 < sum(choice.order()[0] == "http://a" for _ in range(1000)) < 650


def test_a_single_endpoint_stays_usable() -> None:
    """With one endpoint there is nowhere else to go, also after it failed."""
    choice = EndpointChoice(["http://a"])
    choice.failed("http://a")
    assert choice.order() == ["http://a"]


@given(st.lists(st.sampled_from(URLS)), st.lists(st.sampled_from(URLS)), st.integers())
def test_the_order_is_a_permutation_without_duplicates(urls: list[str], failures: list[str], seed: int) -> None:
    """Whatever failed, every URL is offered exactly once."""
    choice = EndpointChoice(urls, random=Random(seed), clock=lambda: 0.0)
    for url in failures:
        choice.failed(url)
    assert sorted(choice.order()) == sorted(set(urls))
