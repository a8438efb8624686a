"""What to do about one replica: the ladder of its means, its budget, its pauses. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from yarnserve.judge.deaths import Death as DeathKind
from yarnserve.judge.decisions import Case, Decision
from yarnserve.judge.limits import GIVE_UP, IN_PLACE, LONG_LIVE, LOOP, MOST_OPENINGS, TAKEN_OUT
from yarnserve.judge.memory import Sight
from yarnserve.judge.nodes import REROLLS
from yarnserve.judge.trouble import Rule, Trouble, recent_deaths, spent, trouble_of
from yarnserve.records.ledger import Do, ReplicaRecord
from yarnserve.records.policy import SupervisePolicy


def floor(policy: SupervisePolicy, replicas: int) -> int:
    """How many replicas must stay live beside one that is restarted while it still serves some."""
    least = policy.min_available if policy.min_available is not None else replicas - max(1, replicas // 4)
    return max(0, min(least, replicas - 1))


@dataclass(frozen=True)
class ReplicaJudge:
    """Judges single replicas of one *case*: of so many *replicas*, so many *live*, and so many *taken_out*.

    *watched_since* is as in the ledger.
    """

    case: Case
    replicas: int
    live: int
    taken_out: int
    watched_since: float
    now: float

    def of_replica(self, record: ReplicaRecord, sight: Sight) -> Decision | None:
        """What to do about one; None while nothing is wrong with it."""
        trouble = trouble_of(record, sight, self.case.policy, self.replicas, self.now, self.watched_since)
        if trouble is None:
            return None
        if trouble.rule is Rule.MISPLACED and Do.MOVE in self.case.means:
            return _said(Do.MOVE, trouble.rule.value, sight, trouble, f"moved again, {record.rerolls + 1} of {REROLLS}")
        if trouble.rule is Rule.DIES:
            return _said(Do.WAIT, "loop", sight, trouble, "it is up again")
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
        # What is taken out is away, too.
        least = floor(self.case.policy, self.case.wanted)
        is_live = record.live_since is not None
        if (is_live or trouble.rule is Rule.SOME_FAIL) and self.live - is_live < least:
            return _said(Do.HOLD, "floor", sight, trouble, f"it serves some, and {least} others have to be live")
        return None

    def _waits_for_yarn(self, record: ReplicaRecord, sight: Sight, trouble: Trouble) -> Decision | None:
        """YARN starts again what dies; another place is all that can be added to that, and not at once."""
        if trouble.rule is Rule.LOOP:
            deaths = recent_deaths(record, self.case.policy, self.now)
            is_its_node = bool(deaths) and deaths[-1].kind == DeathKind.NODE.value
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


def opened(record: ReplicaRecord, now: float) -> ReplicaRecord:
    """The record of a replica that is given up at *now*, for longer each time."""
    return replace(record, opened=record.opened + 1, open_until=now + _pause_of(record.opened))


def _pause_of(opened: int) -> float:
    return GIVE_UP.value * 2.0 ** min(opened, int(MOST_OPENINGS.value))
