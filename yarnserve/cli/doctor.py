"""``doctor``: what on this cluster stands in the way of a service, and the setting that mends it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from yarnserve.cli.options import OUTPUT, with_connection
from yarnserve.cli.output import print_document

if TYPE_CHECKING:
    from yarnserve.records.doctor import Check
    from yarnserve.service.connection import Connection

_MARKS = {"ok": ("ok", "green"), "warning": ("warn", "yellow"), "failed": ("FAIL", "red"), "skipped": ("skip", None)}


@click.command()
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--only", multiple=True, metavar="NAME", help="Make this check; may be given again.")
@OUTPUT
@with_connection
def doctor(connection: Connection, file: Path | None, only: tuple[str, ...], output: str) -> None:
    """Look for what on the cluster stands in the way of a service, of that in FILE above all.

    Writes one file to your home directory on HDFS and removes it; changes nothing else. Exits with 9 when something
    failed, with 0 when there are warnings at most.
    """
    from yarnserve.cli.options import DOCUMENTS
    from yarnserve.cli.spec_options import load_spec
    from yarnserve.errors import UnhealthyError
    from yarnserve.service.examine import examine

    _require_known(only, file)
    spec = load_spec(file, force=False) if file else None
    checks: list[Check] = []
    for check in examine(connection, spec, only=only):
        checks.append(check)
        if output not in DOCUMENTS:
            _print_check(check)
    if output in DOCUMENTS:
        print_document(output, "DoctorReport", {"checks": [_document(check) for check in checks]})
    bad = [check.name for check in checks if check.outcome.value == "failed"]
    if bad:
        raise UnhealthyError(
            f"{len(bad)} of {len(checks)} checks failed: {', '.join(bad)}",
            next="mend the first and repeat; docs/admin.md shows the files",
        )


def _require_known(only: tuple[str, ...], file: Path | None) -> None:
    from yarnserve.errors import UsageError
    from yarnserve.service.examine import CHECKS, OF_A_SERVICE

    for name in only:
        if name not in CHECKS:
            raise UsageError(f"there is no check {name!r}", fix=f"name one of {', '.join(CHECKS)}")
        if file is None and name in OF_A_SERVICE:
            raise UsageError(f"check {name} looks at a service", fix="name its service.yaml, too")


def _print_check(check: Check) -> None:
    mark, colour = _MARKS[check.outcome.value]
    click.echo(f"{click.style(mark.ljust(4), fg=colour)}  {check.name:<16}  {check.what}")
    for label, text in (("why", check.why), ("fix", check.fix)):
        if text:
            click.echo(f"      {label:<16}  {text}")


def _document(check: Check) -> dict[str, str | None]:
    return {
        "name": check.name,
        "outcome": check.outcome.value,
        "what": check.what,
        "why": check.why or None,
        "fix": check.fix or None,
    }
