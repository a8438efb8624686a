"""``logs``: what the replicas wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yarnserve.cli.options import SERVICE_NAME, with_connection

if TYPE_CHECKING:
    from yarnserve.service.connection import Connection


@click.command()
@SERVICE_NAME
@click.option("--replica", metavar="INSTANCE", help="Only this one, e.g. serve-0 (or 0). Else all of them.")
@click.option("--file", "file_name", metavar="NAME", help="Only this file, e.g. stderr.txt. Else stdout and stderr.")
@click.option("--tail", "tail", type=click.IntRange(min=1), metavar="BYTES", help="Only the last BYTES of each file.")
@click.option("--list", "list_only", is_flag=True, help="Name the files and their sizes, do not print them.")
@with_connection
def logs(
    connection: Connection, name: str, replica: str | None, file_name: str | None, tail: int | None, list_only: bool
) -> None:
    """Print the logs of NAME's running replicas, as their NodeManagers keep them."""
    from yarnserve.service.logs import replica_logs

    for log in replica_logs(connection, name, replica=replica, file_name=file_name):
        if list_only:
            click.echo(f"{log.instance}  {log.container_id}  {log.file.name}  {log.file.size}")
            continue
        click.echo(f"==> {log.instance} {log.file.name} ({log.container_id}) <==", err=True)
        text = log.read(tail)
        click.echo(text, nl=not text.endswith("\n") and bool(text))
