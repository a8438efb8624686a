"""``logs``: what the replicas wrote."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import click

from yarnserve.cli.options import SERVICE_NAME, with_connection
from yarnserve.cli.output import narrate, print_error

if TYPE_CHECKING:
    from yarnserve.records.yarn import LogFile
    from yarnserve.service.connection import Connection
    from yarnserve.service.logs import ReplicaLogs


@click.command()
@SERVICE_NAME
@click.option("--replica", metavar="INSTANCE", help="Only this one, e.g. serve-0 (or 0). Else all of them.")
@click.option("--file", "file_name", metavar="NAME", help="Only this file, e.g. stderr.txt. Else stdout and stderr.")
@click.option(
    "--tail",
    type=click.IntRange(min=0),
    metavar="LINES",
    help="Only the last LINES of each file, of 48 MiB at most. Else its last 16 MiB.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option(
    "--previous",
    is_flag=True,
    help="The logs of the container that each replica had before; of a stopped service, its last.",
)
@click.option("--list", "list_only", is_flag=True, help="Name the files and their sizes, do not print them.")
@with_connection
def logs(
    connection: Connection,
    name: str,
    replica: str | None,
    file_name: str | None,
    tail: int | None,
    follow: bool,
    previous: bool,
    list_only: bool,
) -> int:
    """Print the logs of NAME's running replicas, as their NodeManagers keep them.

    A replica whose logs cannot be read does not hide the others'; its error decides the exit status. With --follow
    those of replacements follow, too.
    """
    from yarnserve.errors import YarnserveError
    from yarnserve.service.logs import no_logs, previous_logs, replica_logs

    if follow and (previous or list_only):
        raise click.UsageError("--follow is for what still grows: not with --previous or --list")
    printer = _Printer()
    find = previous_logs if previous else replica_logs
    found, failures = False, []
    for each in find(connection, name, replica):
        try:
            for file in each.files(file_name):
                found = True
                if list_only:
                    click.echo(f"{each.instance}  {each.container_id}  {file.name}  {file.size}")
                else:
                    printer.show(each, file, tail)
        except YarnserveError as error:
            narrate(f"==> {each.instance} ({each.container_id}) <==")
            print_error(error)
            failures.append(error)
    if follow:
        _follow(connection, name, replica, file_name, printer)
    if failures:
        return failures[0].exit_status
    if not found:
        raise no_logs(name, file_name)
    return 0


def _follow(
    connection: Connection, name: str, replica: str | None, file_name: str | None, printer: _Printer
) -> NoReturn:
    from yarnserve.service.following import follow_logs

    sys.stdout.flush()
    for piece in follow_logs(connection, name, replica, file_name, on_trouble=print_error, seen=printer.seen):
        printer.head(piece.replica, piece.file)
        click.echo(piece.text, nl=False)
        sys.stdout.flush()
    raise AssertionError("follow_logs() has no end of its own")


class _Printer:
    """Prints pieces of files, each under the head of its file; *seen* are the bytes shown, by container and file."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], int] = {}
        self._current = ("", "")

    def head(self, replica: ReplicaLogs, file: str) -> None:
        """Say on stderr whose text comes next, unless it is that of the text before."""
        if self._current != (replica.container_id, file):
            self._current = (replica.container_id, file)
            narrate(f"==> {replica.instance} {file} ({replica.container_id}) <==")

    def show(self, replica: ReplicaLogs, file: LogFile, tail: int | None) -> None:
        """Print the end of *file*."""
        from yarnserve.service.logs import USUAL_BYTES

        self.head(replica, file.name)
        if tail is None and file.size > USUAL_BYTES:
            narrate(f"last {USUAL_BYTES >> 20} MiB of {file.size >> 20} MiB")
        length, body = replica.end(file) if tail is None else replica.last_lines(file, tail)
        self.seen[replica.container_id, file.name] = length
        text = body.decode("utf-8", errors="replace")
        click.echo(text, nl=bool(text) and not text.endswith("\n"))
