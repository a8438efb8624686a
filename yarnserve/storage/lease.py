"""The lease: at most one yarnserve changes a service, or publishes a version, at a time.

A series of numbered files (design: HDFS, used safely), each saying who holds it. The holder renews by
adding a file every RENEW_EVERY seconds. A watcher takes over when the newest file has not changed for that
file's TTL on the watcher's own clock: the clocks of two hosts are never compared. The holder stops trusting its
lease a safety margin earlier, so that the two never overlap while clocks run at the same speed.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType

from yarnserve.errors import ConflictError, LeaseHeldError, LeaseLostError, UnreachableError, YarnserveError
from yarnserve.records.document import from_document, to_document
from yarnserve.storage.series import Entry, Series, prune_quietly

logger = logging.getLogger(__name__)

#: Seconds a lease lasts without renewal, and seconds between renewals.
TTL = 30.0
RENEW_EVERY = 10.0

#: Seconds before the end of its TTL at which a holder that could not renew stops acting; longer than it takes to
#: find the active ResourceManager between the check and the write.
SAFETY_MARGIN = 10.0

#: Seconds between two looks of a watcher that waits for somebody else's lease.
WATCH_EVERY = 1.0

#: Seconds to wait for a renewal under way before releasing beside it.
JOIN_PATIENCE = 2.0

#: Lease files kept; the newest is the lease, the others help an admin see who was there. Old ones are removed at every
#: so many renewals: each time would double what a lease costs the NameNode.
KEPT = 3
PRUNE_EVERY = 8


@dataclass(frozen=True)
class LeaseRecord:
    """One lease file.

    *holder* is for people, *token* tells two leases of one holder apart. *unsettled* names a write to YARN that was
    sent and whose outcome nobody knows yet; it outlives its holder, see :meth:`Lease.mark`.
    """

    holder: str
    token: str
    ttl: float
    released: bool = False
    unsettled: str = ""


def boot_clock() -> float:
    """Monotonic seconds that also pass while the machine sleeps; a lease does not wait for a laptop's lid."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class Lease:
    """The right to change one thing; use as a context manager around every change.

    Args:
        series: the thing's lease series.
        subject: its name, for messages.
        look: the command that shows its state.
        holder: who we are, for people: ``user@host (launch)``.
        patience: seconds to wait for somebody else's lease before LeaseHeldError.
        ttl: seconds that it lasts without renewal.
        renew_every: seconds between renewals.
        margin: seconds before the end of *ttl* at which the holder stops trusting it.
        on_wait: called once with the holder's name when waiting starts.
        clock: monotonic seconds.
        pause: waits that many seconds; the default can be interrupted by Ctrl-C.
    """

    def __init__(
        self,
        series: Series,
        *,
        subject: str,
        look: str,
        holder: str,
        patience: float = TTL + RENEW_EVERY,
        ttl: float = TTL,
        renew_every: float = RENEW_EVERY,
        margin: float = SAFETY_MARGIN,
        on_wait: Callable[[str], None] = lambda holder: None,
        clock: Callable[[], float] = boot_clock,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._series = series
        self._subject = subject
        self._look = look
        self._record = LeaseRecord(holder, uuid.uuid4().hex, ttl)
        self._patience = patience
        self._renew_every = renew_every
        self._margin = margin
        self._on_wait = on_wait
        self._clock = clock
        self._pause = pause
        self._number = 0
        self._watched = -1
        self._watched_since = 0.0
        self._renewed_at = 0.0
        self._lost = ""
        self._stop = threading.Event()
        self._appending = threading.Lock()
        self._renewer: threading.Thread | None = None

    def __enter__(self) -> Lease:
        try:
            self.acquire()
            self._renewer = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)
            self._renewer.start()
        except BaseException:
            # Ctrl-C right after the file was written must not cost the next one a TTL of waiting.
            self.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_renewing()
        self.release()

    def acquire(self) -> None:
        """Become the holder, waiting up to *patience* seconds.

        Raises:
            LeaseHeldError: somebody else kept renewing for as long as we were patient.
        """
        started = self._clock()
        self._watched = -1
        while (record := self._try()) is not None:
            self._announce(record.holder)
            if self._clock() - started >= self._patience:
                raise self._held(record)
            self._pause(WATCH_EVERY)

    def try_acquire(self) -> str:
        """Become the holder if nobody else is; return who is, empty for us.

        For whoever stands by: called again and again, it takes over once the holder has not renewed for its TTL.
        """
        record = self._try()
        return "" if record is None else record.holder

    def _try(self) -> LeaseRecord | None:
        """Take the lease where it is free; return what keeps us from it."""
        while True:
            entry = self._series.latest()
            record = lease_in(entry)
            number = entry.number if entry else 0
            if number != self._watched:
                self._watched, self._watched_since = number, self._clock()
            # One that we did not renew in time, and that nobody has taken over since, is ours still.
            is_others = record is not None and not record.released and record.token != self._record.token
            if record is not None and is_others and self._clock() - self._watched_since < record.ttl:
                return record
            self._record = replace(self._record, unsettled=record.unsettled if record else "")
            if self._try_append(self._record, after=number):
                self._lost = ""
                return None

    @property
    def is_due(self) -> bool:
        """Whether it is to be renewed now, by whoever has no thread that does so."""
        return self._clock() - self._renewed_at >= self._renew_every

    def check(self) -> None:
        """Make sure that we may still act; call it right before every write. An overdue renewal is made up for.

        Raises:
            LeaseLostError: it was taken over, or could not be renewed in time.
        """
        if self.is_due and not self._lost:
            self.renew()
        late = self._clock() - self._renewed_at
        if not self._lost and late > self._record.ttl - self._margin:
            self._lost = f"it could not be renewed for {late:.0f} s"
        if self._lost:
            raise LeaseLostError(
                f"the lease on {self._subject} was lost while changing it",
                why=self._lost,
                fix="look at its state before trying again",
                next=self._look,
            )

    @property
    def unsettled(self) -> str:
        """The write whose outcome is unknown: ours, or that of a holder before us who died or gave up."""
        return self._record.unsettled

    def mark(self, unsettled: str) -> None:
        """Write down, before a write is sent, that its outcome will be unknown; and with "" that it is known.

        A write that was given up on may still be carried out minutes later, and START beside a POST under way can
        make two applications (real-hadoop-ha.md 4, 6): the next holder must know.

        Raises:
            LeaseLostError: the lease is not ours any more.
        """
        with self._appending:
            self._record = replace(self._record, unsettled=unsettled)
            self._append_or_lose()
        self.check()

    def renew(self) -> None:
        """Renew once; a take-over is remembered for :meth:`check`, an unreachable HDFS may pass."""
        try:
            with self._appending:
                self._append_or_lose()
        except UnreachableError as error:
            logger.warning("the lease cannot be renewed: %s", error)

    def _append_or_lose(self) -> None:
        if self._try_append(self._record, after=self._number):
            return
        if not self._adopt() or not self._try_append(self._record, after=self._number):
            self._lost = "another yarnserve took it over"

    def _adopt(self) -> bool:
        """Find out whether the file that stands in our way is our own, written by a renewal given up on."""
        entry = self._series.latest()
        record = lease_in(entry)
        if entry is None or record is None or record.token != self._record.token:
            return False
        self._number = entry.number
        return True

    def release(self) -> None:
        """Give the lease back if it is still ours; a failure only costs the next one a TTL of waiting."""
        if self._lost or not self._number:
            return
        try:
            self._try_append(replace(self._record, released=True), after=self._number)
        except YarnserveError as error:
            logger.warning("the lease cannot be released and will expire: %s", error)
        self._number = 0

    def forget(self) -> None:
        """Stop renewing and do not release: the directory that holds the lease goes."""
        self._stop_renewing()
        self._number = 0

    def _stop_renewing(self) -> None:
        self._stop.set()
        if self._renewer is not None:
            self._renewer.join(JOIN_PATIENCE)

    def _try_append(self, record: LeaseRecord, *, after: int) -> bool:
        begun = self._clock()
        try:
            entry = self._series.append(to_document(record), after=after)
        except ConflictError:
            return False
        self._number = entry.number
        # Counted from before the request: a watcher starts counting when it sees the file, which is later.
        self._renewed_at = begun
        if entry.number % PRUNE_EVERY == 0:
            prune_quietly(self._series, KEPT)
        return True

    def _keep_renewing(self) -> None:
        while not self._stop.wait(self._renew_every) and not self._lost:
            try:
                self.renew()
            except YarnserveError as error:
                self._lost = str(error)

    def _announce(self, holder: str) -> None:
        self._on_wait(holder)
        self._on_wait = lambda holder: None

    def _held(self, record: LeaseRecord) -> LeaseHeldError:
        return LeaseHeldError(
            f"another yarnserve is changing {self._subject}",
            why=f"{record.holder} holds its lease and keeps renewing it",
            fix=f"wait for it to finish, or end it; its lease is free {record.ttl:g} s after it stops renewing",
            next=self._look,
        )


def lease_in(entry: Entry | None) -> LeaseRecord | None:
    """The lease in *entry*; None when there is none, or it is not one that anybody could renew."""
    if entry is None:
        return None
    try:
        return from_document(LeaseRecord, entry.body)
    except ValueError:
        return None
