"""An entry of a journal as a line, and lines that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.records.journal import LONGEST, VERSION, JournalEntry, What, from_line, to_line

ENTRY = JournalEntry(1_800_000_000.25, "digits", What.DECIDED, "restart serve-1", "serve-1", rule="hang", left="2 of 3")


def test_a_line_holds_what_is_not_empty() -> None:
    """One line of plain ASCII, with its version first, as docs/supervise.md shows it."""
    line = to_line(ENTRY)
    assert json.loads(line) == {
        "version": 1,
        "at": 1_800_000_000.25,
        "service": "digits",
        "what": "decided",
        "text": "restart serve-1",
        "instance": "serve-1",
        "rule": "hang",
        "left": "2 of 3",
    }
    assert from_line(line) == ENTRY


@given(st.text(max_size=200), st.sampled_from(What), st.floats(0, 4e9))
def test_what_is_written_is_read(text: str, what: What, at: float) -> None:
    """Whatever a server answered: it stays one line, and says the same."""
    text = text.replace("@", "").replace("=", "")
    entry = JournalEntry(at, "digits", what, text)
    line = to_line(entry)
    assert len(line.splitlines()) == 1
    assert from_line(line) == entry


def test_what_is_too_long_is_cut_and_passwords_are_left_out() -> None:
    """A body of a megabyte must not fill the journal, and an address must not tell a password."""
    long = from_line(to_line(JournalEntry(1.0, "digits", What.SEEN, "x" * 1_000_000)))
    assert len(long.text) == LONGEST
    told = to_line(JournalEntry(1.0, "digits", What.SEEN, "http://alice:secret@node1:8501 hangs"))
    assert "secret" not in told


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        to_line(ENTRY)[:-20],
        "[1]",
        "null",
        "[" * 100_000,
        json.dumps({"at": 1.0, "service": "digits", "what": "seen", "text": "no version"}),
        json.dumps({"version": True, "at": 1.0, "service": "digits", "what": "seen", "text": ""}),
        json.dumps({"version": 1, "at": 1.0, "service": "digits", "what": "unheard of", "text": ""}),
        json.dumps({"version": 1, "at": "now", "service": "digits", "what": "seen", "text": ""}),
        json.dumps({"version": 1, "at": float("nan"), "service": "digits", "what": "seen", "text": ""}),
        json.dumps({"version": 1, "at": 1e300, "service": "digits", "what": "seen", "text": ""}),
        json.dumps({"version": 1, "at": -1.0, "service": "digits", "what": "seen", "text": ""}),
    ],
)
def test_what_is_no_entry_is_refused(line: str) -> None:
    """Always with the same kind of error, also for a time that no calendar has."""
    with pytest.raises(ValueError, match=r".") as caught:
        from_line(line)
    assert caught.type in (ValueError, json.JSONDecodeError)


def test_a_newer_entry_says_so() -> None:
    """Its reader learns that there is a newer yarnserve."""
    document: dict[str, Any] = {**json.loads(to_line(ENTRY)), "version": VERSION + 1, "new": {}}
    with pytest.raises(ValueError, match="newer yarnserve"):
        from_line(json.dumps(document))


def test_an_unknown_field_is_ignored() -> None:
    """A newer yarnserve of the same version may say more."""
    assert from_line(json.dumps({**json.loads(to_line(ENTRY)), "new": 1})) == ENTRY
