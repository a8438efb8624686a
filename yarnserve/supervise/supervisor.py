"""One service under supervision: look, judge, write down, act, see what became of it. Nothing here runs by itself.

Whoever owns a supervisor calls :meth:`Supervisor.step` when it is due. A second one, on another host, stands by until
the first has not renewed its lease for a while. What is decided is on HDFS before it is carried out, so that no
budget is forgotten by a supervisor that is killed, and nothing is done that could not be written down.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

from yarnserve.alerts import Alarm, Alert
from yarnserve.errors import ConflictError, LeaseLostError, NotFoundError, UnreachableError, YarnserveError
from yarnserve.judge.decisions import Case, Decision, Do, FreshModel, Judgement
from yarnserve.judge.limits import FRESH_MODEL, SINGLE
from yarnserve.judge.memory import News, Sight, given_up, observe
from yarnserve.judge.one_replica import floor
from yarnserve.judge.restart import decide
from yarnserve.judge.trouble import left, recent_deaths
from yarnserve.records.journal import JournalEntry, What
from yarnserve.records.ledger import Ledger, ReplicaRecord
from yarnserve.records.policy import SupervisePolicy
from yarnserve.records.replica import Replica
from yarnserve.records.supervision import Mode, ReplicaState, ServiceState
from yarnserve.records.version import Version
from yarnserve.records.yarn import ApplicationState, ComponentState
from yarnserve.service.actions import Actions
from yarnserve.service.busy import Counting
from yarnserve.service.connection import Connection
from yarnserve.service.look import EYES, PROBE_DEADLINE, Eyes, Snapshot, look
from yarnserve.service.means import Means
from yarnserve.service.reading import Reader
from yarnserve.service.state import Desired, Revision, Wanted
from yarnserve.spec.model import COMPONENT
from yarnserve.storage.lease import Lease, boot_clock
from yarnserve.supervise.acts import carry_out, means_of, newest_change, recent, unchanged
from yarnserve.supervise.node_watch import NodeWatch
from yarnserve.supervise.notes import LedgerFile
from yarnserve.supervise.sights import sights_of, targets_of, with_observations
from yarnserve.supervise.teller import Teller

#: Seconds that a supervisor's lease lasts without renewal, between two renewals, and before its end at which nothing
#: is done any more: another takes over within 30 s.
LEASE_TTL = 24.0
LEASE_RENEW_EVERY = 6.0
LEASE_MARGIN = 4.0

#: Seconds that a replica which does not answer has to show its counters.
COUNT_DEADLINE = 1.0

#: Seconds between two looks through all eyes while every replica is well; between them only the replicas are asked.
FULL_LOOK_EVERY = 60.0

#: Seconds between two questions for the cluster's version.
VERSION_EVERY = 600.0

#: Seconds to the next look: after a first failure, of whoever stands by, and at most while nothing can be asked.
SOON = 2.0
STANDBY_PAUSE = 3.0
LONGEST_PAUSE = 60.0


def _nobody(entry: JournalEntry) -> None:
    """No journal."""


def _unseen(state: ServiceState) -> None:
    """Nobody looks at the state."""


class Silence:
    """Nobody is told."""

    def fire(self, alert: Alert) -> None:
        """Nothing."""

    def resolve(self, key: str, summary: str = "") -> None:
        """Nothing."""

    def settle(self, prefix: str, lasting: Collection[str]) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Tools:
    """What a supervisor works with.

    Attributes:
        eyes: how replicas are looked at.
        journal: gets every entry.
        alarm: whom troubles are told.
        board: told how the service stands, after every step.
        narrate: told, in words for people, what an act waits for.
        clock: monotonic seconds, those of a sleeping machine too: leases go by it.
        now: seconds since the epoch.
        pause: waits that many seconds.
        draw: a random number from 0 to 1.
        acts: False for one that only says what it would do.
    """

    eyes: Eyes = EYES
    journal: Callable[[JournalEntry], None] = _nobody
    alarm: Alarm = field(default_factory=Silence)
    board: Callable[[ServiceState], None] = _unseen
    narrate: Callable[[str], None] = lambda text: None
    clock: Callable[[], float] = boot_clock
    now: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random
    acts: bool = True


class Supervisor:
    """Supervises service *name* of *connection* with *tools*.

    Attributes:
        trouble: why the last step could not be made; None when it could.
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
        self._is_holder = False
        self._ledger: Ledger | None = None
        self._snapshot: Snapshot | None = None
        self._looked_at = 0.0
        self._began_at = 0.0
        #: Seconds spent waiting within acts.
        self._waited = 0.0
        self._version: tuple[float, Version | None] = (0.0, None)
        self._deaths: list[News] = []
        self._failed_steps = 0
        self.trouble: YarnserveError | None = None
        self._state = ServiceState(name, self._tools.now(), Mode.STANDBY if self._tools.acts else Mode.OBSERVING)

    @cached_property
    def _lease(self) -> Lease:
        """The supervisor's lease. Where it lies is asked of HDFS, which may be down when a supervisor begins."""
        return Lease(
            self._store.supervisor,
            subject=f"the supervision of {self.name}",
            look=f"yarnserve status {self.name}",
            holder=f"{self._connection.actor}: supervise",
            ttl=LEASE_TTL,
            renew_every=LEASE_RENEW_EVERY,
            margin=LEASE_MARGIN,
            clock=self._tools.clock,
            pause=self._tools.pause,
        )

    def step(self) -> float:
        """Look, judge, and act if need be; return the seconds until the next step is due.

        Raises:
            NotFoundError: the service is not there, or not any more.
        """
        self._began_at = self._tools.clock()
        try:
            due = self._step()
            self._failed_steps, self.trouble = 0, None
            self._teller.trouble(None)
        except NotFoundError:
            # What is saved of it is gone, and must not rise again.
            self._lease.forget()
            self._is_holder = False
            self._teller.rest()
            raise
        except YarnserveError as error:
            self._failed_steps += 1
            self.trouble = error
            due = min(LONGEST_PAUSE, SOON * 2.0 ** min(self._failed_steps - 1, 10))
            self._teller.trouble(error)
            self._state = replace(self._state, trouble=error.what)
        self._tell_board()
        return due

    def keep(self) -> None:
        """Renew the lease if that is due: whoever owns this does so while it waits long for the next step."""
        if self._is_holder and self._lease.is_due:
            with suppress(YarnserveError):
                # What is saved of a service that was destroyed must not rise again.
                if self._store.exists():
                    self._lease.renew()

    def close(self) -> None:
        """Give the lease back."""
        if self._is_holder:
            self._lease.release()
        self._is_holder, self._ledger = False, None

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
        """Hold the supervisor's lease; return who else does, empty for us."""
        if self._is_holder:
            if self._lease.is_due and not self._store.exists():
                raise NotFoundError(f"there is no service {self.name!r} any more")
            try:
                self._lease.check()
                return ""
            except LeaseLostError as error:
                self._teller.tell(What.TOLD, f"stands by: {error.why}")
                self._teller.rest()
                self._is_holder = False
        elif self._store.revisions.latest() is None:
            raise NotFoundError(f"yarnserve has launched no service {self.name!r}", next="yarnserve list")
        holder = self._lease.try_acquire()
        if not holder:
            self._is_holder, self._ledger, self._snapshot = True, None, None
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
            # A person has said what is wanted: whatever we took out is theirs to count again.
            ledger = replace(ledger, order=desired.at, taken_out=())
        if desired.state is not Wanted.RUNNING:
            self._save(ledger)
            self._teller.rest()
            self._report(snapshot, ledger, {}, f"stopped by {desired.by}")
            return FULL_LOOK_EVERY / 2
        ledger, sights = self._take_in(ledger, snapshot)
        case = self._case(snapshot, revision.record, desired)
        keeps_still = self._keeps_still()
        judgement = self._decide(ledger, sights, snapshot, case, would=bool(keeps_still))
        self._save(judgement.ledger)
        self._hold_against_nodes(snapshot)
        # What only observes says so by its mode.
        hold = (keeps_still if self._tools.acts else "") or _hold(judgement.decision)
        self._report(snapshot, judgement.ledger, judgement.said, hold)
        if judgement.decision.do.acts and not keeps_still:
            means = self._means(revision.record)[judgement.decision.do]
            self._act(judgement.decision, means.value, case, ledger, judgement.ledger, snapshot)
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

    def _case(self, snapshot: Snapshot, revision: Revision, desired: Desired) -> Case:
        service, application = snapshot.service, snapshot.application
        component = service.component(COMPONENT) if service else None
        settled = component is not None and component.state is ComponentState.STABLE
        return Case(
            revision.spec.supervise,
            frozenset(self._means(revision)),
            desired.replicas,
            component.desired if component is not None and settled else None,
            application=application.id if application is not None else "",
            failed=application is not None and application.state is ApplicationState.FAILED,
            ended=application is not None and application.state.ended,
            # Looked up when something is wrong: it costs reads of HDFS for each model.
            fresh=None if snapshot.well else self._fresh(revision),
        )

    def _fresh(self, revision: Revision) -> FreshModel | None:
        """The model version that came last; where that cannot be read, replicas are judged without it."""
        try:
            found = newest_change(self._connection, revision, since=self._tools.now() - FRESH_MODEL.value)
        except UnreachableError:
            raise
        except YarnserveError as error:
            self._teller.once("channels", f"which model version is fresh cannot be read: {error.what}")
            return None
        self._teller.once("channels", "")
        return found

    def _means(self, revision: Revision) -> Mapping[Do, Means]:
        """What can be done; the cluster's version is asked for now and then, because clusters are upgraded."""
        asked_at, version = self._version
        if version is None or self._tools.clock() - asked_at > VERSION_EVERY:
            version = self._connection.hadoop_version()
            self._version = (self._tools.clock(), version)
        return means_of(version, has_agents=revision.spec.has_agent)

    def _keeps_still(self) -> str:
        """Why nothing is done whatever is decided; empty where it is done."""
        if not self._tools.acts:
            return "only observing"
        pause = self._store.pauses.latest()
        if pause is None or not pause.record.holds(self._tools.now()):
            return ""
        return f"paused by {pause.record.by}" + (f": {pause.record.why}" if pause.record.why else "")

    def _save(self, ledger: Ledger) -> None:
        """Save *ledger*, and go on with it: what could not be written down is not done, and so is not remembered."""
        if self._tools.acts:
            try:
                self._lease.check()
                self._file.save(ledger)
            except ConflictError:
                self._ledger = None
                raise
        self._ledger = ledger

    def _act(
        self, decision: Decision, means: str, case: Case, before: Ledger, ledger: Ledger, snapshot: Snapshot
    ) -> None:
        """Carry *decision* out by *means*; it turned *before* into *ledger*, which is on HDFS already."""
        tools = self._tools
        actions = Actions(
            self._connection,
            narrate=tools.narrate,
            clock=tools.clock,
            now=tools.now,
            pause=self._patiently,
            guard=unchanged(ledger.order, tools.now),
            still=recent(lambda: self._waited),
        )
        container = ledger.replicas[decision.instance].container if decision.instance in ledger.replicas else ""
        size = case.wanted - len(ledger.taken_out)
        try:
            self._lease.check()
            carry_out(
                actions,
                self.name,
                decision.do,
                instance=decision.instance,
                container=container,
                size=size,
                fresh=case.fresh,
            )
        except LeaseLostError:
            raise
        except YarnserveError as error:
            self._teller.failed(decision, error, means, snapshot)
            if not actions.has_begun:
                # It is known that nothing was done: nothing is to be waited for.
                is_refused = not isinstance(error, ConflictError | UnreachableError)
                self._ledger = given_up(before, ledger, decision.instance, is_refused=is_refused)
                self._save(self._ledger)
        else:
            self._teller.acted(decision, means, snapshot)
        self._snapshot = None

    def _patiently(self, seconds: float) -> None:
        """Wait within an act; the supervisor's lease goes on, and whoever watches sees that nothing is stuck."""
        if self._lease.is_due:
            # An act that is half done is not broken off for it; the next step finds out who supervises.
            with suppress(YarnserveError):
                self._lease.renew()
        self._tell_board()
        self._waited += seconds
        self._tools.pause(seconds)

    def _pause(self, ledger: Ledger, policy: SupervisePolicy) -> float:
        # Until there is evidence enough, of an only replica twice as much; then more of it is in no hurry.
        enough = SINGLE.value * policy.failures
        gathers = any(0 < record.failures < enough and record.proved for record in ledger.replicas.values())
        is_free = ledger.action is None and ledger.hold_until is None
        if not (gathers and is_free):
            return float(policy.check_interval)
        # From the beginning of this look on: it has waited for whoever does not answer.
        return max(0.0, SOON - (self._tools.clock() - self._began_at))

    def _report(self, snapshot: Snapshot, ledger: Ledger, said: Mapping[str, Decision], hold: str) -> None:
        desired, revision = snapshot.desired, snapshot.revision
        wanted = desired.replicas if desired is not None and desired.state is Wanted.RUNNING else 0
        policy = revision.record.spec.supervise if revision is not None else SupervisePolicy()
        mode = Mode.ACTING if self._tools.acts else Mode.OBSERVING
        self._state = ServiceState(
            self.name,
            self._tools.now(),
            Mode.PAUSED if hold.startswith("paused") else mode,
            wanted,
            floor(policy, max(wanted, 1)),
            tuple(_replica_state(each, ledger, said, policy, self._tools.now()) for each in snapshot.replicas),
            hold,
        )


def _check_timeout(snapshot: Snapshot | None) -> float:
    if snapshot is None or snapshot.revision is None:
        return PROBE_DEADLINE
    return float(snapshot.revision.record.spec.supervise.check_timeout)


def _hold(decision: Decision) -> str:
    return decision.why if decision.do is Do.HOLD else ""


def _replica_state(
    replica: Replica, ledger: Ledger, said: Mapping[str, Decision], policy: SupervisePolicy, now: float
) -> ReplicaState:
    record = ledger.replicas.get(replica.instance, ReplicaRecord())
    decision = said.get(replica.instance)
    return ReplicaState(
        replica.instance,
        replica.verdict.health,
        replica.verdict.reason,
        replica.container_id,
        replica.node,
        replica.versions or {},
        record.live_since,
        record.failing_since,
        sum(now - at < policy.restart_window for at in record.restarts),
        len(recent_deaths(record, policy, now)),
        record.open_until,
        "" if decision is None else f"{decision.do.value}: {decision.why}",
    )
