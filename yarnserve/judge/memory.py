"""What a supervisor remembers after a look: sights of the replicas -> the ledger, and what is news in it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from yarnserve.judge.deaths import Death as DeathKind
from yarnserve.judge.jumps import after_jump
from yarnserve.judge.limits import BEGUN, DAY, LONG_LIVE, LOOKS, SERVICE_WINDOW, SINGLE, TAKEN_BACK
from yarnserve.judge.nodes import REROLLS
from yarnserve.records.journal import What
from yarnserve.records.ledger import Action, Death, Do, Ledger, ReplicaRecord
from yarnserve.records.replica import Health

#: So many versions that passed are remembered: more are never served side by side for long.
_VERSIONS = 8

#: Answers that are remembered of a replica: twice as many count where there is only one.
_REMEMBERED = int(LOOKS.value * SINGLE.value) - 1

#: Deaths that are remembered of a replica: far more than any budget, and no more than a ledger can be saved with.
_MOST_DEATHS = 100


#: Healths of what is on its way to serve.
_ON_ITS_WAY = (Health.STARTING, Health.LOADING)


@dataclass(frozen=True)
class Sight:
    """What one look says of one replica.

    Attributes:
        instance: the replica.
        container: its container's id; empty while it has none.
        node: where it runs.
        health: how it is, and *reason* why.
        evidence: a prediction was tried, and failed, was refused or not answered.
        versions: the model versions that it serves; empty where it does not tell.
        busy: it answers others meanwhile: its request counters move.
        agent_works: its agent is at it, and knows more than is seen from outside.
        progress: words that change while its start makes progress.
        ends: how many ends of its process were ever seen, in place or with its container.
        death: the newest of them; its time is ignored.
        cut_off: its host does not answer.
        shunned: why its node is to be avoided; empty where it is not.
    """

    instance: str
    container: str
    node: str
    health: Health
    reason: str
    evidence: bool = False
    versions: str = ""
    busy: bool = False
    agent_works: bool = False
    progress: str = ""
    ends: int = 0
    death: Death | None = None
    cut_off: bool = False
    shunned: str = ""


@dataclass(frozen=True)
class News:
    """Something that is worth a line in the journal; *death*, and the *node* of it, where it is one."""

    what: What
    instance: str
    text: str
    death: Death | None = None
    node: str = ""


def observe(ledger: Ledger, sights: Sequence[Sight], now: float) -> tuple[Ledger, tuple[News, ...]]:
    """Return *ledger* after a look at *now*, and what is new.

    What is known of a replica that is gone goes to the one that took its place by our own action, else with it.
    """
    before = after_jump(ledger, now)
    known = _inherited(before, sights, now)
    news: list[News] = []
    replicas = {}
    passed = _passed(before, sights)
    for sight in sights:
        was = known.get(sight.instance, ReplicaRecord())
        record, told = _seen(was, sight, before.action, now, passes=sight.versions in passed)
        replicas[sight.instance] = record
        news += told
    replicas |= {name: known[name] for name in _awaited(replace(before, replicas=known), sights, now)}
    action = before.action
    if action is not None and (ended := _ended(action, replicas, sights, now)):
        news.append(ended)
        replicas = _after_end(replicas, ended, action)
        action = None
    turned = {
        name: _turned_at(before, record, known.get(name, record), name, now)
        for name, record in replicas.items()
        if _is_bad(record, now)
    }
    actions = tuple(at for at in before.actions if 0 <= now - at < SERVICE_WINDOW.value)
    after = replace(
        before,
        replicas=replicas,
        turned=turned,
        action=action,
        actions=actions,
        looked_at=now,
        passed=passed,
        watched_since=now if before.watched_since is None else before.watched_since,
    )
    return after, tuple(news)


def _turned_at(before: Ledger, record: ReplicaRecord, was: ReplicaRecord, name: str, now: float) -> float:
    if record.versions != was.versions:
        return now
    # One that failed when it was saved did not turn bad when the next supervisor came, together with others.
    return before.turned.get(name, was.failing_since if was.failing_since is not None else now)


def given_up(before: Ledger, after: Ledger, instance: str, *, is_refused: bool, version: str = "") -> Ledger:
    """Return the ledger when what turned *before* into *after* was not done.

    Args:
        before: as it was when it was decided.
        after: as it would be with that done.
        instance: the replica that it was about.
        is_refused: its means will not do at all; a means that is refused must not be tried for ever.
        version: the model version that was to be taken back, if it was that.
    """
    ledger = replace(before, actions=after.actions, starts=after.starts)
    if not is_refused:
        return ledger
    ledger = replace(ledger, stays=version or ledger.stays)
    away = next((each for each in after.taken_out if each not in before.taken_out), None)
    record = away.record if away is not None else after.replicas.get(instance)
    if record is None:
        return ledger
    if away is None:
        record = replace(record, rung=record.rung + 1)
    if instance not in before.replicas:
        return ledger
    return replace(ledger, replicas={**ledger.replicas, instance: record})


def ordered(ledger: Ledger, at: float, present: Collection[str]) -> Ledger:
    """Return the ledger after a person's word of *at* on the size: what we took out or ended is theirs to count again.

    *present* are the replicas that there are.
    """
    kept = {*present, *([ledger.action.instance] if ledger.action is not None else [])}
    replicas = {name: record for name, record in ledger.replicas.items() if name in kept}
    return replace(ledger, order=at, taken_out=(), replicas=replicas, idle_since=None)


def acquitted(record: ReplicaRecord, *, since: float) -> ReplicaRecord:
    """What is remembered of a replica that has failed or died since then of a model version that is served no more."""
    before = tuple(death for death in record.deaths if death.at < since)
    if before == record.deaths and not record.failures:
        return record
    return replace(record, deaths=before, rung=0, opened=0, open_until=None)


def is_misplaced(record: ReplicaRecord, sight: Sight) -> bool:
    """Whether YARN has placed what we moved where nothing is to be, and it is to be moved again."""
    is_new = bool(record.restarts) and record.seen_since > record.restarts[-1]
    # What was well there once, or may be, stays until there is evidence against it.
    stays = record.proved or sight.health.serving or sight.busy or sight.cut_off
    return bool(sight.shunned and sight.container) and is_new and not stays and record.rerolls < REROLLS


def in_window(record: ReplicaRecord, now: float, window: float) -> tuple[Death, ...]:
    """The deaths of the last *window* seconds."""
    return tuple(death for death in record.deaths if now - death.at < window)


def _inherited(ledger: Ledger, sights: Sequence[Sight], now: float) -> Mapping[str, ReplicaRecord]:
    """What is known, with what was known of a replica whose number is not given again under that of its successor."""
    awaited = _awaited(ledger, sights, now)
    new = sorted(
        (each.instance for each in sights if each.container and each.instance not in ledger.replicas), key=_order
    )
    heirs = dict(zip(new, awaited, strict=False))
    heritage = {heir: replace(ledger.replicas[name], container="", ends_seen=0) for heir, name in heirs.items()}
    others = {name: record for name, record in ledger.replicas.items() if name not in heirs.values()}
    return {**others, **heritage}


def _awaited(ledger: Ledger, sights: Sequence[Sight], now: float) -> list[str]:
    """The replicas that we have ended and whose successors have not appeared: on a full cluster that takes hours.

    That of the action under way comes first. Where there is none, and nobody is new or lacks a container, none comes.
    """
    action = ledger.action
    if action is None and all(sight.container and sight.instance in ledger.replicas for sight in sights):
        return []
    gone = ledger.replicas.keys() - {sight.instance for sight in sights} - {each.instance for each in ledger.taken_out}
    ours = [name for name in gone if _is_ours(ledger, name, now)]
    latest = action.instance if action is not None else ""
    return sorted(ours, key=lambda name: (name != latest, ledger.replicas[name].restarts[-1]))


def _is_ours(ledger: Ledger, name: str, now: float) -> bool:
    restarts = ledger.replicas[name].restarts
    return bool(restarts) and now - restarts[-1] < DAY


def _lowest(names: Sequence[str]) -> str:
    return min(names, key=_order)


def _order(name: str) -> tuple[int, str]:
    return len(name), name


def _passed(ledger: Ledger, sights: Sequence[Sight]) -> tuple[str, ...]:
    """The versions of which it is known that they answer the example rightly."""
    new = {sight.versions for sight in sights if sight.health is Health.LIVE and sight.versions}
    return (*ledger.passed, *sorted(new - set(ledger.passed)))[-_VERSIONS:]


def _seen(
    record: ReplicaRecord, sight: Sight, action: Action | None, now: float, *, passes: bool
) -> tuple[ReplicaRecord, list[News]]:
    news: list[News] = []
    is_first = not record.seen_since
    ours = action is not None and action.container == record.container and action.instance == sight.instance
    node = record.node or sight.node
    if is_first or sight.container != record.container:
        record = _in_new_container(record, sight, now)
    if sight.ends > record.ends_seen:
        record = replace(record, spared=True)
        if not is_first and sight.death is not None and not ours:
            record, death = _died(record, sight.death, now)
            text = f"its process ended ({death.kind}): {death.cause}"
            news.append(News(What.DIED, sight.instance, text, death, node))
        record = replace(record, ends_seen=sight.ends, answers=(), failing_since=None, live_since=None)
        record = replace(record, proved=False, progress_at=now)
    elif sight.ends < record.ends_seen:
        record = replace(record, ends_seen=sight.ends)
    elif sight.node != record.node:
        record = replace(record, node=sight.node)
    if sight.health not in (Health.GONE, Health.PENDING) and sight.cut_off != record.cut_off:
        record = replace(record, cut_off=sight.cut_off)
        if sight.cut_off:
            news.append(News(What.SEEN, sight.instance, f"out of reach: {sight.reason}"))
    is_on_its_way = sight.health in _ON_ITS_WAY
    if is_on_its_way != (record.loading_since is not None):
        record = replace(record, loading_since=now if is_on_its_way else None)
    if sight.progress != record.progress or not record.progress_at:
        record = replace(record, progress=sight.progress, progress_at=now)
    return _answered(record, sight, now, news, passes=passes), news


def _died(record: ReplicaRecord, death: Death, now: float) -> tuple[ReplicaRecord, Death]:
    """The record with a *death* in it, where that counts, and the death as it is told."""
    death = replace(death, at=now)
    if record.cut_off and death.code is None:
        # Half a cluster that reboots must not use up budgets.
        death = replace(death, kind=DeathKind.FREE.value, cause="its host went away, and it with it")
    if death.kind == DeathKind.FREE.value:
        return record, death
    kept = [each for each in record.deaths if now - each.at < DAY]
    return replace(record, deaths=(*kept, death)[-_MOST_DEATHS:], spared=False), death


def _in_new_container(record: ReplicaRecord, sight: Sight, now: float) -> ReplicaRecord:
    return replace(
        record,
        container=sight.container,
        node=sight.node,
        seen_since=now,
        progress_at=now,
        proved=False,
        answers=(),
        failing_since=None,
        live_since=None,
    )


def _answered(record: ReplicaRecord, sight: Sight, now: float, news: list[News], *, passes: bool) -> ReplicaRecord:
    if sight.versions and sight.versions != record.versions:
        # What another version answered says nothing of this one.
        record = replace(record, versions=sight.versions, proved=False, answers=(), progress_at=now)
    answers = record.answers[-_REMEMBERED:]
    # A request that passed before, here or with another replica of these versions, fails now: not its own fault.
    if sight.evidence and passes:
        record = replace(record, proved=True)
    if sight.health.serving and not (sight.evidence and record.proved):
        if record.live_since is None:
            news.append(News(What.SEEN, sight.instance, f"{sight.health.value}: {sight.reason}"))
        live_since = record.live_since if record.live_since is not None else now
        proved = record.proved or sight.health is Health.LIVE
        # Whoever has served has not begun to start when its container did.
        record = replace(record, proved=proved, live_since=live_since, progress_at=now)
        record = replace(record, answers=(*answers, True), failing_since=None)
        return _after_long_live(record) if now - live_since >= LONG_LIVE.value else record
    if not sight.evidence or sight.busy:
        return replace(record, live_since=None)
    if record.failing_since is None:
        news.append(News(What.SEEN, sight.instance, f"fails: {sight.reason}"))
    since = record.failing_since if record.failing_since is not None else now
    return replace(record, answers=(*answers, False), failing_since=since, live_since=None)


def _after_long_live(record: ReplicaRecord) -> ReplicaRecord:
    """Nothing counts any more but the restarts and deaths of the day."""
    return replace(record, last_wait=0.0, rung=0, rerolls=0, opened=0, open_until=None)


def _is_bad(record: ReplicaRecord, now: float) -> bool:
    """Whether it failed its last look, or has just died."""
    died = bool(record.deaths) and now - record.deaths[-1].at < LONG_LIVE.value and record.live_since is None
    return record.failures > 0 or died


def _ended(action: Action, replicas: Mapping[str, ReplicaRecord], sights: Sequence[Sight], now: float) -> News | None:
    """What became of *action*; None while it goes on. Only a new container that is live proves it."""
    since = f"{now - action.at:.0f} s after the {action.what.value}"
    place = _place(action, replicas)
    sight = next((each for each in sights if each.instance == place), None)
    if not action.instance:
        if _is_done(action, sights, now):
            return News(What.VERIFIED, "", f"done, {since}")
    elif sight is not None and sight.container not in ("", action.container):
        deaths = replicas[place].deaths
        if sight.health.serving:
            stays = f"; it stays, though {sight.shunned}" if sight.shunned else ""
            return News(What.VERIFIED, place, f"its new container is {sight.health.value}, {since}{stays}")
        if is_misplaced(replicas[place], sight):
            return News(What.SEEN, place, f"its new container, {since}: {sight.shunned}")
        if deaths and deaths[-1].at > action.at:
            return News(What.FAILED, place, f"its new container died too, {since}: {deaths[-1].cause}")
    elif sight is not None and sight.evidence and not sight.agent_works and now >= action.at + BEGUN.value:
        return News(What.FAILED, place, f"its old container still runs, {since}")
    if now < action.deadline:
        return None
    what = "no new container is live" if action.instance else "it has not helped"
    return News(What.FAILED, place, f"{what} {since}")


def _after_end(replicas: Mapping[str, ReplicaRecord], ended: News, action: Action) -> dict[str, ReplicaRecord]:
    """One rung more of the ladder is used up where what was done has failed."""
    if action.what is Do.ROLL_BACK and ended.what is What.VERIFIED:
        return {name: acquitted(record, since=action.at) for name, record in replicas.items()}
    failed = replicas.get(ended.instance)
    if failed is None or ended.what is not What.FAILED:
        return dict(replicas)
    return {**replicas, ended.instance: replace(failed, rung=failed.rung + 1)}


def _is_done(action: Action, sights: Sequence[Sight], now: float) -> bool:
    """Whether what was done to the whole service is done; how a single replica is stands on another page."""
    serving = sum(each.health.serving for each in sights)
    if action.what is Do.ROLL_BACK and now < action.at + TAKEN_BACK.value:
        return serving == len(sights)
    if action.what is Do.RESIZE:
        return all(each.container for each in sights)
    return 2 * serving > len(sights)


def _place(action: Action, replicas: Mapping[str, ReplicaRecord]) -> str:
    """The instance in which the result of *action* is to be seen: the one that it was about, or its successor."""
    heirs = [name for name, record in replicas.items() if record.restarts and record.restarts[-1] == action.at]
    return action.instance if not heirs else _lowest(heirs)
