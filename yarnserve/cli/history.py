"""``history``: what was launched, by whom, and what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yarnserve.cli.options import DOCUMENTS, OUTPUT, SERVICE_NAME, with_connection
from yarnserve.cli.output import age, print_document, print_table, timestamp

if TYPE_CHECKING:
    from yarnserve.service.connection import Connection
    from yarnserve.service.history import Change


@click.command()
@SERVICE_NAME
@click.argument("revision", metavar="[REVISION]", required=False, type=click.IntRange(min=1))
@OUTPUT
@with_connection
def history(connection: Connection, name: str, revision: int | None, output: str) -> None:
    """List the revisions of service NAME, newest last; with REVISION, every difference to the one before it.

    A revision is made by a launch whose file says something new; scale, stop and start make none.
    """
    from yarnserve.service.history import revisions

    told = revisions(connection, name, revision)
    if output in DOCUMENTS:
        print_document(output, "ServiceHistory", {"name": name, "revisions": [_document(each) for each in told]})
    elif revision is not None:
        for each in told:
            click.echo(f"{name} revision {each.number}, by {each.by}, {age(each.at)} ago")
            click.echo("\n".join(f"  {line}" for line in each.differences or _nothing(each)))
    else:
        rows = [(str(each.number), age(each.at), each.by, _short(each)) for each in told]
        print_table(("revision", "age", "by", "changed"), rows)


def _document(each: Change) -> dict[str, object]:
    return {
        "revision": each.number,
        "at": timestamp(each.at),
        "by": each.by,
        "changed": None if each.before is None else list(each.differences),
    }


def _nothing(each: Change) -> tuple[str, ...]:
    if each.before is None:
        return ("the oldest that is kept",)
    return ("nothing that YARN is told: only examples or other settings of yarnserve",)


def _short(each: Change) -> str:
    first, *others = each.differences or _nothing(each)
    return f"{first} (and {len(others)} more)" if others else first
