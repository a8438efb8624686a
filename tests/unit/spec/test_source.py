"""YAML that cannot be read, and where."""

from __future__ import annotations

import pytest

from yarnserve.errors import SpecError
from yarnserve.spec.source import Fault, read_yaml

BROKEN = [
    ("", "nothing", "a mapping of fields", 1),
    ("# only a comment\n", "nothing", "a mapping of fields", 1),
    ("- a\n- b\n", "a list", "a mapping of fields", 1),
    ("digits\n", "a text", "a mapping of fields", 1),
    ("name: a\n\tmodel: b\n", "character '\\t'", "not indented with tabs", 2),
    ("name: a\n---\nname: b\n", "another document", "one valid YAML document", 2),
    ("name: a\n  b: c\n", "mapping values are not allowed", "one valid YAML document", 2),
    ("name: [a\n", "expected ',' or ']'", "one valid YAML document", 2),
    ("a: &x [1]\nb: *x\n", "found an alias", "one valid YAML document", 2),
    ("a: &x [*x]\n", "found an alias", "one valid YAML document", 1),
    ("a: b\nc: \x07\n", "a character of code 7", "printable text", 2),
    ("!!python/object:os.system {a: b}\n", "a mapping", "without a YAML tag", 1),
    ('a: "\\U7fffffff"\n', "", "valid YAML", 0),
    ("[" * 5000, "nested too deeply", "valid YAML", 0),
]


@pytest.mark.parametrize(("text", "found", "allowed", "line"), BROKEN)
def test_what_cannot_be_read_is_one_problem_with_its_line(text: str, found: str, allowed: str, line: int) -> None:
    """Broken YAML, several documents, aliases and tags end in a SpecError that says where."""
    with pytest.raises(SpecError) as caught:
        read_yaml(text, file="service.yaml")
    (problem,) = caught.value.problems
    assert found in problem.found
    assert allowed in problem.allowed
    assert (problem.file, problem.line) == ("service.yaml", line)


def test_refused_values_do_not_hide_the_rest() -> None:
    """A key written twice, a key that is no word and a tagged value are collected while the rest is read."""
    source = read_yaml("a: 1\na: 2\n? [x]\n: 3\nb: !!binary aGk=\nc: !!int x\nd: [1, {e: no}]\n", file="s.yaml")
    assert source.tree == {"a": 1, "b": None, "c": None, "d": [1, {"e": False}]}
    assert source.refused == {("b",), ("c",)}
    assert [(problem.field, problem.line, problem.allowed) for problem in source.problems] == [
        ("a", 2, "each key once"),
        ("", 3, "plain words as keys"),
        ("b", 5, "a plain value, without a YAML tag"),
        ("c", 6, "a valid int"),
    ]


def test_a_missing_field_has_the_line_of_its_section() -> None:
    """What is not written is reported where it should have been."""
    source = read_yaml("a: 1\nmodel:\n  name: x\n", file="s.yaml")
    problem = source.problem(Fault(("model", "base_path"), "a path"))
    assert (problem.place, problem.found) == ("s.yaml:2", "")


@pytest.mark.parametrize("text", ["2024-01-01", "no", "8g", "0x", "0b_"])
def test_found_is_what_the_user_wrote(text: str) -> None:
    """A message shows the wording, not what YAML makes of it."""
    source = read_yaml(f"a: {text}\n", file="s.yaml")
    assert source.problem(Fault(("a",), "something else")).found == text
