"""docs/service-yaml.md against the schema: what may be written is what is explained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from yarnserve.spec.loader import parse_spec
from yarnserve.spec.schema import json_schema

_PAGE = (Path(__file__).parents[3] / "docs/service-yaml.md").read_text(encoding="utf-8")
_EXAMPLES = re.findall(r"(?m)(?:^    .*\n)*^    name: .*\n(?:^    .*\n)*", _PAGE)
_EXAMPLE_FILE = '{"request": {"instances": [[0.0]]}}'


def _fields(section: dict[str, Any]) -> list[str]:
    return list(section["properties"])


def _sections() -> list[tuple[str, str]]:
    """Every field of every section, with the section's heading in the page."""
    schema = json_schema()
    headings = {
        "ModelSection": "## model",
        "BatchingSection": "### serving.batching",
        "ServingSection": "## serving",
        "ResourcesSection": "## resources",
        "PortsSection": "## ports",
        "SuperviseSection": "## supervise",
        "PlacementSection": "## placement",
        "KerberosSection": "## kerberos",
        "AgentSection": "## agent",
    }
    assert headings.keys() == schema["$defs"].keys()
    return [(headings[name], field) for name, section in schema["$defs"].items() for field in _fields(section)]


@pytest.mark.parametrize("field", _fields(json_schema()))
def test_every_field_has_its_heading(field: str) -> None:
    """A field of service.yaml is explained under a heading of its name."""
    assert f"\n## {field}\n" in _PAGE


@pytest.mark.parametrize(("heading", "field"), _sections())
def test_every_field_of_a_section_has_its_row(heading: str, field: str) -> None:
    """A field within a section is a row of the table under that section's heading."""
    text = _PAGE.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]
    assert f"\n| `{field}` |" in text


def test_no_heading_explains_a_field_that_is_gone() -> None:
    """Every heading but the example file's is a field."""
    headings = re.findall(r"(?m)^## (.*)$", _PAGE)
    assert set(headings) - {"The example file"} == set(_fields(json_schema()))


@pytest.mark.parametrize("example", _EXAMPLES)
def test_every_example_is_sound(example: str) -> None:
    """What the page shows as a whole service.yaml passes the check."""
    text = "".join(line[4:] for line in example.splitlines(keepends=True))
    assert parse_spec(text, file="service.yaml", read_text=lambda name: _EXAMPLE_FILE).models


def test_the_examples_are_found() -> None:
    """Two examples: one model, several models."""
    assert len(_EXAMPLES) == 2
