"""``supervise``, ``pause``, ``resume``: replicas that are not well are found, explained and relaunched."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yarnserve.cli.alerting import alerts_of, with_alerts
from yarnserve.cli.options import SERVICE_NAME, complete_service, with_connection
from yarnserve.cli.output import narrate
from yarnserve.cli.quantities import Duration
from yarnserve.cli.stopping import ending

if TYPE_CHECKING:
    from yarnserve.alerts.background import BackgroundAlerts
    from yarnserve.records.journal import JournalEntry
    from yarnserve.service.connection import Connection
    from yarnserve.supervise.board import Board
    from yarnserve.supervise.journal import Journal
    from yarnserve.supervise.tools import Tools

#: Seconds between two pictures of the live table.
PICTURE_EVERY = 1.0

#: Lines below it, and characters of a file's name.
_NOTES = 8
_LONGEST_NAME = 100

#: Seconds that journal and alerts have at the end.
PATIENCE = 5.0


@click.command()
@click.argument("names", metavar="[NAME...]", nargs=-1, shell_complete=complete_service)
@click.option("--all", "takes_all", is_flag=True, help="Every service of yours with supervise.enabled; new ones, too.")
@click.option("--observe", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--once", is_flag=True, help="Look until it is clear what is to be done, do it, and end.")
@click.option("--listen", metavar="HOST:PORT", help="Answer /metrics, /healthz and /state there, e.g. 127.0.0.1:9118.")
@click.option(
    "--state", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where journal and alerts are kept."
)
@click.option("--unit", is_flag=True, help="Print a systemd unit for this command, and end.")
@with_alerts
@with_connection
def supervise(
    connection: Connection,
    names: Sequence[str],
    takes_all: bool,
    observe: bool,
    once: bool,
    listen: str | None,
    directory: Path | None,
    unit: bool,
    **options: Any,
) -> None:
    """Watch services, and relaunch what is not well, for as long as this runs.

    Each replica is asked for a real prediction every supervise.check_interval. One that fails three in a row, dies
    again and again, or does not become live is explained, and restarted, moved or taken out: one at a time, within
    budgets, and never when many fail at once (docs/supervise.md). What a person has stopped, scaled or paused stays so.

    On a terminal it shows how everything stands, else it prints a line for each event. Of several supervisors of one
    service, also on other hosts, one acts and the others stand by.

    \b
      yarnserve supervise digits --observe   what it would do
      yarnserve supervise --all --listen :9118
      yarnserve events digits -f             the story, from any host
    """  # noqa: D301  click's mark for lines that stay as they are
    from yarnserve.errors import UsageError

    if bool(names) == takes_all:
        raise UsageError("which services?", fix="name them, or say --all")
    if unit:
        _print_unit(connection, names, _unit_options(observe, listen, directory, options))
        return
    _allow_many_connections()
    stop = threading.Event()
    with ExitStack() as stack:
        stack.callback(_let_go_of_full_logs)
        stack.enter_context(ending(stop))
        desk = stack.enter_context(_desk(connection, names, directory, options, stop, acts=not observe))
        if listen is not None:
            stack.enter_context(_listening(desk.board, listen))
        if once:
            _once(connection, names, takes_all, desk, stop)
        else:
            _run(connection, names, takes_all, desk, stop)


def _let_go_of_full_logs() -> None:
    """What the log's disk did not take is lost: to fail for it at the very end would be told as a failure of ours."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())


def _allow_many_connections() -> None:
    """A fleet is asked over thousands of connections; a process often has 1024 files, and more if it asks."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Desk:
    """What the supervisors of one process share."""

    def __init__(self, tools: Tools, board: Board, say: Callable[[str], None], notes: Collection[str]) -> None:
        self.tools = tools
        self.board = board
        self.say = say
        #: What a terminal that is drawn anew has been told, newest last.
        self.notes = notes


def _once(connection: Connection, names: Sequence[str], takes_all: bool, desk: _Desk, stop: threading.Event) -> None:
    from yarnserve.cli.supervision_table import supervision_lines
    from yarnserve.errors import YarnserveError
    from yarnserve.supervise.fleet import Fleet, supervised_services

    failed: dict[str, YarnserveError] = {}
    fleet = Fleet(connection, desk.tools, places=desk.board, stop=stop, say=desk.say)
    for name in supervised_services(connection, failed.__setitem__) if takes_all else dict.fromkeys(names):
        if stop.is_set():
            break
        try:
            fleet.once(name)
        except YarnserveError as error:
            failed[name] = error
    for line in supervision_lines(desk.board.states()):
        click.echo(line)
    for name in list(failed)[1:]:
        narrate(f"{name}: {failed[name].what}")
    if failed:
        raise next(iter(failed.values()))
    if stop.is_set():
        # What is not done yet is not known to be well.
        raise KeyboardInterrupt


def _run(connection: Connection, names: Sequence[str], takes_all: bool, desk: _Desk, stop: threading.Event) -> None:
    from yarnserve.cli.screen import redrawable
    from yarnserve.errors import NotFoundError, YarnserveError
    from yarnserve.service.finding import require_known
    from yarnserve.supervise.fleet import Fleet
    from yarnserve.supervise.notify import Heart, Notifier

    unreadable: list[YarnserveError] = []
    for name in names:
        try:
            require_known(connection, name)
        except NotFoundError:
            raise
        except YarnserveError as error:
            unreadable.append(error)
    if unreadable and len(unreadable) == len(names):
        raise unreadable[0]
    heart = Heart(Notifier(os.environ, on_trouble=desk.say), desk.board)
    fleet = Fleet(connection, desk.tools, places=desk.board, stop=stop, say=desk.say)
    heart.start()
    if redrawable():
        threading.Thread(target=_draw, args=(desk, stop), daemon=True, name="picture").start()
    try:
        if takes_all:
            fleet.run_all()
        else:
            fleet.run(names)
    finally:
        heart.close()


def _draw(desk: _Desk, stop: threading.Event) -> None:
    from yarnserve.cli.screen import draw
    from yarnserve.cli.supervision_table import supervision_lines

    while not stop.wait(PICTURE_EVERY):
        draw([*supervision_lines(desk.board.states()), "", *tuple(desk.notes)])


@contextmanager
def _desk(
    connection: Connection,
    names: Sequence[str],
    directory: Path | None,
    options: Mapping[str, Any],
    stop: threading.Event,
    *,
    acts: bool,
) -> Iterator[_Desk]:
    from yarnserve.alerts.background import BackgroundAlerts
    from yarnserve.cli.screen import redrawable
    from yarnserve.supervise.board import Board
    from yarnserve.supervise.journal import FileJournal, Journal, default_directory
    from yarnserve.supervise.tools import Tools

    # A terminal that is drawn anew shows the newest entries itself, and below them what else there is to say.
    notes: deque[str] = deque(maxlen=_NOTES)
    say = notes.append if redrawable() else narrate
    place = directory or default_directory(os.environ)
    # A disk that takes nothing must not end a supervisor: the journal tells of it, and tries again.
    with suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
    board = Board()
    journal = Journal(
        FileJournal(place, on_trouble=say) if acts else None,
        lambda name: connection.store(name).journal,
        on_trouble=say,
    )
    alarm = BackgroundAlerts(alerts_of(options, place / _alerts_file(names), say), on_failure=say)

    def write(entry: JournalEntry) -> None:
        if not redrawable():
            say(_line(entry))
        if acts:
            journal.write(entry)

    def pause(seconds: float) -> None:
        if stop.wait(seconds):
            raise KeyboardInterrupt

    journal.start()
    tools = Tools(journal=write, board=board, narrate=_nothing, pause=pause, acts=acts)
    try:
        yield _Desk(replace(tools, alarm=alarm) if acts else tools, board, say, notes)
    finally:
        _finish(journal, alarm)


def _alerts_file(names: Sequence[str]) -> str:
    """Each set of services has a file of its own: two processes would forget each other's alerts."""
    told = "-".join(sorted(names))[:_LONGEST_NAME]
    return f"alerts-{told}.json" if told else "alerts.json"


def _finish(journal: Journal, alarm: BackgroundAlerts) -> None:
    journal.close(PATIENCE)
    alarm.finish(PATIENCE)


@contextmanager
def _listening(board: Board, listen: str) -> Iterator[None]:
    from yarnserve.supervise.web import SupervisorServer, parse_listen

    server = SupervisorServer(board, *parse_listen(listen))
    server.start()
    try:
        yield
    finally:
        server.close()


def _line(entry: JournalEntry) -> str:
    """One line of the log: time, service, replica, what, why."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(entry.at))
    about = f"{entry.service}/{entry.instance}" if entry.instance else entry.service
    return f"{moment} {about} {entry.what.value}: {entry.text}"


def _nothing(text: str) -> None:
    """Say nothing."""


def _unit_options(observe: bool, listen: str | None, directory: Path | None, options: Mapping[str, Any]) -> list[str]:
    told = ["--observe"] if observe else []
    told += [f"--listen={listen}"] if listen else []
    told += [f"--state={directory.absolute()}"] if directory else []
    for name in ("alert_command", "alert_webhook", "runbook"):
        told += [f"--{name.replace('_', '-')}={options[name]}"] if options[name] else []
    return told + [f"--alertmanager={url}" for url in options["alertmanagers"]]


def _print_unit(connection: Connection, names: Sequence[str], options: Sequence[str]) -> None:
    import getpass

    from yarnserve.errors import UsageError
    from yarnserve.supervise.units import SupervisorFacts, supervise_command, supervisor_unit

    if names:
        raise UsageError("a unit supervises every service", fix="say --all --unit")
    command = supervise_command(sys.executable, connection.settings, options=options)
    kept = ("HADOOP_CONF_DIR", "HADOOP_USER_NAME")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    click.echo(supervisor_unit(SupervisorFacts(command, getpass.getuser(), environment)), nl=False)


@click.command()
@SERVICE_NAME
@click.option("--for", "seconds", type=Duration(), metavar="TIME", help="For how long, as in 2h; else until resume.")
@click.option("--why", default="", metavar="TEXT", help="For whoever wonders.")
@with_connection
def pause(connection: Connection, name: str, seconds: float | None, why: str) -> None:
    """Have supervisors do nothing for service NAME, as for maintenance; they go on looking."""
    from yarnserve.service.actions import Actions

    until = None if seconds is None else time.time() + seconds
    Actions(connection, narrate=narrate).pause(name, why=why, until=until)
    lasting = f"until: yarnserve resume {name}" if until is None else f"for {seconds:g} s"
    narrate(f"supervision of {name} is paused, {lasting}")


@click.command()
@SERVICE_NAME
@with_connection
def resume(connection: Connection, name: str) -> None:
    """Have supervisors act for service NAME again."""
    from yarnserve.service.actions import Actions

    Actions(connection, narrate=narrate).resume(name)
    narrate(f"supervision of {name} goes on")
