"""What is to be said of a service as a whole: storms, fresh versions, loops that most share, sizes, starts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from yarnserve.judge.decisions import Case, Decision, FreshModel
from yarnserve.judge.limits import (
    DAY,
    FRESH_MODEL,
    LOOP,
    NEXT_START,
    ODD_SIZE,
    SAID,
    SERVICE_LEAST,
    SINGLE,
    STARTS,
    TOGETHER,
)
from yarnserve.judge.memory import Sight
from yarnserve.judge.trouble import Rule
from yarnserve.records.ledger import Action, Do, Ledger, ReplicaRecord, TakenOut


def fresh_version(ledger: Ledger, sights: Sequence[Sight], case: Case, now: float) -> Decision | None:
    """Go back where a version is fresh and half of the replicas turned bad after it came."""
    fresh = case.fresh
    if fresh is None or Do.ROLL_BACK not in case.means or not 0 <= now - fresh.at <= FRESH_MODEL.value:
        return None
    if ledger.stays == str(fresh):
        return None
    # Who was bad when the looking began may have been so before the version came; who serves another has not got it.
    watched_since = ledger.watched_since or 0.0
    turned = [
        name
        for name, at in ledger.turned.items()
        if fresh.at <= at > watched_since and _serves(ledger.replicas.get(name), fresh)
    ]
    if not turned or 2 * len(turned) < len(sights):
        return None
    looks = case.policy.failures * (int(SINGLE.value) if len(sights) == 1 else 1)
    bad = [name for name in turned if _is_proven(ledger.replicas[name], looks, fresh.at)]
    if 2 * len(bad) < len(sights):
        why = f"{len(turned)} of {len(sights)} replicas turned bad after version {fresh.version} of {fresh.model} came"
        return Decision(Do.WAIT, "fresh version", f"{why}: is it the version's fault?")
    why = (
        f"{len(bad)} of {len(sights)} replicas turned bad after version {fresh.version} of {fresh.model} came, "
        f"{now - fresh.at:.0f} s ago: back to {fresh.before}"
    )
    return Decision(Do.ROLL_BACK, "fresh version", why)


def half_taken_back(ledger: Ledger, action: Action, case: Case, now: float) -> Decision | None:
    """Say it once more where a version was to be taken back and is stable still: who was to say it has died."""
    fresh = case.fresh
    if action.what is not Do.ROLL_BACK or fresh is None or fresh.at >= action.at or now < action.at + SAID.value:
        return None
    if ledger.stays == str(fresh):
        return None
    return Decision(Do.ROLL_BACK, "fresh version", f"version {fresh.version} of {fresh.model} is stable still")


def _serves(record: ReplicaRecord | None, fresh: FreshModel) -> bool:
    """Whether a replica served the version when it was last heard of."""
    served = record.versions.split(", ") if record is not None else []
    return any(words[0] == fresh.model and str(fresh.version) in words[1:] for words in map(str.split, served) if words)


def _is_proven(record: ReplicaRecord, looks: int, since: float) -> bool:
    died = sum(death.at >= since for death in record.deaths)
    return record.failures >= looks or died >= LOOP.value


def storm(ledger: Ledger, sights: Sequence[Sight], now: float) -> str:
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


def common_loop(said: Mapping[str, Decision], replicas: int) -> Decision | None:
    """More than half of the replicas die again and again: elsewhere they would, too."""
    loops = [each for each in said.values() if each.evidence == Rule.LOOP]
    if len(loops) < 2 or 2 * len(loops) <= replicas:
        return None
    why = f"{len(loops)} of {replicas} replicas die again and again, which no other place would mend: {loops[0].why}"
    return Decision(Do.HOLD, "together", why, fix=loops[0].fix)


def left_to_yarn(decision: Decision) -> Decision:
    """The same decision about one replica, where nothing is done because most are alike."""
    if not decision.do.acts:
        return decision
    return replace(decision, do=Do.HOLD, rule="together")


def dead_service(ledger: Ledger, case: Case, now: float) -> Decision | None:
    """Start it again where its application has FAILED, a few times a day; tell where nobody has ended it for us."""
    if case.failed:
        return _start(ledger, case, "its application has FAILED, and nobody has stopped it", now)
    if ledger.idle_since is None or now - ledger.idle_since < ODD_SIZE.value:
        return None
    what = f"{case.application} has ended" if case.ended else "the ResourceManager knows no application of it"
    why = f"nothing of it runs, and yarnserve has not stopped it: {what}"
    return Decision(
        Do.HOLD, "dead service", why, fix="yarnserve start NAME, or yarnserve stop NAME where it is to rest"
    )


def idle(ledger: Ledger, case: Case, now: float) -> Ledger:
    """Remember since when nothing of it runs that should; for seconds that is so within verbs of a person, too."""
    is_idle = case.is_absent or (case.ended and not case.failed)
    if is_idle == (ledger.idle_since is not None):
        return ledger
    return replace(ledger, idle_since=now if is_idle else None)


def _start(ledger: Ledger, case: Case, why: str, now: float) -> Decision | None:
    """Start it, now or when the next start is due; a few times a day."""
    if Do.START not in case.means:
        return None
    recent = [at for at in ledger.starts if now - at < DAY]
    if not _may_start(ledger, now):
        ended = f"{why}, again after {STARTS.value:g} starts in a day"
        return Decision(Do.HOLD, "dead service", ended, fix="yarnserve events NAME tells why it failed")
    due = recent[-1] + NEXT_START.value * 5.0 ** (len(recent) - 1) if recent else now
    if now < due:
        return Decision(Do.WAIT, "dead service", f"{why}; the next start is due in {due - now:.0f} s")
    return Decision(Do.START, "dead service", why)


def _may_start(ledger: Ledger, now: float) -> bool:
    return sum(now - at < DAY for at in ledger.starts) < STARTS.value


def half_relaunched(ledger: Ledger, case: Case, now: float) -> Decision | None:
    """Start again what we have stopped, where whoever was to start it did not come to that."""
    if not case.ended or case.application != ledger.relaunching:
        return None
    why = "it was stopped to be started again, and that was interrupted"
    action = ledger.action
    is_second_half = action is not None and action.what is Do.RELAUNCH and ledger.starts[-1:] == (action.at,)
    if Do.START in case.means and is_second_half:
        # That counts as the start which it was to be.
        return Decision(Do.START, "dead service", why)
    return _start(ledger, case, why, now)


def hopeless(
    ledger: Ledger, sights: Sequence[Sight], case: Case, said: Mapping[str, Decision], now: float
) -> Decision | None:
    """Begin the whole service anew where none serves, each has been judged, and single ones cannot be replaced."""
    if Do.RELAUNCH not in case.means or Do.RESTART in case.means or any(each.health.serving for each in sights):
        return None
    blamed = [each for each in said.values() if each.evidence in (Rule.FAILS, Rule.STARTUP)]
    if not blamed or len(said) < len(sights) or not _may_start(ledger, now):
        return None
    why = f"none of {len(sights)} replicas serves, and this Hadoop cannot replace single ones: {blamed[0].why}"
    return Decision(Do.RELAUNCH, "nothing left", why)


def still_here(ledger: Ledger, sights: Sequence[Sight]) -> tuple[TakenOut, ...]:
    """What was to be taken out and runs all the same, because whoever began it was interrupted."""
    running = {(sight.instance, sight.container) for sight in sights}
    return tuple(each for each in ledger.taken_out if (each.instance, each.record.container) in running)


def _put_back(ledger: Ledger, here: Sequence[TakenOut]) -> Ledger:
    """The ledger where those *here* are given up, and not taken out."""
    replicas = dict(ledger.replicas)
    for each in here:
        given_up = each.record
        replicas[each.instance] = replace(
            replicas[each.instance], opened=given_up.opened, open_until=given_up.open_until
        )
    return replace(ledger, replicas=replicas, taken_out=tuple(each for each in ledger.taken_out if each not in here))


def odd_size(ledger: Ledger, sights: Sequence[Sight], case: Case, now: float) -> tuple[Ledger, Decision | None]:
    """Give YARN the wanted size again where an interrupted replacement, or a person's verb, has left another.

    What was to be taken out and still runs is no reason: a smaller size would end another replica in its place.
    """
    due = case.wanted - len(ledger.taken_out)
    if case.size is None or case.size == due or case.failed:
        return replace(ledger, odd_size_since=None), None
    since = ledger.odd_size_since if ledger.odd_size_since is not None else now
    ledger = replace(ledger, odd_size_since=since)
    if now - since < ODD_SIZE.value or Do.RESIZE not in case.means:
        return ledger, None
    if case.size > due and (here := still_here(ledger, sights)):
        return replace(_put_back(ledger, here), odd_size_since=None), None
    if case.size > due and ledger.taken_out:
        # Somebody has given it back.
        kept = max(0, case.wanted - case.size)
        return replace(ledger, taken_out=ledger.taken_out[:kept], odd_size_since=None), None
    why = f"YARN has {case.size} replicas, and {due} are wanted: a change was interrupted"
    return ledger, Decision(Do.RESIZE, "size", why)


def due_back(ledger: Ledger, case: Case, now: float) -> Decision | None:
    """Give what was taken out its place again, once its time is over and the size is not being changed."""
    if case.size is None:
        return None
    due = next((each for each in ledger.taken_out if now >= each.until), None)
    if due is None:
        return None
    why = f"{due.instance} was taken out {now - due.at:.0f} s ago: one trial"
    return Decision(Do.READMIT, "trial", why, due.instance)


def service_budget(ledger: Ledger, replicas: int) -> str:
    """Why the service may have no further action now, in words; empty where it may."""
    allowed = max(int(SERVICE_LEAST.value), replicas)
    if len(ledger.actions) < allowed:
        return ""
    return f"{len(ledger.actions)} actions in ten minutes are all that the service may have"
