"""What the benchmarks share: the machine's size, whole processes and their times, and the verdict."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DIGITS = Path(__file__).resolve().parent.parent / "examples" / "digits"
YARNSERVE = str(Path(sys.executable).with_name("yarnserve"))


def machine() -> str:
    """Return the machine's size and its Python, in words."""
    gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{os.cpu_count()} cores, {gib:.0f} GiB of memory, Python {platform.python_version()}"


def run(command: Sequence[str]) -> str:
    """Run *command* to its end and return its stdout; end the benchmark if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def timed(command: Sequence[str]) -> float:
    """Return how many seconds *command* takes from start to end."""
    started = time.perf_counter()
    run(command)
    return time.perf_counter() - started


@dataclass(frozen=True)
class Times:
    """Median and minimum of whole processes, in seconds."""

    median: float
    minimum: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times:
        """Summarise *seconds*."""
        return cls(statistics.median(seconds), min(seconds))


def in_turn(ours: Sequence[str], peer: Sequence[str], runs: int) -> tuple[Times, Times]:
    """Run both in turn, *runs* times each after one unmeasured round; return ours and the peer's."""
    rounds = [(timed(ours), timed(peer)) for _ in range(runs + 1)][1:]
    return Times.of([a for a, _ in rounds]), Times.of([b for _, b in rounds])


def times_head(runs: int) -> str:
    """Return the machine's size and the head of a table of times."""
    return (
        f"{machine()}, {runs} runs each; seconds\n\n"
        "| ours | median | min | peer | median | min | target | |\n"
        "|---|---:|---:|---|---:|---:|---:|---|"
    )


def times_row(ours: str, our_times: Times, peer: str, peer_times: Times, target: float) -> str:
    """Return a row of that table; the target holds for the median of ours."""
    cells = (
        ours,
        f"{our_times.median:.3f}",
        f"{our_times.minimum:.3f}",
        peer,
        f"{peer_times.median:.3f}",
        f"{peer_times.minimum:.3f}",
        f"{target:.2f}",
        verdict(our_times.median, target),
    )
    return f"| {' | '.join(cells)} |"


def verdict(value: float, target: float) -> str:
    """Return whether *value* is within *target*."""
    return "met" if value <= target else "missed"
