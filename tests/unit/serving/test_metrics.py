"""TF Serving's counters, as it prints them (tf-serving.md 3.4)."""

from __future__ import annotations

from contextlib import suppress

import hypothesis.strategies as st
import pytest
from hypothesis import given

from yarnserve.errors import MalformedAnswerError
from yarnserve.serving.metrics import RequestCounts, request_counts

TEXT = """\
# TYPE :tensorflow:serving:request_count counter
:tensorflow:serving:request_count{model_name="digits",status="OK"} 5
:tensorflow:serving:request_count{model_name="digits",status="NOT_FOUND"} 2
:tensorflow:serving:request_count{model_name="",status="OK"} 9
:tensorflow:serving:request_count{model_name="other",status="OK"} 7
# TYPE :tensorflow:serving:request_latency histogram
:tensorflow:serving:request_latency_bucket{model_name="digits",API="Predict",entrypoint="REST",le="10"} 0
:tensorflow:serving:request_latency_bucket{model_name="digits",API="Predict",entrypoint="REST",le="+Inf"} 3
:tensorflow:serving:request_latency_sum{model_name="digits",API="Predict",entrypoint="REST"} 900
:tensorflow:serving:request_latency_count{model_name="digits",API="Predict",entrypoint="REST"} 3
:tensorflow:serving:request_latency_count{model_name="digits",API="",entrypoint="REST"} 40
"""


def test_requests_of_the_models_are_counted_and_nobody_elses() -> None:
    """All, those that failed, and the predictions that were answered; status requests are no predictions."""
    assert request_counts(TEXT, {"digits"}) == RequestCounts(7.0, 2.0, 3.0)
    assert request_counts("", {"digits"}) == RequestCounts()
    assert request_counts(TEXT, {"digits", "other"}) == RequestCounts(14.0, 2.0, 3.0)


def test_a_server_that_began_anew_counts_from_nothing() -> None:
    """Its counters are lower than before: all of them came since."""
    assert RequestCounts(7, 2, 3).since(RequestCounts(5, 1, 3)) == RequestCounts(2, 1, 0)
    assert RequestCounts(4, 0, 4).since(RequestCounts(5, 1, 3)) == RequestCounts(4, 0, 4)


def test_what_is_no_text_of_prometheus_is_said_so() -> None:
    """Somebody else's page on that address."""
    with pytest.raises(MalformedAnswerError):
        request_counts("<html>{</html>", {"digits"})


@given(st.text() | st.text(alphabet='abc:{}=",# \n\\0123456789.+-eNaIf_'))
def test_nothing_else_is_raised(text: str) -> None:
    """Whatever a server answers; of a page without our model no request is counted."""
    with suppress(MalformedAnswerError):
        assert request_counts(text, {"digits"}).total == 0
