"""JSON to arrays and back, for signatures that the digits model does not have."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.sandbox.model_server.servable import TensorInfo
from yarnserve.sandbox.model_server.status import Code, ServingError
from yarnserve.sandbox.model_server.tensors import from_columns, from_rows, to_json, to_rows

TWO = {"a": TensorInfo("a", "DT_INT64", (-1,)), "b": TensorInfo("b", "DT_STRING", (-1, 2))}


def one(dtype: str) -> dict[str, TensorInfo]:
    """A signature's inputs: one, of this type."""
    return {"x": TensorInfo("x", dtype, None)}


def test_several_inputs() -> None:
    """Rows of objects and a column of objects give the same arrays."""
    rows = from_rows([{"a": 1, "b": ["p", "q"]}, {"b": ["r", "s"], "a": 2}], TWO)
    columns = from_columns({"a": [1, 2], "b": [["p", "q"], ["r", "s"]]}, TWO)
    for arrays in (rows, columns):
        assert arrays["a"].tolist() == [1, 2]
        assert arrays["a"].dtype == numpy.int64
        assert arrays["b"].tolist() == [["p", "q"], ["r", "s"]]


@pytest.mark.parametrize("convert", [from_rows, from_columns])
def test_several_inputs_need_names(convert: Any) -> None:
    """A plain list does not say which input it is for."""
    with pytest.raises(ServingError, match="multiple input tensors required"):
        convert([1, 2], TWO)


@pytest.mark.parametrize(
    ("dtype", "value", "found"),
    [
        ("DT_FLOAT", 1, 1.0),
        ("DT_FLOAT", 2**24 - 1, 16777215.0),
        ("DT_DOUBLE", 0.1, 0.1),
        ("DT_FLOAT", math.inf, math.inf),
        ("DT_INT32", -(2**31), -(2**31)),
        ("DT_UINT64", 2**64 - 1, 2**64 - 1),
        ("DT_UINT8", 257, 1),
        ("DT_BOOL", True, True),
        ("DT_STRING", "ü", "ü"),
    ],
)
def test_types(dtype: str, value: Any, found: Any) -> None:
    """Values become what TensorFlow makes of them."""
    assert from_columns(value, one(dtype))["x"].item() == found


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        ("DT_INT32", 1.0, "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        ("DT_INT32", 2**31, "is not of expected type: int32"),
        ("DT_INT64", True, "JSON Value: true Type: True is not of expected type: int64"),
        ("DT_BOOL", 1, "JSON Value: 1 Type: Number is not of expected type: bool"),
        ("DT_STRING", 1, "is not of expected type: string"),
        ("DT_DOUBLE", 2**53, "without loss of precision"),
    ],
)
def test_wrong_types(dtype: str, value: Any, message: str) -> None:
    """Nothing is converted that TF Serving would refuse."""
    with pytest.raises(ServingError) as refused:
        from_columns(value, one(dtype))
    assert message in refused.value.message
    assert refused.value.code == Code.INVALID_ARGUMENT


def test_unsupported_type() -> None:
    """A type without a JSON form is unimplemented."""
    with pytest.raises(ServingError) as refused:
        from_columns(1.0, one("DT_HALF"))
    assert refused.value.code == Code.UNIMPLEMENTED


def test_several_outputs() -> None:
    """Several outputs give one object for each instance."""
    outputs = {"p": numpy.array([0.5, 1.0], "float32"), "q": numpy.array([["a"], ["b"]], object)}
    assert to_rows(outputs) == [{"p": 0.5, "q": ["a"]}, {"p": 1.0, "q": ["b"]}]


@pytest.mark.parametrize("odd", [numpy.array([1.0]), numpy.array(1.0)])
def test_outputs_without_a_common_batch(odd: Any) -> None:
    """Outputs that cannot be split into rows are refused by name."""
    with pytest.raises(ServingError, match="Tensor name: q has inconsistent batch size"):
        to_rows({"p": numpy.array([1.0, 2.0]), "q": odd})


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1))
def test_floats_survive(values: list[float]) -> None:
    """A float32 that went through JSON is the same float32, with at most nine digits."""
    text = json.dumps(to_json(numpy.array(values, "float32")))
    assert numpy.array(json.loads(text), "float32").tolist() == values
