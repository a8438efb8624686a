"""Which version of a model is to be served: the channels ``stable`` and ``canary``, and their history.

A series of numbered files: of two who promote at once one wins and the other is told, without a lease.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from yarnserve.errors import ConflictError, NotFoundError, RefusedError
from yarnserve.records.document import from_document, to_document
from yarnserve.records.repository import Canary, Channel
from yarnserve.repository import layout
from yarnserve.repository.catalog import read_manifest
from yarnserve.storage.client import Storage
from yarnserve.storage.series import Entry, Series, prune_quietly

#: Entries of the history that are kept.
KEPT = 100


@dataclass(frozen=True)
class ChannelEntry:
    """One entry of the history: *number* counts from 1, *written_at* is in seconds since the epoch, by the NameNode."""

    number: int
    channel: Channel
    written_at: float


class Channels:
    """The channels of the model at *base_path*.

    Args:
        storage: where it lies.
        base_path: a plain HDFS path.
        who: who promotes, for the history.
        now: seconds since the epoch.
        kept: entries of the history that stay.
    """

    def __init__(
        self,
        storage: Storage,
        base_path: str,
        *,
        who: str = "",
        now: Callable[[], float] = time.time,
        kept: int = KEPT,
    ) -> None:
        self._storage = storage
        self._base = layout.base(base_path)
        self._series = Series(storage, layout.channels(self._base))
        self._who = who
        self._now = now
        self._kept = kept

    def latest(self) -> ChannelEntry | None:
        """What is to be served now; None when nobody has promoted anything."""
        entry = self._series.latest()
        return _read(entry, self._series) if entry else None

    def history(self) -> tuple[ChannelEntry, ...]:
        """Every change that is kept, oldest first."""
        return tuple(_read(entry, self._series) for entry in self._series.history())

    def promote(self, version: int, *, why: str = "", instances: tuple[str, ...] = ()) -> ChannelEntry:
        """Make *version* the stable one, or with *instances* the canary that only these serve.

        Nothing is written when it is so already.

        Raises:
            NotFoundError, RefusedError: there is no such version, or it is not complete.
            ConflictError: somebody else promoted at the same time; a canary without a stable version.
        """
        read_manifest(self._storage, self._base, version)
        latest = self.latest()
        if not instances:
            return self._append(latest, version, None, why)
        if latest is None:
            raise ConflictError(
                "there is no stable version that the other instances could serve",
                where=self._base,
                fix="promote one without --canary first",
            )
        return self._append(latest, latest.channel.stable, Canary(version, instances), why)

    def rollback(self, version: int | None = None, *, why: str = "", after: ChannelEntry | None = None) -> ChannelEntry:
        """Make *version* stable again, by default the one that was stable before; a canary ends.

        While there is a canary and no *version* is named, only the canary ends. *after* is the entry by which that was
        decided; None for the newest.

        Raises:
            NotFoundError: there was none before, or it is gone.
            ConflictError: somebody else promoted at the same time.
        """
        latest = after or self.latest()
        if latest is None:
            raise NotFoundError(
                "nothing was ever promoted", where=self._base, next=f"yarnserve models promote {self._base} VERSION"
            )
        if version is None and latest.channel.canary:
            return self._append(latest, latest.channel.stable, None, why)
        target = version if version is not None else self.previous()
        if target is None:
            raise NotFoundError(
                f"no other version was stable before {latest.channel.stable}",
                where=self._base,
                fix="name the version: yarnserve models rollback BASE_PATH --to VERSION",
            )
        read_manifest(self._storage, self._base, target)
        return self._append(latest, target, None, why)

    def previous(self) -> int | None:
        """The version that was stable before the one that is; None when there was none."""
        stable = [entry.channel.stable for entry in self.history()]
        return next((version for version in reversed(stable) if version != stable[-1]), None)

    def _append(self, latest: ChannelEntry | None, stable: int, canary: Canary | None, why: str) -> ChannelEntry:
        if latest and (latest.channel.stable, latest.channel.canary) == (stable, canary):
            return latest
        channel = Channel(stable, self._who, self._now(), why, canary)
        try:
            entry = self._series.append(to_document(channel), after=latest.number if latest else 0)
        except ConflictError as error:
            raise ConflictError(
                "somebody else promoted or rolled back at the same time, and won",
                where=self._base,
                fix="look at what is to be served now, and decide again",
                next=f"yarnserve models list {self._base}",
            ) from error
        prune_quietly(self._series, self._kept)
        return ChannelEntry(entry.number, channel, entry.modified_at)


def _read(entry: Entry, series: Series) -> ChannelEntry:
    try:
        return ChannelEntry(entry.number, from_document(Channel, entry.body), entry.modified_at)
    except ValueError as error:
        raise RefusedError(
            "the channels cannot be read",
            where=f"{series.directory}/{entry.number}.json",
            why=str(error),
            fix="use the yarnserve that wrote it, or promote a version again after deleting that file",
        ) from error
