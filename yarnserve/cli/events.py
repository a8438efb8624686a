"""``events``: the story of a service, from its supervisor's journal and from YARN."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from yarnserve.cli.options import DOCUMENTS, SERVICE_NAME, WIDE_OUTPUT, with_connection
from yarnserve.cli.output import age, local_time, narrate, print_document, print_table, timestamp
from yarnserve.cli.quantities import Since
from yarnserve.errors import first_line, printable_lines

if TYPE_CHECKING:
    from yarnserve.records.journal import JournalEntry
    from yarnserve.service.connection import Connection
    from yarnserve.service.story import Moment, Story

COLUMNS = ("time", "replica", "what", "why")

_NOW = "now"
_BY_YARN, _SUPERVISOR = "yarn", "supervisor"

#: What only the entries of a journal have.
_OF_ENTRIES = ("container", "node", "rule", "means", "left")


@click.command()
@SERVICE_NAME
@WIDE_OUTPUT
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now on, until Ctrl-C.")
@click.option("--since", type=Since(), metavar="TIME", help="From then on: 30m, 12h, or 2026-11-03T02:00. Else all.")
@with_connection
def events(connection: Connection, name: str, output: str, follow: bool, since: float | None) -> None:
    """Print the story of service NAME: what its supervisor saw, decided and did, and what YARN tells now.

    The supervisor's journal lies on HDFS, and can be read from any host. YARN keeps no history: what a NodeManager has
    forgotten is only in the journal. -o wide has every line of YARN's words. With --follow a document is printed for
    each event.
    """
    from yarnserve.service.story import read_story

    story = read_story(connection, name, since=since or 0.0)
    for note in story.notes:
        narrate(f"note: {note}")
    if follow:
        _follow(connection, name, story, output)
    if output in DOCUMENTS:
        told = [event_document(each) for each in story.moments]
        print_document(output, "ServiceEvents", {"name": name, "events": told})
    elif story.has_journal:
        print_table(COLUMNS, [_row(each, is_wide=output == "wide") for each in story.moments], has_lines=True)
    else:
        rows = [(age(each.at), _subject(each), _text(each, is_wide=output == "wide")) for each in story.moments]
        print_table(("age", "subject", "told"), rows, has_lines=True)


def _follow(connection: Connection, name: str, story: Story, output: str) -> NoReturn:
    from yarnserve.service.story import follow_story

    def show(moment: Moment) -> None:
        if output in DOCUMENTS:
            print_document(output, "ServiceEvent", {"name": name, **event_document(moment)})
        else:
            click.echo(moment_line(moment, is_wide=output == "wide"))
        sys.stdout.flush()

    for moment in story.moments:
        show(moment)
    for moment in follow_story(connection, name, story, on_trouble=lambda note: narrate(f"note: {note}")):
        show(moment)
    raise AssertionError("follow_story() has no end of its own")


def event_document(moment: Moment) -> dict[str, Any]:
    """Return an event as ``events -o json`` has it (docs/status-json.md)."""
    entry, event = moment.entry, moment.event
    return {
        "at": timestamp(moment.at),
        "subject": _subject(moment),
        "text": moment.text,
        "source": _SUPERVISOR if entry else _BY_YARN,
        "what": entry.what.value if entry else None,
        "replica": (entry.instance if entry else event.instance if event else "") or None,
        **{label: (getattr(entry, label) if entry else "") or None for label in _OF_ENTRIES},
    }


def entry_line(entry: JournalEntry) -> str:
    """Return an entry of the journal as one line: time, replica, what, why."""
    cells = (local_time(entry.at), entry.instance or entry.service, entry.what.value, first_line(entry.text))
    return _line(cells) + _because(entry)


def moment_line(moment: Moment, *, is_wide: bool = False) -> str:
    """Return a moment as one line, whose columns fit those of others as far as names are short."""
    return _line(_row(moment, is_wide=is_wide))


def _line(cells: tuple[str, str, str, str]) -> str:
    at, subject, what, why = cells
    return f"{at:<19}  {subject:<8}  {what:<8}  {printable_lines(why)}"


def _row(moment: Moment, *, is_wide: bool) -> tuple[str, str, str, str]:
    entry = moment.entry
    at = _NOW if moment.at is None else local_time(moment.at)
    what = _BY_YARN if entry is None else entry.what.value
    why = _text(moment, is_wide=is_wide) + (_because(entry) if entry else "")
    if is_wide and entry and entry.container:
        why += f"\n  {entry.container}" + (f" on {entry.node}" if entry.node else "")
    return at, moment.subject, what, why


def _because(entry: JournalEntry) -> str:
    told = (("rule ", entry.rule), ("by ", entry.means), ("left: ", entry.left))
    words = "; ".join(label + first_line(text) for label, text in told if text)
    return f" ({words})" if words else ""


def _text(moment: Moment, *, is_wide: bool) -> str:
    return moment.text.replace("\n", "\n  ") if is_wide else first_line(moment.text)


def _subject(moment: Moment) -> str:
    """What YARN calls it."""
    return moment.event.subject if moment.event else moment.subject
