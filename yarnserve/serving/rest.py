"""TF Serving's REST wire format, without any I/O: paths, answers read strictly, requests built, answers compared."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from yarnserve.errors import MalformedAnswerError, first_line
from yarnserve.records.replica import Example, ModelState, ModelVersion

#: A request of zeros has at most so many of them in all inputs together (128 x 128 x 3 fits): a larger one would
#: load the server, and whoever probes many, more than it proves. A model of larger inputs is proved by an example.
MAX_ZEROS = 50_000

_SIGNATURE = "serving_default"

#: TensorFlow's own limit; whatever claims more is no tensor.
_MAX_RANK = 254

#: What a zero is in JSON, by dtype. Half, bfloat16 and complex cannot be sent over REST (tf-serving.md 4.4).
_ZEROS: Mapping[str, object] = {
    **dict.fromkeys(("DT_FLOAT", "DT_DOUBLE"), 0.0),
    **dict.fromkeys(("DT_INT8", "DT_INT16", "DT_INT32", "DT_INT64"), 0),
    **dict.fromkeys(("DT_UINT8", "DT_UINT16", "DT_UINT32", "DT_UINT64"), 0),
    "DT_BOOL": False,
    "DT_STRING": "",
}


def status_path(model: str) -> str:
    """Return the path of GET status; it is answered from a log of events and never touches the model."""
    return f"/v1/models/{quote(model, safe='')}"


def metadata_path(model: str, version: int | None = None) -> str:
    """Return the path of GET metadata, of the newest version where none is named; 404 while it is not loaded."""
    return f"{_version_path(model, version)}/metadata"


def predict_path(model: str, version: int | None = None) -> str:
    """Return the path of POST predict, on the newest version where none is named."""
    return f"{_version_path(model, version)}:predict"


def _version_path(model: str, version: int | None) -> str:
    return status_path(model) if version is None else f"{status_path(model)}/versions/{version}"


def parse_status(document: object) -> tuple[ModelVersion, ...]:
    """Read a status answer: every version TF Serving remembers, in its order (newest first; tf-serving.md 4.2).

    A state that this yarnserve does not know becomes UNKNOWN.

    Raises:
        MalformedAnswerError: the document is not a status answer.
    """
    statuses = _member(document, "model_version_status", list)
    return tuple(_model_version(status) for status in statuses)


def request_from_metadata(document: object) -> Mapping[str, Any] | None:
    """Build a predict body of zeros from a metadata answer (tf-serving.md 4.3), or None where it cannot be.

    Inputs come by name in column format, which suits any number of them and asks no batch dimension of the
    outputs, as the row format does (tf-serving.md 4.4). A dimension of unknown size is taken as 1.

    Returns:
        None without a signature ``serving_default``, for inputs of unknown rank or of a dtype that REST does not
        take, with a dimension of size 0, and for more than MAX_ZEROS values.

    Raises:
        MalformedAnswerError: the document is not a metadata answer.
    """
    metadata = _member(document, "metadata", dict)
    signatures = _member(_member(metadata, "signature_def", dict), "signature_def", dict)
    if _SIGNATURE not in signatures:
        return None
    described = _member(signatures[_SIGNATURE], "inputs", dict)
    shapes = {name: _shape(tensor) for name, tensor in described.items()}
    zeros = {name: _ZEROS.get(_member(tensor, "dtype", str)) for name, tensor in described.items()}
    known = {name: shape for name, shape in shapes.items() if shape is not None and zeros[name] is not None}
    if not known or len(known) < len(described) or sum(map(math.prod, known.values())) > MAX_ZEROS:
        return None
    return {"inputs": {name: _filled(shape, zeros[name]) for name, shape in known.items()}}


def mismatch(answer: object, example: Example) -> str:
    """Say where *answer*, a whole REST answer body, differs from what *example* expects.

    Numbers may differ by the example's tolerance (absolute); NaN equals NaN; anything else must be the same, extra
    and missing keys included.

    Returns:
        The first difference, e.g. ``predictions[0][3]: expected 0.98, got 0.11``; empty when there is none or
        nothing was expected.
    """
    if example.expected is None:
        return ""
    pending: list[tuple[str, object, object]] = [("", example.expected, answer)]
    while pending:
        path, expected, got = pending.pop()
        difference, parts = _compare(expected, got, example.tolerance)
        if difference:
            return f"{path or 'answer'}: {difference}"
        pending.extend((_join(path, key), wanted, found) for key, wanted, found in reversed(parts))
    return ""


def _model_version(status: object) -> ModelVersion:
    state = _member(status, "state", str)
    known = ModelState(state) if state in ModelState.__members__ else ModelState.UNKNOWN
    outcome = _member(status, "status", dict)
    code = _member(outcome, "error_code", str)
    message = first_line(_member(outcome, "error_message", str))
    error = "" if code == "OK" else ": ".join(filter(None, [code, message]))
    return ModelVersion(_integer(_member(status, "version", (str, int))), known, error)


def _shape(tensor: object) -> tuple[int, ...] | None:
    described = _member(tensor, "tensor_shape", dict)
    if described.get("unknown_rank") is True:
        return None
    sizes = [_integer(_member(dimension, "size", (str, int))) for dimension in _member(described, "dim", list)]
    if 0 in sizes or len(sizes) > _MAX_RANK:
        return None
    return tuple(1 if size < 0 else size for size in sizes)


def _filled(shape: tuple[int, ...], zero: object) -> object:
    value = zero
    for length in reversed(shape):
        value = [value] * length
    return value


def _member(document: object, name: str, kind: type[Any] | tuple[type[Any], ...]) -> Any:
    """Return ``document[name]``, which must be there and of *kind*."""
    value = document.get(name) if isinstance(document, dict) else None
    if isinstance(value, kind):
        return value
    raise MalformedAnswerError(
        f"the answer is not TF Serving's: {name!r} is missing or of another type", why=f"it says {_brief(document)}"
    )


def _integer(value: str | int) -> int:
    """Read an int64, which JSON carries as a string (tf-serving.md 4.2)."""
    text = str(value)
    if text.removeprefix("-").isdecimal() and len(text) <= len("-9223372036854775808"):
        return int(text)
    raise MalformedAnswerError("the answer is not TF Serving's: a number is expected", why=f"it says {_brief(value)}")


_Part = tuple[str | int, object, object]


def _compare(expected: object, got: object, tolerance: float) -> tuple[str, list[_Part]]:
    """Return how two values differ by themselves, and their parts that are still to be compared."""
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        return _compare_keys(expected, got), [(key, expected[key], got.get(key)) for key in expected]
    if isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            return f"expected {len(expected)} values, got {len(got)}", []
        return "", [(index, *pair) for index, pair in enumerate(zip(expected, got, strict=True))]
    if _same(expected, got, tolerance):
        return "", []
    return f"expected {_brief(expected)}, got {_brief(got)}", []


def _compare_keys(expected: Mapping[str, object], got: Mapping[str, object]) -> str:
    missing, extra = sorted(expected.keys() - got.keys()), sorted(got.keys() - expected.keys())
    if missing:
        return f"expected a key {missing[0]!r}, got {_brief(got)}"
    return f"got a key {extra[0]!r} that is not expected" if extra else ""


def _same(expected: object, got: object, tolerance: float) -> bool:
    if not (_is_number(expected) and _is_number(got)):
        return type(expected) is type(got) and expected == got
    return _close(expected, got, tolerance)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _close(expected: Any, got: Any, tolerance: float) -> bool:
    if expected == got or (expected != expected and got != got):
        return True
    try:
        return bool(abs(expected - got) <= tolerance)
    except OverflowError:
        # An integer beyond the range of a double beside a float.
        return False


def _join(path: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _brief(value: object) -> str:
    """Describe a value in a few words, however large or deep it is."""
    if isinstance(value, Mapping):
        keys = ", ".join(repr(key) for key in list(value)[:5])
        return f"an object with {len(value)} keys: {first_line(keys, 80)}" if keys else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return first_line(json.dumps(value, ensure_ascii=False), 80)
