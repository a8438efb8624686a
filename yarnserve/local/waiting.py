"""Wait until replicas on this host are live, or certain not to become so. Only looks, never acts."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from yarnserve.errors import WaitTimeoutError, YarnserveError
from yarnserve.judge.explain import explain_text
from yarnserve.judge.progress import is_done, refused_example
from yarnserve.judge.words import last_words
from yarnserve.local.host import Host
from yarnserve.local.look import LAST_LINES
from yarnserve.local.records import LocalReplica, LocalSnapshot, Way

#: Seconds between two looks; grows to the maximum while nothing changes.
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 2.0


def wait_until_live(
    look: Callable[[], LocalSnapshot],
    instances: Collection[str],
    hosts: Mapping[Way, Host],
    *,
    timeout: float,
    on_look: Callable[[LocalSnapshot], None],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> LocalSnapshot:
    """Look until each of *instances* is live and its agent ready, for at most *timeout* seconds.

    A replica whose model gives no way to prove it counts as soon as it is available.

    Raises:
        YarnserveError: one has ended, or cannot become live; the error carries its last words.
        WaitTimeoutError: *timeout* has passed; the error says what each replica lacks.
    """
    ends, delay, last = clock() + timeout, FIRST_PAUSE, ""
    restarts: dict[str, int] = {}
    while True:
        snapshot = look()
        on_look(snapshot)
        lagging = [each for each in snapshot.replicas if each.replica.instance in instances and not _is_up(each)]
        if not lagging:
            return snapshot
        for each in lagging:
            first = restarts.setdefault(each.replica.instance, each.replica.restarts)
            _raise_hopeless(snapshot.name, each, hosts, has_restarted=each.replica.restarts > first)
        reason = "; ".join(f"{each.replica.instance}: {each.replica.verdict.reason}" for each in lagging)
        if clock() >= ends:
            raise WaitTimeoutError(
                f"{snapshot.name} is not live after {timeout:g} s",
                why=reason,
                fix=lagging[0].replica.verdict.fix or _fix_in_log(lagging[0], hosts),
                next=f"yarnserve local logs {snapshot.name}",
            )
        delay = FIRST_PAUSE if reason != last else min(LONGEST_PAUSE, delay * 1.5)
        last = reason
        pause(min(delay, max(0.0, ends - clock())))


def _is_up(each: LocalReplica) -> bool:
    return each.is_well and is_done(each.replica, [each.observation] if each.observation else [])


def _raise_hopeless(name: str, each: LocalReplica, hosts: Mapping[Way, Host], *, has_restarted: bool) -> None:
    """Raise where waiting longer cannot help: it has ended, its model is refused, its example is."""
    instance, verdict = each.replica.instance, each.replica.verdict
    why, fix = "", verdict.fix
    if each.seen is None or not each.seen.is_running or verdict.certain:
        why = f"{instance}: {verdict.reason}"
    elif has_restarted:
        why = f"{instance} has ended and was started again: {last_words(_log(each, hosts))}"
    elif each.observation is not None and (refusal := refused_example([each.observation])):
        why = refusal
    if why:
        raise YarnserveError(f"{name} does not become live", why=why, fix=fix, next=f"yarnserve local logs {name}")


def _fix_in_log(each: LocalReplica, hosts: Mapping[Way, Host]) -> str:
    found = explain_text(_log(each, hosts))
    return f"{found.fix} ({found.cause})" if found else "give it more time with --timeout, or read its logs"


def _log(each: LocalReplica, hosts: Mapping[Way, Host]) -> str:
    return hosts[each.seen.way].tail(each.replica.instance, LAST_LINES) if each.seen else ""
