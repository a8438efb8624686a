"""Many services supervised by one process, each in a thread of its own: one that hangs blinds none of the others."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Collection
from typing import Protocol

from yarnserve.alerts.records import Alert
from yarnserve.errors import NotFoundError, UnreachableError, YarnserveError
from yarnserve.service.connection import Connection
from yarnserve.service.state import Wanted
from yarnserve.service.store import ServiceStore
from yarnserve.supervise.supervisor import Supervisor
from yarnserve.supervise.tools import Tools

#: By default.
LIST_EVERY = 60.0

#: Seconds after which a service is supervised again that a bug of ours has ended.
AFTER_BUG = 60.0

#: By default.
KEEP_EVERY = 3.0

#: Steps in which evidence is complete, where there is any.
STEPS_TO_CLARITY = 12

#: Seconds that all threads together have to give their leases back; systemd waits for a minute.
PATIENCE = 15.0


class Places(Protocol):
    """Where the states of services are put up."""

    def expect(self, name: str) -> None:
        """Service *name* is supervised from now on."""

    def forget(self, name: str) -> None:
        """Service *name* is supervised no more."""


class Fleet:
    """Supervises services of *connection* until *stop*.

    Args:
        connection: the cluster.
        tools: of every supervisor; its pause ends early when *stop* is set.
        places: told which services are supervised.
        stop: ends everything.
        say: told, in a line, what is no matter of a single service.
        list_every: seconds between two looks for services that are new, or are to be let go of.
        keep_every: seconds between two looks at the lease of a supervisor that waits.
    """

    def __init__(
        self,
        connection: Connection,
        tools: Tools,
        *,
        places: Places,
        stop: threading.Event,
        say: Callable[[str], None],
        list_every: float = LIST_EVERY,
        keep_every: float = KEEP_EVERY,
    ) -> None:
        self._list_every = list_every
        self._keep_every = keep_every
        self._connection = connection
        self._tools = tools
        self._places = places
        self._stop = stop
        self._say = say
        self._threads: dict[str, threading.Thread] = {}
        self._ends: dict[str, threading.Event] = {}
        self._unread: set[str] = set()
        #: Those of which it was alerted that they cannot be read.
        self._alerted: set[str] = set()

    def run(self, names: Collection[str]) -> None:
        """Supervise the services *names*, until none of them is left or *stop* is set."""
        try:
            for name in names:
                self._begin(name)
            while not self._stop.is_set() and any(thread.is_alive() for thread in self._threads.values()):
                self._stop.wait(1.0)
        finally:
            self._end()

    def run_all(self) -> None:
        """Supervise every service of the user that wants it, until *stop* is set; those that are new are found."""
        try:
            while True:
                try:
                    self._unread.clear()
                    self._follow(supervised_services(self._connection, self._unreadable))
                except YarnserveError as error:
                    self._say(f"services cannot be listed: {error.what}")
                if self._stop.wait(self._list_every):
                    break
        finally:
            self._end()

    def _follow(self, names: Collection[str]) -> None:
        """Supervise the services *names*, and those no more that do not want it any more."""
        for name in names:
            self._begin(name)
        for name in set(self._threads) - set(names) - self._unread:
            self._ends[name].set()
            if not self._is_begun(name):
                del self._threads[name], self._ends[name]
        for name in self._alerted - self._unread - set(names):
            self._settle(name)
        self._alerted &= self._unread

    def once(self, name: str) -> None:
        """Look at service *name* until it is clear whether anything is to be done, and do it.

        Raises:
            NotFoundError: there is no such service.
            YarnserveError: why it could not be looked at in the end.
        """
        supervisor = Supervisor(self._connection, name, self._tools)
        try:
            for _ in range(STEPS_TO_CLARITY):
                due = supervisor.step()
                if not supervisor.is_at_it or self._stop.is_set():
                    break
                self._tools.pause(due)
        finally:
            supervisor.close()
        if supervisor.trouble is not None:
            raise supervisor.trouble

    def _unreadable(self, name: str, error: YarnserveError) -> None:
        """Tell that it is not known whether *name* is to be supervised; its supervisor settles that alert."""
        self._unread.add(name)
        if not self._is_begun(name):
            self._say(f"it is not known whether {name} is to be supervised: {error.what}")
            self._alerted.add(name)
            labels = {"alertname": "YarnserveNotSupervised", "service": name}
            self._tools.alarm.fire(Alert.of(f"{name}/supervision", error, severity="critical", labels=labels))

    def _is_begun(self, name: str) -> bool:
        known = self._threads.get(name)
        return known is not None and known.is_alive()

    def _begin(self, name: str) -> None:
        if self._is_begun(name):
            return
        self._places.expect(name)
        thread = threading.Thread(target=self._supervise, args=(name,), daemon=True, name=f"supervise {name}")
        self._threads[name], self._ends[name] = thread, threading.Event()
        thread.start()

    def _supervise(self, name: str) -> None:
        while not self._is_over(name):
            try:
                self._steps(name)
            except NotFoundError as error:
                self._say(f"{name} is supervised no more: {error.what}")
                break
            except KeyboardInterrupt:
                return
            except Exception:  # noqa: BLE001  a bug that one service brings out must not end the others
                self._say(f"a bug of yarnserve ended the supervision of {name} for a while:\n{traceback.format_exc()}")
                self._stop.wait(AFTER_BUG)
        if not self._stop.is_set():
            self._settle(name)
        self._places.forget(name)

    def _settle(self, name: str) -> None:
        """Stop alerting of service *name*: nobody here looks at it any more, who could tell that something is over."""
        self._tools.alarm.settle(f"{name}/", ())

    def _is_over(self, name: str) -> bool:
        return self._stop.is_set() or self._ends[name].is_set()

    def _steps(self, name: str) -> None:
        supervisor = Supervisor(self._connection, name, self._tools)
        try:
            while not self._waits(supervisor, name, supervisor.step()):
                pass
        finally:
            supervisor.close()

    def _waits(self, supervisor: Supervisor, name: str, seconds: float) -> bool:
        """Wait for *seconds*, and renew the lease meanwhile; return whether it is all over."""
        ends = self._tools.clock() + seconds
        while (left := ends - self._tools.clock()) > 0:
            if self._stop.wait(min(left, self._keep_every)) or self._is_over(name):
                return True
            supervisor.keep()
        return self._is_over(name)

    def _end(self) -> None:
        self._stop.set()
        until = time.monotonic() + PATIENCE
        for thread in self._threads.values():
            thread.join(max(0.0, until - time.monotonic()))


def supervised_services(
    connection: Connection, on_unreadable: Callable[[str, YarnserveError], None]
) -> tuple[str, ...]:
    """The services of the user that have ``supervise.enabled``, and that a person wants to run.

    One whose saved state cannot be read is left out, and *on_unreadable* is told why.

    Raises:
        UnreachableError: HDFS does not answer.
    """
    found = []
    for name in connection.saved_services():
        try:
            is_wanted = _is_wanted(connection.glance(name))
        except UnreachableError:
            raise
        except YarnserveError as error:
            on_unreadable(name, error)
            continue
        found += [name] if is_wanted else []
    return tuple(found)


def _is_wanted(store: ServiceStore) -> bool:
    revision, desired = store.revisions.latest(), store.desired.latest()
    if revision is None or desired is None or desired.record.state is not Wanted.RUNNING:
        return False
    return revision.record.spec.supervise.enabled
