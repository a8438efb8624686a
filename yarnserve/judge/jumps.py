"""What a ledger is worth after nobody has looked for a while, or after a clock has jumped. Pure."""

from __future__ import annotations

from dataclasses import replace

from yarnserve.judge.limits import BLIND
from yarnserve.records.ledger import Action, Ledger, ReplicaRecord, TakenOut


def after_jump(ledger: Ledger, now: float) -> Ledger:
    """What stays when nobody has looked, or the clock jumped: budgets, moved along with it, and whole deadlines."""
    looked_at = ledger.looked_at
    if looked_at is None:
        # It was saved, perhaps by a host whose clock was far ahead: what has happened cannot have happened later.
        newest = max(_past(ledger), default=now)
        looked_at = newest if newest - now > BLIND.value else now
    if 0 <= now - looked_at <= BLIND.value:
        return ledger
    shift = min(0.0, now - looked_at)
    action = ledger.action
    replicas = {instance: _shifted(record, shift, now) for instance, record in ledger.replicas.items()}
    return replace(
        ledger,
        replicas=replicas,
        turned={},
        watched_since=None,
        actions=tuple(at + shift for at in ledger.actions),
        action=None if action is None else replace(action, at=action.at + shift, deadline=now + _length(action)),
        starts=tuple(at + shift for at in ledger.starts),
        taken_out=tuple(_moved(each, shift, now) for each in ledger.taken_out),
        hold_until=None,
        odd_size_since=None,
        idle_since=None,
    )


def _past(ledger: Ledger) -> list[float]:
    """The times in *ledger* that were the present when it was saved, or past."""
    records = [*ledger.replicas.values(), *(each.record for each in ledger.taken_out)]
    times = [*ledger.actions, *ledger.starts, *(each.at for each in ledger.taken_out)]
    times += [ledger.action.at] if ledger.action is not None else []
    for record in records:
        times += [record.seen_since, record.progress_at, record.failing_since or 0.0, *record.restarts]
        times += [death.at for death in record.deaths]
    return times


def _moved(away: TakenOut, shift: float, now: float) -> TakenOut:
    return replace(away, at=away.at + shift, until=away.until + shift, record=_shifted(away.record, shift, now))


def _shifted(record: ReplicaRecord, shift: float, now: float) -> ReplicaRecord:
    return replace(
        record,
        seen_since=now,
        progress_at=now,
        answers=(),
        failing_since=None,
        live_since=None,
        loading_since=None,
        deaths=tuple(replace(death, at=death.at + shift) for death in record.deaths),
        restarts=tuple(at + shift for at in record.restarts),
        not_before=record.not_before + shift,
        open_until=None if record.open_until is None else record.open_until + shift,
    )


def _length(action: Action) -> float:
    return max(0.0, action.deadline - action.at)
