"""Who supervises a service: of several supervisors, on any hosts, the one that holds this lease acts."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property

from yarnserve.errors import LeaseLostError, NotFoundError, YarnserveError
from yarnserve.service.connection import Connection
from yarnserve.storage.lease import Lease
from yarnserve.supervise.tools import Tools

#: Seconds that a supervisor's lease lasts without renewal, between two renewals, and before its end at which nothing
#: is done any more: another takes over within 30 s.
LEASE_TTL = 24.0
LEASE_RENEW_EVERY = 6.0
LEASE_MARGIN = 4.0


class Seat:
    """The supervisor's seat of service *name*, as one supervisor that has *tools* sees it."""

    def __init__(self, connection: Connection, name: str, tools: Tools) -> None:
        self._connection = connection
        self._store = connection.store(name)
        self._name = name
        self._tools = tools
        self._is_taken = False

    @cached_property
    def _lease(self) -> Lease:
        """Where it lies is asked of HDFS, which may be down when a supervisor begins."""
        return Lease(
            self._store.supervisor,
            subject=f"the supervision of {self._name}",
            look=f"yarnserve status {self._name}",
            holder=f"{self._connection.actor}: supervise",
            ttl=LEASE_TTL,
            renew_every=LEASE_RENEW_EVERY,
            margin=LEASE_MARGIN,
            clock=self._tools.clock,
            pause=self._tools.pause,
        )

    @property
    def is_taken(self) -> bool:
        """Whether it is ours, as far as we know."""
        return self._is_taken

    def check(self) -> None:
        """Make sure that it is ours.

        Raises:
            LeaseLostError: it is not any more.
            NotFoundError: the service is not there any more, and must not rise again.
        """
        if self._lease.is_due and not self._store.exists():
            raise NotFoundError(f"there is no service {self._name!r} any more")
        try:
            self._lease.check()
        except LeaseLostError:
            self._is_taken = False
            raise

    def take(self) -> str:
        """Take it if nobody else has it; return who has, empty for us.

        Raises:
            NotFoundError: there is no such service.
        """
        if self._store.revisions.latest() is None:
            raise NotFoundError(f"yarnserve has launched no service {self._name!r}", next="yarnserve list")
        holder = self._lease.try_acquire()
        self._is_taken = not holder
        return holder

    def keep(self) -> None:
        """Renew it if that is due, and leave it to the next check where that fails."""
        if self._is_taken and self._lease.is_due:
            with suppress(YarnserveError):
                # What is saved of a service that was destroyed must not rise again.
                if self._store.exists():
                    self._lease.renew()

    def give_back(self) -> None:
        """Let the next one have it at once."""
        if self._is_taken:
            self._lease.release()
        self._is_taken = False

    def forget(self) -> None:
        """Leave it as it is: the service is gone."""
        if self._is_taken:
            self._lease.forget()
        self._is_taken = False
