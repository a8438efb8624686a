"""The ledger on HDFS: what must outlive a supervisor is saved when it changes, and what is only about now is not."""

from __future__ import annotations

from dataclasses import replace

from yarnserve.errors import ConflictError, RequestTimeoutError
from yarnserve.records.ledger import Ledger, ReplicaRecord
from yarnserve.service.store import Saved, ServiceStore


class LedgerFile:
    """The ledger of the service in *store*."""

    def __init__(self, store: ServiceStore) -> None:
        self._store = store
        self._newest: Saved[Ledger] | None = None
        self._saved = Ledger()
        #: What may have been saved, although nobody answered.
        self._unsure: Ledger | None = None

    def load(self) -> Ledger:
        """Return the newest ledger; an empty one where there is none.

        Raises:
            YarnserveError: it cannot be read: nothing may be done by a supervisor that does not know what was done.
        """
        found = self._store.ledger.latest()
        self._newest = found
        self._saved = lasting(found.record) if found else Ledger()
        self._unsure = None
        return self._saved

    def save(self, ledger: Ledger) -> None:
        """Save what lasts of *ledger*, unless that is saved already.

        Raises:
            ConflictError: somebody else has saved one since.
            UnreachableError, RefusedError, AccessError: HDFS takes none now.
        """
        what = lasting(ledger)
        if what == self._saved and self._unsure is None:
            return
        try:
            self._append(what)
        except ConflictError:
            if not self._adopt():
                raise
            self._append(what)

    def _append(self, what: Ledger) -> None:
        try:
            self._newest = self._store.ledger.append(what, after=self._newest)
        except RequestTimeoutError:
            self._unsure = what
            raise
        self._saved, self._unsure = what, None

    def _adopt(self) -> bool:
        """Whether what stands in our way is our own, saved by the try that nobody answered."""
        found = self._store.ledger.latest()
        if found is None or self._unsure is None or lasting(found.record) != self._unsure:
            return False
        self._newest, self._saved, self._unsure = found, self._unsure, None
        return True


def lasting(ledger: Ledger) -> Ledger:
    """What another supervisor has to know: budgets, deaths, what is under way or given up; not what was just seen."""
    replicas = {instance: _lasting(record) for instance, record in ledger.replicas.items()}
    seen = replace(ledger, turned={}, looked_at=None, odd_size_since=None, idle_since=None, watched_since=None)
    return replace(seen, replicas=replicas)


def _lasting(record: ReplicaRecord) -> ReplicaRecord:
    lasts = replace(record, answers=(), live_since=None, loading_since=None)
    if not record.proved and record.failing_since is not None:
        # One that has never served here, and fails, must not have more time from every supervisor that takes over.
        return lasts
    return replace(lasts, failing_since=None, progress="", progress_at=0.0)
