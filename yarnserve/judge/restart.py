"""What to do for a service, and when to hold still: what was seen and is remembered -> one decision. Pure and total.

The first rule is not to make it worse. A replica is restarted on evidence that was news: a prediction that failed
after one had passed in the same container, a start that takes too long, or deaths that go on. At most one thing is
done to a service at a time, each further one for a replica comes later and by the next means, and there are fewer
than a budget. Many that turn bad at once are no matter of single replicas: then nothing is done, and somebody is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from yarnserve.judge.deaths import Death as DeathKind
from yarnserve.judge.limits import (
    DAY,
    FIRST_WAIT,
    FRESH_MODEL,
    GIVE_UP,
    HOLD,
    IN_PLACE,
    LONG_LIVE,
    LOOP,
    MOST_OPENINGS,
    ODD_SIZE,
    SERVICE_LEAST,
    STARTS,
    TAKEN_OUT,
    TOGETHER,
)
from yarnserve.judge.memory import RESIZE as RESIZE_WORD
from yarnserve.judge.memory import Sight
from yarnserve.judge.nodes import REROLLS
from yarnserve.judge.trouble import Rule, Trouble, recent_deaths, spent, trouble_of
from yarnserve.records.ledger import Action, Ledger, ReplicaRecord, TakenOut
from yarnserve.records.policy import SupervisePolicy


class Do(str, Enum):
    """What is decided."""

    RESTART = "restart"
    MOVE = "move"
    ROLL_BACK = "roll back"
    TAKE_OUT = "take out"
    READMIT = "readmit"
    RESIZE = RESIZE_WORD
    START = "start"
    GIVE_UP = "give up"
    WAIT = "wait"
    HOLD = "hold"
    NOTHING = "nothing"

    @property
    def acts(self) -> bool:
        """Whether anything of the service is changed."""
        return self not in (Do.GIVE_UP, Do.WAIT, Do.HOLD, Do.NOTHING)


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        do: what.
        rule: names the line of the policy.
        why: in words an admin understands.
        instance: the replica that it is about; empty for the whole service.
        fix: what would mend it, where that is known.
        evidence: what the replica has done wrong; None where it is not about one.
    """

    do: Do
    rule: str
    why: str
    instance: str = ""
    fix: str = ""
    evidence: Rule | None = None


@dataclass(frozen=True)
class FreshModel:
    """A version that became the stable one at *at* (epoch), and the one that was it *before*."""

    model: str
    version: int
    before: int
    at: float


@dataclass(frozen=True)
class Case:
    """What a service is, beside its replicas.

    Attributes:
        policy: the service's.
        means: what can be done on this Hadoop and with this service.
        wanted: how many replicas a person wants.
        size: how many YARN was told; None while it does not say, or changes it.
        failed: the service's application has FAILED: nothing runs, and nobody ended it.
        fresh: the newest change of a model; None where there is none that can be taken back.
    """

    policy: SupervisePolicy
    means: frozenset[Do]
    wanted: int
    size: int | None = None
    failed: bool = False
    fresh: FreshModel | None = None


@dataclass(frozen=True)
class Judgement:
    """The *ledger* that remembers what is decided, the *decision*, and what is to be *said* of each replica in need."""

    ledger: Ledger
    decision: Decision
    said: Mapping[str, Decision] = field(default_factory=dict)


WELL = Decision(Do.NOTHING, "well", "no replica has failed often enough")


def decide(ledger: Ledger, sights: Sequence[Sight], case: Case, now: float, draw: float) -> Judgement:
    """Say what to do after ``memory.observe`` has taken *sights* in.

    Args:
        ledger: with this look in it.
        sights: of every replica that is wanted.
        case: the service.
        now: seconds since the epoch, as in *ledger*.
        draw: a random number, 0 to 1, that sets the next pause apart from those of others.
    """
    ledger, said = _each(ledger, sights, case, now)
    if ledger.action is not None:
        about = ledger.action.instance or "the service"
        return Judgement(ledger, Decision(Do.WAIT, "one at a time", f"{ledger.action.what} of {about} goes on"), said)
    if decision := _fresh_version(ledger, sights, case, now):
        if decision.do.acts:
            return _begun(replace(ledger, hold_until=None, hold_why=""), decision, case, now, draw, said)
        return Judgement(ledger, decision, said)
    if ledger.hold_until is not None and now < ledger.hold_until:
        return Judgement(ledger, Decision(Do.HOLD, "together", ledger.hold_why), said)
    ledger = replace(ledger, hold_until=None, hold_why="")
    if storm := _storm(ledger, sights, now):
        held = replace(ledger, hold_until=now + HOLD.value * (1.0 + draw), hold_why=storm)
        return Judgement(held, Decision(Do.HOLD, "together", storm), said)
    if common := _common_loop(said, len(sights)):
        return Judgement(ledger, common, {name: _left_to_yarn(each) for name, each in said.items()})
    ledger, odd = _odd_size(ledger, case, now)
    candidates = [
        decision for decision in (_dead_service(ledger, case, now), odd, _due_back(ledger, case, now)) if decision
    ]
    acting = [each for each in said.values() if each.do.acts]
    candidates += sorted(acting, key=lambda each: (_failing_since(ledger, each, now), each.instance))
    if not candidates:
        waiting = [each for each in said.values() if each.do in (Do.HOLD, Do.WAIT, Do.GIVE_UP)]
        return Judgement(ledger, waiting[0] if waiting else WELL, said)
    if not candidates[0].do.acts:
        return Judgement(ledger, candidates[0], said)
    over = _service_budget(ledger, len(sights))
    # To take one out is what ends such a storm.
    if over and candidates[0].do is not Do.TAKE_OUT:
        why = f"{candidates[0].why}; {over}"
        return Judgement(ledger, Decision(Do.HOLD, "service's budget", why, candidates[0].instance), said)
    return _begun(ledger, candidates[0], case, now, draw, said)


def floor(policy: SupervisePolicy, replicas: int) -> int:
    """How many replicas must stay live beside one that is restarted while it still serves some."""
    least = policy.min_available if policy.min_available is not None else replicas - max(1, replicas // 4)
    return max(0, min(least, replicas - 1))


def _each(ledger: Ledger, sights: Sequence[Sight], case: Case, now: float) -> tuple[Ledger, dict[str, Decision]]:
    """Judge each replica by itself; those that are well are left out."""
    said, replicas = {}, dict(ledger.replicas)
    judge = _Judge(case, len(sights), sum(sight.health.serving for sight in sights), len(ledger.taken_out), now)
    for sight in sights:
        record = replicas[sight.instance]
        decision = judge.of_replica(record, sight)
        if decision is None:
            continue
        said[sight.instance] = decision
        if decision.do is Do.GIVE_UP and (record.open_until is None or now >= record.open_until):
            replicas[sight.instance] = _opened(record, now)
    return replace(ledger, replicas=replicas), said


@dataclass(frozen=True)
class _Judge:
    """Judges single replicas of one *case*: of so many *replicas*, so many *live*, and so many *taken_out*."""

    case: Case
    replicas: int
    live: int
    taken_out: int
    now: float

    def of_replica(self, record: ReplicaRecord, sight: Sight) -> Decision | None:
        """What to do about one; None while nothing is wrong with it."""
        trouble = trouble_of(record, sight, self.case.policy, self.replicas, self.now)
        if trouble is None:
            return None
        if trouble.rule is Rule.MISPLACED and Do.MOVE in self.case.means:
            return _said(Do.MOVE, trouble.rule.value, sight, trouble, f"moved again, {record.rerolls + 1} of {REROLLS}")
        if waits := self._waits(record, sight, trouble):
            return waits
        is_trial = record.open_until is not None
        if not is_trial and (why := spent(record, trouble, self.case.policy, self.now)):
            return self._give_up(sight, trouble, why)
        if waits := self._waits_for_yarn(record, sight, trouble):
            return waits
        return self._means(record, sight, trouble, is_trial)

    def _waits(self, record: ReplicaRecord, sight: Sight, trouble: Trouble) -> Decision | None:
        has_time = self.now - record.progress_at <= self.case.policy.startup_deadline
        if sight.agent_works and has_time and trouble.rule is not Rule.LOOP:
            return _said(Do.WAIT, "agent first", sight, trouble, "its agent is at it")
        if record.open_until is not None and self.now < record.open_until:
            left = record.open_until - self.now
            return _said(Do.WAIT, "given up", sight, trouble, f"given up for {left:.0f} s more")
        least = floor(self.case.policy, self.replicas)
        serves_some = sight.health.serving or trouble.rule is Rule.SOME_FAIL
        if serves_some and self.live - sight.health.serving < least:
            return _said(Do.HOLD, "floor", sight, trouble, f"it serves some, and {least} others have to be live")
        return None

    def _waits_for_yarn(self, record: ReplicaRecord, sight: Sight, trouble: Trouble) -> Decision | None:
        """YARN starts again what dies; another place is all that can be added to that, and not at once."""
        if trouble.rule is Rule.LOOP:
            deaths = recent_deaths(record, self.case.policy, self.now)
            is_its_node = deaths[-1].kind == DeathKind.NODE.value
            if not sight.container or (record.rung == 0 and len(deaths) <= LOOP.value and not is_its_node):
                return _said(Do.WAIT, "loop", sight, trouble, "YARN starts it again")
        if self.now < record.not_before:
            left = record.not_before - self.now
            return _said(Do.WAIT, "backoff", sight, trouble, f"the next restart is due in {left:.0f} s")
        return None

    def _means(self, record: ReplicaRecord, sight: Sight, trouble: Trouble, is_trial: bool) -> Decision:
        is_loop = trouble.rule is Rule.LOOP
        ladder = [do for do in ((Do.MOVE,) if is_loop else (Do.RESTART, Do.MOVE)) if do in self.case.means]
        if not ladder:
            return _said(Do.GIVE_UP, "no means", sight, trouble, "this Hadoop cannot replace a single replica")
        if record.rung >= len(ladder) and not is_trial:
            return self._give_up(sight, trouble, f"{' and '.join(do.value for do in ladder)} did not mend it")
        # What helps for a while only is tried elsewhere in the end.
        passing = sum(self.now - at < LONG_LIVE.value for at in record.restarts) // int(IN_PLACE.value)
        rung = min(max(record.rung, passing), len(ladder) - 1)
        return _said(ladder[rung], trouble.rule.value, sight, trouble)

    def _give_up(self, sight: Sight, trouble: Trouble, why: str) -> Decision:
        """Take it out where that frees its place and is no great loss; else leave it to YARN, and tell."""
        most = max(1, int(self.case.wanted * TAKEN_OUT.value))
        is_possible = Do.TAKE_OUT in self.case.means and self.replicas > 1 and self.taken_out < most
        do = Do.TAKE_OUT if is_possible and sight.container and not sight.health.serving else Do.GIVE_UP
        return _said(do, "replica's budget", sight, trouble, why)


def _said(do: Do, rule: str, sight: Sight, trouble: Trouble, why: str = "") -> Decision:
    words = f"{trouble.evidence}; {why}" if why else trouble.evidence
    return Decision(do, rule, words, sight.instance, trouble.fix, trouble.rule)


def _opened(record: ReplicaRecord, now: float) -> ReplicaRecord:
    return replace(record, opened=record.opened + 1, open_until=now + _pause_of(record.opened))


def _pause_of(opened: int) -> float:
    return GIVE_UP.value * 2.0 ** min(opened, int(MOST_OPENINGS.value))


def _fresh_version(ledger: Ledger, sights: Sequence[Sight], case: Case, now: float) -> Decision | None:
    """Go back where a version is fresh and half of the replicas turned bad after it came."""
    fresh = case.fresh
    if fresh is None or Do.ROLL_BACK not in case.means or not 0 <= now - fresh.at <= FRESH_MODEL.value:
        return None
    turned = [name for name, at in ledger.turned.items() if at >= fresh.at and name in ledger.replicas]
    if not turned or 2 * len(turned) < len(sights):
        return None
    bad = [name for name in turned if _is_proven(ledger.replicas[name], case)]
    if 2 * len(bad) < len(sights):
        why = f"{len(turned)} of {len(sights)} replicas turned bad after version {fresh.version} of {fresh.model} came"
        return Decision(Do.WAIT, "fresh version", f"{why}: is it the version's fault?")
    why = (
        f"{len(bad)} of {len(sights)} replicas turned bad after version {fresh.version} of {fresh.model} came, "
        f"{now - fresh.at:.0f} s ago: back to {fresh.before}"
    )
    return Decision(Do.ROLL_BACK, "fresh version", why)


def _is_proven(record: ReplicaRecord, case: Case) -> bool:
    return record.failures >= case.policy.failures or len(record.deaths) >= LOOP.value


def _storm(ledger: Ledger, sights: Sequence[Sight], now: float) -> str:
    """Why single replicas are not at fault: more than half of them, two at least, turned bad within a minute."""
    present = {sight.instance for sight in sights}
    times = sorted(at for name, at in ledger.turned.items() if name in present)
    bad = [at for at in times if now - at <= TOGETHER.value]
    if len(bad) < 2 or 2 * len(bad) <= len(sights):
        return ""
    return (
        f"{len(bad)} of {len(sights)} replicas turned bad within {TOGETHER.value:g} s: that is what they share "
        "(HDFS, the network, a model, a driver), and restarts would not mend it"
    )


def _common_loop(said: Mapping[str, Decision], replicas: int) -> Decision | None:
    """More than half of the replicas die again and again: elsewhere they would, too."""
    loops = [each for each in said.values() if each.evidence == Rule.LOOP]
    if len(loops) < 2 or 2 * len(loops) <= replicas:
        return None
    why = f"{len(loops)} of {replicas} replicas die again and again, which no other place would mend: {loops[0].why}"
    return Decision(Do.HOLD, "together", why, fix=loops[0].fix)


def _left_to_yarn(decision: Decision) -> Decision:
    if not decision.do.acts:
        return decision
    return replace(decision, do=Do.HOLD, rule="together")


def _dead_service(ledger: Ledger, case: Case, now: float) -> Decision | None:
    if not case.failed or Do.START not in case.means:
        return None
    starts = sum(now - at < DAY for at in ledger.starts)
    if starts >= STARTS.value:
        why = f"its application has FAILED again after {starts} starts in a day"
        return Decision(Do.HOLD, "dead service", why, fix="yarnserve events NAME tells why it failed")
    return Decision(Do.START, "dead service", "its application has FAILED, and nobody has stopped it")


def _odd_size(ledger: Ledger, case: Case, now: float) -> tuple[Ledger, Decision | None]:
    """Give YARN the wanted size again where an interrupted replacement has left another."""
    due = case.wanted - len(ledger.taken_out)
    if case.size is None or case.size == due or case.failed:
        return replace(ledger, odd_size_since=None), None
    since = ledger.odd_size_since if ledger.odd_size_since is not None else now
    ledger = replace(ledger, odd_size_since=since)
    if now - since < ODD_SIZE.value or Do.RESIZE not in case.means:
        return ledger, None
    why = f"YARN has {case.size} replicas, and {due} are wanted: a replacement was interrupted"
    return ledger, Decision(Do.RESIZE, "size", why)


def _due_back(ledger: Ledger, case: Case, now: float) -> Decision | None:
    if case.size is None:
        return None
    due = next((each for each in ledger.taken_out if now >= each.until), None)
    if due is None:
        return None
    why = f"{due.instance} was taken out {now - due.at:.0f} s ago: one trial"
    return Decision(Do.READMIT, "trial", why, due.instance)


def _service_budget(ledger: Ledger, replicas: int) -> str:
    allowed = max(int(SERVICE_LEAST.value), replicas)
    if len(ledger.actions) < allowed:
        return ""
    return f"{len(ledger.actions)} actions in ten minutes are all that the service may have"


def _failing_since(ledger: Ledger, decision: Decision, now: float) -> float:
    since = ledger.replicas[decision.instance].failing_since
    return now if since is None else since


def _begun(
    ledger: Ledger, decision: Decision, case: Case, now: float, draw: float, said: Mapping[str, Decision]
) -> Judgement:
    """The ledger that remembers, before it is carried out, that *decision* was taken."""
    record = ledger.replicas.get(decision.instance, ReplicaRecord())
    replicas, taken_out = dict(ledger.replicas), ledger.taken_out
    container = record.container
    if decision.do in (Do.RESTART, Do.MOVE):
        again = replace(record, rerolls=record.rerolls + (decision.evidence is Rule.MISPLACED))
        replicas[decision.instance] = _restarted(again, case.policy, now, draw)
    if decision.do is Do.TAKE_OUT:
        away = _opened(record, now)
        taken_out = (*taken_out, TakenOut(decision.instance, now, away.open_until or now, away))
    if decision.do is Do.READMIT:
        back = next(each for each in taken_out if each.instance == decision.instance)
        taken_out = tuple(each for each in taken_out if each is not back)
        replicas[decision.instance] = replace(back.record, restarts=(*back.record.restarts, now), open_until=now)
        container = back.record.container
    action = Action(decision.do.value, decision.instance, container, now, now + case.policy.startup_deadline)
    begun = replace(
        ledger,
        replicas=replicas,
        taken_out=taken_out,
        action=None if decision.do is Do.TAKE_OUT else action,
        actions=(*ledger.actions, now),
        starts=(*(at for at in ledger.starts if now - at < DAY), now) if decision.do is Do.START else ledger.starts,
        odd_size_since=None,
    )
    return Judgement(begun, decision, {**said, **({decision.instance: decision} if decision.instance else {})})


def _restarted(record: ReplicaRecord, policy: SupervisePolicy, now: float, draw: float) -> ReplicaRecord:
    """Remember a restart; the wait before the next is drawn between the first wait and three times the last one."""
    widest = 3.0 * max(record.last_wait, FIRST_WAIT.value)
    wait = min(FIRST_WAIT.value + draw * (widest - FIRST_WAIT.value), policy.max_backoff)
    is_trial = record.open_until is not None
    # A trial that fails is followed by a longer pause, not by the next restart.
    return replace(
        _opened(record, now) if is_trial else record,
        restarts=(*(at for at in record.restarts if 0 <= now - at < DAY), now),
        last_wait=wait,
        not_before=now + wait,
        answers=(),
        failing_since=None,
    )
