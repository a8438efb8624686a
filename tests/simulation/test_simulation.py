"""The real supervisor lives through seeded faults, and never makes it worse: a failing seed replays by its number.

``python -m tests.simulation SEED`` tells the story of one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.simulation.life import simulate

#: Seeds that every run of the tests lives through; each has 17 faults and up to 20 replicas.
SEEDS = 60

#: Seeds of the soak in one test, and how many such tests; of the last tenth of them services have up to 200 replicas.
SOAKED, SOAKS = 100, 100


def story_of(seed: int) -> str:
    """What went wrong in a seed, told from its beginning; empty where nothing did."""
    story = simulate(seed)
    return str(story) if story.violations else ""


def story_of_many(seed: int) -> str:
    """The same with up to 200 replicas."""
    story = simulate(seed, most_replicas=200)
    return str(story) if story.violations else ""


def assert_sound(stories: Sequence[str]) -> None:
    """No invariant was broken by any."""
    wrong = [story for story in stories if story]
    assert not wrong, f"{len(wrong)} of {len(stories)} seeds broke an invariant, the first of them:\n{wrong[0]}"


def test_no_fault_makes_the_supervisor_do_harm() -> None:
    """Over a thousand faults in sixty services: floor, budgets and evidence hold, and all are live in the end."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        assert_sound(list(pool.map(story_of, range(SEEDS))))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(SOAKS))
def test_nor_do_hundreds_of_thousands(part: int) -> None:
    """Ten thousand seeds beyond those of every run."""
    first = SEEDS + part * SOAKED
    tell = story_of_many if part >= SOAKS * 9 // 10 else story_of
    assert_sound([tell(seed) for seed in range(first, first + SOAKED)])
