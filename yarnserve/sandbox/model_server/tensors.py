"""JSON to arrays and back, as strict as TF Serving is (tf-serving.md 4.4)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from yarnserve.sandbox.model_server.servable import TensorInfo
from yarnserve.sandbox.model_server.status import Code, ServingError, invalid_argument

_INTEGERS = {
    "DT_INT8": ("int8", "int32"),
    "DT_INT16": ("int16", "int32"),
    "DT_INT32": ("int32", "int32"),
    "DT_INT64": ("int64", "int64"),
    "DT_UINT8": ("uint8", "int32"),
    "DT_UINT32": ("uint32", "uint32"),
    "DT_UINT64": ("uint64", "uint64"),
}
#: Binary digits of the mantissa, and the largest number.
_FLOATS = {"DT_FLOAT": (24, 3.4028234663852886e38), "DT_DOUBLE": (53, 1.7976931348623157e308)}
_OTHERS = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_BOOL": "bool", "DT_STRING": "object"}


def parse_request(body: bytes) -> dict[str, Any]:
    """Parse a request's JSON object; what follows the first document is ignored.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    try:
        text = body.decode()
        start = len(text) - len(text.lstrip(" \t\r\n"))
        if start == len(text):
            at = f" at offset: {start}" if text else ""
            raise invalid_argument(f"JSON Parse error: The document is empty{at}")
        document, _ = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise invalid_argument(f"JSON Parse error: Invalid value. at offset: {error.pos}") from error
    except UnicodeDecodeError as error:
        raise invalid_argument(f"JSON Parse error: Invalid encoding in string. at offset: {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise invalid_argument("JSON Parse error: Invalid value. at offset: 0") from error
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {_text(document)} Is not object")
    return document


def from_rows(instances: Any, inputs: Mapping[str, TensorInfo]) -> dict[str, Any]:
    """Batch the ``instances`` of a request into one array for each input."""
    if not isinstance(instances, list):
        raise invalid_argument(f"JSON Value: {_text(instances)} Excepting 'instances' to be an list/array")
    if not instances:
        raise invalid_argument("JSON Value: [] No values in 'instances' array")
    if not isinstance(instances[0], dict):
        if len(inputs) > 1:
            raise invalid_argument(
                "instances is a plain list, but expecting list of objects as multiple input tensors required"
                " as per tensorinfo_map"
            )
        ((name, info),) = inputs.items()
        return {name: _batch([(None, instance) for instance in instances], info)}
    for index, instance in enumerate(instances):
        if not isinstance(instance, dict):
            raise invalid_argument(f"Expecting object but got list at item {index} of input list")
        if instance.keys() != inputs.keys():
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. JSON object: {_text(instance)}"
                f" keys must be equal to: {','.join(sorted(inputs))}"
            )
    return {name: _batch([(name, instance[name]) for instance in instances], info) for name, info in inputs.items()}


def from_columns(values: Any, inputs: Mapping[str, TensorInfo]) -> dict[str, Any]:
    """Turn the ``inputs`` of a request into one array for each input; unknown names are ignored."""
    if not isinstance(values, dict):
        if len(inputs) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required"
                " as per tensorinfo_map"
            )
        values = dict.fromkeys(inputs, values)
    for name in inputs:
        if name not in values:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: _array(values[name], _checked(values[name], info), info) for name, info in inputs.items()}


def to_rows(outputs: Mapping[str, Any]) -> list[Any]:
    """Split arrays into ``predictions``: plain values for one output, objects for several."""
    sizes = {name: array.shape[0] if array.shape else 0 for name, array in outputs.items()}
    expected = next(iter(sizes.values()))
    for name, size in sizes.items():
        if size == 0 or size != expected:
            raise invalid_argument(f"Tensor name: {name} has inconsistent batch size: {size} expecting: {expected}")
    columns = {name: to_json(array) for name, array in outputs.items()}
    if len(columns) == 1:
        (rows,) = columns.values()
        return list(rows)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def to_json(array: Any) -> Any:
    """Turn an array into nested lists; a float32 gets no more digits than it has."""
    if array.dtype.name == "float32":
        return _shortened(array.tolist())
    return _decoded(array.tolist())


def _shortened(value: Any) -> Any:
    return [_shortened(item) for item in value] if isinstance(value, list) else float(f"{value:.9g}")


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _batch(items: list[tuple[str | None, Any]], info: TensorInfo) -> Any:
    first: tuple[int, ...] | None = None
    for index, (name, item) in enumerate(items):
        try:
            shape = _checked(item, info)
            if first is not None and shape != first:
                raise invalid_argument(f"Expecting shape {_shape_text(first)} but got: {_shape_text(shape)}")
        except ServingError as error:
            key = f" key: {name}" if name else ""
            raise invalid_argument(
                f"Failed to process element: {index}{key} of 'instances' list. Error: {error}"
            ) from error
        first = shape
    return _array([item for _, item in items], (len(items), *(first or ())), info)


def _checked(value: Any, info: TensorInfo) -> tuple[int, ...]:
    """Return the shape of nested lists, having checked that they are regular and of the right type."""
    shape: list[int] = []
    level = value
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    _check(value, 0, tuple(shape), info.dtype)
    return tuple(shape)


def _check(value: Any, level: int, shape: tuple[int, ...], dtype: str) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {_text(value)} found at incorrect level: {level + 1} in the JSON DOM."
                f" Expected at level: {len(shape)}"
            )
        _check_type(value, dtype)
        return
    if level >= len(shape):
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for item in value:
        _check(item, level + 1, shape, dtype)


def _check_type(value: Any, dtype: str) -> None:
    if dtype in _INTEGERS:
        fits = type(value) is int and _in_range(value, _INTEGERS[dtype][1])
    elif dtype in _FLOATS:
        fits = type(value) in (int, float)
    elif dtype in ("DT_BOOL", "DT_STRING"):
        fits = isinstance(value, bool if dtype == "DT_BOOL" else str)
    else:
        raise ServingError(Code.UNIMPLEMENTED, f"Conversion of JSON Value: {_text(value)} to type: {_type_name(dtype)}")
    if not fits:
        raise invalid_argument(
            f"JSON Value: {_text(value)} Type: {_json_type(value)} is not of expected type: {_type_name(dtype)}"
        )
    if dtype in _FLOATS and not _is_lossless(value, *_FLOATS[dtype]):
        raise invalid_argument(
            f"Cannot convert JSON value: {_text(value)} to {_type_name(dtype)} without loss of precision."
        )


def _is_lossless(value: float, digits: int, largest: float) -> bool:
    """Whether a number may become a float: a whole one must be exact, another must be in range."""
    if isinstance(value, int):
        return abs(value) <= (2**digits - 1 if -(2**63) <= value < 2**64 else largest)
    return not math.isfinite(value) or abs(value) <= largest


def _in_range(value: int, kind: str) -> bool:
    import numpy

    limits = numpy.iinfo(kind)
    return bool(limits.min <= value <= limits.max)


def _array(value: Any, shape: tuple[int, ...], info: TensorInfo) -> Any:
    import numpy

    kind = _OTHERS.get(info.dtype) or _INTEGERS[info.dtype][0]
    # Small integer types are read as int32 and cut, as TensorProto.int_val is.
    wide = _INTEGERS[info.dtype][1] if info.dtype in _INTEGERS else kind
    return numpy.array(value, dtype=wide).astype(kind).reshape(shape)


def _type_name(dtype: str) -> str:
    return dtype.removeprefix("DT_").lower()


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    kinds = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
    return kinds.get(type(value), "Null")


def _text(value: Any) -> str:
    return json.dumps(value, indent=4, ensure_ascii=False)


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"
