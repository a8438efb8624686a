"""Bad minutes, with the supervisor and under YARN alone: the same faults in the same worlds, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.simulation.faults import OF_THE_SUPERVISOR, Fault, Kind, draw
from tests.simulation.life import alone, live_through, processors
from tests.simulation.world import Shape, Tally

#: What only shows when something else happens meanwhile, and what: seconds after it has begun.
_MEANWHILE = {Kind.NO_IMAGE: Kind.CRASH, Kind.HDFS_DOWN: Kind.CRASH}
_LATER = 60.0

#: Worlds for each kind of fault; in each the fault comes so often, once in so many seconds: each by itself, so that
#: none spends the budgets of another. After the last one as many seconds count, for what YARN leaves hanging hangs on.
WORLDS = 6
TIMES = 3
EVERY = 3600.0

_SHAPE = Shape(replicas=4, nodes=4, hadoop="3.3.6", is_pair=True, load=(30.0, 45.0))
_HEAD = (
    "| fault | bad replica minutes, YARN alone | supervised | minutes below min_available, YARN alone | supervised |\n"
    "|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Row:
    """One kind of fault: what it costs under YARN alone, and supervised; of one fault."""

    kind: Kind
    alone: Tally
    supervised: Tally

    def __str__(self) -> str:
        figures = (self.alone.bad, self.supervised.bad, self.alone.short, self.supervised.short)
        meanwhile = f", and a {_MEANWHILE[self.kind].value}" if self.kind in _MEANWHILE else ""
        return " | ".join([f"| {self.kind.value}{meanwhile}", *(f"{each / 60:.1f}" for each in figures)]) + " |"


#: What hurts the service itself.
KINDS = tuple(kind for kind in Kind if kind not in (*OF_THE_SUPERVISOR, Kind.FAILOVER))


def rows(worlds: int = WORLDS, times: int = TIMES, kinds: Sequence[Kind] = KINDS) -> Iterator[Row]:
    """Yield a row for each of *kinds*."""
    jobs = [(kind, seed, times) for kind in kinds for seed in range(worlds)]
    with processors() as pool:
        done = dict(zip(jobs, pool.map(_both, jobs), strict=True))
    for kind in kinds:
        both = [done[kind, seed, times] for seed in range(worlds)]
        count = worlds * times
        yield Row(kind, _mean([each for each, _ in both], count), _mean([each for _, each in both], count))


def table(worlds: int = WORLDS) -> str:
    """The table, in Markdown."""
    return "\n".join([_HEAD, *map(str, rows(worlds))])


def _both(job: tuple[Kind, int, int]) -> tuple[Tally, Tally]:
    kind, seed, times = job
    random = Random(f"{kind.value} {seed}")
    faults = tuple(fault for turn in range(times) for fault in _drawn(random, kind, turn * EVERY))
    # A version can be taken back where agents follow what is stable.
    shape = replace(_SHAPE, has_agents=kind is Kind.BAD_VERSION)
    bare = alone(seed, replace(shape, supervised=False), faults, until=times * EVERY)
    watched = live_through(seed, shape, faults, Random(seed), until=times * EVERY)
    assert not watched.violations, str(watched)
    return bare, watched.tally


def _drawn(random: Random, kind: Kind, begin: float) -> Iterator[Fault]:
    fault = draw(random, 1, EVERY / 4, [kind])[0]
    yield replace(fault, at=fault.at + begin)
    if kind in _MEANWHILE:
        other = draw(random, 1, 0.0, [_MEANWHILE[kind]])[0]
        yield replace(other, at=fault.at + begin + _LATER)


def _mean(tallies: Sequence[Tally], count: int) -> Tally:
    return Tally(sum(each.bad for each in tallies) / count, sum(each.short for each in tallies) / count)
