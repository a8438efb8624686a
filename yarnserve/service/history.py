"""The revisions of a service, each with what it changed."""

from __future__ import annotations

from dataclasses import dataclass

from yarnserve.errors import NotFoundError
from yarnserve.judge.changes import changes
from yarnserve.service.connection import Connection
from yarnserve.service.finding import no_service


@dataclass(frozen=True)
class Change:
    """A revision; *before* is the number of the one it followed, None for the oldest that is kept.

    *differences* are those of the documents rendered for YARN, in words.
    """

    number: int
    at: float
    by: str
    before: int | None
    differences: tuple[str, ...]


def revisions(connection: Connection, name: str, number: int | None = None) -> tuple[Change, ...]:
    """Return every revision of service *name* that is kept, oldest first, or the one with that *number*.

    Raises:
        NotFoundError: nothing was launched under this name, or there is no such revision.
    """
    saved = connection.glance(name).revisions.history()
    if not saved:
        raise no_service(connection, name)
    told = []
    for before, after in zip((None, *saved), saved, strict=False):
        differences = changes(before.record.rendered, after.record.rendered) if before else ()
        told.append(
            Change(
                after.number,
                after.record.at,
                after.record.by,
                before.number if before else None,
                tuple(str(each) for each in differences),
            )
        )
    chosen = tuple(each for each in told if number in (None, each.number))
    if not chosen:
        kept = ", ".join(str(each.number) for each in told)
        raise NotFoundError(f"{name} has no revision {number}", why=f"kept: {kept}", next=f"yarnserve history {name}")
    return chosen
