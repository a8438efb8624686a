"""What tables make of the words of others."""

from __future__ import annotations

import click

from yarnserve.cli.output import table_lines


def test_a_cell_is_one_line_and_obeyed_by_no_terminal() -> None:
    """Whoever may write a reason must not rename windows, clear screens or break rows of whoever reads it."""
    lines = table_lines(("who", "why"), [("eve", "x\x1b]0;owned\x07\x1b[2J\nliar  ok"), ("zo\xeb", "\u9019")])
    assert [click.unstyle(line) for line in lines] == [
        "WHO  WHY",
        "eve  x\\x1b]0;owned\\x07\\x1b[2J\\nliar  ok",
        "zo\xeb  \u9019",
    ]


def test_lines_are_kept_where_a_column_has_them() -> None:
    """And each of them is obeyed by no terminal."""
    lines = table_lines(("who", "why"), [("eve", "x\x1b[2J\n  y\r")], has_lines=True)
    assert [click.unstyle(line) for line in lines] == ["WHO  WHY", "eve  x\\x1b[2J\n  y\\r"]
