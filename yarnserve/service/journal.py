"""A service's journal beside its state on HDFS, so that its story can be read from any host, and after its supervisor.

Each file holds many entries. What is new is written together with what the newest file held, and that one is removed,
until FULL_BATCH of them have come together: the NameNode keeps few files, however often somebody writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yarnserve.errors import ConflictError, NotFoundError
from yarnserve.records.journal import JournalEntry, entry_document, entry_of
from yarnserve.storage.series import Entry, Series, prune_quietly, repeated

#: Entries of one file, and files that are kept.
FULL_BATCH = 500
KEPT_BATCHES = 40

#: How often the newest file is looked at again because somebody else wrote meanwhile.
APPEND_TRIES = 5

#: Seconds by which the clocks of a supervisor and of the NameNode may differ.
CLOCKS = 300.0


@dataclass(frozen=True)
class _Batch:
    """The newest file: its number and what it holds; *lost* entries before these were never written.

    Nothing is added to one that *is_foreign*, as it holds what we cannot read.
    """

    number: int
    documents: tuple[Mapping[str, Any], ...] = ()
    lost: int = 0
    is_foreign: bool = False


@dataclass(frozen=True)
class Chapter:
    """What was read of a journal.

    Attributes:
        entries: oldest first, none twice.
        newest: the highest number that was read, for reading on.
        lost: how many were never written, because HDFS was away for too long.
    """

    entries: tuple[JournalEntry, ...]
    newest: int
    lost: int = 0


class JournalSeries:
    """The journal of one service; one instance belongs to one thread.

    Methods raise what :class:`~yarnserve.storage.series.Series` raises.

    Args:
        series: where it lies.
        is_kept: whether the service's state is still there. Without it nothing is written: a state directory must not
            rise again after the service was destroyed.
        full: entries of one file.
        keep: files.
    """

    def __init__(
        self,
        series: Series,
        *,
        is_kept: Callable[[], bool],
        full: int = FULL_BATCH,
        keep: int = KEPT_BATCHES,
    ) -> None:
        self._series = series
        self._is_kept = is_kept
        self._full = full
        self._keep = keep
        self._newest: _Batch | None = None

    def append(self, entries: Sequence[JournalEntry], *, lost: int = 0) -> None:
        """Save *entries*, FULL_BATCH at most; *lost* before them are gone for good.

        Raises:
            ConflictError: others write faster than we can.
            NotFoundError: the service was destroyed.
        """
        documents = tuple(map(entry_document, entries))
        repeated(lambda: self._append(documents, lost), on=ConflictError, tries=APPEND_TRIES)

    def read(self, on_skip: Callable[[str], None], *, after: int = 0, since: float = 0.0) -> Chapter:
        """Return the entries of the files above number *after*, of the time from *since* on (epoch).

        What cannot be read is told to *on_skip*, in a line.
        """
        files = self._series.readable(on_skip, after=after, since=since - CLOCKS)
        entries: dict[JournalEntry, None] = {}
        lost = 0
        for file in files:
            where = f"{self._series.directory}/{file.number}.json"
            entries.update(dict.fromkeys(_entries(file.body, where, on_skip)))
            lost += _lost(file.body)
        told = sorted((each for each in entries if each.at >= since), key=lambda entry: entry.at)
        return Chapter(tuple(told), max((file.number for file in files), default=after), lost)

    def _append(self, documents: tuple[Mapping[str, Any], ...], lost: int) -> None:
        if not self._is_kept():
            raise NotFoundError("the service is not there any more: its journal ends", where=self._series.directory)
        # What does not end well leaves nothing that is known for sure.
        before, self._newest = self._newest or self._look(), None
        is_joined = not before.is_foreign and len(before.documents) + len(documents) <= self._full
        held = before.documents if is_joined else ()
        lost += before.lost if is_joined else 0
        body = {"entries": [*held, *documents], "lost": lost}
        entry = self._series.append(body, after=before.number)
        self._newest = _Batch(entry.number, (*held, *documents), lost)
        prune_quietly(self._series, self._keep, also=(before.number,) if is_joined else ())

    def _look(self) -> _Batch:
        entry = self._series.latest()
        return _Batch(0) if entry is None else _batch(entry)


def _batch(entry: Entry) -> _Batch:
    skipped: list[str] = []
    _entries(entry.body, "", skipped.append)
    if skipped:
        return _Batch(entry.number, is_foreign=True)
    return _Batch(entry.number, tuple(entry.body["entries"]), _lost(entry.body))


def _entries(body: Mapping[str, Any], where: str, on_skip: Callable[[str], None]) -> list[JournalEntry]:
    documents = body.get("entries")
    if not isinstance(documents, list):
        on_skip(f"{where} is left out: it holds no entries of a journal")
        return []
    entries: list[JournalEntry] = []
    troubles: list[str] = []
    for document in documents:
        try:
            entries.append(entry_of(document))
        except ValueError as error:
            troubles.append(str(error))
    if troubles:
        on_skip(f"{where}: {len(troubles)} of {len(documents)} entries are left out: {troubles[-1]}")
    return entries


def _lost(body: Mapping[str, Any]) -> int:
    lost = body.get("lost", 0)
    return lost if isinstance(lost, int) and lost > 0 else 0
