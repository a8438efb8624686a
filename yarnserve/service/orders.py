"""Carry a write through a fail-over: wait for an active ResourceManager, send it, find out what became of it.

A write whose answer is lost may have been carried out, or still will be (real-hadoop-ha.md 4, 6). So it is settled by
looking, and sent again in one case only: the process that got it has ended, and by then it had not carried it out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from yarnserve.errors import StandbyError, UnreachableError, WaitTimeoutError, YarnserveError
from yarnserve.yarn.resource_managers import OUTCOME_UNKNOWN, ResourceManagers

T = TypeVar("T")

#: Seconds to wait for a fail-over, between two tries, and between two words on it: 4 to 16 s were measured, and
#: a minute is long enough (real-hadoop-ha.md 6).
FAILOVER_PATIENCE = 60.0
FAILOVER_PAUSE = 1.0
FAILOVER_NEWS = 10.0

#: Seconds to wait for YARN to finish what it was told before (FLEXING, stopping), and between two looks: at first,
#: and at most.
SETTLE_PATIENCE = 120.0
SETTLE_PAUSE = 0.5
LONGEST_SETTLE_PAUSE = 3.0

#: Seconds of waiting without a word.
SETTLE_SILENCE = 2.0

#: How often one order is sent, each time to a ResourceManager that ended without carrying it out.
TRIES = 3


class Orders:
    """Gives YARN orders, and waits for what they lead to.

    Args:
        resource_managers: who takes them.
        narrate: told, in words for people, what is waited for.
        clock: monotonic seconds.
        pause: waits that many seconds.

    Attributes:
        has_begun: whether an order was carried out, or may have been.
    """

    def __init__(
        self,
        resource_managers: ResourceManagers,
        *,
        narrate: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._resource_managers = resource_managers
        self._narrate = narrate
        self._clock = clock
        self._pause = pause
        self.has_begun = False

    def give(
        self,
        send: Callable[[], object],
        *,
        done: Callable[[], object],
        what: str,
        result: str,
        again: Callable[[], object] | None = None,
    ) -> None:
        """Send an order, and return when YARN has answered or it is *done*.

        Args:
            send: sends it, once.
            done: looks whether it was carried out; UnreachableError when that cannot be seen now.
            what: the order in words: ``the stop``.
            result: what it leads to: ``svc to stop``.
            again: sends it in place of *send* after one that was lost.

        Raises:
            RequestTimeoutError, MalformedAnswerError: it may still be carried out.
            YarnserveError: any other kind: it was refused.
        """
        lost: YarnserveError | None = None
        for _ in range(TRIES):
            try:
                self.patiently(again if again and lost else send)
                self.has_begun = True
                return
            except OUTCOME_UNKNOWN as error:
                self.has_begun = True
                lost = error
            except YarnserveError:
                # The one before was carried out after all: it is stopped already, it is gone.
                if lost is not None and done():
                    return
                raise
            self._narrate(f"YARN gave no usable answer to {what}; looking at what became of it")
            if self._is_carried_out(done, result, lost):
                return
            self._narrate(f"the ResourceManager ended before it carried out {what}: sending it to the active one")
        if lost is not None:
            raise lost

    def _is_carried_out(self, done: Callable[[], object], result: str, lost: YarnserveError) -> bool:
        """Wait until that is certain; raise *lost* when it does not become so."""

        def fate() -> str:
            # In this order: what an ended process had done is seen afterwards.
            is_gone = self._resource_managers.writer_is_gone()
            return "done" if done() else "never" if is_gone else ""

        try:
            return self.settle(fate, result) == "done"
        except WaitTimeoutError as error:
            lost.fix = "it may still be carried out: look before it is repeated"
            lost.next = error.next
            raise lost from None

    def patiently(self, ask: Callable[[], T]) -> T:
        """Return what *ask* returns; while no ResourceManager is active it is asked again.

        A StandbyError says that nothing was carried out. Where none answers at all, or the only one does not, there
        is no fail-over to wait for.
        """
        begun = self._clock()
        news = begun
        while True:
            try:
                return ask()
            except StandbyError as error:
                waited = self._clock() - begun
                if waited >= FAILOVER_PATIENCE:
                    raise _still(error) from None
                if self._clock() >= news:
                    self._narrate(f"{error.what}: waiting, for {FAILOVER_PATIENCE - waited:.0f} s at most")
                    news = self._clock() + FAILOVER_NEWS
            self._pause(FAILOVER_PAUSE)

    def settle(self, condition: Callable[[], T], what: str, patience: float = SETTLE_PATIENCE) -> T:
        """Ask *condition* until it is true; an ApplicationMaster that comes or goes may not answer meanwhile.

        Raises:
            WaitTimeoutError: *what* did not come in *patience* seconds.
        """
        begun = self._clock()
        told = False
        pause = SETTLE_PAUSE
        while True:
            why = ""
            try:
                value = condition()
                if value:
                    return value
            except UnreachableError as error:
                why = error.what
            waited = self._clock() - begun
            if waited >= patience:
                raise WaitTimeoutError(f"waited {patience:g} s for {what}", why=why, next="yarnserve list")
            if waited >= SETTLE_SILENCE and not told:
                self._narrate(f"waiting for {what}" + (f" ({why})" if why else ""))
                told = True
            self._pause(pause)
            pause = min(LONGEST_SETTLE_PAUSE, pause * 1.2)


def _still(error: StandbyError) -> StandbyError:
    return StandbyError(
        f"{error.what}, for {FAILOVER_PATIENCE:g} s now",
        where=error.where,
        why=error.why,
        fix="see whether the ResourceManagers and ZooKeeper run; nothing was sent",
        next="yarnserve doctor",
    )
