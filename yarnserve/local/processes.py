"""Replicas that are plain processes of this host.

A process is known by its id and its time of start together with the run of the kernel: an id that another process has
got since is never taken for ours.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from yarnserve.errors import ConfigurationError, YarnserveError
from yarnserve.local.files import follow_files, tail_of
from yarnserve.local.records import Seen, Start, Way
from yarnserve.local.state import Place, translated
from yarnserve.records.document import from_document, to_document
from yarnserve.serving.arguments import PROGRAM

#: Seconds between two looks at whether a process has ended.
PAUSE = 0.1

#: Seconds that a process may take to end after SIGKILL.
KILLED = 5.0

#: Bytes of a log file at which the next start begins a new one; the one before is kept.
LOG_BYTES = 20 * 1024 * 1024

_PROC = Path("/proc")
_STARTTIME = 19


@dataclass(frozen=True)
class _Record:
    """A process that was started: *since* tells it from a later one with its id, *at* is for people."""

    pid: int
    since: str
    at: float
    mark: str
    is_foreground: bool


class ProcessHost:
    """Starts and ends them, and remembers them in the run directory of *place*."""

    def __init__(
        self,
        place: Place,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._place = place
        self._clock = clock
        self._now = now
        self._pause = pause
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def seen(self) -> Mapping[str, Seen]:
        """Every process that was started and not ended by us, whether it still runs or not."""
        return {path.stem: self._see(path.stem, record) for path, record in self._records()}

    def start(self, start: Start) -> None:
        """Start one in a session of its own, so that it outlives the terminal.

        Raises:
            ConfigurationError: its program is not here, or this is no Linux.
        """
        require_linux()
        launch = start.launch
        require_server()
        log = self._place.log(launch.instance)
        with translated(log):
            _turn_over(log)
            output = log.open("ab")
        with output:
            try:
                process = subprocess.Popen(
                    launch.arguments,
                    cwd=self._place.work(launch.instance),
                    env={**os.environ, **launch.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise YarnserveError(f"{launch.instance} cannot be started", why=str(error)) from error
        self._children[launch.instance] = process
        self._remember(start, process.pid, is_foreground=False)

    def run_in_foreground(self, start: Start) -> None:
        """Become the replica: whoever started us keeps it.

        Raises:
            ConfigurationError: its program is not here, or this is no Linux.
        """
        require_linux()
        require_server()
        launch = start.launch
        self._remember(start, os.getpid(), is_foreground=True)
        os.chdir(self._place.work(launch.instance))
        os.execve(launch.arguments[0], launch.arguments, {**os.environ, **launch.environment})

    def stop(self, instances: Sequence[str], patience: float) -> None:
        """End them: SIGTERM, then time to let requests out, then SIGKILL."""
        records = {path.stem: record for path, record in self._records() if path.stem in instances}
        self._signal(records, signal.SIGTERM)
        if not self._ended(records, patience):
            self._signal(records, signal.SIGKILL)
            if not self._ended(records, KILLED):
                pids = ", ".join(str(record.pid) for record in records.values() if _runs(record))
                raise YarnserveError(
                    f"process {pids} does not end", why="not even SIGKILL ended it: it hangs in the kernel"
                )
        for instance in records:
            self._path(instance).unlink(missing_ok=True)

    def tail(self, instance: str, lines: int) -> str:
        """The last lines of its log file."""
        return tail_of(self._place.log(instance), lines)

    def follow(self, instances: Sequence[str], lines: int) -> Iterator[tuple[str, str]]:
        """Yield what comes to their log files, without end."""
        return follow_files({instance: self._place.log(instance) for instance in instances}, lines, pause=self._pause)

    def _see(self, instance: str, record: _Record) -> Seen:
        child = self._children.get(instance)
        code = child.poll() if child is not None and child.pid == record.pid else None
        return Seen(
            instance,
            Way.PROCESS,
            str(record.pid),
            record.mark,
            is_running=_runs(record),
            is_foreground=record.is_foreground,
            started_at=record.at,
            exit_code=code if code is None or code >= 0 else 128 - code,
        )

    def _records(self) -> Iterator[tuple[Path, _Record]]:
        for path in sorted(self._place.run.glob("*.json")):
            with suppress(OSError, ValueError):
                yield path, from_document(_Record, json.loads(path.read_bytes()))

    def _path(self, instance: str) -> Path:
        return self._place.run / f"{instance}.json"

    def _remember(self, start: Start, pid: int, *, is_foreground: bool) -> None:
        record = _Record(pid, _since(pid), self._now(), start.mark, is_foreground)
        self._place.write(self._path(start.launch.instance), json.dumps(to_document(record)) + "\n")

    def _signal(self, records: Mapping[str, _Record], number: signal.Signals) -> None:
        for record in records.values():
            if _runs(record):
                with suppress(ProcessLookupError):
                    os.kill(record.pid, number)

    def _ended(self, records: Mapping[str, _Record], patience: float) -> bool:
        ends = self._clock() + patience
        while any(_runs(record) for record in records.values()):
            if self._clock() >= ends:
                return False
            self._pause(PAUSE)
        return True


def require_linux() -> None:
    """Raise ConfigurationError where processes cannot be told apart."""
    if not _PROC.joinpath("self/stat").exists():
        raise ConfigurationError(
            "plain processes need Linux",
            why="there is no /proc to tell a process from a later one with its id",
            fix="name an image in service.yaml: Docker runs it here",
        )


def require_server() -> None:
    """Raise ConfigurationError where there is no model server."""
    if shutil.which(PROGRAM) is None:
        raise ConfigurationError(
            f"there is no {PROGRAM} on this host",
            why="a replica without an image is a plain process, and its server has to be on the PATH",
            fix="install it (tensorflow-model-server of TensorFlow's apt repository), or name an image in service.yaml",
        )


def _runs(record: _Record) -> bool:
    return _since(record.pid) == record.since


def _since(pid: int) -> str:
    """When process *pid* began, as no other process of that id will have; empty when it has ended."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        # What stands behind the program's name, which may hold anything: state first, the time of start as the 20th.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{boot}/{fields[_STARTTIME]}"


def _turn_over(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
