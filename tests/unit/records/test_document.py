"""Records as JSON documents: round trips, and refusal of what is not one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.records.document import from_document, to_document


class Colour(str, Enum):
    """A state name."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    """A record inside a record."""

    name: str
    colour: Colour = Colour.RED


@dataclass(frozen=True)
class Outer:
    """One field of every kind that records have."""

    number: int
    ratio: float
    flag: bool
    maybe: str | None
    inner: tuple[Inner, ...]
    table: Mapping[str, int]
    anything: Mapping[str, str | int | float | bool] = field(default_factory=dict)


SCALARS = st.text() | st.integers() | st.floats(allow_nan=False) | st.booleans()
OUTERS = st.builds(
    Outer,
    number=st.integers(),
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    maybe=st.none() | st.text(),
    inner=st.lists(st.builds(Inner, st.text(), st.sampled_from(Colour))).map(tuple),
    table=st.dictionaries(st.text(), st.integers()),
    anything=st.dictionaries(st.text(), SCALARS),
)


@given(OUTERS)
def test_what_was_saved_is_what_is_read(record: Outer) -> None:
    """A record survives being a JSON text."""
    assert from_document(Outer, json.loads(json.dumps(to_document(record)))) == record


GOOD = {"number": 1, "ratio": 1, "flag": True, "maybe": None, "inner": [{"name": "a"}], "table": {}}


def test_an_unknown_field_of_a_newer_yarnserve_is_ignored() -> None:
    """Yesterday's yarnserve reads what tomorrow's wrote."""
    assert from_document(Outer, {**GOOD, "later": 1}) == from_document(Outer, GOOD)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"number": "1"}, "Outer.number: expected int, found str"),
        ({"number": True}, "Outer.number: expected int, found bool"),
        ({"inner": [{"colour": "red"}]}, "Outer.inner[0].name: missing"),
        ({"inner": [{"name": "a", "colour": "green"}]}, "Outer.inner[0].colour"),
        ({"inner": {}}, "Outer.inner: expected a list, found dict"),
        ({"table": []}, "Outer.table: expected an object, found list"),
        ({"ratio": float("nan")}, "Outer.ratio: expected a finite number"),
        ({"ratio": float("inf")}, "Outer.ratio: expected a finite number"),
        ({"ratio": 10**400}, "Outer.ratio: expected a finite number"),
        ({"anything": {"x": None}}, "Outer.anything.x: expected a value, found null"),
        ({"anything": {"x": []}}, "Outer.anything.x: expected one of str, int, float, bool, found list"),
    ],
)
def test_a_wrong_field_is_named_with_its_path(change: dict[str, object], told: str) -> None:
    """Whoever repairs a state file by hand is told where."""
    with pytest.raises(ValueError, match=r".") as caught:
        from_document(Outer, {**GOOD, **change})
    assert told in str(caught.value)


@given(st.recursive(SCALARS | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_only_value_errors_come_out(document: object) -> None:
    """Whatever JSON lies in a state file, reading it ends in a record or a ValueError."""
    with contextlib.suppress(ValueError):
        assert isinstance(from_document(Outer, document), Outer)
