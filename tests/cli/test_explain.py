"""``yarnserve explain``: codes, texts, the table, and what it does not know."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from yarnserve.cli.main import cli
from yarnserve.errors import NotFoundError, UsageError


def explain(*arguments: str, stdin: str = "") -> str:
    """What the command prints; its error is raised."""
    return CliRunner().invoke(cli, ["explain", *arguments], input=stdin, catch_exceptions=False).output


@pytest.mark.parametrize("arguments", [("-105",), ("--", "-105")])
def test_a_negative_code_is_a_code_and_no_option(arguments: tuple[str, ...]) -> None:
    """YARN's own codes can be typed as they are read, with or without a double dash."""
    assert "ApplicationMaster stopped it" in explain(*arguments)


def test_a_code_with_its_diagnostics_is_explained_by_both() -> None:
    """What follows a code is taken for the container's diagnostics."""
    found = json.loads(explain("7", "manifest", "unknown", "-o", "json"))
    assert (found["kind"], found["class"], found["certain"]) == ("Explanation", "image", True)


def test_a_text_may_come_from_stdin() -> None:
    """A lone dash reads what another command printed."""
    assert "no such queue" in explain("-", stdin="submitted by user alice to unknown queue: x\n")


def test_the_table_is_printed_whole() -> None:
    """--list names each code of the table."""
    rules = json.loads(explain("--list", "-o", "json"))["rules"]
    assert {7, 29, 127, 137, 143, -100, -108} <= {code for rule in rules for code in rule["codes"]}
    assert "docker.trusted.registries" in explain("--list")


def test_what_is_not_known_is_said() -> None:
    """An unknown text, no text at all and a mistyped option are three errors, none of them made-up advice."""
    with pytest.raises(NotFoundError):
        explain("all", "is", "well")
    with pytest.raises(UsageError, match="nothing to explain"):
        explain()
    with pytest.raises(UsageError, match="no option --lst"):
        explain("--lst")
