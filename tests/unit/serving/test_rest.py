"""TF Serving's REST wire format."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.errors import MalformedAnswerError
from yarnserve.records.replica import Example, ModelState, ModelVersion
from yarnserve.serving import rest


def status(version: object = "3", state: object = "AVAILABLE", code: object = "OK", message: object = "") -> Any:
    """One entry of a status answer."""
    return {"version": version, "state": state, "status": {"error_code": code, "error_message": message}}


def metadata(**inputs: Any) -> dict[str, Any]:
    """A metadata answer of a model with one signature, as TF Serving nests it."""
    signature = {"inputs": inputs, "outputs": {}, "method_name": "tensorflow/serving/predict"}
    return {"metadata": {"signature_def": {"signature_def": {"serving_default": signature}}}}


def tensor(dtype: str, *sizes: int, unknown_rank: bool = False) -> dict[str, Any]:
    """One input of a signature."""
    dimensions = [{"size": str(size), "name": ""} for size in sizes]
    return {"dtype": dtype, "name": "x:0", "tensor_shape": {"dim": dimensions, "unknown_rank": unknown_rank}}


def test_paths_quote_the_name() -> None:
    """A model's name cannot break out of its place in the URL."""
    assert rest.status_path("digits") == "/v1/models/digits"
    assert rest.metadata_path("a/b") == "/v1/models/a%2Fb/metadata"
    assert rest.predict_path("a:b?") == "/v1/models/a%3Ab%3F:predict"


def test_status_is_read_in_the_servers_order() -> None:
    """Versions are numbers, errors are words, OK is no error, and a new state is unknown."""
    failed = status("4", "END", "NOT_FOUND", "no such file\n    at org.apache...")
    document = {"model_version_status": [failed, status(), status("2", "RESTING"), status(1, "END", "ABORTED")]}
    assert rest.parse_status(document) == (
        ModelVersion(4, ModelState.END, "NOT_FOUND: no such file"),
        ModelVersion(3, ModelState.AVAILABLE),
        ModelVersion(2, ModelState.UNKNOWN),
        ModelVersion(1, ModelState.END, "ABORTED"),
    )


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"error": "Malformed request: GET /v1/models/m/"},
        {"model_version_status": {}},
        {"model_version_status": [1]},
        {"model_version_status": [status("x")]},
        {"model_version_status": [status("9" * 30)]},
        {"model_version_status": [status(True)]},
        {"model_version_status": [status(1.5)]},
        {"model_version_status": [status(state=None)]},
        {"model_version_status": [status(code=0)]},
        {"model_version_status": [{"version": "1", "state": "END"}]},
    ],
)
def test_another_document_is_no_status(document: object) -> None:
    """Something else that listens on the port is not taken for TF Serving."""
    with pytest.raises(MalformedAnswerError, match="not TF Serving's"):
        rest.parse_status(document)


ZEROS = [
    ("DT_FLOAT", (-1, 3), [[0.0, 0.0, 0.0]]),
    ("DT_DOUBLE", (2,), [0.0, 0.0]),
    ("DT_INT64", (-1, -1), [[0]]),
    ("DT_UINT8", (1, 2, 2, 1), [[[[0], [0]], [[0], [0]]]]),
    ("DT_BOOL", (-1,), [False]),
    ("DT_STRING", (-1,), [""]),
    ("DT_INT32", (), 0),
]


@pytest.mark.parametrize(("dtype", "shape", "zeros"), ZEROS)
def test_zeros_have_the_dtypes_json_and_the_signatures_shape(dtype: str, shape: tuple[int, ...], zeros: object) -> None:
    """Integers carry no decimal point, floats do (TF Serving is strict), unknown sizes are 1."""
    request = rest.request_from_metadata(metadata(x=tensor(dtype, *shape)))
    assert json.dumps(request) == json.dumps({"inputs": {"x": zeros}})


def test_several_inputs_are_sent_by_name() -> None:
    """Every input of the signature is in the request."""
    document = metadata(a=tensor("DT_FLOAT", -1), b=tensor("DT_STRING", -1, 2))
    assert rest.request_from_metadata(document) == {"inputs": {"a": [0.0], "b": [["", ""]]}}


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"x": tensor("DT_FLOAT", unknown_rank=True)},
        {"x": tensor("DT_HALF", 1)},
        {"x": tensor("DT_FLOAT", 1), "y": tensor("DT_COMPLEX64", 1)},
        {"x": tensor("DT_FLOAT", -1, 0)},
        {"x": tensor("DT_FLOAT", rest.MAX_ZEROS), "y": tensor("DT_FLOAT", 1)},
        {"x": tensor("DT_FLOAT", *[2**62] * 200)},
        {"x": tensor("DT_FLOAT", *[1] * 1000)},
    ],
)
def test_no_request_where_zeros_cannot_be_sent(inputs: dict[str, Any]) -> None:
    """Where the signature does not allow a request of reasonable size, there is none."""
    assert rest.request_from_metadata(metadata(**inputs)) is None


def test_an_image_may_be_sent_as_zeros_but_no_large_one() -> None:
    """What is probed at hundreds of replicas at once stays small."""
    assert rest.request_from_metadata(metadata(x=tensor("DT_FLOAT", -1, 128, 128, 3))) is not None
    assert rest.request_from_metadata(metadata(x=tensor("DT_FLOAT", -1, 224, 224, 3))) is None


def test_no_request_without_the_default_signature() -> None:
    """A model with other signatures only cannot be asked by itself."""
    document = metadata()
    document["metadata"]["signature_def"]["signature_def"] = {"embed": {}}
    assert rest.request_from_metadata(document) is None


@pytest.mark.parametrize("document", [None, {}, {"metadata": {}}, metadata(x={}), metadata(x={"dtype": "DT_FLOAT"})])
def test_another_document_is_no_metadata(document: object) -> None:
    """A document that lacks what metadata has is refused."""
    with pytest.raises(MalformedAnswerError):
        rest.request_from_metadata(document)


MATCHES: list[tuple[Any, Any]] = [
    ({"predictions": [0.98]}, {"predictions": [0.9805]}),
    ({"predictions": [1]}, {"predictions": [1.0]}),
    ({"predictions": [math.nan, math.inf]}, {"predictions": [math.nan, math.inf]}),
    ({"predictions": [{"a": "x", "b": None, "c": True}]}, {"predictions": [{"c": True, "b": None, "a": "x"}]}),
]


@pytest.mark.parametrize(("expected", "got"), MATCHES)
def test_an_answer_within_the_tolerance_matches(expected: Any, got: Any) -> None:
    """Numbers may differ a little, everything else may not."""
    assert rest.mismatch(got, Example({}, expected)) == ""


MISMATCHES: list[tuple[Any, Any, str]] = [
    (
        {"predictions": [[1, 2, 3, 0.98]]},
        {"predictions": [[1, 2, 3, 0.11]]},
        "predictions[0][3]: expected 0.98, got 0.11",
    ),
    ({"predictions": [1, 2]}, {"predictions": [1, 2, 3]}, "predictions: expected 2 values, got 3"),
    ({"predictions": [1, 2]}, {"predictions": [5, 6]}, "predictions[0]: expected 1, got 5"),
    ({"predictions": [1]}, {"error": "x"}, "answer: expected a key 'predictions', got an object with 1 keys: 'error'"),
    ({"outputs": {"a": 1}}, {"outputs": {"a": 1, "b": 2}}, "outputs: got a key 'b' that is not expected"),
    ({"outputs": {"a": [1]}}, {"outputs": {"a": 1}}, "outputs.a: expected a list of 1, got 1"),
    ({"predictions": [1]}, [1], "answer: expected an object with 1 keys: 'predictions', got a list of 1"),
    ({"predictions": [1]}, {"predictions": [True]}, "predictions[0]: expected 1, got true"),
    ({"predictions": ["a"]}, {"predictions": ["b"]}, 'predictions[0]: expected "a", got "b"'),
    ({"predictions": [1.0]}, {"predictions": [math.nan]}, "predictions[0]: expected 1.0, got NaN"),
    ({"predictions": [math.inf]}, {"predictions": [1e300]}, "predictions[0]: expected Infinity, got 1e+300"),
    ({"predictions": [0]}, {"predictions": [None]}, "predictions[0]: expected 0, got null"),
]


@pytest.mark.parametrize(("expected", "got", "told"), MISMATCHES)
def test_the_first_difference_is_told_with_its_place(expected: Any, got: Any, told: str) -> None:
    """A mismatch names the path, what was expected and what came."""
    assert rest.mismatch(got, Example({}, expected)) == told


def test_an_integer_beyond_every_float_is_a_difference() -> None:
    """A number too large to be compared is no crash."""
    assert rest.mismatch({"predictions": [10**400]}, Example({}, {"predictions": [0.5]})).startswith("predictions[0]: ")


def test_tolerance_is_the_examples() -> None:
    """The bound itself still matches; a hair more does not."""
    assert rest.mismatch({"predictions": [1.5]}, Example({}, {"predictions": [1.0]}, tolerance=0.5)) == ""
    assert rest.mismatch({"predictions": [1.6]}, Example({}, {"predictions": [1.0]}, tolerance=0.5)) != ""


def test_nothing_expected_matches_anything() -> None:
    """An example without an answer is proved by any 200."""
    assert rest.mismatch({"whatever": 1}, Example({})) == ""


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(min_value=10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab") | st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(max_size=3), _json))
def test_every_answer_matches_itself(answer: dict[str, Any]) -> None:
    """What a server answers twice in the same way is never a mismatch."""
    assert rest.mismatch(json.loads(json.dumps(answer)), Example({}, answer)) == ""


@given(st.dictionaries(st.text(max_size=3), _json), _json)
def test_any_two_documents_can_be_compared(expected: dict[str, Any], got: Any) -> None:
    """Whatever a server answers, comparing gives words and never an exception."""
    assert isinstance(rest.mismatch(got, Example({}, expected)), str)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["model_version_status", "version", "state", "status", "error_code", "error_message"])
                | st.sampled_from(
                    ["metadata", "signature_def", "serving_default", "inputs", "tensor_shape", "dim", "size"]
                ),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_any_document_is_read_or_refused(document: object) -> None:
    """Only MalformedAnswerError comes out of either parser."""
    for parse in (rest.parse_status, rest.request_from_metadata):
        try:
            parsed = parse(document)
        except MalformedAnswerError as error:
            parsed = error
        assert parsed is None or isinstance(parsed, (tuple, dict, MalformedAnswerError))


def test_a_deep_answer_does_not_exhaust_the_stack() -> None:
    """A server cannot bring down the comparison by nesting its answer."""
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    assert rest.mismatch({"predictions": deep}, Example({}, {"predictions": 1})).startswith("predictions: expected 1")
    with pytest.raises(MalformedAnswerError):
        rest.parse_status({"model_version_status": [{"version": deep}]})
