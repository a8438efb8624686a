"""launch and render without a file: options say the same, and are checked the same."""

from __future__ import annotations

import pytest

from tests.cli.conftest import DIGITS, Shell

SAID = ("--name", "digits", "--model", "hdfs:///models/digits", "--serving-version", "2.6", "--memory", "512m")
MORE = ("--flag", "prefer_tflite_model=true", "--replicas", "2", "--example", str(DIGITS / "example.json"))


def test_options_render_what_the_file_renders() -> None:
    """The example's file and the options that say the same give the same document, byte by byte."""
    yarnserve = Shell()
    by_file = yarnserve("render", str(DIGITS / "service.yaml"))
    by_options = yarnserve("render", *SAID, *MORE)
    assert by_options.status == 0, by_options.stderr
    assert by_options.stdout == by_file.stdout


def test_a_mistake_names_the_field_and_the_command_line() -> None:
    """The loader's own words, without the line of a file that nobody wrote; exit status 3."""
    ran = Shell()("render", *SAID, "--replicas", "0")
    assert ran.status == 3
    assert "the command line: replicas: " in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [(), (str(DIGITS / "service.yaml"), "--replicas", "3"), (*SAID, "--flag", "novalue")],
    ids=["nothing", "both", "flag"],
)
def test_what_makes_no_spec_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    """Neither, both, or a flag without a value: exit status 2 before anything is asked."""
    assert Shell()("render", *arguments).status == 2
