"""What differs between two canonical documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Absent(Enum):
    """The value of a path in the document that does not have it; null is a value."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True)
class Change:
    """One difference.

    Attributes:
        path: where, e.g. ``components[0].number_of_containers``.
        old: the value in the old document; ABSENT where it has none.
        new: the value in the new document; ABSENT where it has none.
    """

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        if self.old is ABSENT:
            return f"{self.path}: {_text(self.new)} added"
        if self.new is ABSENT:
            return f"{self.path}: {_text(self.old)} removed"
        return f"{self.path}: {_text(self.old)} -> {_text(self.new)}"


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return every difference, ordered by path as the canonical text is.

    Lists are compared by position. Values differ as JSON texts do: 1, 1.0 and true are three values.
    """
    return tuple(_changes("", old, new))


def _changes(path: str, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from _changes(f"{path}.{key}" if path else key, old.get(key, ABSENT), new.get(key, ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from _changes(f"{path}[{index}]", _item(old, index), _item(new, index))
    elif type(old) is not type(new) or old != new:
        yield Change(path, old, new)


def _item(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else ABSENT


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
