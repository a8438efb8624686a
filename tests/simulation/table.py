"""Bad minutes, with the supervisor and under YARN alone: the same faults in the same worlds, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.simulation.faults import OF_THE_SUPERVISOR, Kind, draw
from tests.simulation.life import alone, live_through, processors
from tests.simulation.world import Shape, Tally

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
    """One kind of fault: what it costs under YARN alone, and supervised; per fault."""

    kind: Kind
    alone: Tally
    supervised: Tally

    def __str__(self) -> str:
        figures = (self.alone.bad, self.supervised.bad, self.alone.short, self.supervised.short)
        return " | ".join([f"| {self.kind.value}", *(f"{seconds / 60:.1f}" for seconds in figures)]) + " |"


def rows(worlds: int = WORLDS) -> Iterator[Row]:
    """Yield a row for each kind of fault that hurts the service itself."""
    kinds = [kind for kind in Kind if kind not in (*OF_THE_SUPERVISOR, Kind.FAILOVER)]
    jobs = [(kind, seed) for kind in kinds for seed in range(worlds)]
    with processors() as pool:
        done = dict(zip(jobs, pool.map(_both, jobs), strict=True))
    for kind in kinds:
        both = [done[kind, seed] for seed in range(worlds)]
        yield Row(kind, _mean([each for each, _ in both]), _mean([each for _, each in both]))


def table(worlds: int = WORLDS) -> str:
    """The table, in Markdown."""
    return "\n".join([_HEAD, *map(str, rows(worlds))])


def _both(job: tuple[Kind, int]) -> tuple[Tally, Tally]:
    kind, seed = job
    random = Random(f"{kind.value} {seed}")
    drawn = [draw(random, 1, EVERY / 4, [kind])[0] for _ in range(TIMES)]
    faults = tuple(replace(fault, at=fault.at + turn * EVERY) for turn, fault in enumerate(drawn))
    bare = alone(seed, replace(_SHAPE, supervised=False), faults, until=TIMES * EVERY)
    watched = live_through(seed, _SHAPE, faults, Random(seed), until=TIMES * EVERY)
    assert not watched.violations, str(watched)
    return bare, watched.tally


def _mean(tallies: Sequence[Tally]) -> Tally:
    count = len(tallies) * TIMES
    return Tally(sum(each.bad for each in tallies) / count, sum(each.short for each in tallies) / count)
