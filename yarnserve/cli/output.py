"""What people see: results on stdout, narration on stderr, errors with what, where, why, fix, next."""

from __future__ import annotations

import contextlib
import datetime
import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from yarnserve.errors import SpecError, YarnserveError, printable, printable_lines
from yarnserve.records.moments import timestamp as timestamp

if TYPE_CHECKING:
    from yarnserve.judge.progress import Progress
    from yarnserve.records.replica import Replica
    from yarnserve.service.look import Snapshot

#: Version of every JSON document printed on stdout; a change that breaks a reader raises it.
API_VERSION = "yarnserve/v1"

_COLOURS = {
    "live": "green",
    "available": "green",
    "loading": "yellow",
    "starting": "yellow",
    "pending": "yellow",
    "failing": "red",
    "gone": "red",
}


def narrate(text: str) -> None:
    """Say on stderr what is going on; an act goes on when nobody listens any more, or the log's disk is full."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def print_json(kind: str, content: dict[str, Any]) -> None:
    """Print one versioned JSON document on stdout."""
    click.echo(json.dumps({"apiVersion": API_VERSION, "kind": kind, **content}, indent=2))


def print_yaml(kind: str, content: dict[str, Any]) -> None:
    """Print the same document as YAML."""
    from yarnserve.spec.text import dump_yaml

    click.echo(dump_yaml({"apiVersion": API_VERSION, "kind": kind, **content}), nl=False)


def print_document(output: str, kind: str, content: dict[str, Any]) -> None:
    """Print the document as *output* says, ``json`` or ``yaml``."""
    (print_yaml if output == "yaml" else print_json)(kind, content)


def print_error(error: YarnserveError) -> None:
    """Print *error* on stderr: one line what, then a line each for where, why, fix, next."""
    click.echo(click.style("error: ", fg="red", bold=True) + error.what, err=True)
    if isinstance(error, SpecError):
        for problem in error.problems:
            suggestion = f" (did you mean {problem.suggestion}?)" if problem.suggestion else ""
            field = f"{problem.field}: " if problem.field else ""
            found = f"found {problem.found}, " if problem.found else ""
            click.echo(f"  {problem.place}: {field}{found}allowed: {problem.allowed}{suggestion}", err=True)
    for label, text in error.details():
        if not (label == "where" and isinstance(error, SpecError)):
            click.echo(f"  {label:<5}: {text}", err=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, has_lines: bool = False) -> None:
    """Print *rows* in aligned columns on stdout; nothing is ever cut, the last column may be as long as it is.

    Its cells may have several lines where it *has_lines*.
    """
    for line in table_lines(columns, rows, has_lines=has_lines):
        click.echo(line)


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], *, has_lines: bool = False) -> list[str]:
    """Return the lines that ``print_table`` prints."""
    # Of what others have written, too: a reason, a file's name.
    last = printable_lines if has_lines else printable
    rows = [[*map(printable, row[:-1]), last(row[-1])] for row in rows]
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns) - 1)]
    head = click.style(_line([column.upper() for column in columns], widths), bold=True)
    return [head, *(_line(row, widths) for row in rows)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells[:-1], widths, strict=True)]
    return "  ".join([click.style(cell, fg=_COLOURS.get(cell.rstrip())) for cell in padded] + [cells[-1]])


def age(seconds_since_epoch: float | None, now: float | None = None) -> str:
    """Say how long ago something was, as kubectl does: ``12s``, ``5m``, ``3h``, ``4d``."""
    if seconds_since_epoch is None:
        return "-"
    seconds = max(0, int((time.time() if now is None else now) - seconds_since_epoch))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def local_time(seconds_since_epoch: float) -> str:
    """Date and time of this host's time zone, for people: ``2026-11-03 02:14:07``."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds_since_epoch))


class ProgressLines:
    """Tells *say* (stderr) of a wait: a line whenever a replica's health or the service's state changes."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say or narrate
        self._told: dict[str, str] = {}

    def __call__(self, snapshot: Snapshot, progress: Progress | None = None) -> None:
        """Tell what is new since the last look."""
        state = snapshot.service.state.value if snapshot.service else "not reported"
        self._tell(snapshot.name, f"{state} in YARN")
        self.replicas(snapshot.replicas)

    def replicas(self, replicas: Sequence[Replica]) -> None:
        """Tell what is new of *replicas*."""
        from yarnserve.judge.progress import folded

        for group in folded(replicas):
            verdict = group[0].verdict
            health = verdict.health.value
            text = f"{click.style(health, fg=_COLOURS.get(health))}: {verdict.reason}"
            self._tell(group[0].instance if len(group) == 1 else f"{len(group)} replicas", text)

    def trouble(self, name: str, reason: str) -> None:
        """Tell why there was no look at service *name*."""
        self._tell(name, reason)

    def _tell(self, subject: str, text: str) -> None:
        # The milliseconds of a prediction change at every look and are not news.
        news = text.split(" in ")[0]
        if self._told.get(subject) != news:
            self._told[subject] = news
            clock = datetime.datetime.now().strftime("%H:%M:%S")
            self._say(f"{clock}  {subject:<10} {text}")
