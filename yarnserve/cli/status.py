"""``status`` and ``list``: what runs, and how it is."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

import click

from yarnserve.cli.options import DOCUMENTS, OUTPUT, WIDE_OUTPUT, complete_service, with_connection
from yarnserve.cli.output import (
    ProgressLines,
    age,
    narrate,
    print_document,
    print_table,
    table_lines,
    timestamp,
)
from yarnserve.cli.replicas import replica_document
from yarnserve.cli.table import COLUMNS, WIDE_COLUMNS, row
from yarnserve.errors import first_line, printable

if TYPE_CHECKING:
    from yarnserve.records.yarn import Application
    from yarnserve.service.catalogue import Entry
    from yarnserve.service.connection import Connection
    from yarnserve.service.look import Snapshot
    from yarnserve.service.state import Pause, Supervision
    from yarnserve.service.watching import Sight


@click.command()
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_service)
@WIDE_OUTPUT
@click.option("--exit-status", is_flag=True, help="Exit with 9 unless every wanted replica is live or available.")
@click.option("-w", "--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@with_connection
def status(connection: Connection, name: str | None, output: str, exit_status: bool, watch: bool) -> None:
    """Show how service NAME is: every replica asked for a real prediction. Without NAME, list the services.

    --watch draws anew on a terminal; elsewhere it prints what has changed, and a document in full.
    """
    from yarnserve.service.watching import look_aloud

    if watch:
        if name is None or exit_status:
            raise click.UsageError("--watch wants a NAME" if name is None else "--watch has no end to exit with")
        _watch(connection, name, output)
    if name is None:
        print_services(connection, output)
        return
    snapshot = look_aloud(connection, name, narrate)
    _print_snapshot(snapshot, output)
    if exit_status and not snapshot.well:
        _fail(snapshot)


def _watch(connection: Connection, name: str, output: str) -> NoReturn:
    """Show every look at *name*, and for how long there was none; ends with Ctrl-C, or when the service is gone."""
    from yarnserve.cli.screen import draw, redrawable
    from yarnserve.service.watching import watch

    redraws = redrawable() and output not in DOCUMENTS
    last: Any = None
    progress = ProgressLines(click.echo)
    troubles = _Troubles(name)
    for sight in watch(connection, name):
        if redraws:
            draw(_picture(name, sight, output))
        else:
            troubles(sight)
        if redraws or sight.trouble or sight.snapshot is None:
            continue
        if output not in DOCUMENTS:
            progress(sight.snapshot)
        elif (document := status_document(sight.snapshot)) != last:
            last = document
            print_document(output, "ServiceStatus", document)
        sys.stdout.flush()
    raise AssertionError("watch() has no end of its own")


def _picture(name: str, sight: Sight, output: str) -> list[str]:
    """The newest look; what is wrong with it stands below its first row, where no window is too small for it."""
    rows = [f"{name}: not seen yet"]
    if sight.snapshot is not None:
        rows = [*_lines(sight.snapshot, output), *_remarks(sight.snapshot)]
    return [rows[0], _trouble(sight), *rows[1:]] if sight.trouble else rows


def _trouble(sight: Sight) -> str:
    seen = (
        "not seen yet"
        if sight.seen_at is None
        else f"last seen {time.strftime('%H:%M:%S', time.localtime(sight.seen_at))}"
    )
    fix = f" ({sight.fix})" if sight.fix else ""
    return f"{sight.trouble} for {sight.lasting:.0f} s, {seen}{fix}"


class _Troubles:
    """Tells stderr when nobody answers, again when that has lasted twice as long, and when somebody does."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told = ""
        self._again = 0.0

    def __call__(self, sight: Sight) -> None:
        if sight.trouble and (sight.trouble != self._told or sight.lasting >= self._again):
            narrate(f"{self._name}: {_trouble(sight)}")
            self._again = 2 * max(1.0, sight.lasting)
        elif self._told and not sight.trouble:
            narrate(f"{self._name} is seen again")
        self._told = sight.trouble


def _fail(snapshot: Snapshot) -> None:
    from yarnserve.errors import UnhealthyError

    reasons = [f"{r.instance}: {r.verdict.reason}" for r in snapshot.replicas if not r.verdict.health.serving]
    if snapshot.revision is None and snapshot.complete:
        reasons = ["yarnserve has not launched it: there is nothing to judge it by"]
    reasons = reasons or list(snapshot.notes) or [f"{snapshot.wanted_replicas} replicas are wanted"]
    raise UnhealthyError(f"{snapshot.name} is not well", why="; ".join(reasons))


def status_document(snapshot: Snapshot) -> dict[str, Any]:
    """Return the content of ``status -o json`` (docs/status-json.md)."""
    service, application, revision = snapshot.service, snapshot.application, snapshot.revision
    return {
        "name": snapshot.name,
        "state": service.state.value if service else None,
        "desired": {
            "state": snapshot.desired.state.value if snapshot.desired else None,
            "replicas": snapshot.wanted_replicas,
        },
        "live": sum(replica.verdict.health.value == "live" for replica in snapshot.replicas),
        "revision": revision.number if revision else None,
        "application": _application_document(application),
        "replicas": [replica_document(replica) for replica in snapshot.replicas],
        "pause": _pause_document(_pause_now(snapshot)),
        "supervisor": _supervisor_document(snapshot.supervision),
        "notes": list(snapshot.notes),
    }


def _pause_now(snapshot: Snapshot) -> Pause | None:
    return snapshot.pause if snapshot.pause is not None and snapshot.pause.holds(time.time()) else None


def _pause_document(pause: Pause | None) -> dict[str, Any] | None:
    if pause is None:
        return None
    return {"by": pause.by, "at": timestamp(pause.at), "until": timestamp(pause.until), "why": pause.why}


def _supervisor_document(supervision: Supervision | None) -> dict[str, Any] | None:
    if supervision is None:
        return None
    if not supervision.by:
        return {"by": None, "at": None, "state": "never"}
    goes_on = supervision.goes_on(time.time())
    return {"by": supervision.by, "at": timestamp(supervision.at), "state": "running" if goes_on else "ended"}


def _application_document(application: Application | None) -> dict[str, Any] | None:
    if application is None:
        return None
    return {
        "id": application.id,
        "state": application.state.value,
        "finalStatus": application.final_status,
        "queue": application.queue,
        "user": application.user,
        "startedAt": timestamp(application.started_at),
        "finishedAt": timestamp(application.finished_at),
        "diagnostics": application.diagnostics,
    }


def _print_snapshot(snapshot: Snapshot, output: str) -> None:
    if output in DOCUMENTS:
        print_document(output, "ServiceStatus", status_document(snapshot))
        return
    for line in _lines(snapshot, output):
        click.echo(line)
    for remark in _remarks(snapshot):
        narrate(remark)


def _lines(snapshot: Snapshot, output: str) -> list[str]:
    """What is the result: the service in one line, and its replicas in a table."""
    from yarnserve.judge.progress import folded

    live = sum(replica.verdict.health.serving for replica in snapshot.replicas)
    state = snapshot.service.state.value if snapshot.service else "not reported by YARN"
    parts = [f"{snapshot.name}: {state}", f"{live} of {snapshot.wanted_replicas} replicas serving"]
    if snapshot.application:
        parts.append(f"{snapshot.application.id} in queue {snapshot.application.queue}")
    if snapshot.revision:
        parts.append(f"revision {snapshot.revision.number}")
    head = ", ".join(parts)
    if not snapshot.replicas:
        return [head]
    wide = output == "wide"
    rows = [row(group, wide=wide) for group in folded(snapshot.replicas)]
    return [head, "", *table_lines(WIDE_COLUMNS if wide else COLUMNS, rows)]


def _remarks(snapshot: Snapshot) -> list[str]:
    """What is said beside it: YARN's words, what to mend, what could not be read."""
    remarks = []
    if snapshot.application and snapshot.application.diagnostics and not snapshot.well:
        remarks.append(f"YARN says: {first_line(snapshot.application.diagnostics)}")
    fixes = dict.fromkeys(replica.verdict.fix for replica in snapshot.replicas if replica.verdict.fix)
    remarks += [f"fix: {fix}" for fix in fixes]
    remarks += _skew(snapshot)
    remarks += _supervisor(snapshot)
    if pause := _pause_now(snapshot):
        remarks.append(f"supervision is {printable(pause.in_words)}; next: yarnserve resume {snapshot.name}")
    return remarks + [f"note: {note}" for note in snapshot.notes]


def _supervisor(snapshot: Snapshot) -> list[str]:
    """Who looks after it; or that nobody does, although that was wanted."""
    last = snapshot.supervision
    if last is None:
        return []
    if last.goes_on(time.time()):
        return [f"supervised by {printable(last.by)}"]
    wants_one = snapshot.revision is not None and snapshot.revision.record.spec.supervise.enabled
    if not (wants_one and snapshot.wanted_replicas):
        return []
    before = f" any more (the last word of one was {age(last.at)} ago)" if last.by else ""
    return [f"no supervisor looks after it{before}; next: yarnserve supervise {snapshot.name}"]


def _skew(snapshot: Snapshot) -> list[str]:
    """Which replicas serve other versions than the rest, since when, and which are wanted."""
    from yarnserve.judge.skew import skew

    reports = {replica.instance: replica.agent for replica in snapshot.replicas if replica.agent is not None}
    return [each.in_words(age) for each in skew(reports)]


@click.command("list")
@click.option("--all-users", is_flag=True, help="Those that YARN runs, of everybody.")
@OUTPUT
@with_connection
def list_services(connection: Connection, all_users: bool, output: str) -> None:
    """List the user's services: those YARN runs, and those yarnserve has launched and that are stopped."""
    if all_users:
        _print_everybodys(connection, output)
        return
    print_services(connection, output)


def _print_everybodys(connection: Connection, output: str) -> None:
    from yarnserve.service.catalogue import everybodys

    entries = everybodys(connection)
    if output in DOCUMENTS:
        print_document(output, "ServiceList", {"services": [_service_document(entry) for entry in entries]})
        return
    if not entries:
        narrate("YARN runs no services")
        return
    applications = [entry.application for entry in entries if entry.application]
    rows = [
        (each.user, each.name, each.state.value, each.id, each.queue, age(each.started_at)) for each in applications
    ]
    print_table(("user", "name", "state", "application", "queue", "age"), rows)


def _service_document(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "state": entry.state,
        "replicas": entry.replicas,
        "application": _application_document(entry.application),
    }


def print_services(connection: Connection, output: str) -> None:
    """Print one row per service of the user."""
    from yarnserve.service.catalogue import catalogue

    entries, notes = catalogue(connection)
    for note in notes:
        narrate(f"note: {note}")
    if output in DOCUMENTS:
        services = [_service_document(entry) for entry in entries]
        print_document(output, "ServiceList", {"services": services})
        return
    if not entries:
        narrate(f"user {connection.settings.user} has no services; next: yarnserve launch FILE")
        return
    rows = [
        (
            entry.name,
            entry.state,
            "-" if entry.replicas is None else str(entry.replicas),
            entry.application.id if entry.application else "-",
            entry.application.queue if entry.application else "-",
            age(entry.application.started_at if entry.application else None),
        )
        for entry in entries
    ]
    print_table(("name", "state", "wanted", "application", "queue", "age"), rows)
