"""``python -m tests.simulation SEED``: live through one seed again and tell its history."""

from __future__ import annotations

import sys

from tests.simulation.life import simulate


def main() -> int:
    """Tell what a seed comes to."""
    story = simulate(int(sys.argv[1]), most_replicas=int(sys.argv[2]) if len(sys.argv) > 2 else 20)
    print(story)
    print(
        f"{story.requests} requests, {story.steps} steps, {story.seconds:.2f} s of processor time; "
        f"all live {story.recovered:.0f} s after the last fault; bad replica minutes {story.tally.bad / 60:.1f}, "
        f"minutes below min_available {story.tally.short / 60:.1f}"
    )
    return 1 if story.violations else 0


if __name__ == "__main__":
    sys.exit(main())
