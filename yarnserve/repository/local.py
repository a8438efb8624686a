"""The copies of a model on this host: ``DIR/<version>`` as TF Serving reads it, and what is being fetched beside it.

    DIR/<version>/                    a verified version with its manifest
    DIR/.yarnserve/incoming/<id>/     a version on its way; what of it is good is used by the next try
    DIR/.yarnserve/backup/<version>/  a version that was taken out of TF Serving's sight, kept to come back to
    DIR/.yarnserve/state.json         what is current, and what was before
    DIR/.yarnserve/lock               held by the one who changes the directory

A version gets its number by a rename on the same file system, after one syncfs: also after a power cut it is whole.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from yarnserve.errors import ConflictError, RefusedError, YarnserveError
from yarnserve.records.document import from_document, to_document
from yarnserve.records.repository import MANIFEST, Manifest, ManifestFile

_STATE = ".yarnserve"

#: Bytes that stay free on the disk beside a version.
RESERVE = 64 * 1024 * 1024


@dataclass(frozen=True)
class LocalState:
    """*current* is what TF Serving is to serve; *history* is what was current."""

    current: int | None = None
    history: tuple[int, ...] = ()


@dataclass(frozen=True)
class LocalVersion:
    """A verified version on this host; *is_visible* to TF Serving, or kept in backup."""

    version: int
    path: Path
    manifest: Manifest
    is_visible: bool


class LocalStore:
    """The directory of one model; a context manager that keeps others out.

    Its methods raise YarnserveError where the disk refuses, RefusedError where it is full.

    Raises:
        ConflictError: another process works in the directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._state_directory = directory / _STATE
        self._lock = -1

    def __enter__(self) -> LocalStore:
        self._take()
        return self

    def restore(self) -> None:
        """Make anew what somebody has removed: our own directory, and the lock in it.

        Raises:
            ConflictError: another process was quicker.
        """
        if self._lock != -1 and os.fstat(self._lock).st_nlink == 0:
            os.close(self._lock)
            self._lock = -1
        self._take()

    def _take(self) -> None:
        with translated(self.directory):
            for name in ("incoming", "backup"):
                (self._state_directory / name).mkdir(parents=True, exist_ok=True)
            if self._lock != -1:
                return
            self._lock = take_lock(self._state_directory / "lock", who="yarnserve", where=self.directory)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock != -1:
            os.close(self._lock)

    @property
    def state(self) -> LocalState:
        """What is remembered; nothing when it cannot be read: then the disk itself says what is there."""
        try:
            return from_document(LocalState, json.loads((self._state_directory / "state.json").read_bytes()))
        except (OSError, ValueError, RecursionError):
            return LocalState()

    def remember(self, state: LocalState) -> None:
        """Save *state*, whole or not at all."""
        with translated(self.directory):
            new = self._state_directory / "state.json.new"
            new.write_text(json.dumps(to_document(state)) + "\n")
            new.replace(self._state_directory / "state.json")

    def versions(self) -> tuple[LocalVersion, ...]:
        """Every verified version here, those in backup last."""
        found: list[LocalVersion] = []
        for parent, is_visible in ((self.directory, True), (self._state_directory / "backup", False)):
            for number in _numbers(parent):
                manifest = read_local_manifest(parent / str(number))
                if manifest is not None:
                    found.append(LocalVersion(number, parent / str(number), manifest, is_visible))
        return tuple(found)

    def find(self, version: int, identity: str) -> LocalVersion | None:
        """The copy of *version* whose manifest has *identity*; None when it is not here."""
        return next((each for each in self.versions() if (each.version, each.manifest.id) == (version, identity)), None)

    def has_other(self, version: int, identity: str) -> bool:
        """Whether *version* stands here with another identity."""
        manifest = read_local_manifest(self.directory / str(version))
        return manifest is not None and manifest.id != identity

    def staging(self, manifest: Manifest) -> Path:
        """Where the version of *manifest* is fetched to."""
        return self._state_directory / "incoming" / manifest.id

    def known_files(self) -> Mapping[tuple[int, str], Path]:
        """Files here that can be linked, by size and md5: none that was changed after it was verified."""
        known: dict[tuple[int, str], Path] = {}
        for local in self.versions():
            verified_at = (local.path / MANIFEST).stat().st_mtime_ns
            for file in local.manifest.files:
                path = local.path / file.path
                with suppress(OSError):
                    status = path.lstat()
                    if status.st_size == file.size and status.st_mtime_ns <= verified_at and not path.is_symlink():
                        known[file.size, file.md5] = path
        return known

    def free_bytes(self) -> int:
        """Bytes that may still be written."""
        status = os.statvfs(self.directory)
        return max(status.f_bavail * status.f_frsize - RESERVE, 0)

    def used_bytes(self) -> int:
        """Bytes that everything here takes on the disk, each file counted once however many names it has."""
        sizes = {}
        for path in self.directory.rglob("*"):
            with suppress(OSError):
                status = path.lstat()
                sizes[status.st_ino] = status.st_blocks * 512
        return sum(sizes.values())

    def install(self, version: int, manifest: Manifest) -> None:
        """Give what is staged its number; everything of it is on the disk before."""
        staging = self.staging(manifest)
        with translated(self.directory):
            (staging / MANIFEST).write_text(json.dumps(manifest.to_document()) + "\n")
            for path in (staging, *(path for path in staging.rglob("*") if path.is_dir())):
                path.chmod(0o755)
            self._sync()
            self._make_way(version)
            staging.rename(self.directory / str(version))
            _sync_directory(self.directory)

    def show(self, local: LocalVersion) -> None:
        """Bring a version back from backup to its number."""
        if local.is_visible:
            return
        with translated(self.directory):
            self._make_way(local.version)
            local.path.rename(self.directory / str(local.version))
            _sync_directory(self.directory)

    def is_highest(self, version: int) -> bool:
        """Whether TF Serving sees no number above *version*, whoever put one there."""
        return all(number <= version for number in _numbers(self.directory))

    def make_current(self, version: int, *, hide: bool = True) -> None:
        """Make *version* the current one; with *hide* what is above it goes into backup, out of TF Serving's sight."""
        with translated(self.directory):
            for number in _numbers(self.directory):
                if hide and number > version:
                    self._make_way(number)
        state = self.state
        history = [each for each in (*state.history, state.current) if each not in (None, version)]
        known = tuple(each for each in history if each is not None)
        self.remember(LocalState(version, known[-50:]))

    def prune(self, keep: int, served: Collection[int] = ()) -> tuple[int, ...]:
        """Remove the oldest versions so that *keep* are left beside the current one; return what went.

        The version that was current before, and those that are *served*, stay always.
        """
        state = self.state
        order = {version: index for index, version in enumerate(state.history)}
        pinned = {state.current, state.history[-1] if state.history else None, *served}
        here = self.versions()
        seen = {local.version for local in here if local.is_visible}
        # What a number held before it was fetched anew.
        replaced = [local for local in here if not local.is_visible and local.version in seen]
        others = [local for local in here if local.version not in pinned and local not in replaced]
        others.sort(key=lambda local: order.get(local.version, -1))
        pinned_here = {local.version for local in here} & (pinned - {state.current})
        surplus = len(others) + len(pinned_here) - keep
        gone = [*replaced, *others[: max(surplus, 0)]]
        for local in gone:
            self._remove(local.path)
        return tuple(local.version for local in gone)

    def clear_incoming(self, *, but: Manifest | None = None) -> None:
        """Remove what earlier tries left, except for the version of manifest *but*."""
        with translated(self.directory):
            for path in (self._state_directory / "incoming").iterdir():
                if but is None or path != self.staging(but):
                    _delete(path)

    def _make_way(self, version: int) -> None:
        standing = self.directory / str(version)
        if not os.path.lexists(standing):
            return
        backup = self._state_directory / "backup" / str(version)
        if os.path.lexists(backup):
            self._remove(backup)
        standing.rename(backup)

    def _remove(self, path: Path) -> None:
        with translated(self.directory):
            aside = self._state_directory / "incoming" / f"removed-{path.name}"
            if os.path.lexists(aside):
                _delete(aside)
            path.rename(aside)
            _delete(aside)

    def _sync(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            syncfs(descriptor)
        finally:
            os.close(descriptor)


def take_lock(file: Path, *, who: str, where: Path) -> int:
    """Take the lock of a directory and return the descriptor that holds it; it goes with the process.

    Raises:
        ConflictError: another process holds it; *who* and *where* say what of.
        OSError: the disk refuses.
    """
    lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise ConflictError(
            f"another {who} works in this directory",
            where=str(where),
            why="it holds the lock",
            fix="let it, or end it: one process for each directory",
        ) from error
    return lock


def syncfs(descriptor: int) -> None:
    """Write the file system of *descriptor* to the disk; OSError when the disk fails."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
    elif library.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextmanager
def translated(directory: Path) -> Iterator[None]:
    """Turn what the disk refuses into one of our errors."""
    try:
        yield
    except OSError as error:
        kind = RefusedError if error.errno in (errno.ENOSPC, errno.EDQUOT) else YarnserveError
        raise kind(
            "the directory of the model cannot be changed",
            where=str(error.filename or directory),
            why=error.strerror or str(error),
            fix="make room on the disk" if kind is RefusedError else "look at its permissions and its disk",
        ) from error


def _numbers(directory: Path) -> list[int]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return sorted(int(path.name) for path in directory.iterdir() if path.name.isdecimal() and path.is_dir())
    return []


def read_local_manifest(directory: Path) -> Manifest | None:
    """What *directory* holds by its own manifest; None where there is none that can be read."""
    try:
        return Manifest.from_document(json.loads((directory / MANIFEST).read_bytes()))
    except (OSError, ValueError, RecursionError):
        return None


def is_whole(local: LocalVersion) -> bool:
    """Whether every file of it is still there with its size."""
    return all(_has_size(local.path / file.path, file) for file in local.manifest.files)


def _has_size(path: Path, file: ManifestFile) -> bool:
    try:
        return path.stat().st_size == file.size
    except OSError:
        return False


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
