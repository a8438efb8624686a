"""Evidence against one replica: which rule it has broken, and why it may have no further restart. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from yarnserve.judge.deaths import Death as DeathKind
from yarnserve.judge.deaths import treatment_of
from yarnserve.judge.limits import DAILY, DAY, LOOKS, LOOP, SINGLE, SOME_FAILED
from yarnserve.judge.memory import Sight, in_window, is_misplaced
from yarnserve.records.ledger import Death, ReplicaRecord
from yarnserve.records.policy import SupervisePolicy
from yarnserve.records.replica import Health

#: YARN's own validity interval: deaths farther apart than that are no loop, whatever the policy's window is.
_LEAST_WINDOW = 600.0

#: Healths in which no prediction was tried that could say anything.
_SILENT = (Health.PENDING, Health.GONE, Health.DRAINING, Health.UNKNOWN)


class Rule(str, Enum):
    """What a replica can do wrong."""

    FAILS = "evidence"
    SOME_FAIL = "some fail"
    LOOP = "loop"
    DIES = "dies"
    STARTUP = "startup"
    MISPLACED = "quarantined node"


@dataclass(frozen=True)
class Trouble:
    """One replica's: the *rule* that it has broken, the *evidence* in words, and the *fix* where one is known."""

    rule: Rule
    evidence: str
    fix: str = ""


def trouble_of(
    record: ReplicaRecord, sight: Sight, policy: SupervisePolicy, replicas: int, now: float, watched_since: float
) -> Trouble | None:
    """What is wrong with a replica of a service of *replicas*; None while there is not enough evidence.

    *watched_since*: since when this supervisor has looked without a gap.
    """
    name = sight.instance
    if is_misplaced(record, sight):
        return Trouble(Rule.MISPLACED, f"{name} was moved, and where it is now, {sight.shunned}")
    # One that runs, and answers wrongly, is not down by a death: YARN does not start it again.
    is_wrong = sight.evidence and (record.proved or not recent_deaths(record, policy, now))
    if not is_wrong and (loop := _loop(record, name, policy, now)):
        return loop
    if sight.busy or sight.health in _SILENT:
        return None
    times = SINGLE.value if replicas == 1 else 1
    if record.proved and record.failures >= policy.failures * times:
        return Trouble(Rule.FAILS, f"{name} failed {record.failures} looks in a row ({sight.reason})")
    newest = record.answers[-int(LOOKS.value * times) :]
    failed = newest.count(False)
    if record.proved and failed >= SOME_FAILED.value * times:
        return Trouble(Rule.SOME_FAIL, f"{name} failed {failed} of {len(newest)} looks ({sight.reason})")
    # What became of it while no supervisor looked is not known, unless it is seen to fail as it failed then.
    fails_still = sight.evidence and record.failures >= policy.failures * times
    seen_since = 0.0 if fails_still else watched_since
    waited = now - max(_starts_since(record, sight, now), seen_since)
    if sight.container and waited > policy.startup_deadline:
        since = "since it served last" if record.proved else "after its start"
        return Trouble(Rule.STARTUP, f"{name} is not live {waited:.0f} s {since} ({sight.reason})")
    deaths = _deaths_here(record, policy, now)
    if len(deaths) >= LOOP.value:
        # It is up again, as it will be after each death.
        return Trouble(Rule.DIES, _in_words(name, deaths, now), deaths[-1].fix)
    return None


def _starts_since(record: ReplicaRecord, sight: Sight, now: float) -> float:
    """Since when it has not got on with what should make it live; *now* where it does not start."""
    if sight.health.serving or (record.proved and record.loading_since is None):
        return now
    # Whoever has served may load again: where its model was taken away, or its server was started anew.
    again = record.loading_since if record.proved and record.loading_since is not None else 0.0
    return max(record.seen_since, record.progress_at, again)


def _deaths_here(record: ReplicaRecord, policy: SupervisePolicy, now: float) -> tuple[Death, ...]:
    """The recent deaths since our last restart: those before cost budget, and say nothing against what runs now."""
    begun = max(record.restarts, default=0.0)
    return tuple(death for death in recent_deaths(record, policy, now) if death.at > begun)


def _in_words(name: str, deaths: tuple[Death, ...], now: float) -> str:
    return f"{name} died {len(deaths)} times in {now - deaths[0].at:.0f} s ({deaths[-1].cause})"


def _loop(record: ReplicaRecord, name: str, policy: SupervisePolicy, now: float) -> Trouble | None:
    deaths = _deaths_here(record, policy, now)
    # What was ended by us, or with its host, is not down by what it died of before.
    is_down = record.live_since is None and not record.spared
    if deaths and is_down and treatment_of(deaths[-1].kind).most == 0:
        return Trouble(Rule.LOOP, f"{name} died ({deaths[-1].cause})", deaths[-1].fix)
    daily = in_window(record, now, DAY)
    if is_down and len(daily) >= DAILY.value:
        return Trouble(Rule.LOOP, f"{name} died {len(daily)} times in a day ({daily[-1].cause})", daily[-1].fix)
    if len(deaths) > LOOP.value or (len(deaths) == LOOP.value and is_down):
        return Trouble(Rule.LOOP, _in_words(name, deaths, now), deaths[-1].fix)
    return None


def spent(record: ReplicaRecord, trouble: Trouble, policy: SupervisePolicy, now: float) -> str:
    """Why a replica has no budget left, in words; empty while it has."""
    deaths = recent_deaths(record, policy, now)
    told = [death for death in deaths if not _is_untold(death)]
    if trouble.rule is Rule.LOOP and told:
        # A NodeManager forgets a container within seconds: those between that nobody told of were most likely alike.
        row = treatment_of(told[-1].kind)
        alike = sum(_is_untold(death) or death.kind == row.death.value for death in deaths)
        if row.most is not None and alike > row.most:
            return row.reason
    recent = _counted(record, policy, now)
    if recent >= policy.restarts:
        return f"{recent} restarts and deaths in {policy.restart_window} s are enough"
    died = sum(treatment_of(death.kind).cost for death in in_window(record, now, DAY))
    daily = sum(now - at < DAY for at in record.restarts) + died
    if daily >= DAILY.value:
        return f"{daily} restarts and deaths in a day are enough"
    return ""


def _is_untold(death: Death) -> bool:
    """Whether nobody has told how it came: neither a code nor a cause."""
    return death.code is None and death.kind == DeathKind.UNKNOWN.value


def left(record: ReplicaRecord, policy: SupervisePolicy, now: float) -> str:
    """What is left of a replica's budget, in words."""
    return f"{max(0, policy.restarts - _counted(record, policy, now))} of {policy.restarts} restarts"


def _counted(record: ReplicaRecord, policy: SupervisePolicy, now: float) -> int:
    """Restarts of ours and deaths of its own that count now."""
    cost = sum(treatment_of(death.kind).cost for death in recent_deaths(record, policy, now))
    return sum(now - at < policy.restart_window for at in record.restarts) + cost


def recent_deaths(record: ReplicaRecord, policy: SupervisePolicy, now: float) -> tuple[Death, ...]:
    """The deaths that may belong together."""
    return in_window(record, now, max(policy.restart_window, _LEAST_WINDOW))
