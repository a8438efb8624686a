"""``events``: what YARN tells of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yarnserve.cli.options import DOCUMENTS, SERVICE_NAME, WIDE_OUTPUT, with_connection
from yarnserve.cli.output import age, print_document, print_table, timestamp

if TYPE_CHECKING:
    from yarnserve.service.connection import Connection


@click.command()
@SERVICE_NAME
@WIDE_OUTPUT
@with_connection
def events(connection: Connection, name: str, output: str) -> None:
    """Print what YARN tells of service NAME now: its application, attempts and containers, in YARN's words.

    YARN keeps no history of this: what a NodeManager has forgotten is not here. -o wide has every line of it.
    """
    from yarnserve.errors import first_line
    from yarnserve.service.events import read_events

    told = read_events(connection, name)
    if output in DOCUMENTS:
        items = [{"at": timestamp(each.at), "subject": each.subject, "text": each.text} for each in told]
        print_document(output, "ServiceEvents", {"name": name, "events": items})
        return
    texts = [each.text.replace("\n", "\n  ") if output == "wide" else first_line(each.text) for each in told]
    rows = [(age(each.at), each.subject, text) for each, text in zip(told, texts, strict=True)]
    print_table(("age", "subject", "told"), rows)
