"""The page of metrics, as Prometheus reads it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.sandbox.model_server.metrics import Counter, Histogram, Metrics, exposed_name, label_text
from yarnserve.sandbox.model_server.monitoring import read_path


def test_nothing_counted_yet() -> None:
    """Before anything happens the page has the types alone, by name."""
    assert Metrics().text().splitlines() == [
        "# TYPE :tensorflow:cc:saved_model:load_attempt_count counter",
        "# TYPE :tensorflow:serving:request_count counter",
        "# TYPE :tensorflow:serving:request_latency histogram",
    ]


def test_a_counter() -> None:
    """One line for each combination of labels."""
    counter = Counter("/a/b", ("path", "status"))
    for values in (("/m/2", "fail"), ("/m/1", "success"), ("/m/2", "fail")):
        counter.add(*values)
    assert list(counter.lines()) == [
        "# TYPE :a:b counter",
        ':a:b{path="/m/1",status="success"} 1',
        ':a:b{path="/m/2",status="fail"} 2',
    ]


def test_a_histogram() -> None:
    """33 limits from 10 us on and one without end, each with all that is below it; then sum and count."""
    histogram = Histogram("/t", ("m",))
    for microseconds in (5, 11, 700_000, 1e12):
        histogram.observe(microseconds, "x")
    lines = list(histogram.lines())
    assert len(lines) == 1 + 34 + 2
    assert lines[1:4] == [':t_bucket{m="x",le="10"} 1', ':t_bucket{m="x",le="18"} 2', ':t_bucket{m="x",le="32.4"} 2']
    assert ':t_bucket{m="x",le="708235"} 3' in lines
    assert lines[-3:] == [':t_bucket{m="x",le="+Inf"} 4', ':t_sum{m="x"} 1e+12', ':t_count{m="x"} 4']


def test_requests() -> None:
    """Every request is counted by its status, and only those that succeed have a latency."""
    metrics = Metrics()
    metrics.count_request("m", "predict", "OK", 12.0)
    metrics.count_request("m", "predict", "NOT_FOUND", 12.0)
    text = metrics.text()
    assert ':tensorflow:serving:request_count{model_name="m",status="NOT_FOUND"} 1\n' in text
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 1\n' in text
    assert ':tensorflow:serving:request_latency_count{model_name="m",API="predict",entrypoint="REST"} 1\n' in text


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", None),
        ("prometheus_config { }", None),
        ('prometheus_config { path: "/m" }', None),
        ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
        ('prometheus_config: { enable: true, path: "/m" }', "/m"),
    ],
)
def test_where_the_page_is(tmp_path: Path, text: str, path: str | None) -> None:
    """Nowhere, unless it is enabled; without a path at TF Serving's own."""
    file = tmp_path / "monitoring.config"
    file.write_text(text)
    assert read_path(str(file)) == path


@given(st.lists(st.text(), max_size=3))
def test_any_label_value_can_be_read_back(values: list[str]) -> None:
    """Quotes and backslashes do not end a value."""
    names = [f"n{index}" for index in range(len(values))]
    pairs = re.findall(r'(n\d)="((?:[^"\\]|\\.)*)"(?:,|\Z)', label_text(names, values), re.DOTALL)
    assert [(name, re.sub(r"\\(.)", r"\1", value)) for name, value in pairs] == list(zip(names, values, strict=True))


@given(st.text())
def test_any_name_is_one_for_prometheus(name: str) -> None:
    """What is no letter, digit or underscore is a colon."""
    assert re.fullmatch(r"[a-zA-Z0-9_:]*", exposed_name(name))
