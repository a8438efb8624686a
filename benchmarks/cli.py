"""How long a person waits for the command line, beside the least that Python and its libraries can take.

    python benchmarks/cli.py [--runs 20]

Prints a Markdown table. Ours and the peer run in turn (A B A B ...), as whole processes, so that a slow moment of the
machine hits both. ``status`` is measured inside ``yarnserve sandbox``, against examples/digits with every replica live.
"""

from __future__ import annotations

import argparse
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


@dataclass(frozen=True)
class Contest:
    """One command of ours beside its peer; *target* is in seconds and holds for the median of ours."""

    ours: tuple[str, ...]
    peer: str
    target: float


HELP = Contest(("--help",), "import click", 0.15)
STATUS = Contest(("status", "digits"), "import click, requests", 0.4)


@dataclass(frozen=True)
class Times:
    """Median and minimum of whole processes, in seconds."""

    median: float
    minimum: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times:
        """Summarise *seconds*."""
        return cls(statistics.median(seconds), min(seconds))


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


def measure(contest: Contest, runs: int) -> tuple[Times, Times]:
    """Run both sides in turn, *runs* times each after one unmeasured round; return ours and the peer's."""
    ours, peer = [YARNSERVE, *contest.ours], [sys.executable, "-c", contest.peer]
    rounds = [(timed(ours), timed(peer)) for _ in range(runs + 1)][1:]
    return Times.of([a for a, _ in rounds]), Times.of([b for _, b in rounds])


def row(contest: Contest, runs: int) -> str:
    """Measure *contest* and return its row of the table."""
    ours, peer = measure(contest, runs)
    cells = (
        f"`yarnserve {' '.join(contest.ours)}`",
        f"{ours.median:.3f}",
        f"{ours.minimum:.3f}",
        f'`python -c "{contest.peer}"`',
        f"{peer.median:.3f}",
        f"{peer.minimum:.3f}",
        f"{contest.target:.2f}",
        "met" if ours.median <= contest.target else "missed",
    )
    return f"| {' | '.join(cells)} |"


def heading(runs: int) -> str:
    """Return the machine's size and the head of the table."""
    gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{os.cpu_count()} cores, {gib:.0f} GiB of memory, Python {platform.python_version()}, {runs} runs each; "
        "seconds\n\n"
        "| ours | median | min | peer | median | min | target | |\n"
        "|---|---:|---:|---|---:|---:|---:|---|"
    )


def status_row(runs: int) -> str:
    """Launch digits on the cluster we are in, wait until it is live, and measure ``status``."""
    run([YARNSERVE, "launch", str(DIGITS / "service.yaml"), "--wait", "--timeout", "60"])
    # Fails unless every replica is well: how long an error message takes is not the question.
    run([YARNSERVE, "status", "digits", "--exit-status"])
    return row(STATUS, runs)


def main() -> None:
    """Print the heading and the row of ``--help``; the row of ``status`` comes from ourselves inside a sandbox."""
    parser = argparse.ArgumentParser(description="Measure yarnserve's command line beside bare Python.")
    parser.add_argument("--runs", type=int, default=20, help="measured runs of each side (default: 20)")
    parser.add_argument("--inside", action="store_true", help="only the row of status, on the cluster we are in")
    arguments = parser.parse_args()
    if arguments.inside:
        print(status_row(arguments.runs))
        return

    print(heading(arguments.runs))
    print(row(HELP, arguments.runs))
    inside = [sys.executable, __file__, "--inside", "--runs", str(arguments.runs)]
    print(run([YARNSERVE, "sandbox", "--upload", f"{DIGITS / 'model'}:/models/digits", "--", *inside]), end="")


if __name__ == "__main__":
    main()
