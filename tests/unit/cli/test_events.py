"""An event as a line, and as a document; and the times that people write."""

from __future__ import annotations

import time

import click
import pytest

from yarnserve.cli.events import entry_line, event_document, moment_line
from yarnserve.cli.quantities import Since
from yarnserve.records.journal import JournalEntry, What
from yarnserve.service.events import Event
from yarnserve.service.story import Moment

ENTRY = JournalEntry(
    1_800_000_000.0,
    "digits",
    What.DECIDED,
    "restart it: no answer for 32 s\nTraceback",
    "serve-1",
    "container_1_0001_01_000003",
    "node2",
    rule="hang",
    means="decommission",
    left="2 of 3",
)


def test_an_entry_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time, replica, what, why, and by which rule."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    because = "(rule hang; by decommission; left: 2 of 3)"
    line = f"2027-01-15 08:00:00  serve-1   decided   restart it: no answer for 32 s {because}"
    assert entry_line(ENTRY) == line
    assert moment_line(Moment(ENTRY.at, "serve-1", ENTRY.text, entry=ENTRY)) == line


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    """A server's words are anybody's."""
    assert "\x1b" not in entry_line(JournalEntry(1.0, "digits", What.SEEN, "\x1b[2Jgone", rule="\x1b[31m"))


def test_documents_of_both_sources_have_one_shape() -> None:
    """What the other has is null, and what YARN gives no time for has none."""
    ours = event_document(Moment(ENTRY.at, "serve-1", ENTRY.text, entry=ENTRY))
    event = Event(None, "container_1_0001_01_000003", "RUNNING on node2")
    yarns = event_document(Moment(None, "serve-1", event.text, event=event))
    assert ours.keys() == yarns.keys()
    assert (ours["at"], ours["source"], ours["rule"]) == ("2027-01-15T08:00:00Z", "supervisor", "hang")
    assert (yarns["at"], yarns["source"], yarns["subject"]) == (None, "yarn", "container_1_0001_01_000003")


def test_times_as_people_write_them() -> None:
    """So long ago, or a moment, with or without a time zone."""
    since = Since()
    assert time.time() - since.convert("30m", None, None) == pytest.approx(1800, abs=5)
    assert since.convert("2027-01-15T08:00:00Z", None, None) == 1_800_000_000
    assert since.convert("2027-01-15T09:00+01:00", None, None) == 1_800_000_000
    assert since.convert("2027-01-15", None, None) == pytest.approx(1_800_000_000, abs=86400)


@pytest.mark.parametrize("text", ["", "yesterday", "-5m", "5", "9999999999d", "2027-13-01", "0001-01-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """With what may be written."""
    with pytest.raises(click.UsageError, match="write it as 30m"):
        Since().convert(text, None, None)
