"""The journal as it is written: to a file of this host at once, and to HDFS, beside the service, by and by.

No trouble with either reaches the supervisor: it is told once when it begins and once when it is over.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from contextlib import suppress
from pathlib import Path

from yarnserve.errors import NotFoundError, YarnserveError, first_line
from yarnserve.records.journal import JournalEntry, What, to_line
from yarnserve.service.background import in_background
from yarnserve.service.journal import FULL_BATCH, JournalSeries

#: Bytes of one file on this host, and how many of them are kept.
MOST_BYTES = 8 * 2**20
KEPT_FILES = 5

#: Lines that wait for a disk, and entries of one service that wait for HDFS.
MOST_LINES = 1000
MOST_WAITING = 1000

#: Seconds that what was merely seen may wait, so that many entries come in one file.
SEEN_WAITS = 30.0

#: Seconds before HDFS is tried again.
RETRY_AFTER = 30.0

#: Seconds between two looks for what has to be written to HDFS.
PUMP_EVERY = 1.0

_PATIENT = (What.SEEN, What.TOLD)

NAME = "journal.jsonl"


def default_directory(environ: Mapping[str, str]) -> Path:
    """Where the journal lies: below the unit's StateDirectory, else below $XDG_STATE_HOME, else in the home."""
    state = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if state:
        return Path(state) / "supervise"
    home = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "/")) / ".local" / "state")
    return Path(home) / "yarnserve" / "supervise"


class FileJournal:
    """Lines of JSON in *directory*: ``journal.jsonl``, and before it ``journal.jsonl.1``, the newest, and on.

    Each line is with the operating system when ``write`` returns. Several supervisors may share a directory. What
    cannot be written waits, MOST_LINES of it, and goes out with the next line that can.

    Args:
        directory: made when it is missing.
        on_trouble: told in a line that it cannot be written, and that it can again.
        most_bytes: of one file.
        kept: files.
    """

    def __init__(
        self,
        directory: Path,
        *,
        on_trouble: Callable[[str], None],
        most_bytes: int = MOST_BYTES,
        kept: int = KEPT_FILES,
    ) -> None:
        self._path = directory / NAME
        self._on_trouble = on_trouble
        self._most_bytes = most_bytes
        self._kept = kept
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        self._is_troubled = False

    def write(self, entry: JournalEntry) -> None:
        """Write *entry*; never raises."""
        with self._lock:
            self._waiting.append(to_line(entry).encode() + b"\n")
            if len(self._waiting) > MOST_LINES:
                self._waiting.popleft()
                self._lost += 1
            try:
                self._write_waiting()
            except OSError as error:
                self._trouble(error)
            else:
                self._relief()

    def _write_waiting(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Opened anew each time: somebody may have moved the file, or cleaned up.
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            while self._waiting:
                self._write_line(descriptor, self._waiting[0])
                self._waiting.popleft()
            is_full = os.fstat(descriptor).st_size >= self._most_bytes
            if is_full:
                self._rotate(descriptor)
        finally:
            os.close(descriptor)

    def _write_line(self, descriptor: int, line: bytes) -> None:
        size = os.fstat(descriptor).st_size
        # Half a line that a full disk or a death has left ends here: it must not spoil the next one.
        begun = b"" if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n" else b"\n"
        written = os.write(descriptor, begun + line)
        if written < len(begun + line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _rotate(self, descriptor: int) -> None:
        """Move every file up by one; left to the next line when another supervisor does the same now."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if not os.path.samestat(os.fstat(descriptor), self._path.stat()):
            return
        for number in range(self._kept - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._numbered(number - 1).replace(self._numbered(number))
        if self._kept == 1:
            self._path.unlink()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{NAME}.{number}") if number else self._path

    def _trouble(self, error: OSError) -> None:
        if not self._is_troubled:
            self._is_troubled = True
            self._on_trouble(f"the journal cannot be written: {self._path}: {first_line(error.strerror or str(error))}")

    def _relief(self) -> None:
        if self._is_troubled:
            self._on_trouble(f"the journal is written again: {self._path}" + _but(self._lost))
        self._is_troubled, self._lost = False, 0


class SharedJournal:
    """Entries of service *name* on their way to HDFS.

    While HDFS is away MOST_WAITING of them wait; of more the oldest that merely say what was seen go first.

    Args:
        name: the service.
        series: where they go; asked for when the first are written, and again after a failure.
        clock: monotonic seconds.
        on_trouble: told in a line that HDFS cannot be written, and that it can again.
    """

    def __init__(
        self,
        name: str,
        series: Callable[[], JournalSeries],
        *,
        clock: Callable[[], float],
        on_trouble: Callable[[str], None],
    ) -> None:
        self._name = name
        self._open = series
        self._clock = clock
        self._on_trouble = on_trouble
        self._series: JournalSeries | None = None
        self._queue = threading.Lock()
        self._sending = threading.Lock()
        self._waiting: list[JournalEntry] = []
        self._since: float | None = None
        self._is_urgent = False
        self._lost = 0
        self._retry_at = float("-inf")
        self._is_troubled = False

    def write(self, entry: JournalEntry) -> None:
        """Take *entry* along; at once."""
        with self._queue:
            self._put([*self._waiting, entry])
            self._is_urgent = self._is_urgent or entry.what not in _PATIENT

    def is_due(self) -> bool:
        """Whether it is time to write: something was decided or done, or what was seen has waited."""
        now = self._clock()
        with self._queue:
            if self._since is None or now < self._retry_at:
                return False
            return self._is_urgent or now - self._since >= SEEN_WAITS

    def flush(self) -> None:
        """Write all that waits, however long HDFS takes; what cannot be written goes on waiting. Never raises."""
        with self._sending:
            try:
                while taken := self._take():
                    self._append(*taken)
            except YarnserveError as error:
                self._trouble(error)
            else:
                self._relief()

    def _append(self, entries: list[JournalEntry], lost: int) -> None:
        try:
            self._series = self._series or self._open()
            self._series.append(entries, lost=lost)
        except NotFoundError:
            # The service was destroyed: nobody will ever read of it.
            raise
        except YarnserveError:
            with self._queue:
                self._lost += lost
                self._put([*entries, *self._waiting])
            raise

    def _take(self) -> tuple[list[JournalEntry], int] | None:
        with self._queue:
            taken, self._waiting = self._waiting[:FULL_BATCH], self._waiting[FULL_BATCH:]
            lost, self._lost = self._lost, 0
            if not self._waiting:
                self._since, self._is_urgent = None, False
        return (taken, lost) if taken else None

    def _put(self, waiting: list[JournalEntry]) -> None:
        while len(waiting) > MOST_WAITING:
            seen = next((index for index, each in enumerate(waiting) if each.what is What.SEEN), 0)
            del waiting[seen]
            self._lost += 1
        self._waiting = waiting
        if self._since is None:
            self._since = self._clock()

    def _trouble(self, error: YarnserveError) -> None:
        self._series = None
        self._retry_at = self._clock() + RETRY_AFTER
        with self._queue:
            self._is_urgent = any(each.what not in _PATIENT for each in self._waiting)
        if not self._is_troubled:
            self._is_troubled = True
            self._on_trouble(f"{self._name}: its journal on HDFS cannot be written: {error.in_a_line}")

    def _relief(self) -> None:
        if self._is_troubled:
            self._on_trouble(f"{self._name}: its journal on HDFS is written again")
        self._is_troubled = False


class Journal:
    """The whole journal of a process that supervises: ``write`` takes no longer than the local disk.

    Args:
        file: on this host; None for none.
        series: returns the journal of a service on HDFS; may raise what HDFS raises.
        on_trouble: told in a line what cannot be written, and when it can again.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        file: FileJournal | None,
        series: Callable[[str], JournalSeries],
        *,
        on_trouble: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._open = series
        self._on_trouble = on_trouble
        self._clock = clock
        self._lock = threading.Lock()
        self._shared: dict[str, SharedJournal] = {}
        self._is_over = threading.Event()

    def write(self, entry: JournalEntry) -> None:
        """Write *entry* to the file, and take it along to HDFS."""
        if self._file is not None:
            self._file.write(entry)
        with self._lock:
            shared = self._shared.get(entry.service)
            if shared is None:
                shared = self._shared[entry.service] = self._of(entry.service)
        shared.write(entry)

    def pump(self) -> None:
        """Write to HDFS what is due; takes as long as HDFS takes."""
        for shared in self._every():
            if shared.is_due():
                shared.flush()

    def flush(self) -> None:
        """Write to HDFS whatever waits, due or not."""
        for shared in self._every():
            shared.flush()

    def start(self) -> None:
        """Begin to write what is due, in a thread, until ``close``."""
        threading.Thread(target=self._run, daemon=True, name="journal").start()

    def close(self, patience: float) -> None:
        """End the thread, and write what waits, for *patience* seconds at most."""
        self._is_over.set()
        wait([in_background(self.flush)], timeout=patience)

    def _run(self) -> None:
        while not self._is_over.wait(PUMP_EVERY):
            try:
                self.pump()
            except Exception as error:  # noqa: BLE001  without its thread nothing would ever be written again
                self._on_trouble(f"the journal on HDFS: {type(error).__name__}: {first_line(str(error))}")

    def _every(self) -> list[SharedJournal]:
        with self._lock:
            return list(self._shared.values())

    def _of(self, name: str) -> SharedJournal:
        return SharedJournal(name, lambda: self._open(name), clock=self._clock, on_trouble=self._on_trouble)


def _but(lost: int) -> str:
    return f"; {lost} lines of it are lost" if lost else ""
