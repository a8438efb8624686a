"""What fits a terminal."""

from __future__ import annotations

import click
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.cli.screen import fitting


def test_what_fits_is_left_as_it_is() -> None:
    """Colours take no room, and a line as long as the window is one row."""
    line = click.style("live", fg="green") + " 12345"
    assert fitting([line, ""], columns=10, rows=3) == [line, ""]


def test_long_lines_are_broken_and_the_last_rows_left_out() -> None:
    """The first rows stay, and the last one says how many are missing."""
    assert fitting(["abcdefgh", "x" * 100], columns=5, rows=5) == ["abcde", "fgh", "xxxxx", "... 1"]


def test_what_a_server_says_moves_no_cursor() -> None:
    """Control characters in a text, such as an escape sequence that clears the screen, become blanks."""
    assert fitting(["a\x1b[2J\tb\r"], columns=80, rows=5) == ["a [2J b "]


@given(st.lists(st.text(), max_size=5), st.integers(2, 40), st.integers(2, 10))
def test_nothing_is_wider_or_higher_than_the_window(lines: list[str], columns: int, rows: int) -> None:
    """Whatever the lines are, a row for the cursor remains."""
    shown = fitting(lines, columns, rows)
    assert len(shown) < rows
    assert all(len(row) <= columns for row in shown)


def test_a_colour_that_is_cut_off_ends_before_the_last_row() -> None:
    """What is left out may hold the end of a colour, which would go on for ever."""
    shown = fitting(["\x1b[31m" + "x" * 30 + "\x1b[0m", "a", "b", "c"], columns=10, rows=4)
    assert shown[-1].startswith("\x1b[0m...")
