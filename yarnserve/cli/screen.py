"""A terminal that is drawn anew again and again: what fits its size now, without flicker and without scrolling."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Sequence

import click

#: Ends a colour whose own end may be in a row that is left out.
_PLAIN = "\x1b[0m"
_STYLE = re.compile(r"(\x1b\[[0-9;]*m)")

#: Terminal commands: cursor to the top left, clear to the end of the row, clear everything below.
_HOME, _CLEAR_ROW, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"

#: Columns and rows of a terminal that does not tell.
_USUAL_SIZE = (80, 24)


def redrawable() -> bool:
    """Whether stdout is a terminal that understands more than text."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def draw(lines: Sequence[str]) -> None:
    """Show *lines* in place of what the terminal shows; its size is asked each time, because windows change."""
    try:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        columns, rows = _USUAL_SIZE
    shown = fitting(lines, columns or _USUAL_SIZE[0], rows or _USUAL_SIZE[1])
    click.echo(_HOME + "".join(f"{row}{_CLEAR_ROW}\n" for row in shown) + _CLEAR_BELOW, nl=False)


def fitting(lines: Sequence[str], columns: int, rows: int) -> list[str]:
    """Return *lines* broken into rows of at most *columns*, and of them what leaves the cursor a row of its own.

    The first lines are those that matter; how many rows are left out is said in the last one.
    """
    wanted = [row for line in lines for row in _broken(line, columns)]
    if len(wanted) < rows:
        return wanted
    kept = max(0, rows - 2)
    plain = _PLAIN if any(_STYLE.search(row) for row in wanted[:kept]) else ""
    return [*wanted[:kept], plain + f"... {len(wanted) - kept} more rows"[:columns]]


def _broken(line: str, columns: int) -> list[str]:
    """Break *line* at *columns*; colours take no room, and what would move the cursor becomes a blank."""
    rows, room = [""], columns
    for part in _STYLE.split(line):
        if _STYLE.fullmatch(part):
            rows[-1] += part
            continue
        for character in part:
            width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
            if width > room:
                rows.append("")
                room = columns
            rows[-1] += character if character.isprintable() else " "
            room -= width
    return rows
