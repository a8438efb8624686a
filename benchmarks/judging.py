"""How many replicas a second the supervisor's policy judges: what a look shows taken in, and a decision made.

    python benchmarks/judging.py [--looks 400]

Prints a Markdown table. There is no peer: nobody else has a policy that could be asked the same. Every service has
replicas that fail, die and are replaced, so that the longer ways through the rules are taken, too. Measured is the CPU
time of the policy alone.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import Counter

from measuring import machine

from yarnserve.judge.decisions import Case
from yarnserve.judge.memory import Sight, observe
from yarnserve.judge.restart import decide
from yarnserve.records.ledger import Death, Do, Ledger
from yarnserve.records.policy import SupervisePolicy
from yarnserve.records.replica import Health

TARGET = 10_000
SIZES = (1, 20, 200)
#: Seconds between two looks.
INTERVAL = 10.0
#: The part of replicas that turn bad at a look, and of the bad ones that are well again at the next.
TURNS, HEALS = 0.01, 0.1
RUNS = 5
CRASH = Death(0.0, "unknown", "killed by a signal")


class Service:
    """Replicas that turn bad, die, recover and are replaced."""

    def __init__(self, replicas: int, rng: random.Random) -> None:
        self._rng = rng
        self._bad: dict[int, Health] = {}
        self._ends, self._containers = Counter[int](), Counter[int]()
        self.replicas = replicas

    def look(self) -> tuple[Sight, ...]:
        """Let ten seconds pass, and show all replicas."""
        for number in range(self.replicas):
            if number in self._bad and self._rng.random() < HEALS:
                del self._bad[number]
            elif number not in self._bad and self._rng.random() < TURNS:
                self._bad[number] = self._rng.choice((Health.FAILING, Health.STARTING))
                self._ends[number] += self._bad[number] is Health.STARTING
        return tuple(map(self._sight, range(self.replicas)))

    def replace(self, instance: str) -> None:
        """Give a replica another container, which is well."""
        number = int(instance.rpartition("-")[2])
        self._bad.pop(number, None)
        self._containers[number] += 1

    def _sight(self, number: int) -> Sight:
        health = self._bad.get(number, Health.LIVE)
        return Sight(
            f"serve-{number}",
            f"container_{number}_{self._containers[number]}",
            f"node-{number % 50}",
            health,
            health.value,
            evidence=health is Health.FAILING,
            ends=self._ends[number],
            death=CRASH if self._ends[number] else None,
        )


def judge(replicas: int, looks: int) -> tuple[float, Counter[Do]]:
    """Judge a service so many times; return the replicas judged in a second of CPU, and how often was decided what."""
    service = Service(replicas, random.Random(replicas))
    # All that can be done, but to take a replica out: then there would be fewer to judge.
    means = {do: do.value for do in Do if do is not Do.TAKE_OUT}
    case = Case(SupervisePolicy(enabled=True), means, replicas, replicas)
    ledger, now, used, decided = Ledger(), 1_000_000.0, 0.0, Counter[Do]()
    for _ in range(looks):
        sights, now = service.look(), now + INTERVAL
        began = time.process_time()
        ledger, _ = observe(ledger, sights, now)
        judgement = decide(ledger, sights, case, now, 0.5)
        used += time.process_time() - began
        ledger = judgement.ledger
        decided[judgement.decision.do] += 1
        if judgement.decision.do in (Do.RESTART, Do.MOVE):
            service.replace(judgement.decision.instance)
    return replicas * looks / used, decided


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure how many replicas a second are judged.")
    parser.add_argument("--looks", type=int, default=400)
    arguments = parser.parse_args()
    print(f"{machine()}; {arguments.looks} looks at each service, {RUNS} times\n")
    print("| replicas of a service | replicas judged a second of CPU, median | least | decided | target | |")
    print("|---:|---:|---:|---|---:|---|")
    for replicas in SIZES:
        runs = [judge(replicas, arguments.looks) for _ in range(RUNS)]
        rates = [rate for rate, _ in runs]
        median = statistics.median(rates)
        decided = ", ".join(f"{count} {do.value}" for do, count in runs[0][1].most_common())
        met = "met" if median >= TARGET else "missed"
        print(f"| {replicas} | {median:,.0f} | {min(rates):,.0f} | {decided} | {TARGET:,} | {met} |")


if __name__ == "__main__":
    main()
