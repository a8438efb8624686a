"""The example file."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.errors import SpecError
from yarnserve.records.replica import Example
from yarnserve.spec.example import MAX_DEPTH, parse_example


def test_a_request_alone_is_enough() -> None:
    """Without an expected answer any 200 will do, within the default tolerance."""
    example = parse_example('{"request": {"signature_name": "s", "instances": [1]}}', file="e.json")
    assert example == Example({"signature_name": "s", "instances": [1]}, None, 1e-3)


def test_nan_and_infinity_are_taken() -> None:
    """TF Serving writes them as bare words, so an expected answer may contain them."""
    text = '{"request": {"inputs": [NaN]}, "expected": {"outputs": [NaN, -Infinity]}, "tolerance": 0}'
    example = parse_example(text, file="e.json")
    assert example.expected is not None
    assert math.isnan(example.expected["outputs"][0])
    assert example.expected["outputs"][1] == -math.inf


BROKEN = [
    ("", "", "valid JSON", 1),
    ('{"request": {},\n "a" 1}', "", "valid JSON", 2),
    ("[1]", "", "an object with request", 1),
    ("{}", "request", "the body of a predict request", 0),
    ('{"request": [1]}', "request", "the body of a predict request", 0),
    ('{"request": {"instances": []}}', "request", "not empty", 0),
    ('{"request": {"instances": [1], "inputs": [1]}}', "request", "either 'instances'", 0),
    ('{"request": {"inputs": 1}, "expected": [1]}', "expected", "the body of the answer", 0),
    ('{"request": {"inputs": 1}, "expected": {"predictions": [1]}}', "expected", "'outputs'", 0),
    ('{"request": {"instances": [1]}, "expected": {"outputs": [1]}}', "expected", "'predictions'", 0),
    ('{"request": {"inputs": 1}, "tolerance": NaN}', "tolerance", "at least 0", 0),
    ('{"request": {"inputs": 1}, "tolerance": Infinity}', "tolerance", "at least 0", 0),
    ('{"request": {"inputs": 1}, "tolerance": "1"}', "tolerance", "at least 0", 0),
    ('{"request": {"inputs": 1}, "expects": 1}', "expects", "one of the fields request, expected, tolerance", 0),
    ('{"request": {"inputs": 1, "inputs": 2}}', "inputs", "each key once", 0),
    ('{"request": {"inputs": 1' + "0" * 5000 + "}}", "", "numbers of a reasonable size", 0),
    ('{"request": {"inputs": ' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}}", "", f"at most {MAX_DEPTH} levels", 0),
    ("[" * 100_000, "", f"at most {MAX_DEPTH} levels", 0),
]


@pytest.mark.parametrize(("text", "field", "allowed", "line"), BROKEN)
def test_a_wrong_example_is_one_problem(text: str, field: str, allowed: str, line: int) -> None:
    """Every rule of the example file names its field, and a line where JSON gives one."""
    with pytest.raises(SpecError) as caught:
        parse_example(text, file="e.json")
    (problem,) = caught.value.problems
    assert (problem.field, problem.file, problem.line) == (field, "e.json", line)
    assert allowed in problem.allowed


def test_all_mistakes_come_at_once() -> None:
    """One reading reports every wrong field."""
    with pytest.raises(SpecError) as caught:
        parse_example('{"request": 1, "expected": 2, "tolerance": 3, "expct": 4}', file="e.json")
    assert [problem.field for problem in caught.value.problems] == ["request", "expected", "expct"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.text() | st.dictionaries(st.sampled_from(["request", "expected", "tolerance", "x"]), _json).map(json.dumps))
def test_any_text_gives_an_example_or_a_spec_error(text: str) -> None:
    """Whatever stands in the file, no foreign exception comes out."""
    outcome: Any
    try:
        outcome = parse_example(text, file="e.json")
    except SpecError as error:
        outcome = error.problems
    assert outcome
