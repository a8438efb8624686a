"""The journal of a supervisor: what it saw, decided and did, one entry each, for whoever asks in the morning."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

from yarnserve.errors import without_credentials
from yarnserve.records.document import from_document, to_document


class What(str, Enum):
    """What kind of thing an entry tells."""

    SEEN = "seen"
    DIED = "died"
    DECIDED = "decided"
    ACTED = "acted"
    FAILED = "failed"
    VERIFIED = "verified"
    HELD = "held"
    TOLD = "told"


@dataclass(frozen=True)
class JournalEntry:
    """One line of the journal.

    Attributes:
        at: seconds since the epoch.
        service: its name.
        what: the kind of entry.
        text: what happened, in words an admin understands.
        instance: the replica it is about; empty for the whole service.
        container: its container's id.
        node: where it runs.
        rule: the line of the policy that decided, as docs/supervise.md names it; empty where none did.
        means: what was done it with; empty where nothing was.
        left: what is left of its budgets, in words.
    """

    at: float
    service: str
    what: What
    text: str
    instance: str = ""
    container: str = ""
    node: str = ""
    rule: str = ""
    means: str = ""
    left: str = ""


#: Version of an entry's document; a higher one was written by a newer yarnserve.
VERSION = 1

_ALWAYS = ("service", "text")

#: Characters of each text in an entry: what a server answered may be of any length.
LONGEST = 2000

#: Seconds since the epoch beyond which a time is none that a calendar knows.
_END_OF_TIME = 253_402_300_800.0


def entry_document(entry: JournalEntry) -> dict[str, Any]:
    """Return *entry* as a JSON document, without what is empty, too long, or a password."""
    told = {label: _told(text) if isinstance(text, str) else text for label, text in to_document(entry).items()}
    return {"version": VERSION, **{label: value for label, value in told.items() if value != "" or label in _ALWAYS}}


def entry_of(document: object) -> JournalEntry:
    """Read an entry from its document.

    Raises:
        ValueError: it is none, or a newer yarnserve's.
    """
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError("no entry of a journal")
    if version > VERSION:
        raise ValueError(f"a newer yarnserve wrote it: its version is {version}, this yarnserve knows {VERSION}")
    entry = from_document(JournalEntry, document)
    if not 0 <= entry.at < _END_OF_TIME:
        raise ValueError(f"{entry.at} is no time")
    return entry


def to_line(entry: JournalEntry) -> str:
    """Return *entry* as one line of JSON, without its end."""
    return json.dumps(entry_document(entry))


def from_line(line: str | bytes) -> JournalEntry:
    """Read an entry from its line.

    Raises:
        ValueError: it is none, half of one, or a newer yarnserve's.
    """
    try:
        return entry_of(json.loads(line))
    except RecursionError as error:
        raise ValueError("no entry of a journal") from error


def _told(text: str) -> str:
    return without_credentials(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")
