"""What to do for a service, and when to hold still: what was seen and is remembered -> one decision. Pure and total.

The first rule is not to make it worse. A replica is restarted on evidence that was news: a prediction that failed
after one had passed in the same container, a start that takes too long, or deaths that go on. At most one thing is
done to a service at a time, each further one for a replica comes later and by the next means, and there are fewer
than a budget. Many that turn bad at once are no matter of single replicas: then nothing is done, and somebody is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from yarnserve.judge.decisions import Case, Decision, Judgement
from yarnserve.judge.limits import DAY, FIRST_WAIT, HOLD
from yarnserve.judge.memory import Sight, acquitted
from yarnserve.judge.one_replica import ReplicaJudge, opened
from yarnserve.judge.trouble import Rule
from yarnserve.judge.whole_service import (
    common_loop,
    dead_service,
    due_back,
    fresh_version,
    half_relaunched,
    half_taken_back,
    hopeless,
    idle,
    left_to_yarn,
    odd_size,
    service_budget,
    still_here,
    storm,
)
from yarnserve.records.ledger import Action, Do, Ledger, ReplicaRecord, TakenOut
from yarnserve.records.policy import SupervisePolicy

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
    ledger, said = _each(idle(ledger, case, now), sights, case, now)
    if decision := half_relaunched(ledger, case, now):
        return _begun(ledger, decision, case, now, draw, said)
    if ledger.action is not None:
        return _goes_on(ledger, ledger.action, sights, case, now, said)
    return _anew(ledger, sights, case, now, draw, said)


def _anew(
    ledger: Ledger, sights: Sequence[Sight], case: Case, now: float, draw: float, said: Mapping[str, Decision]
) -> Judgement:
    """Decide while nothing is under way."""
    dead = dead_service(ledger, case, now)
    if decision := fresh_version(ledger, sights, case, now):
        if decision.do.acts:
            return _begun(replace(ledger, hold_until=None, hold_why=""), decision, case, now, draw, said)
        # What is dead altogether is no question of versions.
        if dead is None:
            return Judgement(ledger, decision, said)
    if ledger.hold_until is not None and now < ledger.hold_until:
        return Judgement(ledger, Decision(Do.HOLD, "together", ledger.hold_why), said)
    ledger = replace(ledger, hold_until=None, hold_why="")
    if why := storm(ledger, sights, now):
        held = replace(ledger, hold_until=now + HOLD.value * (1.0 + draw), hold_why=why)
        return Judgement(held, Decision(Do.HOLD, "together", why), said)
    if dead is None and (common := common_loop(said, len(sights))):
        return Judgement(ledger, common, {name: left_to_yarn(each) for name, each in said.items()})
    ledger, odd = odd_size(ledger, sights, case, now)
    candidates = [
        decision
        for decision in (
            dead,
            hopeless(ledger, sights, case, said, now),
            odd,
            due_back(ledger, case, now),
        )
        if decision
    ]
    acting = [each for each in said.values() if each.do.acts]
    candidates += sorted(acting, key=lambda each: (_failing_since(ledger, each, now), each.instance))
    if not candidates:
        waiting = [each for each in said.values() if each.do in (Do.HOLD, Do.WAIT, Do.GIVE_UP)]
        return Judgement(ledger, waiting[0] if waiting else WELL, said)
    over = service_budget(ledger, len(sights))
    # To take one out is what ends such a storm.
    if over and candidates[0].do.acts and candidates[0].do is not Do.TAKE_OUT:
        why = f"{candidates[0].why}; {over}"
        return Judgement(ledger, Decision(Do.HOLD, "service's budget", why, candidates[0].instance), said)
    return _begun(ledger, candidates[0], case, now, draw, said)


def _goes_on(
    ledger: Ledger, action: Action, sights: Sequence[Sight], case: Case, now: float, said: Mapping[str, Decision]
) -> Judgement:
    """Wait for *action*, but for its second half where that was not done: the size, after a decommissioning."""
    if (again := half_taken_back(ledger, action, case, now)) is not None:
        return _begun(ledger, again, case, now, 0.0, said)
    ledger, odd = odd_size(ledger, sights, case, now)
    is_short = case.size is not None and case.size < case.wanted - len(ledger.taken_out)
    if odd is not None and action.instance and is_short and not service_budget(ledger, len(sights)):
        return _begun(ledger, odd, case, now, 0.0, said)
    about = action.instance or "the service"
    return Judgement(ledger, Decision(Do.WAIT, "one at a time", f"{action.what.value} of {about} goes on"), said)


def _each(ledger: Ledger, sights: Sequence[Sight], case: Case, now: float) -> tuple[Ledger, dict[str, Decision]]:
    """Judge each replica by itself; those that are well are left out."""
    said, replicas = {}, dict(ledger.replicas)
    # By what is remembered: one that refuses an example that it has answered is AVAILABLE, and serves nobody.
    live = sum(replicas[sight.instance].live_since is not None for sight in sights)
    judge = ReplicaJudge(case, len(sights), live, len(ledger.taken_out), ledger.watched_since or 0.0, now)
    ending = {each.instance for each in still_here(ledger, sights)}
    for sight in sights:
        if sight.instance in ending:
            continue
        record = replicas[sight.instance]
        decision = judge.of_replica(record, sight)
        if decision is None:
            continue
        said[sight.instance] = decision
        if decision.do is Do.GIVE_UP and (record.open_until is None or now >= record.open_until):
            replicas[sight.instance] = opened(record, now)
    return replace(ledger, replicas=replicas), said


def _failing_since(ledger: Ledger, decision: Decision, now: float) -> float:
    since = ledger.replicas[decision.instance].failing_since
    return now if since is None else since


def _begun(
    ledger: Ledger, decision: Decision, case: Case, now: float, draw: float, said: Mapping[str, Decision]
) -> Judgement:
    """The ledger that remembers, before it is carried out, that *decision* was taken; one without an act is said."""
    if not decision.do.acts:
        return Judgement(ledger, decision, said)
    record = ledger.replicas.get(decision.instance, ReplicaRecord())
    replicas, taken_out = dict(ledger.replicas), ledger.taken_out
    container = record.container
    if decision.do in (Do.RESTART, Do.MOVE):
        again = replace(record, rerolls=record.rerolls + (decision.evidence is Rule.MISPLACED))
        replicas[decision.instance] = _restarted(again, case.policy, now, draw)
    if decision.do is Do.TAKE_OUT:
        away = opened(record, now)
        taken_out = (*taken_out, TakenOut(decision.instance, now, away.open_until or now, away, decision.why))
    if decision.do is Do.READMIT:
        back = next(each for each in taken_out if each.instance == decision.instance)
        taken_out = tuple(each for each in taken_out if each is not back)
        replicas[decision.instance] = replace(back.record, restarts=(*back.record.restarts, now), open_until=now)
        container = back.record.container
    if decision.do is Do.ROLL_BACK and case.fresh is not None:
        turned = {name for name, at in ledger.turned.items() if at >= case.fresh.at}
        replicas |= {name: acquitted(replicas[name], since=case.fresh.at) for name in turned & replicas.keys()}
    action = Action(decision.do, decision.instance, container, now, now + case.policy.startup_deadline)
    if ledger.action is not None:
        # What was interrupted goes on: the replica that comes now is the one that it was to make.
        action = replace(ledger.action, deadline=action.deadline)
    begun = replace(
        ledger,
        replicas=replicas,
        taken_out=taken_out,
        action=None if decision.do is Do.TAKE_OUT else action,
        actions=(*ledger.actions, now),
        starts=_starts(ledger, decision, now),
        relaunching=case.application if decision.do is Do.RELAUNCH else ledger.relaunching,
        odd_size_since=None,
    )
    return Judgement(begun, decision, {**said, **({decision.instance: decision} if decision.instance else {})})


def _starts(ledger: Ledger, decision: Decision, now: float) -> tuple[float, ...]:
    if decision.do not in (Do.START, Do.RELAUNCH):
        return ledger.starts
    return (*(at for at in ledger.starts if now - at < DAY), now)


def _restarted(record: ReplicaRecord, policy: SupervisePolicy, now: float, draw: float) -> ReplicaRecord:
    """Remember a restart; the wait before the next is drawn between the first wait and three times the last one."""
    widest = 3.0 * max(record.last_wait, FIRST_WAIT.value)
    wait = min(FIRST_WAIT.value + draw * (widest - FIRST_WAIT.value), policy.max_backoff)
    is_trial = record.open_until is not None
    # A trial that fails is followed by a longer pause, not by the next restart.
    return replace(
        opened(record, now) if is_trial else record,
        restarts=(*(at for at in record.restarts if 0 <= now - at < DAY), now),
        last_wait=wait,
        not_before=now + wait,
        answers=(),
        failing_since=None,
    )
