"""When a node is quarantined, for how long, and what becomes of a replica that lands on one. Pure.

Quarantine is advice: YARN's services API has no list of nodes to avoid, so a replica is looked at after YARN has
placed it, and moved again a bounded number of times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from yarnserve.records.nodes import NodeLedger, Quarantine, Strike

_HOUR = 3600.0

#: Seconds for which a strike counts.
STRIKE_WINDOW = _HOUR

#: Replicas that have to be struck on a node, and strikes of one replica alone, until it is quarantined.
BY_SEVERAL = 2
BY_ONE = 3

#: Seconds of the first quarantine in a row, of the second, and of every further one.
TERMS = (_HOUR, 4 * _HOUR, 24 * _HOUR)

#: Seconds after its end for which a quarantine makes the next one longer.
REMEMBERED = 7 * 24 * _HOUR

#: One node of so many may be quarantined by evidence; of fewer nodes one, of a single node none.
ONE_OF = 4

#: How often a replica that YARN has placed on a quarantined node is moved again.
REROLLS = 2

#: Seconds by which a quarantine may begin in the future; beyond, a clock was wrong when it was made.
CLOCK_SKEW = _HOUR

#: Seconds: no longer term is put into words; a ledger that somebody has edited may hold an infinite one.
_LONGEST_TERM = 1e9

#: Strikes that are kept of one node.
_KEPT = 20


@dataclass(frozen=True)
class NodeLimit:
    """A row of the table of limits: what it is, its value in words, and why."""

    name: str
    value: str
    reason: str


LIMITS = (
    NodeLimit(
        "evidence",
        f"{BY_SEVERAL} replicas once each, or one replica {BY_ONE} times, within 1 h",
        "one death may be chance or the replica's own; two replicas that die on one node have the node in common",
    ),
    NodeLimit(
        "terms",
        "1 h, then 4 h, then 24 h",
        "a full disk or a driver that is being updated passes; what comes back is not worth trying every hour",
    ),
    NodeLimit(
        "broken hardware",
        "ECC, Xid or NVML once: until released by hand",
        'a GPU that works again after an error is no proof that it is well: "resolved" can be false (pai#4942)',
    ),
    NodeLimit("memory", "7 d", "a node that was well for a week begins with the first term again"),
    NodeLimit(
        "share",
        "a quarter of the GPU nodes; one of two or three; never a single one",
        "when evidence is against many nodes the cause is not the nodes, and a service needs somewhere to run "
        "(spark#26343)",
    ),
    NodeLimit(
        "re-rolls",
        f"{REROLLS}",
        "each costs a start; a cluster that offers nothing else twice is full, and a replica on a suspected node "
        "is better than none",
    ),
    NodeLimit(
        "clock",
        "1 h",
        "a quarantine that begins in the future was made by a wrong clock, and must not last until that comes",
    ),
)


def node_name(node: str) -> str:
    """Return the name under which the ledger keeps *node*: host names do not know small and capital letters."""
    return node.strip().lower()


def strike(
    ledger: NodeLedger, node: str, strike: Strike, now: float, gpu_nodes: Iterable[str]
) -> tuple[NodeLedger, str | None]:
    """Take in a *strike* against *node*; return the ledger after it, and what happened to the node, if anything.

    Args:
        ledger: as it was.
        node: its host name; a strike against a node that nobody knows (empty) changes nothing.
        strike: the evidence. The same strike a second time changes nothing.
        now: seconds since the epoch.
        gpu_nodes: host names of the nodes that replicas of this kind can run on: those with GPUs, or all where the
            service asks for none. Of them only a share may be quarantined.
    """
    name = node_name(node)
    if not name or strike in ledger.strikes.get(name, ()):
        return ledger, None
    strikes = (*ledger.strikes.get(name, ()), strike)[-_KEPT:]
    ledger = _tidied(replace(ledger, strikes={**ledger.strikes, name: strikes}), now)
    held = quarantined(ledger, now).get(name)
    if held is not None and (held.until is None or not strike.is_hardware):
        return ledger, None
    strikes = ledger.strikes.get(name, ())
    why = _evidence(strikes)
    if not why:
        return ledger, None
    refusal = "" if held is not None else _no_room(ledger, name, now, gpu_nodes)
    if refusal:
        return ledger, f"node {name} stays in use ({why}): {refusal}"
    return _quarantined_by_evidence(ledger, name, why, now)


def _quarantined_by_evidence(ledger: NodeLedger, name: str, why: str, now: float) -> tuple[NodeLedger, str]:
    evidence = ledger.strikes[name]
    before = ledger.quarantines.get(name)
    level = min(before.level + 1 if before else 1, len(TERMS))
    until = None if any(each.is_hardware for each in evidence) else now + TERMS[level - 1]
    held = Quarantine(now, until, level, f"the supervisor of {evidence[-1].service}", why)
    # What has led to it is paid; what comes back afterwards has to be new.
    strikes = {other: kept for other, kept in ledger.strikes.items() if other != name}
    ledger = replace(ledger, strikes=strikes, quarantines={**ledger.quarantines, name: held})
    return ledger, f"node {name} is quarantined {_term(held, now)}: {why}"


def quarantine(ledger: NodeLedger, node: str, by: str, why: str, now: float, ttl: float | None) -> NodeLedger:
    """Quarantine *node* because a person says so, for *ttl* seconds (None: until it is released).

    A person may quarantine as many nodes as they like, and change what evidence has done.
    """
    name = node_name(node)
    before = ledger.quarantines.get(name)
    until = None if ttl is None else now + ttl
    held = Quarantine(now, until, before.level if before else 0, by, why)
    return replace(ledger, quarantines={**ledger.quarantines, name: held})


def release(ledger: NodeLedger, node: str) -> NodeLedger:
    """Use *node* again: a person vouches for it, so that what was held against it is forgotten."""
    name = node_name(node)
    return replace(
        ledger,
        strikes={other: kept for other, kept in ledger.strikes.items() if other != name},
        quarantines={other: kept for other, kept in ledger.quarantines.items() if other != name},
    )


def quarantined(ledger: NodeLedger, now: float) -> dict[str, Quarantine]:
    """Return the quarantines that hold now, by host name."""
    return {name: held for name, held in ledger.quarantines.items() if _holds(held, now)}


def strikes_that_count(ledger: NodeLedger, now: float) -> dict[str, tuple[Strike, ...]]:
    """Return the strikes of the last hour, by host name; nodes without any are left out."""
    counting = {name: tuple(each for each in kept if _counts(each, now)) for name, kept in ledger.strikes.items()}
    return {name: kept for name, kept in counting.items() if kept}


def _holds(held: Quarantine, now: float) -> bool:
    return held.until is None or (now < held.until and held.at - now <= CLOCK_SKEW)


def _counts(strike: Strike, now: float) -> bool:
    # A clock that went back leaves strikes in the future: they must not count for longer than the others.
    return abs(now - strike.at) < STRIKE_WINDOW


def _tidied(ledger: NodeLedger, now: float) -> NodeLedger:
    """Without what counts no more."""
    kept = {name: held for name, held in ledger.quarantines.items() if held.until is None or _is_kept(held.until, now)}
    return NodeLedger(strikes_that_count(ledger, now), kept)


def _is_kept(until: float, now: float) -> bool:
    return now - until < REMEMBERED


def _evidence(strikes: tuple[Strike, ...]) -> str:
    """Why *strikes* are enough, in words; empty where they are not."""
    if not strikes:
        return ""
    if broken := next((each for each in reversed(strikes) if each.is_hardware), None):
        return broken.why
    newest = strikes[-1]
    replicas = {(each.service, each.instance) for each in strikes}
    if len(replicas) >= BY_SEVERAL:
        return f"{len(replicas)} replicas have failed there within 1 h, the last because {newest.why}"
    if len(strikes) >= BY_ONE:
        return f"{newest.instance} of {newest.service} has failed there {len(strikes)} times within 1 h: {newest.why}"
    return ""


def _no_room(ledger: NodeLedger, name: str, now: float, gpu_nodes: Iterable[str]) -> str:
    """Why one node more may not be quarantined; empty where it may."""
    nodes = {node_name(node) for node in gpu_nodes} | {name}
    most = max(1, len(nodes) // ONE_OF) if len(nodes) > 1 else 0
    taken = len((nodes & quarantined(ledger, now).keys()) - {name})
    if taken < most:
        return ""
    if most == 0:
        return "there is no other node"
    return f"{taken} of {len(nodes)} nodes are quarantined already, and more than {most} never are by evidence alone"


def _term(held: Quarantine, now: float) -> str:
    if held.until is None:
        return "until somebody releases it"
    minutes = max(1, round(min(held.until - now, _LONGEST_TERM) / 60))
    return f"for {minutes} min" if minutes < 120 else f"for {round(minutes / 60)} h"
