"""The agent: one turn after the other it looks at what was fetched and what the server answers, and does what follows.

What takes its time (fetching, looking, answering, alarms) happens in threads of its own and leaves its newest result;
a turn only reads these, decides by ``judge``, and writes the server's configuration or starts and ends the server.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from yarnserve.agent.keeper import Keeper
from yarnserve.agent.models import Models
from yarnserve.agent.server import Reaper
from yarnserve.alerts.records import Alarm, Alert
from yarnserve.judge.drain import Drain
from yarnserve.orders import Order
from yarnserve.records.agent import AgentReport
from yarnserve.spec.model import ServiceSpec

#: Seconds between two turns.
TURN = 0.1

#: Exit status with which YARN replaces a container without starting it again in place (yarn-services.md 4.1).
LEFT = 143


class _Then(Enum):
    """What comes when all requests are out."""

    HOLD = "hold"
    RESTART = "restart"
    END = "end"


class Agent:
    """Runs the model server of one replica.

    Args:
        spec: its service.
        models: its models.
        keeper: its server.
        report: what is told of it before there is anything to tell.
        alarm: whom troubles are told.
        narrate: told each thing that happens, in words.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        spec: ServiceSpec,
        models: Models,
        keeper: Keeper,
        report: AgentReport,
        *,
        alarm: Alarm,
        narrate: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec = spec
        self._models = models
        self._keeper = keeper
        self._alarm = alarm
        self._narrate = narrate
        self._clock = clock
        self._reaper = Reaper()
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._is_terminated = False
        self._drain: Drain | None = None
        self._then = _Then.HOLD
        self._code = 0
        self._ended = False
        self._report = replace(report, at=clock())

    @property
    def report(self) -> AgentReport:
        """How everything is; may be read from any thread."""
        return self._report

    def obey(self, order: Order) -> None:
        """Take an order; from any thread, and at once."""
        self._orders.put(order)

    def terminate(self) -> None:
        """Take SIGTERM; from a signal handler, which a second signal may interrupt: so no lock is taken."""
        self._is_terminated = True

    def run(self) -> int:
        """Work until an order or SIGTERM ends it; return what to exit with.

        The server dies with the thread that calls this.

        Raises:
            ConfigurationError: there is no model server here.
        """
        self._models.start()
        try:
            while not self._ended:
                self.turn()
                time.sleep(TURN)
        finally:
            self._models.end()
            self._keeper.stop(self._clock())
        return self._code

    def turn(self) -> None:
        """Do what is due."""
        now = self._clock()
        self._reaper.reap(self._keeper.pid)
        self._take_orders(now)
        self._models.take_up(self._keeper.memory_bytes, now)
        self._keeper.keep(now, draining=self._drain is not None)
        if self._keeper.wants_restart and self._drain is None:
            self._begin_drain(now, "another version takes the place of the one in memory", _Then.RESTART)
        if self._keeper.is_hopeless and self._drain is None:
            self._leave_hopeless()
        self._let_out(now)
        self._say_how_it_is(now)

    def _take_orders(self, now: float) -> None:
        if self._is_terminated and self._then is not _Then.END:
            self._begin_drain(now, "SIGTERM", _Then.END)
        while not self._orders.empty():
            order = self._orders.get()
            self._narrate(f"ordered: {order.value}")
            # Who is about to end takes no other order.
            if self._then is not _Then.END:
                self._take_order(order, now)

    def _take_order(self, order: Order, now: float) -> None:
        if order is Order.LEAVE:
            self._code = LEFT
            self._begin_drain(now, "ordered to leave", _Then.END)
        elif order is Order.DRAIN:
            self._begin_drain(now, "ordered to drain", _Then.HOLD)
        elif order is Order.RESTART_SERVER:
            self._models.forgive()
            self._begin_drain(now, "ordered to restart the server", _Then.RESTART)
        elif self._then is _Then.HOLD:
            self._drain = None

    def _begin_drain(self, now: float, why: str, then: _Then) -> None:
        self._drain, self._then = Drain(now, why), then

    def _let_out(self, now: float) -> None:
        """Go on with a draining, and do what it was for once all requests are out."""
        if self._drain is None:
            return
        look = self._keeper.look
        if look is not None and look.total is not None:
            self._drain = self._drain.observe(look.total.answered, look.at)
        if self._then is _Then.HOLD or not self._is_drained(now):
            return
        if self._keeper.pid is not None:
            self._narrate(f"ending the server: {self._drain.why}")
        self._keeper.stop(now)
        if self._then is _Then.END:
            self._ended = True
            return
        self._drain, self._then = None, _Then.HOLD

    def _is_drained(self, now: float) -> bool:
        if self._drain is None or not self._keeper.may_have_callers:
            return True
        agent = self._spec.agent
        return self._drain.is_settled(now, quiet=float(agent.quiet), longest=float(agent.drain))

    def _leave_hopeless(self) -> None:
        policy = self._spec.supervise
        what = (
            f"the model server ended more than {policy.restarts} times in {policy.restart_window} s: "
            "leaving this container, so that YARN makes another"
        )
        self._narrate(what)
        self._alarm.fire(Alert("server", what, "critical"))
        self._code, self._ended = LEFT, True

    def _say_how_it_is(self, now: float) -> None:
        state, why = self._state(now)
        if state != self._report.state:
            self._narrate(f"{state}: {why}")
        look = self._keeper.look
        counts = look.total if look is not None else None
        self._report = replace(
            self._report,
            state=state,
            why=why,
            models=self._models.reports(),
            server_pid=self._keeper.pid,
            server_starts=self._keeper.starts,
            last_exit=self._keeper.last_exit,
            requests=counts.total if counts else self._report.requests,
            failed=counts.failed if counts else self._report.failed,
            at=now,
        )

    def _state(self, now: float) -> tuple[str, str]:
        if self._drain is None:
            return self._keeper.state()
        if self._then is _Then.END:
            return "ending", self._drain.why
        is_drained = self._then is _Then.HOLD and self._is_drained(now)
        return ("drained" if is_drained else "draining"), self._drain.why
