"""``sync``: keep a directory of this host at the version of a model that is to be served."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yarnserve.cli.alerting import alerts_of, with_alerts
from yarnserve.cli.options import with_connection
from yarnserve.cli.output import narrate, print_json, timestamp
from yarnserve.cli.quantities import Rate, bytes_in_words
from yarnserve.cli.stopping import ending

if TYPE_CHECKING:
    from yarnserve.alerts.delivery import Alerts
    from yarnserve.repository.sync import Sync, Synced, SyncOptions
    from yarnserve.service.connection import Connection


@click.command()
@click.argument("base_path", metavar="BASE_PATH")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--once", is_flag=True, help="Bring the version here and end; for cron, and to try it.")
@click.option("--plan", is_flag=True, help="Say what would be moved and whether rate and deadline agree; move nothing.")
@click.option("--instance", default="", metavar="NAME", help="Who we are, such as serve-0: picks a canary.")
@click.option("--version", type=click.IntRange(min=1), help="This one, whatever is promoted.")
@click.option("--rate", type=Rate(), metavar="RATE", help="At most so much for this host, e.g. 50MB/s.")
@click.option("--fleet-rate", type=Rate(), metavar="RATE", help="At most so much for all hosts together, in waves.")
@click.option("--hosts", type=click.IntRange(min=1), default=1, metavar="N", help="How many hosts the fleet has.")
@click.option("--deadline", type=click.FloatRange(min=1), default=100.0, show_default=True, metavar="SECONDS",
              help="For each version, from the moment it is fetched.")  # fmt: skip
@click.option("--keep", type=click.IntRange(min=1), default=2, show_default=True, help="Old versions that stay here.")
@click.option("--interval", type=click.FloatRange(min=0.1), default=10.0, show_default=True, metavar="SECONDS",
              help="Between two looks at HDFS.")  # fmt: skip
@click.option("--verify", is_flag=True, help="Compare also what is here already, every byte, and fetch what differs.")
@with_alerts
@with_connection
def sync(connection: Connection, base_path: str, directory: Path, once: bool, plan: bool, **options: Any) -> None:
    """Bring the model version that is to be served from BASE_PATH on HDFS to DIR on this host, and keep it so.

    DIR is what a model server here gets as its model_base_path. A version appears in it under its number when every
    byte of it is verified and on the disk, never before; only files that changed are fetched. The channels say which
    version (yarnserve models promote); while nothing was promoted, it is the highest complete one. After a roll-back
    the higher numbers are moved out of the server's sight, and kept.

    On a terminal it shows its progress, else it prints a JSON line for each step. What fails is alerted and tried
    again; whatever is served stays served.
    """
    from yarnserve.config import hdfs_path
    from yarnserve.repository.local import LocalStore
    from yarnserve.repository.sync import Sync

    base = hdfs_path(base_path).rstrip("/")
    stop = threading.Event()
    teller = Teller(sys.stderr.isatty())
    with ExitStack() as stack:
        stack.enter_context(ending(stop))
        stack.enter_context(teller)
        store = stack.enter_context(LocalStore(directory))
        settings = _options(options, teller, stop)
        engine = Sync(connection.storage_at(base_path), base, store, settings)
        if plan:
            _print_plan(engine)
            return
        alerts = alerts_of(options, directory / ".yarnserve" / "alerts.json")
        _follow(engine, alerts, base, teller, stop, once=once, interval=options["interval"])


def _options(options: Mapping[str, Any], teller: Teller, stop: threading.Event) -> SyncOptions:
    from yarnserve.repository.pace import Pace
    from yarnserve.repository.sync import SyncOptions

    def check() -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    def wait(seconds: float) -> None:
        stop.wait(seconds)

    return SyncOptions(
        pace=Pace(options["rate"], options["fleet_rate"], options["hosts"]),
        deadline=options["deadline"],
        keep=options["keep"],
        instance=options["instance"],
        version=options["version"],
        verify=options["verify"],
        tell=teller.tell,
        on_bytes=teller.moved,
        sleep=wait,
        check=check,
    )


def _follow(
    engine: Sync, alerts: Alerts, base: str, teller: Teller, stop: threading.Event, *, once: bool, interval: float
) -> None:
    from random import Random

    from yarnserve.repository.follow import Follower

    follower = Follower(
        engine,
        alerts,
        key=f"sync {base}",
        random=Random(),
        sleep=stop.wait,
        tell=teller.tell,
        interval=interval,
    )
    try:
        if once:
            _tell_synced(teller, follower.once())
        else:
            follower.run()
    except KeyboardInterrupt:
        # SIGTERM is an order, and obeyed; Ctrl-C is told as everywhere.
        if not stop.is_set():
            raise
        teller.tell("ended", {"why": "SIGTERM"})


def _tell_synced(teller: Teller, synced: Synced) -> None:
    about = {"version": synced.version, "fetched": synced.fetched, "seconds": round(synced.seconds, 2)}
    teller.tell("current" if synced.was_here else "done", about)


def _print_plan(engine: Sync) -> None:
    from yarnserve.errors import UnhealthyError

    wanted = engine.wanted()
    plan, outlook = engine.plan(wanted)
    print_json(
        "SyncPlan",
        {
            "version": wanted.version,
            "totalBytes": outlook.total,
            "bytesToFetch": outlook.size,
            "filesToFetch": len(plan.fetch) if outlook.size else 0,
            "hostRate": outlook.pace.host_rate,
            "waves": outlook.pace.waves,
            "seconds": round(outlook.seconds, 1),
            "deadline": outlook.deadline,
            "possible": outlook.is_possible,
        },
    )
    if not outlook.is_possible:
        raise UnhealthyError(
            f"{bytes_in_words(outlook.size)} cannot be here within {outlook.deadline:g} s",
            why=f"at this rate it takes {outlook.seconds:.0f} s in {outlook.pace.waves} waves",
            fix=f"allow {bytes_in_words(outlook.needed_rate)}/s, or a later --deadline",
        )


class Teller:
    """Tells each step: on a terminal in words with a bar for the bytes, else as a JSON line on stdout."""

    def __init__(self, is_terminal: bool, write: Callable[[str], None] = click.echo) -> None:
        self._is_terminal = is_terminal
        self._write = write
        self._bar: Any = None
        self._lock = threading.Lock()

    def __enter__(self) -> Teller:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_bar()

    def tell(self, step: str, about: Mapping[str, Any]) -> None:
        """Tell *step*."""
        with self._lock:
            if not self._is_terminal:
                self._write(json.dumps({"time": timestamp(time.time()), "step": step, **about}))
                return
            self._end_bar()
            narrate(in_words(step, about))
            if step == "fetching" and about["bytes"]:
                self._bar = click.progressbar(length=about["bytes"], file=sys.stderr, label="  fetching")
                self._bar.__enter__()

    def moved(self, count: int) -> None:
        """Take *count* bytes more, or fewer when they were wrong."""
        with self._lock:
            if self._bar is not None:
                self._bar.update(count)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


def in_words(step: str, about: Mapping[str, Any]) -> str:
    """Say a step to people."""
    version = f"version {about['version']}" if "version" in about else ""
    texts: Mapping[str, Callable[[], str]] = {
        "fetching": lambda: (
            f"{version}: {bytes_in_words(about['bytes'])} in {about['files']} files to fetch, "
            f"{about['linked']} files are here"
        ),
        "verified": lambda: f"{version}: every byte is as published",
        "online": lambda: f"{version} is online" + (f", after {about['before']}" if about["before"] else ""),
        "current": lambda: f"{version} is here: nothing to do",
        "done": lambda: f"{version} is here: {bytes_in_words(about['fetched'])} fetched in {about['seconds']:g} s",
        "pruned": lambda: f"removed version {', '.join(map(str, about['versions']))}",
        "waiting": lambda: f"{version}: waiting {about['seconds']:g} s for our wave of {about['waves']}",
        "trouble": lambda: f"{about['endpoint']}: {about['what']} ({about['why']}); trying elsewhere",
        "corrupt": lambda: f"{about['what']}, from {about['where']}; fetching it again",
        "damaged": lambda: f"{version} is damaged here: {', '.join(about['files'])}",
        "verifying": lambda: f"{version}: comparing {bytes_in_words(about['bytes'])} that are here",
        "ended": lambda: "ended: what was fetched so far is used by the next run",
        "failed": lambda: f"failed: {about['what']}",
    }
    return texts[step]() if step in texts else f"{step} {dict(about)}"
