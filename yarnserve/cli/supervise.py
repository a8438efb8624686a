"""``supervise``, ``pause``, ``resume``: replicas that are not well are found, explained and relaunched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from yarnserve.cli.options import SERVICE_NAME, complete_service, with_connection
from yarnserve.cli.output import narrate
from yarnserve.cli.quantities import Duration

if TYPE_CHECKING:
    from yarnserve.service.connection import Connection


@click.command()
@click.argument("names", metavar="[NAME...]", nargs=-1, shell_complete=complete_service)
@click.option("--all", "all_services", is_flag=True, help="Every service of yours that has supervise.enabled.")
@click.option("--observe", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--once", is_flag=True, help="Look once, act if need be, and end.")
@with_connection
def supervise(connection: Connection, names: Sequence[str], all_services: bool, observe: bool, once: bool) -> None:
    """Watch services and relaunch what is not well, in the foreground."""
    from yarnserve.errors import UsageError
    from yarnserve.supervise.supervisor import Supervisor, Tools

    if not names and not all_services:
        raise UsageError("which services?", fix="name them, or say --all")
    tools = Tools(acts=not observe, journal=lambda entry: narrate(f"{entry.instance or entry.service}: {entry.text}"))
    import time

    supervisor = Supervisor(connection, names[0], tools)
    while True:
        due = supervisor.step()
        if once:
            break
        time.sleep(due)
    supervisor.close()


@click.command()
@SERVICE_NAME
@click.option("--for", "seconds", type=Duration(), help="For how long, as in 2h; else until resume.")
@click.option("--why", default="", metavar="TEXT", help="For whoever wonders.")
@with_connection
def pause(connection: Connection, name: str, seconds: float | None, why: str) -> None:
    """Have supervisors do nothing for service NAME, as for maintenance; they go on looking."""
    import time

    from yarnserve.service.actions import Actions

    until = None if seconds is None else time.time() + seconds
    Actions(connection, narrate=narrate).pause(name, why=why, until=until)
    lasting = "until: yarnserve resume " + name if until is None else f"for {seconds:g} s"
    narrate(f"supervision of {name} is paused, {lasting}")


@click.command()
@SERVICE_NAME
@with_connection
def resume(connection: Connection, name: str) -> None:
    """Have supervisors act for service NAME again."""
    from yarnserve.service.actions import Actions

    Actions(connection, narrate=narrate).resume(name)
    narrate(f"supervision of {name} goes on")
