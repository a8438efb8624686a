"""Numbered immutable files: history and compare-and-set on a file system that has neither."""

from __future__ import annotations

import hashlib
import json
import logging
import posixpath
import re
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from yarnserve.errors import (
    ConflictError,
    MalformedAnswerError,
    NotFoundError,
    RefusedError,
    RequestTimeoutError,
    UnreachableError,
    YarnserveError,
)
from yarnserve.records.storage import FileStatus
from yarnserve.storage.client import Storage

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Version of the files' format; a higher one was written by a newer yarnserve.
FORMAT = 1

#: How often the directory is listed again because a file was pruned before it could be read.
LOOKS = 5

#: How often an entry is written anew after a rename that was certainly not carried out.
TRIES = 3

#: Bytes of an entry that are read where what cannot be read is left out.
LARGEST = 16 * 2**20

_TEMPORARY = ".tmp-"
_NUMBERED = re.compile(r"([1-9][0-9]{0,17})\.json")


@dataclass(frozen=True)
class Entry:
    """One entry of a series; *modified_at* is in seconds since the epoch by the NameNode's clock."""

    number: int
    body: Mapping[str, Any]
    modified_at: float


@dataclass(frozen=True)
class _Content:
    id: str
    body: Mapping[str, Any]


class Series:
    """The numbered files ``1.json``, ``2.json``, ... of one directory; the highest readable one counts.

    WebHDFS has no atomic overwrite and no compare-and-set, and an exclusive CREATE is no substitute: the file is
    visible while still empty, so a writer that dies in the middle leaves a number that nobody can tell from a
    slow writer's. An entry is therefore written whole under a temporary name and then renamed to its number. A
    number appears complete or not at all, and a rename onto an existing file is refused by WebHDFS and HttpFS
    alike (real-hadoop.md 8). Damaged entries are skipped, their numbers never used again.

    Pruning must not free a number for a writer that was suspended between its look and its rename, and would
    then succeed long after it has lost. Such a writer has created its temporary file before it looked, so
    whoever prunes deletes the temporary files older than the newest entry first: their writers came before that
    entry, and have all lost.

    Methods raise what :class:`~yarnserve.storage.client.Storage` raises, and RefusedError for an entry that a
    newer yarnserve wrote.

    Args:
        storage: where *directory* lies.
        directory: absolute path; need not exist.
        new_id: a unique name for each entry written.
    """

    def __init__(
        self, storage: Storage, directory: str, *, new_id: Callable[[], str] = lambda: uuid.uuid4().hex
    ) -> None:
        self.directory = directory
        self._storage = storage
        self._new_id = new_id
        #: The entry read or written last, and what tells its file from every other.
        self._newest: tuple[object, Entry] | None = None

    def latest(self) -> Entry | None:
        """Return the highest readable entry; None when there is none, or no directory.

        Raises:
            ConflictError: entries are written and pruned faster than they can be read.
        """
        for _ in range(LOOKS):
            with suppress(NotFoundError):
                return self._highest(self._numbered(self._listing()))
        raise ConflictError("the newest entry is pruned again and again before it can be read", where=self.directory)

    def history(self) -> tuple[Entry, ...]:
        """Return every readable entry, oldest first; one that is pruned meanwhile is left out."""
        entries = []
        for number, status in sorted(self._numbered(self._listing()).items()):
            with suppress(NotFoundError):
                entry = self._entry(number, status)
                entries += [entry] if entry else []
        return tuple(entries)

    def readable(self, on_skip: Callable[[str], None], *, after: int = 0, since: float = 0.0) -> tuple[Entry, ...]:
        """Return the entries above number *after* that were written at *since* or later, oldest first.

        For what is worth reading although some of it is lost: *on_skip* is told in a line of each that is damaged, too
        large, written by a newer yarnserve, or cannot be read; one that is pruned meanwhile is left out.

        Raises:
            UnreachableError: nobody answers, for two entries in a row.
        """
        entries: list[Entry] = []
        silent = 0
        numbered = self._numbered(self._listing())
        # The newest entry is never pruned: where it is older than what was read, the series was begun anew.
        after = after if after <= max(numbered, default=0) else 0
        for number, status in sorted(numbered.items()):
            if number <= after or status.modified_at < since:
                continue
            path = self._number_path(number)
            try:
                entry = self._entry(number, status) if status.length <= LARGEST else None
            except NotFoundError:
                continue
            except YarnserveError as error:
                silent = silent + 1 if isinstance(error, UnreachableError) else 0
                if silent == 2:
                    raise
                on_skip(f"{path} is left out: {error.in_a_line}")
                continue
            silent = 0
            if entry is None:
                on_skip(f"{path} is left out: it is damaged")
            else:
                entries.append(entry)
        return tuple(entries)

    def append(self, body: Mapping[str, Any], *, after: int) -> Entry:
        """Save *body* as the successor of entry *after* (0: of nothing), and return it.

        Raises:
            ConflictError: somebody else was faster, or entry *after* is gone with the whole series.
            UnreachableError: nothing was saved, unless HDFS stayed away: then it may have been (RequestTimeoutError).
        """
        plain = json.loads(json.dumps(body))
        return repeated(lambda: self._append(plain, after), on=_NotSavedError, tries=TRIES)

    def _append(self, plain: Any, after: int) -> Entry:
        identity = self._new_id()
        temporary = self._path(f"{_TEMPORARY}{identity}")
        try:
            # Before looking at the numbers: see the class's docstring on pruning.
            self._write(temporary, _encode(identity, plain))
            written, number = self._place(temporary, after)
        except BaseException as error:
            # Where nobody answers, another try would only double the wait; whoever prunes will find the file.
            if not isinstance(error, UnreachableError):
                self._discard(temporary)
            raise
        self._publish(temporary, number, identity)
        return self._remembered(number, written, plain)

    def _write(self, temporary: str, content: bytes) -> None:
        try:
            self._storage.create(temporary, content)
        except NotFoundError as error:
            # Pruned while it was being written: somebody else's entry is newer. As when it is pruned afterwards.
            raise self._conflict() from error

    def prune(self, keep: int, *, also: Collection[int] = ()) -> None:
        """Delete old entries: the newest readable one stays, and so do the *keep* - 1 numbers before it.

        Those in *also* do not count and go, too: what they said stands in a newer one.

        Temporary files older than that entry go too: their writers died, or have lost.
        """
        listing = self._listing()
        numbered = self._numbered(listing)
        try:
            newest = self._highest(numbered)
        except NotFoundError:
            # Somebody else prunes right now.
            return
        if newest is None:
            return
        for status in listing:
            if status.name.startswith(_TEMPORARY) and status.modified_at < newest.modified_at:
                self._storage.delete(self._path(status.name))
        older = sorted(number for number in numbered if number < newest.number)
        kept = [number for number in older if number not in also][::-1][: max(keep, 1) - 1]
        for number in sorted(set(older).difference(kept)):
            self._storage.delete(self._number_path(number))

    def _place(self, temporary: str, after: int) -> tuple[FileStatus, int]:
        """Return the temporary file's status and the number it may have."""
        listing = self._listing()
        numbered = self._numbered(listing)
        later = {number: status for number, status in numbered.items() if number > after}
        written = next((status for status in listing if self._path(status.name) == temporary), None)
        if written is None or (after and after not in numbered) or self._overtaken(later):
            raise self._conflict()
        return written, max(numbered, default=0) + 1

    def _overtaken(self, later: Mapping[int, FileStatus]) -> bool:
        try:
            return self._highest(later) is not None
        except NotFoundError:
            # Pruned already, so there is an even later one.
            return True

    def _publish(self, temporary: str, number: int, identity: str) -> None:
        try:
            self._storage.rename_listed(temporary, self._number_path(number))
        except YarnserveError as error:
            if _nobody_answers(error):
                raise
            # Without its source a rename that is still on its way can do nothing: what is there now, stays.
            is_discarded = self._discard(temporary)
            if self._carries(number, identity):
                return
            if is_discarded and isinstance(error, UnreachableError):
                raise _NotSavedError(error.what, where=error.where, why=error.why, fix="repeat it") from error
            if isinstance(error, ConflictError | NotFoundError):
                raise self._conflict() from error
            raise

    def _carries(self, number: int, identity: str) -> bool:
        with suppress(YarnserveError):
            content = _decode(self._storage.read(self._number_path(number)), self._number_path(number))
            return content is not None and content.id == identity
        return False

    def _discard(self, temporary: str) -> bool:
        """Delete it; return whether it was there, and is not any more."""
        with suppress(YarnserveError):
            return self._storage.delete(temporary)
        return False

    def _listing(self) -> tuple[FileStatus, ...]:
        try:
            return self._storage.list(self.directory)
        except NotFoundError:
            return ()

    def _numbered(self, listing: Iterable[FileStatus]) -> dict[int, FileStatus]:
        matches = ((_NUMBERED.fullmatch(status.name), status) for status in listing)
        return {int(match[1]): status for match, status in matches if match}

    def _highest(self, numbered: Mapping[int, FileStatus]) -> Entry | None:
        """The highest readable entry of a listing; NotFoundError when it was pruned since."""
        entries = (self._entry(number, numbered[number]) for number in sorted(numbered, reverse=True))
        return next((entry for entry in entries if entry), None)

    def _entry(self, number: int, status: FileStatus) -> Entry | None:
        if status.is_directory:
            return None
        newest = self._newest
        if newest is not None and newest[0] == _mark(number, status):
            return newest[1]
        path = self._number_path(number)
        content = _decode(self._storage.read(path), path)
        return None if content is None else self._remembered(number, status, content.body)

    def _remembered(self, number: int, status: FileStatus, body: Mapping[str, Any]) -> Entry:
        """Files never change, so one that is there again needs not be read again."""
        entry = Entry(number, body, status.modified_at)
        self._newest = _mark(number, status), entry
        return entry

    def _path(self, name: str) -> str:
        return posixpath.join(self.directory, name)

    def _number_path(self, number: int) -> str:
        return self._path(f"{number}.json")

    def _conflict(self) -> ConflictError:
        return ConflictError(
            "somebody else changed it first",
            where=self.directory,
            why="there is a newer entry than the one this change is based on, or none at all any more",
            fix="look at the newest entry and decide again",
        )


def repeated(attempt: Callable[[], T], *, on: type[YarnserveError], tries: int) -> T:
    """Return what *attempt* returns; where it ends in an error of kind *on* it is made again, *tries* times in all."""
    for _ in range(tries - 1):
        with suppress(on):
            return attempt()
    return attempt()


def prune_quietly(series: Series, keep: int, *, also: Collection[int] = ()) -> None:
    """Prune *series*; what could not be deleted now is deleted after the next append, but for what is in *also*."""
    try:
        series.prune(keep, also=also)
    except YarnserveError as error:
        logger.info("old entries stay for now: %s", error)


class _NotSavedError(UnreachableError):
    """An append whose rename got no answer, and was certainly not carried out: it may be tried again."""


def _mark(number: int, status: FileStatus) -> object:
    """What tells a file from the one of the same number in a series that was begun anew."""
    return number, status.modified_at, status.length


def _nobody_answers(error: YarnserveError) -> bool:
    """Whether *error* says that no server took the request, so that nothing can have happened."""
    unclear = RequestTimeoutError | MalformedAnswerError
    return isinstance(error, UnreachableError) and not isinstance(error, unclear)


def _encode(identity: str, body: Any) -> bytes:
    document = {"format": FORMAT, "id": identity, "checksum": _checksum(body), "body": body}
    return json.dumps(document, indent=2).encode() + b"\n"


def _decode(data: bytes, path: str) -> _Content | None:
    """Read an entry's file; None when it is damaged.

    Raises:
        RefusedError: a newer yarnserve wrote it. To skip it would bring back what it replaced.
    """
    try:
        document = json.loads(data)
        if _is_newer(document):
            raise RefusedError(
                "a newer yarnserve wrote this entry",
                where=path,
                why=f"its format is {document['format']}, this yarnserve knows {FORMAT}",
                fix="use that yarnserve",
            )
        identity, body = document["id"], document["body"]
        intact = document["format"] == FORMAT and document["checksum"] == _checksum(body)
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    return _Content(identity, body) if intact and isinstance(identity, str) and isinstance(body, dict) else None


def _is_newer(document: Any) -> bool:
    number = document.get("format") if isinstance(document, dict) else None
    return isinstance(number, int) and number > FORMAT


def _checksum(body: Any) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
