"""One service under supervision: look, judge, write down, act, see what became of it. Nothing here runs by itself.

Whoever owns a supervisor calls :meth:`Supervisor.step` when it is due. A second one, on another host, stands by until
the first has not renewed its lease for a while. What is decided is on HDFS before it is carried out, so that no
budget is forgotten by a supervisor that is killed, and nothing is done that could not be written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from yarnserve.errors import ConflictError, LeaseLostError, NotFoundError, UnreachableError, YarnserveError
from yarnserve.judge.decisions import Case, Decision, Judgement
from yarnserve.judge.limits import SINGLE
from yarnserve.judge.memory import News, Sight, given_up, observe, ordered
from yarnserve.judge.restart import decide
from yarnserve.judge.trouble import left
from yarnserve.records.journal import What
from yarnserve.records.ledger import Do, Ledger, ReplicaRecord
from yarnserve.records.policy import SupervisePolicy
from yarnserve.records.supervision import Mode, ServiceState
from yarnserve.service.actions import Actions
from yarnserve.service.busy import Counting
from yarnserve.service.connection import Connection
from yarnserve.service.look import PROBE_DEADLINE, Snapshot, look
from yarnserve.service.reading import Reader
from yarnserve.service.state import Wanted
from yarnserve.supervise.acts import carry_out, recent, unchanged
from yarnserve.supervise.circumstances import Circumstances
from yarnserve.supervise.node_watch import NodeWatch
from yarnserve.supervise.notes import LedgerFile
from yarnserve.supervise.picture import picture
from yarnserve.supervise.seat import Seat
from yarnserve.supervise.sights import sights_of, targets_of, with_observations
from yarnserve.supervise.teller import Teller
from yarnserve.supervise.tools import Tools

#: Seconds that a replica which does not answer has to show its counters.
COUNT_DEADLINE = 1.0

#: Seconds between two looks through all eyes while every replica is well; between them only the replicas are asked.
FULL_LOOK_EVERY = 60.0

#: Seconds to the next look: after a first failure, of whoever stands by, and at most while nothing can be asked.
SOON = 2.0
STANDBY_PAUSE = 3.0
LONGEST_PAUSE = 60.0


class Supervisor:
    """Supervises service *name* of *connection* with *tools*.

    Attributes:
        trouble: why the last step could not be made; None when it could.
        is_at_it: whether the last step left something to be found out soon: evidence to gather, what an act did.
    """

    def __init__(self, connection: Connection, name: str, tools: Tools | None = None) -> None:
        self.name = name
        self._connection = connection
        self._tools = tools or Tools()
        self._store = connection.store(name)
        self._reader = Reader(connection, name, clock=self._tools.clock)
        self._file = LedgerFile(self._store)
        self._counting = Counting(self._tools.eyes.read_all, deadline=COUNT_DEADLINE)
        self._nodes = NodeWatch(connection, name, self._tools.now)
        self._teller = Teller(name, self._tools.journal, self._tools.alarm, self._tools.now)
        self._seat = Seat(connection, name, self._tools)
        self._circumstances = Circumstances(connection, self._tools.clock, self._tools.now)
        self._ledger: Ledger | None = None
        self._snapshot: Snapshot | None = None
        self._looked_at = 0.0
        self._began_at = 0.0
        #: Seconds spent waiting within acts.
        self._waited = 0.0
        self._deaths: list[News] = []
        self._failed_steps = 0
        self.trouble: YarnserveError | None = None
        self.is_at_it = False
        self._was_waiting = False
        self._state = ServiceState(name, self._tools.now(), Mode.STANDBY if self._tools.acts else Mode.OBSERVING)

    def step(self) -> float:
        """Look, judge, and act if need be; return the seconds until the next step is due.

        Raises:
            NotFoundError: the service is not there, or not any more.
        """
        self._began_at = self._tools.clock()
        self.is_at_it = False
        try:
            due = self._step()
            self._failed_steps, self.trouble = 0, None
            self._teller.trouble(None)
        except NotFoundError:
            self._seat.forget()
            self._teller.rest()
            raise
        except YarnserveError as error:
            self._failed_steps += 1
            self.trouble = error
            self.is_at_it = self._failed_steps == 1
            due = min(LONGEST_PAUSE, SOON * 2.0 ** min(self._failed_steps - 1, 10))
            self._teller.trouble(error)
            self._state = replace(self._state, trouble=": ".join(filter(None, (error.where, error.in_a_line))))
        self._tell_board()
        return due

    def keep(self) -> None:
        """Keep the seat: whoever owns this does so while it waits long for the next step."""
        self._seat.keep()

    def close(self) -> None:
        """Give the seat back."""
        self._seat.give_back()
        self._ledger = None

    def _tell_board(self) -> None:
        self._tools.board(replace(self._state, last=self._teller.last, actions=dict(self._teller.actions)))

    def _step(self) -> float:
        if self._tools.acts and (holder := self._others()):
            self._state = ServiceState(self.name, self._tools.now(), Mode.STANDBY, hold=f"supervised by {holder}")
            return STANDBY_PAUSE
        if self._ledger is None:
            # Deaths that are not in it will be seen again.
            self._ledger, self._deaths = self._file.load(), []
        ledger, snapshot = self._see(self._ledger)
        return self._judge(ledger, snapshot)

    def _others(self) -> str:
        """Have the supervisor's seat; return who else has, empty for us."""
        if self._seat.is_taken:
            try:
                self._seat.check()
                return ""
            except LeaseLostError as error:
                self._teller.tell(What.TOLD, f"stands by: {error.why}")
                self._teller.rest()
        holder = self._seat.take()
        if not holder:
            self._ledger, self._snapshot = None, None
            self._state = replace(self._state, mode=Mode.ACTING, hold="")
            self._teller.tell(What.TOLD, f"{self._connection.actor} supervises it")
        return holder

    def _see(self, ledger: Ledger) -> tuple[Ledger, Snapshot]:
        """Ask the replicas; where one is not well, or a minute has passed, look through all eyes."""
        known, tools = self._snapshot, self._tools
        deadline = _check_timeout(known)
        if known is not None and known.well and tools.clock() - self._looked_at < FULL_LOOK_EVERY:
            newer = with_observations(known, tools.eyes.observe(targets_of(known), deadline=deadline))
            if newer.well:
                return ledger, newer
            ledger, _ = self._take_in(ledger, newer)
        looked = look(self._connection, self.name, reader=self._reader, eyes=tools.eyes, deadline=deadline)
        self._snapshot, self._looked_at = looked, tools.clock()
        return ledger, looked

    def _take_in(self, ledger: Ledger, snapshot: Snapshot) -> tuple[Ledger, tuple[Sight, ...]]:
        """Remember what *snapshot* shows, and tell what is new in it; return what it shows, too."""
        sights = self._sights(snapshot, ledger)
        after, news = observe(ledger, sights, self._tools.now())
        self._teller.news(news, snapshot)
        self._deaths += [each for each in news if each.death is not None]
        self._ledger = after
        return after, sights

    def _sights(self, snapshot: Snapshot, ledger: Ledger) -> tuple[Sight, ...]:
        shunned = {} if snapshot.well else self._nodes.shunned()
        self._teller.once("nodes", self._nodes.trouble)
        busy = self._counting.busy(snapshot.observations)
        return sights_of(snapshot, ledger, busy=busy, shunned=shunned)

    def _hold_against_nodes(self, snapshot: Snapshot) -> None:
        """Hold the new deaths against their nodes; they are saved by now, and so are never counted twice."""
        deaths, self._deaths = self._deaths, []
        needs_gpus = snapshot.revision is not None and snapshot.revision.record.spec.resources.gpus > 0
        for each in deaths:
            if self._tools.acts and (told := self._nodes.strike(each, needs_gpus=needs_gpus)):
                self._teller.tell(What.TOLD, told, each.instance, snapshot, rule="quarantine")

    def _judge(self, ledger: Ledger, snapshot: Snapshot) -> float:
        revision, desired = snapshot.revision, snapshot.desired
        if not snapshot.complete or revision is None or desired is None:
            raise UnreachableError(
                f"not enough is known of {self.name} to supervise it",
                why="; ".join(snapshot.notes) or "yarnserve has not launched it",
            )
        if desired.at != ledger.order:
            ledger = ordered(ledger, desired.at, {each.instance for each in snapshot.replicas})
        if desired.state is not Wanted.RUNNING:
            self._save(ledger)
            self._teller.rest()
            self._show(snapshot, ledger, {}, hold=f"stopped by {desired.by}")
            return FULL_LOOK_EVERY / 2
        ledger, sights = self._take_in(ledger, snapshot)
        case = self._circumstances.case(snapshot, revision.record, desired)
        self._teller.once("channels", self._circumstances.trouble)
        paused = self._paused(snapshot)
        keeps_still = bool(paused) or not self._tools.acts
        judgement = self._decide(ledger, sights, snapshot, case, would=keeps_still)
        self._save(judgement.ledger)
        self._hold_against_nodes(snapshot)
        self._show(snapshot, judgement.ledger, judgement.said, paused=paused, hold=paused or _hold(judgement.decision))
        if judgement.decision.do.acts and not keeps_still:
            self._act(judgement.decision, case, ledger, judgement.ledger, snapshot)
            self.is_at_it = True
            return SOON
        return self._pause(judgement.ledger, case.policy)

    def _decide(
        self, ledger: Ledger, sights: Sequence[Sight], snapshot: Snapshot, case: Case, *, would: bool
    ) -> Judgement:
        """Judge and tell; with *would* nothing is going to be done, and so it is not remembered as done."""
        now = self._tools.now()
        judgement = decide(ledger, sights, case, now, self._tools.draw())
        budgets = {name: left(record, case.policy, now) for name, record in judgement.ledger.replicas.items()}
        is_only_said = would and judgement.decision.do.acts
        self._teller.judged(judgement, snapshot, budgets, would=is_only_said)
        return replace(judgement, ledger=ledger) if is_only_said else judgement

    def _paused(self, snapshot: Snapshot) -> str:
        """Who has told supervisors to keep still, and why; empty where nobody has."""
        # A look through all eyes has read the word, where it could read everything.
        has_read = snapshot is self._snapshot and not snapshot.notes
        pause = snapshot.pause if has_read else self._store.pause()
        return pause.in_words if pause is not None and pause.holds(self._tools.now()) else ""

    def _save(self, ledger: Ledger) -> None:
        """Save *ledger*, and go on with it: what could not be written down is not done, and so is not remembered."""
        if self._tools.acts:
            try:
                self._seat.check()
                self._file.save(ledger)
            except ConflictError:
                self._ledger = None
                raise
        self._ledger = ledger

    def _act(self, decision: Decision, case: Case, before: Ledger, ledger: Ledger, snapshot: Snapshot) -> None:
        """Carry *decision* out; it turned *before* into *ledger*, which is on HDFS already."""
        tools, means = self._tools, case.means[decision.do]
        actions = Actions(
            self._connection,
            narrate=tools.narrate,
            clock=tools.clock,
            now=tools.now,
            pause=self._patiently,
            guard=unchanged(ledger.order, tools.now),
            still=recent(lambda: self._waited),
            eyes=tools.eyes,
        )
        container = ledger.replicas[decision.instance].container if decision.instance in ledger.replicas else ""
        size = case.wanted - len(ledger.taken_out)
        try:
            self._seat.check()
            carry_out(
                actions,
                self.name,
                decision.do,
                instance=decision.instance,
                container=container,
                size=size,
                fresh=case.fresh,
            )
        except YarnserveError as error:
            self._teller.failed(decision, error, means, snapshot)
            if not actions.has_begun:
                # It is known that nothing was done: nothing is to be waited for.
                is_refused = not isinstance(error, ConflictError | UnreachableError)
                version = str(case.fresh) if decision.do is Do.ROLL_BACK else ""
                self._ledger = given_up(before, ledger, decision.instance, is_refused=is_refused, version=version)
                self._save(self._ledger)
        except KeyboardInterrupt:
            # Told to end. Whoever follows finds out what became of what has begun, or may have.
            if actions.has_begun:
                self._teller.acted(decision, means, snapshot)
            elif self._was_waiting:
                with suppress(YarnserveError):
                    self._save(given_up(before, ledger, decision.instance, is_refused=False))
            raise
        else:
            self._teller.acted(decision, means, snapshot)
        self._snapshot = None

    def _patiently(self, seconds: float) -> None:
        """Wait within an act; the supervisor's lease goes on, and whoever watches sees that nothing is stuck."""
        # An act that is half done is not broken off where that fails; the next step finds out who supervises.
        self._seat.keep()
        self._tell_board()
        self._waited += seconds
        try:
            self._tools.pause(seconds)
        except KeyboardInterrupt:
            # Nothing is being sent then, as there may be wherever else a signal comes.
            self._was_waiting = True
            raise

    def _pause(self, ledger: Ledger, policy: SupervisePolicy) -> float:
        gathers = any(_is_suspect(record, policy, self._tools.now()) for record in ledger.replicas.values())
        is_free = ledger.action is None and ledger.hold_until is None
        if not (gathers and is_free):
            return float(policy.check_interval)
        self.is_at_it = True
        # From the beginning of this look on: it has waited for whoever does not answer.
        return max(0.0, SOON - (self._tools.clock() - self._began_at))

    def _show(
        self, snapshot: Snapshot, ledger: Ledger, said: Mapping[str, Decision], *, paused: str = "", hold: str = ""
    ) -> None:
        mode = Mode.PAUSED if paused else Mode.ACTING if self._tools.acts else Mode.OBSERVING
        self._state = picture(snapshot, ledger, said, mode=mode, hold=hold, now=self._tools.now())


def _check_timeout(snapshot: Snapshot | None) -> float:
    if snapshot is None or snapshot.revision is None:
        return PROBE_DEADLINE
    return float(snapshot.revision.record.spec.supervise.check_timeout)


def _is_suspect(record: ReplicaRecord, policy: SupervisePolicy, now: float) -> bool:
    """Whether it fails, and more evidence would decide something; when there is enough, more of it is in no hurry."""
    is_late = now - record.progress_at > policy.startup_deadline
    # Of an only replica twice as much is asked for.
    is_open = 0 < record.failures < SINGLE.value * policy.failures
    return is_open and record.open_until is None and (record.proved or is_late)


def _hold(decision: Decision) -> str:
    return decision.why if decision.do is Do.HOLD else ""
