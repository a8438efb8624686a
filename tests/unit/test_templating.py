"""Templates: lookup, rendering, and errors that name template and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.errors import TemplateError
from yarnserve.templating import builtin_templates, render_json


def template(directory: Path, text: str, name: str = "t.json.j2") -> Path:
    """Write a template and return its directory."""
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text, encoding="utf-8")
    return directory


def test_the_built_in_templates_are_found() -> None:
    """The service's template comes with yarnserve."""
    assert (builtin_templates() / "service.json.j2").is_file()


def test_directories_are_searched_in_their_order(tmp_path: Path) -> None:
    """The first directory that has the template wins; the built-in ones come last."""
    first = template(tmp_path / "a", '"first"')
    second = template(tmp_path / "b", '"second"')
    template(second, '"mine"', "service.json.j2")
    assert render_json("t.json.j2", {}, template_dirs=[first, second]) == "first"
    assert render_json("service.json.j2", {}, template_dirs=[first, second]) == "mine"


def test_a_template_can_include_its_neighbour(tmp_path: Path) -> None:
    """Templates of a directory can be put together."""
    template(tmp_path, "1", "part.j2")
    assert render_json("t.json.j2", {}, template_dirs=[template(tmp_path, '[{% include "part.j2" %}]')]) == [1]


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_the_json_filter_writes_any_value(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    """What goes in through the filter comes out of the document, quotes and angle brackets included."""
    directory = template(tmp_path_factory.getbasetemp() / "filter", "{{ value | json }}")
    assert render_json("t.json.j2", {"value": value}, template_dirs=[directory]) == value


BROKEN = [
    ("{\n{{ nam }}\n}", "t.json.j2:2", "'nam' is undefined"),
    ("{\n{{ spec.nam }}\n}", "t.json.j2:2", "has no attribute 'nam'"),
    ("{\n\n{% if %}\n}", "t.json.j2:3", "Expected an expression"),
    ("{\n{{ 1 / 0 }}\n}", "t.json.j2:2", "division by zero"),
    ("{\n{{ 1 + 'a' }}\n}", "t.json.j2:2", "unsupported operand"),
    ("{\n{{ spec | nofilter }}\n}", "t.json.j2:2", "No filter named 'nofilter'"),
    ("{\n{{ spec | json }}\n}", "t.json.j2:2", "not JSON serializable"),
    ('{\n"a": 1,\n}', "t.json.j2", "line 3 of the result, '}'"),
    ("{{ '' }}", "t.json.j2", "line 1 of the result, ''"),
    ("[NaN]", "t.json.j2", "NaN is not JSON"),
    ("[" * 100_000, "t.json.j2", "recursion"),
    ('{% include "missing.j2" %}', "", "in none of these directories"),
    ('{% include "t.json.j2" %}', "t.json.j2:1", "recursion"),
]


@pytest.mark.parametrize(("text", "where", "why"), BROKEN)
def test_errors_name_the_template_and_the_line(tmp_path: Path, text: str, where: str, why: str) -> None:
    """A broken template ends in a TemplateError whose place can be opened in an editor."""
    with pytest.raises(TemplateError) as caught:
        render_json("t.json.j2", {"spec": tmp_path}, template_dirs=[template(tmp_path, text)])
    assert caught.value.where.startswith(str(tmp_path))
    assert caught.value.where.endswith(where)
    assert why in caught.value.why


def test_a_missing_template_names_the_directories(tmp_path: Path) -> None:
    """Whoever misses a template is told where it was looked for."""
    with pytest.raises(TemplateError, match=r"no template nothing\.j2") as caught:
        render_json("nothing.j2", {}, template_dirs=[tmp_path])
    assert str(tmp_path) in caught.value.where
    assert str(builtin_templates()) in caught.value.where


def test_a_template_that_is_no_text_is_a_template_error(tmp_path: Path) -> None:
    """A binary file under a template's name does not end in a foreign exception."""
    (tmp_path / "t.json.j2").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TemplateError):
        render_json("t.json.j2", {}, template_dirs=[tmp_path])
