"""``logs``: what the replicas wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yarnserve.cli.options import SERVICE_NAME, with_connection
from yarnserve.cli.output import narrate, print_error

if TYPE_CHECKING:
    from yarnserve.records.yarn import LogFile
    from yarnserve.service.connection import Connection
    from yarnserve.service.logs import ReplicaLogs

#: Most bytes of one file; one answer may be no larger than 64 MiB, its frame included.
MAX_TAIL = 48 * 1024 * 1024


@click.command()
@SERVICE_NAME
@click.option("--replica", metavar="INSTANCE", help="Only this one, e.g. serve-0 (or 0). Else all of them.")
@click.option("--file", "file_name", metavar="NAME", help="Only this file, e.g. stderr.txt. Else stdout and stderr.")
@click.option(
    "--tail",
    "tail",
    type=click.IntRange(1, MAX_TAIL),
    metavar="BYTES",
    help="Only the last BYTES of each file. Else 16 MiB.",
)
@click.option("--list", "list_only", is_flag=True, help="Name the files and their sizes, do not print them.")
@with_connection
def logs(
    connection: Connection, name: str, replica: str | None, file_name: str | None, tail: int | None, list_only: bool
) -> int:
    """Print the logs of NAME's running replicas, as their NodeManagers keep them.

    A replica whose logs cannot be read does not hide the others'; its error decides the exit status.
    """
    from yarnserve.errors import YarnserveError
    from yarnserve.service.logs import no_logs, replica_logs

    found, failures = False, []
    for each in replica_logs(connection, name, replica):
        try:
            for file in each.files(file_name):
                found = True
                if list_only:
                    click.echo(f"{each.instance}  {each.container_id}  {file.name}  {file.size}")
                else:
                    _print(each, file, tail)
        except YarnserveError as error:
            narrate(f"==> {each.instance} ({each.container_id}) <==")
            print_error(error)
            failures.append(error)
    if failures:
        return failures[0].exit_status
    if not found:
        raise no_logs(name, file_name)
    return 0


def _print(replica: ReplicaLogs, file: LogFile, tail: int | None) -> None:
    from yarnserve.service.logs import USUAL_BYTES

    narrate(f"==> {replica.instance} {file.name} ({replica.container_id}) <==")
    if tail is None and file.size > USUAL_BYTES:
        narrate(f"last {USUAL_BYTES >> 20} MiB of {file.size >> 20} MiB; --tail BYTES for less or more")
    text = replica.read(file, tail)
    click.echo(text, nl=bool(text) and not text.endswith("\n"))
