"""What the simulation does on a terminal.

``python -m tests.simulation SEED [REPLICAS]`` lives through one seed again and tells its history,
``python -m tests.simulation table [WORLDS]`` prints the bad minutes with and without a supervisor.
"""

from __future__ import annotations

import sys

from tests.simulation.life import simulate
from tests.simulation.table import WORLDS, table


def main(arguments: list[str]) -> int:
    """Do it; 1 where something must not be."""
    if arguments[:1] == ["table"]:
        print(table(int(arguments[1]) if len(arguments) > 1 else WORLDS))
        return 0
    most_replicas = int(arguments[1]) if len(arguments) > 1 else 20
    story = simulate(int(arguments[0]), most_replicas=most_replicas)
    print(story)
    print(
        f"{story.requests} requests, {story.steps} steps, {story.seconds:.2f} s of processor time; "
        f"all live {story.recovered:.0f} s after the last fault; bad replica minutes {story.tally.bad / 60:.1f}, "
        f"minutes below min_available {story.tally.short / 60:.1f}"
    )
    return 1 if story.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
