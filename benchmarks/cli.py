"""How long a person waits for the command line, beside the least that Python and its libraries can take.

    python benchmarks/cli.py [--runs 20]

Prints a Markdown table. Ours and the peer run in turn (A B A B ...), as whole processes, so that a slow moment of the
machine hits both. ``status`` is measured inside ``yarnserve sandbox``, against examples/digits with every replica live.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from measuring import DIGITS, YARNSERVE, in_turn, run, times_head, times_row


@dataclass(frozen=True)
class Contest:
    """One command of ours beside its peer; *target* is in seconds and holds for the median of ours."""

    ours: tuple[str, ...]
    peer: str
    target: float


HELP = Contest(("--help",), "import click", 0.15)
STATUS = Contest(("status", "digits"), "import click, requests", 0.4)


def row(contest: Contest, runs: int) -> str:
    """Measure *contest* and return its row of the table."""
    ours, peer = in_turn([YARNSERVE, *contest.ours], [sys.executable, "-c", contest.peer], runs)
    return times_row(
        f"`yarnserve {' '.join(contest.ours)}`", ours, f'`python -c "{contest.peer}"`', peer, contest.target
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

    print(times_head(arguments.runs))
    print(row(HELP, arguments.runs))
    inside = [sys.executable, __file__, "--inside", "--runs", str(arguments.runs)]
    print(run([YARNSERVE, "sandbox", "--upload", f"{DIGITS / 'model'}:/models/digits", "--", *inside]), end="")


if __name__ == "__main__":
    main()
