"""What an agent is told survives the way through YARN's templates."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from yarnserve.spec.assignment import Assignment, HdfsAccess
from yarnserve.spec.loader import parse_spec
from yarnserve.spec.model import ServiceSpec

HDFS = HdfsAccess("alice", {"digits": ("http://a:9870", "http://b:9870")}, secret="/user/alice/s")


def spec(example: str = '{"request": {"instances": [[0.5]]}}') -> ServiceSpec:
    """A service with an agent."""
    text = """
name: digits
model: {base_path: /models/digits, delivery: sync, example: e.json}
serving: {version: "2.11", batching: {max_batch_size: 8}}
resources: {memory: 1g}
agent: {rate: 50MB/s, disk: 20g}
"""
    return parse_spec(text, file="service.yaml", read_text=lambda name: example)


def test_it_is_read_as_it_was_written() -> None:
    """Spec, example and endpoints."""
    told = Assignment(spec(), HDFS)
    assert Assignment.from_text(told.to_text()) == told
    assert told.spec.agent.rate == 50_000_000


@given(st.text())
def test_yarn_finds_none_of_its_tokens_in_it(word: str) -> None:
    """${USER} in an example's text is the model's affair."""
    import json

    example = json.dumps({"request": {"instances": ["${USER}" + word]}})
    told = Assignment(spec(example), HDFS)
    assert "$" not in told.to_text()
    assert Assignment.from_text(told.to_text()) == told


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "spec": {}, "hdfs": {}}', "nul"])
def test_anything_else_is_refused(text: str) -> None:
    """With ValueError, which the command turns into a fix."""
    with pytest.raises(ValueError, match=r".+"):
        Assignment.from_text(text)
