"""Where a service's state lies on HDFS: ``<home>/.yarnserve/<service>/``, each kind of state a series.

Not in ``~/.yarn/services/<name>``, which DELETE removes (design: HDFS, used safely).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from yarnserve.errors import ConflictError, UsageError, YarnserveError
from yarnserve.records.document import from_document, to_document
from yarnserve.records.ledger import Ledger
from yarnserve.service.journal import JournalSeries
from yarnserve.service.state import Desired, Pause, Revision, Sightings, Supervision
from yarnserve.spec.values import service_name
from yarnserve.storage.client import Storage
from yarnserve.storage.lease import lease_in
from yarnserve.storage.series import Entry, Series, prune_quietly, repeated

T = TypeVar("T")
R = TypeVar("R")

#: Directory under the user's HDFS home that holds the state of all services.
STATE_DIRECTORY = ".yarnserve"

#: Entries kept of each series; revisions are the history an admin reads.
KEPT_REVISIONS = 50
KEPT_ENTRIES = 5

#: How often sightings are looked at again when another watcher saved its own first.
SIGHTING_TRIES = 5


@dataclass(frozen=True)
class Saved(Generic[T]):
    """A record and the number it is saved under."""

    number: int
    record: T


class StateSeries(Generic[T]):
    """A series whose bodies are records of one kind."""

    def __init__(self, series: Series, kind: type[T], *, keep: int) -> None:
        self._series = series
        self._kind = kind
        self._keep = keep
        #: What was made last of an entry, and of which.
        self._newest: tuple[Entry, Saved[T]] | None = None

    def latest(self) -> Saved[T] | None:
        """Return the newest readable record."""
        entry = self._series.latest()
        return None if entry is None else self._saved(entry)

    def history(self) -> tuple[Saved[T], ...]:
        """Return every record still kept, oldest first."""
        return tuple(self._saved(entry) for entry in self._series.history())

    def append(self, record: T, *, after: Saved[T] | None) -> Saved[T]:
        """Save *record* as the successor of *after* (None: as the first), and prune.

        Raises:
            ConflictError: somebody else saved one meanwhile.
        """
        entry = self._series.append(to_document(record), after=after.number if after else 0)
        prune_quietly(self._series, self._keep)
        return Saved(entry.number, record)

    def update(self, change: Callable[[T | None], tuple[T | None, R]], *, tries: int) -> R:
        """Save what the pure *change* makes of the newest record, and return what it says of that.

        It is made anew on top of what somebody else saves meanwhile, *tries* times in all. Nothing is saved where it
        makes None, or what is there already.

        Raises:
            ConflictError: others are always faster.
        """

        def attempt() -> R:
            before = self.latest()
            record, said = change(before.record if before else None)
            if record is not None and (before is None or record != before.record):
                self.append(record, after=before)
            return said

        return repeated(attempt, on=ConflictError, tries=tries)

    def _saved(self, entry: Entry) -> Saved[T]:
        newest = self._newest
        if newest is not None and newest[0] is entry:
            return newest[1]
        saved = self._read(entry)
        self._newest = entry, saved
        return saved

    def _read(self, entry: Entry) -> Saved[T]:
        try:
            return Saved(entry.number, from_document(self._kind, entry.body))
        except ValueError as error:
            raise YarnserveError(
                "what yarnserve has saved cannot be read",
                where=f"{self._series.directory}/{entry.number}.json",
                why=str(error),
                fix="use the yarnserve that wrote it, or delete that file to go back to the one before",
            ) from error


class ServiceStore:
    """The state of service *name*; nothing is asked of HDFS before it is needed.

    Args:
        storage: the user's HDFS.
        lease_storage: the same for the lease; one that gives up soon, because a lease that takes minutes to renew
            is lost.
        name: by YARN's rule for names; anything else would be a path to somewhere else.
    """

    def __init__(self, storage: Storage, lease_storage: Storage, name: str) -> None:
        try:
            service_name(name)
        except ValueError as error:
            raise UsageError(f"{name!r} is no name of a service", why=f"allowed: {error}") from error
        self._storage = storage
        self._lease_storage = lease_storage
        self._name = name

    @cached_property
    def directory(self) -> str:
        """Where the state lies."""
        return f"{self._storage.home()}/{STATE_DIRECTORY}/{self._name}"

    @cached_property
    def lease(self) -> Series:
        """Who may change the service."""
        return Series(self._lease_storage, f"{self.directory}/lease")

    @cached_property
    def desired(self) -> StateSeries[Desired]:
        """What was last asked for."""
        return self._series("desired", Desired, KEPT_ENTRIES)

    @cached_property
    def revisions(self) -> StateSeries[Revision]:
        """What was launched."""
        return self._series("revisions", Revision, KEPT_REVISIONS)

    @cached_property
    def sightings(self) -> StateSeries[Sightings]:
        """Container ids seen."""
        return self._series("containers", Sightings, KEPT_ENTRIES)

    @cached_property
    def pauses(self) -> StateSeries[Pause]:
        """Whether a person has told supervisors to keep their hands off."""
        return self._series("pauses", Pause, KEPT_ENTRIES)

    def pause(self) -> Pause | None:
        """The newest word to supervisors, whether it still holds or not."""
        saved = self.pauses.latest()
        return saved.record if saved is not None else None

    @cached_property
    def ledger(self) -> StateSeries[Ledger]:
        """What a supervisor remembers."""
        return self._series("ledger", Ledger, KEPT_ENTRIES)

    @cached_property
    def supervisor(self) -> Series:
        """Who supervises the service."""
        return Series(self._lease_storage, f"{self.directory}/supervisor")

    def supervision(self) -> Supervision:
        """The newest sign of life of a supervisor."""
        entry = self.supervisor.latest()
        record = lease_in(entry)
        if entry is None or record is None:
            return Supervision()
        return Supervision(record.holder, entry.modified_at, record.ttl, record.released)

    @cached_property
    def journal(self) -> JournalSeries:
        """What a supervisor saw, decided and did."""
        series = Series(self._storage, f"{self.directory}/journal")
        return JournalSeries(series, is_kept=lambda: self._storage.status(f"{self.directory}/revisions") is not None)

    def _series(self, name: str, kind: type[T], keep: int) -> StateSeries[T]:
        return StateSeries(Series(self._storage, f"{self.directory}/{name}"), kind, keep=keep)

    def begin_sightings(self) -> None:
        """Make the series of sightings, so that whoever looks only ever continues it."""
        if self.sightings.latest() is None:
            self.sightings.append(Sightings(), after=None)

    def update_sightings(self, change: Callable[[Sightings], Sightings]) -> Sightings:
        """Apply the pure *change* to the newest sightings, save them if they differ, and return them.

        Two watchers may see the same container at once; the one that comes second looks again. Whoever loses
        every time leaves it to the others: they see the same containers. Where there is no series the service is
        being destroyed, and nothing is saved: a state directory must not rise again.
        """

        def on_top(before: Sightings | None) -> tuple[Sightings | None, Sightings]:
            after = change(before or Sightings())
            return (None if before is None else after), after

        with suppress(ConflictError):
            return self.sightings.update(on_top, tries=SIGHTING_TRIES)
        saved = self.sightings.latest()
        return change(saved.record if saved else Sightings())

    def exists(self) -> bool:
        """Whether it was launched and not destroyed: a look that costs little.

        Not by the directory: whoever wrote while the service was destroyed may have left an empty one.
        """
        return self._lease_storage.status(f"{self.directory}/revisions") is not None

    def remove(self) -> None:
        """Delete everything remembered of the service."""
        self._storage.delete(self.directory, recursive=True)
