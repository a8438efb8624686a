"""``local``: a service.yaml served on this host, without YARN."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yarnserve.cli.options import DOCUMENTS, OUTPUT, TIMEOUT, WIDE_OUTPUT, with_hdfs_settings
from yarnserve.cli.output import ProgressLines, age, narrate, print_document, print_table
from yarnserve.cli.replicas import replica_document, versions_in_words

if TYPE_CHECKING:
    from yarnserve.config import Settings
    from yarnserve.local.preparing import Job
    from yarnserve.local.records import LocalReplica, LocalSnapshot
    from yarnserve.local.state import Place

COLUMNS = ("replica", "health", "restarts", "age", "versions", "agent", "reason")
WIDE_COLUMNS = ("replica", "health", "restarts", "age", "versions", "agent", "endpoint", "id", "reason")

#: Seconds that a replica which is kept by others waits for another one that is being started.
_KEEPERS_PATIENCE = 60.0

_FILE = click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_NAME = click.argument("name", metavar="NAME|FILE")
_STATE = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where services of this host lie. Else $XDG_STATE_HOME/yarnserve/local, else ~/.local/state/yarnserve/local.",
)
_REPLICAS = click.option("--replicas", type=click.IntRange(min=1), metavar="N", help="How many, in place of FILE's.")
_NO_DOCKER = click.option("--no-docker", is_flag=True, help="Plain processes, although FILE names an image.")
_FORCE = click.option(
    "--force", is_flag=True, help="Accept a server version that cannot read hdfs:// (native, 2.7 and later)."
)


@click.group()
def local() -> None:
    """Serve a service.yaml on this host: no YARN, the models still from HDFS.

    With an image in FILE each replica is a Docker container, else a plain process. With delivery: sync in it is the
    agent, which brings the models, steers the server, and drains it.

    \b
      yarnserve local up FILE          run it, until every replica is live
      yarnserve local status NAME      how it is, and why
      yarnserve local logs NAME -f     what the replicas write
      yarnserve local down NAME        let requests out, then end it
      yarnserve local unit FILE        a systemd unit that keeps it
    """  # noqa: D301  click's mark for lines that stay as they are


@local.command()
@_FILE
@_REPLICAS
@_NO_DOCKER
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until every replica is live.")
@TIMEOUT
@_STATE
@_FORCE
@with_hdfs_settings
def up(
    settings: Settings,
    file: Path,
    replicas: int | None,
    no_docker: bool,
    wait: bool,
    timeout: float,
    state: Path | None,
    force: bool,
) -> None:
    """Make this host run what FILE says; does nothing when it already does.

    What differs is replaced, one replica after the other, each when the one before it is live.
    """
    from yarnserve.local.acts import Acts, patience_with

    job = _job(settings, file, state, replicas=replicas, no_docker=no_docker, force=force)
    name, before = job.asked.spec.name, job.place.asked_before()
    follow = _follower(job, timeout)
    with job.place.locked():
        plan = Acts(job.place, job.hosts, narrate=narrate).up(
            job.asked, job.starts, patience=patience_with(job.asked, before), between=follow
        )
    if plan.changes_nothing:
        narrate(f"{name} runs as {file} says: nothing to do")
    if wait:
        snapshot = follow([start.launch.instance for start in job.starts])
        narrate(f"{name}: {snapshot.live} of {len(snapshot.replicas)} replicas live")
    narrate(f"next: yarnserve local status {name}")


def _follower(job: Job, timeout: float) -> Callable[[Sequence[str]], LocalSnapshot]:
    """Return what waits for replicas, saying what changes; Ctrl-C only ends the watching."""
    from yarnserve.local.look import look
    from yarnserve.local.waiting import wait_until_live

    lines, name = ProgressLines(), job.asked.spec.name

    def follow(instances: Sequence[str]) -> LocalSnapshot:
        try:
            return wait_until_live(
                lambda: look(name, job.asked, job.hosts),
                instances,
                job.hosts,
                timeout=timeout,
                on_look=lambda snapshot: lines.replicas([each.replica for each in snapshot.replicas]),
            )
        except KeyboardInterrupt:
            narrate(f"\nno longer watching; what was started goes on. Look again: yarnserve local status {name}")
            raise

    return follow


@local.command()
@_NAME
@WIDE_OUTPUT
@click.option("--exit-status", is_flag=True, help="Exit with 9 unless every replica serves.")
@_STATE
def status(name: str, output: str, exit_status: bool, state: Path | None) -> None:
    """Show how a service of this host is: every replica asked for a real prediction, every agent for its state."""
    from yarnserve.errors import UnhealthyError
    from yarnserve.local.look import look
    from yarnserve.local.preparing import hosts_of

    place = _place(name, state)
    asked = place.asked()
    snapshot = look(place.name, asked, hosts_of(place, asked))
    if output in DOCUMENTS:
        print_document(output, "LocalServiceStatus", status_document(snapshot, place))
    else:
        _print(snapshot, wide=output == "wide")
    if exit_status and not snapshot.is_well:
        reasons = [f"{each.replica.instance}: {each.replica.verdict.reason}" for each in snapshot.replicas]
        raise UnhealthyError(f"{place.name} is not well", why="; ".join(reasons))


def _print(snapshot: LocalSnapshot, *, wide: bool) -> None:
    way = "containers of Docker" if snapshot.asked.way.value == "docker" else "plain processes"
    serving = sum(each.is_well for each in snapshot.replicas)
    click.echo(f"{snapshot.name}: {way}, {serving} of {snapshot.asked.spec.replicas} replicas serving\n")
    print_table(WIDE_COLUMNS if wide else COLUMNS, [_row(each, wide=wide) for each in snapshot.replicas])
    for fix in dict.fromkeys(each.replica.verdict.fix for each in snapshot.replicas if each.replica.verdict.fix):
        narrate(f"fix: {fix}")


def _row(each: LocalReplica, *, wide: bool) -> tuple[str, ...]:
    replica = each.replica
    start = (replica.instance, replica.verdict.health.value, str(replica.restarts), age(replica.started_at))
    told = (versions_in_words(replica) or "-", replica.agent.state if replica.agent else "-")
    endpoint = f"{replica.endpoint.host}:{replica.endpoint.rest_port}" if replica.endpoint else "-"
    where = (endpoint, replica.container_id or "-") if wide else ()
    return (*start, *told, *where, replica.verdict.reason)


def status_document(snapshot: LocalSnapshot, place: Place) -> dict[str, Any]:
    """Return the content of ``local status -o json``."""
    return {
        "name": snapshot.name,
        "runsIn": snapshot.asked.way.value,
        "stateDirectory": str(place.directory),
        "desired": {"replicas": snapshot.asked.spec.replicas},
        "live": snapshot.live,
        "replicas": [_replica_document(each) for each in snapshot.replicas],
    }


def _replica_document(each: LocalReplica) -> dict[str, Any]:
    """As of a replica on YARN, with what this host tells of its end, and its id in place of a container's."""
    seen, document = each.seen, replica_document(each.replica)
    ended = {"code": seen.exit_code} if seen and seen.exit_code is not None else None
    return {**document, "lastExit": ended, "id": document.pop("container")}


@local.command()
@_NAME
@click.option("--replica", metavar="INSTANCE", help="Only this one, e.g. serve-0 (or 0). Else all of them.")
@click.option("--tail", type=click.IntRange(min=0), metavar="LINES", default=200, show_default=True,
              help="The last LINES of each.")  # fmt: skip
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@_STATE
def logs(name: str, replica: str | None, tail: int, follow: bool, state: Path | None) -> None:
    """Print what the replicas of a service of this host have written."""
    from yarnserve.local.launches import instances, require_instance
    from yarnserve.local.preparing import hosts_of

    place = _place(name, state)
    asked = place.asked()
    names = instances(asked.spec) if replica is None else (require_instance(asked.spec, replica),)
    host = hosts_of(place, asked)[asked.way]
    pieces = host.follow(names, tail) if follow else ((each, host.tail(each, tail)) for each in names)
    current = ""
    for instance, text in pieces:
        if instance != current:
            current = instance
            narrate(f"==> {instance} <==")
        click.echo(text, nl=bool(text) and not text.endswith("\n"))
        sys.stdout.flush()


@local.command()
@_NAME
@click.option("--purge", is_flag=True, help="Remove its state directory too: fetched models, logs.")
@_STATE
def down(name: str, purge: bool, state: Path | None) -> None:
    """End the replicas of a service of this host; their agents let requests out first."""
    from yarnserve.local.acts import Acts, patience_with
    from yarnserve.local.preparing import hosts_of

    place = _place(name, state)
    with place.locked():
        asked = place.asked()
        ended = Acts(place, hosts_of(place, asked), narrate=narrate).down(patience=patience_with(asked))
        narrate(f"{place.name} is down" if ended else f"nothing of {place.name} ran")
        if purge:
            place.forget()
            narrate(f"removed {place.directory}")
        else:
            narrate(f"its models and logs stay in {place.directory}; --purge removes them")


@local.command("list")
@OUTPUT
@_STATE
def list_services(output: str, state: Path | None) -> None:
    """List the services of this host."""
    from yarnserve.errors import YarnserveError
    from yarnserve.local.look import see
    from yarnserve.local.preparing import hosts_of
    from yarnserve.local.state import Place, services

    found = []
    names = services(_state(state))
    for name in names:
        place = Place(_state(state), name)
        try:
            asked = place.asked()
            running = sum(each.is_running for each in see(hosts_of(place, asked)).values())
        except YarnserveError as error:
            # One that cannot be read hides no other.
            narrate(f"note: {name}: {error.in_a_line}")
            continue
        found.append({"name": name, "runsIn": asked.way.value, "replicas": asked.spec.replicas, "running": running})
    if output in DOCUMENTS:
        print_document(output, "LocalServiceList", {"services": found})
    elif found:
        rows = [tuple(str(value) for value in each.values()) for each in found]
        print_table(("name", "runs in", "wanted", "running"), rows)
    elif not names:
        narrate("there are no services on this host; next: yarnserve local up FILE")


@local.command()
@_FILE
@click.option("--replica", default="0", show_default=True, metavar="INSTANCE", help="Which one, e.g. serve-1 (or 1).")
@_REPLICAS
@_NO_DOCKER
@_STATE
@_FORCE
@with_hdfs_settings
def run(
    settings: Settings,
    file: Path,
    replica: str,
    replicas: int | None,
    no_docker: bool,
    state: Path | None,
    force: bool,
) -> None:
    """Become one replica of FILE, in the foreground, for systemd and other keepers.

    SIGTERM lets requests out before it ends.
    """
    from yarnserve.local.acts import Acts
    from yarnserve.local.launches import require_instance

    job = _job(settings, file, state, replicas=replicas, no_docker=no_docker, force=force)
    instance = require_instance(job.asked.spec, replica)
    (start,) = (each for each in job.starts if each.launch.instance == instance)
    # A keeper starts several at a time. The lock goes with this program, whose place the replica takes.
    with job.place.locked(patience=_KEEPERS_PATIENCE):
        Acts(job.place, job.hosts, narrate=narrate).become(job.asked, start)


@local.command()
@_FILE
@_REPLICAS
@_NO_DOCKER
@_STATE
@_FORCE
@with_hdfs_settings
def unit(
    settings: Settings, file: Path, replicas: int | None, no_docker: bool, state: Path | None, force: bool
) -> None:
    """Print a systemd unit that keeps the replicas of FILE on this host.

    \b
      yarnserve local unit FILE > /etc/systemd/system/yarnserve-NAME@.service
      systemctl daemon-reload
      systemctl enable --now yarnserve-NAME@0 yarnserve-NAME@1
    """  # noqa: D301  click's mark for lines that stay as they are
    from yarnserve.cli.spec_options import load_spec
    from yarnserve.local.launches import local_spec
    from yarnserve.local.records import Asked
    from yarnserve.local.units import UnitFacts, run_command
    from yarnserve.local.units import unit as unit_text

    asked = Asked(*local_spec(load_spec(file, force=force), replicas=replicas, is_docker=not no_docker))
    given = [f"--replicas={replicas}"] * (replicas is not None) + ["--no-docker"] * no_docker + ["--force"] * force
    command = run_command(sys.executable, file.absolute(), settings, state=_state(state), options=given)
    environment = {name: os.environ[name] for name in ("PATH", "JAVA_HOME", "CLASSPATH") if name in os.environ}
    docker = shutil.which("docker") or "/usr/bin/docker" if asked.way.value == "docker" else ""
    click.echo(unit_text(asked, UnitFacts(command, getpass.getuser(), environment, docker)), nl=False)


def _job(
    settings: Settings, file: Path, state: Path | None, *, replicas: int | None, no_docker: bool, force: bool
) -> Job:
    from yarnserve.cli.spec_options import load_spec
    from yarnserve.local.preparing import prepare

    return prepare(
        settings,
        load_spec(file, force=force),
        _state(state),
        replicas=replicas,
        is_docker=not no_docker,
        environ=os.environ,
        narrate=narrate,
    )


def _state(state: Path | None) -> Path:
    from yarnserve.local.state import default_state

    return (state or default_state(os.environ)).absolute()


def _place(name: str, state: Path | None) -> Place:
    """The place of a service by its name, or by its file."""
    from yarnserve.cli.spec_options import load_spec
    from yarnserve.errors import UsageError
    from yarnserve.local.state import Place
    from yarnserve.spec.values import service_name

    with suppress(OSError):  # too long for a file's name: no file
        if Path(name).is_file():
            name = load_spec(Path(name), force=True).name
    try:
        return Place(_state(state), service_name(name))
    except ValueError as error:
        raise UsageError(f"not the name of a service: {name!r}", why=f"allowed: {error}") from error
