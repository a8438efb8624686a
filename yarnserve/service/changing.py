"""What every act on a service does: it holds the service's lease, records what is wanted, looks, and orders.

The wanted state is recorded before it is carried out, so that nobody repairs what a person has just ended; YARN is read
again right before it is written to; and each write is an order (:mod:`yarnserve.service.orders`), which waits for a
fail-over and is never carried out twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from yarnserve.errors import ConflictError, NotFoundError, UnreachableError, WaitTimeoutError, YarnserveError
from yarnserve.judge.plan import Step
from yarnserve.records.yarn import Application, Component, Service
from yarnserve.service.connection import Connection
from yarnserve.service.eyes import Eyes
from yarnserve.service.finding import newest_application, no_service
from yarnserve.service.orders import Orders
from yarnserve.service.state import Desired, Revision, Wanted
from yarnserve.service.store import ServiceStore
from yarnserve.spec.model import COMPONENT
from yarnserve.storage.lease import Lease

#: Seconds during which a submission that nobody heard the end of may still be carried out (real-hadoop-ha.md 6).
UNSETTLED = 60.0


@dataclass(frozen=True)
class Outcome:
    """What an act did, YARN's *application_id* where it named one, and the *instances* that it made."""

    step: Step
    application_id: str = ""
    instances: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """A service right before a write.

    *service* and *application* are YARN's account of it, *replicas* the size that it was last told, if known, and
    *wanted* the one that a person wants; None of a service that is not to run.
    """

    service: Service | None
    application: Application | None
    replicas: int | None
    wanted: int | None

    @property
    def runs(self) -> bool:
        """Whether anything of it may run.

        A service that is STOPPED or FAILED may still have its ApplicationMaster, and a second attempt coming
        (real-hadoop.md 7, item 8).
        """
        return self.application is not None and not self.application.state.ended


@dataclass(frozen=True)
class Changing:
    """Takes services in hand, one after the other; the fields are the arguments of ``Actions``."""

    connection: Connection
    orders: Orders
    narrate: Callable[[str], None]
    clock: Callable[[], float]
    now: Callable[[], float]
    pause: Callable[[float], None]
    guard: Callable[[ServiceStore], None]
    still: Callable[[], None]
    eyes: Eyes
    patience: float

    @contextmanager
    def hold(self, name: str, verb: str) -> Iterator[Held]:
        """Hold the lease of service *name* for the act *verb*; the guard has let it pass."""
        store = self.connection.store(name)
        with self._lease(store, name, verb) as lease:
            held = Held(name, store, lease, self)
            try:
                held.settle_inherited()
                self.guard(store)
                yield held
            except YarnserveError:
                # A lease taken on a service that is not ours leaves no directory behind.
                with suppress(YarnserveError):
                    if store.revisions.latest() is None and not lease.unsettled:
                        held.discard()
                raise

    def _lease(self, store: ServiceStore, name: str, verb: str) -> Lease:
        return Lease(
            store.lease,
            subject=name,
            look=f"yarnserve status {name}",
            holder=f"{self.connection.actor}: {verb}",
            on_wait=lambda other: self.narrate(f"waiting for the lease of {name}, held by {other}"),
            clock=self.clock,
            pause=self.pause,
        )


@dataclass(frozen=True)
class Held:
    """Service *name* while its lease is ours: what is saved of it, and what is read and ordered of YARN."""

    name: str
    store: ServiceStore
    lease: Lease
    changing: Changing

    @property
    def connection(self) -> Connection:
        """The cluster."""
        return self.changing.connection

    @property
    def orders(self) -> Orders:
        """What carries a write through a fail-over, and waits for what it leads to."""
        return self.changing.orders

    def narrate(self, text: str) -> None:
        """Tell people what is about to happen."""
        self.changing.narrate(text)

    def have_ended(self, containers: Iterable[str]) -> None:
        """Remember that an act of ours ends these *containers*, so that no supervisor takes it for their death."""
        # The act itself is done: it must not fail for a note.
        with suppress(YarnserveError):
            self.store.update_sightings(lambda before: before.with_ended(containers))

    def settle_inherited(self) -> None:
        """Wait out a submission that a dead or interrupted holder left behind: it may still be carried out."""
        if not self.lease.unsettled:
            return
        self.narrate(
            f"an earlier launch of {self.name} ended before YARN had answered; looking for up to {UNSETTLED:g} s"
        )
        with suppress(WaitTimeoutError):
            self.orders.settle(self.unfinished, f"{self.name} to appear", patience=UNSETTLED)
        self.lease.mark("")

    def revision(self) -> Revision:
        """Return what was launched last.

        Raises:
            NotFoundError: yarnserve has launched no service of this name.
        """
        return launched(self.connection, self.store, self.name)

    def want(self, state: Wanted, replicas: int | None, why: str, *, again: bool = False) -> None:
        """Record what is wanted, if it is not what was wanted before, or is to be said *again*.

        *replicas* None: as many as before, for a service that is to end and may yet be started again.
        """
        before = self.store.desired.latest()
        if replicas is None:
            replicas = before.record.replicas if before else 0
        if before is not None and (before.record.state, before.record.replicas) == (state, replicas) and not again:
            return
        self.store.desired.append(
            Desired(state, replicas, self.connection.actor, self.changing.now(), why), after=before
        )

    def order(self, send: Callable[[], object], *, done: Callable[[], object], what: str, result: str) -> None:
        """Give an order while the lease is ours; the arguments are those of :meth:`Orders.give`."""

        def checked() -> None:
            self.lease.check()
            send()

        self.orders.give(checked, done=done, what=what, result=result)

    def see(self) -> Seen:
        """Look at the service, also through a fail-over."""
        return self.orders.patiently(self._look)

    def _look(self) -> Seen:
        try:
            service = self.connection.services.get(self.name)
        except NotFoundError:
            service = None
        component = service.component(COMPONENT) if service else None
        application = newest_application(self.connection, self.name)
        saved = self.store.desired.latest()
        wanted = saved.record.replicas if saved and saved.record.state is Wanted.RUNNING else None
        if component is not None:
            return Seen(service, application, component.desired, wanted)
        # Every size that YARN was told is recorded, so it holds the last one while it reports none.
        return Seen(service, application, saved.record.replicas if saved else None, wanted)

    def running_component(self) -> Component:
        """Return what runs of it, also through a fail-over.

        Raises:
            ConflictError: nothing does.
            UnreachableError: YARN does not tell.
        """
        seen = self.see()
        component = seen.service.component(COMPONENT) if seen.service else None
        if not seen.runs:
            raise ConflictError(f"{self.name} is not running", next=f"yarnserve start {self.name}")
        if component is None:
            raise UnreachableError(
                f"YARN does not tell which replicas {self.name} has", why="its ApplicationMaster starts or ends now"
            )
        return component

    def component(self) -> Component:
        """Return its replicas as YARN reports them now; UnreachableError when it does not."""
        found = self.connection.services.get(self.name).component(COMPONENT)
        if found is None:
            raise UnreachableError(f"YARN does not tell which replicas {self.name} has")
        return found

    def unfinished(self) -> str:
        """Return the id of its application that has not ended; empty where there is none."""
        application = newest_application(self.connection, self.name)
        return application.id if application is not None and not application.state.ended else ""

    def exists(self) -> bool:
        """Whether YARN has a definition of it."""
        try:
            self.connection.services.get(self.name)
        except NotFoundError:
            return False
        return True

    def discard(self) -> None:
        """Remove the state directory, which holds the lease: it must not be renewed into existence again."""
        self.lease.forget()
        self.store.remove()


def launched(connection: Connection, store: ServiceStore, name: str) -> Revision:
    """Return what yarnserve launched last as service *name*, by its *store*.

    Raises:
        NotFoundError: nothing.
    """
    saved = store.revisions.latest()
    if saved is None:
        error = no_service(connection, name)
        error.why = f"yarnserve has not launched one of this name for user {connection.settings.user}"
        raise error
    return saved.record
