"""The journal of a supervisor: what it saw, decided and did, one entry each, for whoever asks in the morning."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
