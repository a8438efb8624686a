"""What differs between two canonical documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile
from typing import Any

#: Characters that a value may have to be told as a whole, that are told of what differs in a longer one, and that
#: stand around that.
WHOLE = 200
LONGEST = 120
AROUND = 40


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
        return "{}: {} -> {}".format(self.path, *_where_they_differ(_text(self.old), _text(self.new)))


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


def _where_they_differ(old: str, new: str) -> tuple[str, str]:
    """Two texts, of long ones only the part that differs: whole files are values, too."""
    if max(len(old), len(new)) <= WHOLE:
        return old, new
    begin = _same(old, new)
    same_end = min(_same(old[::-1], new[::-1]), len(old) - begin, len(new) - begin)
    return _part(old, begin, len(old) - same_end), _part(new, begin, len(new) - same_end)


def _same(one: str, other: str) -> int:
    """How many characters two texts begin with in common."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _part(text: str, begin: int, end: int) -> str:
    first, last = max(0, begin - AROUND), min(len(text), end + AROUND, begin + LONGEST)
    return ("..." if first else "") + text[first:last] + ("..." if last < len(text) else "")


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
