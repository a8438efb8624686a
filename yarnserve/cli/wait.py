"""``wait``: until a service is live, or has stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yarnserve.cli.launch import follow
from yarnserve.cli.options import SERVICE_NAME, TIMEOUT, with_connection
from yarnserve.cli.output import narrate

if TYPE_CHECKING:
    from yarnserve.service.connection import Connection


@click.command()
@SERVICE_NAME
@click.option(
    "--for",
    "condition",
    type=click.Choice(["live", "stopped"]),
    default="live",
    show_default=True,
    help="What to wait for.",
)
@TIMEOUT
@with_connection
def wait(connection: Connection, name: str, condition: str, timeout: float) -> None:
    """Wait until service NAME is live, every replica proved, or until nothing of it runs. Changes nothing."""
    from yarnserve.service.waiting import wait_until_stopped

    if condition == "live":
        follow(connection, name, timeout)
        return
    wait_until_stopped(connection, name, timeout=timeout)
    narrate(f"{name} has stopped")
