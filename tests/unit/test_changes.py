"""Differences between canonical documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.judge.changes import changes

DIFFERENCES: list[tuple[Any, Any, list[str]]] = [
    ({"a": 1}, {"a": 1}, []),
    ({"a": 1}, {"a": 2}, ["a: 1 -> 2"]),
    ({"a": 1}, {}, ["a: 1 removed"]),
    ({}, {"a": None}, ["a: null added"]),
    ({"a": None}, {"a": 0}, ["a: null -> 0"]),
    ({"a": 1}, {"a": True}, ["a: 1 -> true"]),
    ({"a": "1"}, {"a": 1}, ['a: "1" -> 1']),
    ({"a": {"b": 1}}, {"a": [1]}, ['a: {"b": 1} -> [1]']),
    (
        {"components": [{"name": "serve", "number_of_containers": 3}]},
        {"components": [{"name": "serve", "number_of_containers": 5}]},
        ["components[0].number_of_containers: 3 -> 5"],
    ),
    ({"a": [1, 2, 3]}, {"a": [1, 4]}, ["a[1]: 2 -> 4", "a[2]: 3 removed"]),
    (
        {"b": {"y": 1, "x": 1}, "a": 1},
        {"a": 2, "b": {"x": 2, "z": 3}},
        ["a: 1 -> 2", "b.x: 1 -> 2", "b.y: 1 removed", "b.z: 3 added"],
    ),
]


@pytest.mark.parametrize(("old", "new", "told"), DIFFERENCES)
def test_every_difference_is_told_by_its_path(old: Any, new: Any, told: list[str]) -> None:
    """Changed, added and removed values are named in the order of the canonical text."""
    assert [str(change) for change in changes(old, new)] == told


def test_of_a_long_value_only_what_differs_is_told() -> None:
    """A whole file is one value of a definition, and nobody reads it twice in an error."""
    old = json.dumps({"filler": ["x" * 9] * 500, "memory_mb": 512, "tail": ["y" * 9] * 500})
    (change,) = changes({"content": old}, {"content": old.replace("512", "600")})
    told = str(change)
    before, after = told.split(" -> ")
    assert "512" in before
    assert "600" in after
    assert "memory_mb" in after
    assert len(told) < 300
    (longer,) = changes({"content": old}, {"content": "z" * 5000})
    assert len(str(longer)) < 400


_documents = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 3) | st.text("xy", max_size=2),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=3,
)


@given(_documents, _documents)
def test_no_difference_means_the_same_document(old: dict[str, Any], new: dict[str, Any]) -> None:
    """There is no change exactly when the documents are the same, and both directions find the same paths."""
    found = changes(old, new)
    assert bool(found) == (repr_of(old) != repr_of(new))
    assert [(change.path, change.new, change.old) for change in found] == [
        (change.path, change.old, change.new) for change in changes(new, old)
    ]


def repr_of(document: Any) -> Any:
    """A form in which true is not 1."""
    if isinstance(document, dict):
        return {key: repr_of(value) for key, value in document.items()}
    if isinstance(document, list):
        return [repr_of(value) for value in document]
    return repr(document)
