"""Frozen dataclasses to JSON documents and back, strictly.

What is saved on HDFS today is read by another yarnserve tomorrow: a document with a missing or mistyped field is
refused with the field's name, an unknown field (a newer yarnserve's) is ignored.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


def to_document(value: Any) -> Any:
    """Turn a record (or a container of records) into what ``json.dumps`` takes."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_document(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_document(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_document(item) for item in value]
    return value


def from_document(kind: type[T], document: object) -> T:
    """Read a record of *kind* from a JSON document.

    Raises:
        ValueError: a field is missing or has the wrong type; the message names it with its dotted path.
    """
    return typing.cast(T, _read(kind, document, kind.__name__))


def _read(kind: Any, value: object, path: str) -> Any:
    if kind is Any:
        return value
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _read_union(kind, value, path)
    if origin is tuple:
        return _read_tuple(kind, value, path)
    if origin is not None and issubclass(origin, Mapping):
        return _read_mapping(kind, value, path)
    if dataclasses.is_dataclass(kind):
        return _read_record(kind, value, path)
    return _read_scalar(kind, value, path)


def _read_union(kind: Any, value: object, path: str) -> Any:
    arms = [arm for arm in typing.get_args(kind) if arm is not type(None)]
    if value is None:
        if len(arms) == len(typing.get_args(kind)):
            raise ValueError(f"{path}: expected a value, found null")
        return None
    if len(arms) == 1:
        return _read(arms[0], value, path)
    if not isinstance(value, tuple(arms)):
        names = ", ".join(arm.__name__ for arm in arms)
        raise ValueError(f"{path}: expected one of {names}, found {type(value).__name__}")
    return value


def _read_tuple(kind: Any, value: object, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{path}: expected a list, found {type(value).__name__}")
    item = typing.get_args(kind)[0]
    return tuple(_read(item, element, f"{path}[{index}]") for index, element in enumerate(value))


def _read_mapping(kind: Any, value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected an object, found {type(value).__name__}")
    item = typing.get_args(kind)[1]
    return {str(key): _read(item, element, f"{path}.{key}") for key, element in value.items()}


def _read_record(kind: Any, value: object, path: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected an object, found {type(value).__name__}")
    hints = _hints(kind)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.name in value:
            fields[field.name] = _read(hints[field.name], value[field.name], f"{path}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{path}.{field.name}: missing")
    return kind(**fields)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    """The types of the fields of *kind*; they stand there as text, and it takes its time to evaluate it."""
    return typing.get_type_hints(kind)


def _read_number(value: float, path: str) -> float:
    # Python's JSON has NaN and infinity: as a deadline they would never come.
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{path}: expected a finite number")
    return number


def _read_scalar(kind: Any, value: object, path: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _read_number(value, path)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{path}: expected {kind.__name__}, found {type(value).__name__}")
    return value
