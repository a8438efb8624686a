"""The real supervisor in worlds where everything goes wrong, drawn by seed: what must hold at every moment does.

A seed that fails prints its history; ``python -m tests.simulation SEED`` lives through it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.simulation.faults import Kind
from tests.simulation.life import Story, processors, simulate
from tests.simulation.table import rows

#: Seeds of every run, each with so many faults; and how many the soak tier has in one test, up to so many replicas.
SEEDS = 60
FAULTS = 17
BATCH = 20
MOST_REPLICAS = 200
FIRST_OF_SOAK = 1_000_000

#: Seeds of the soak tier that were violated once.
FOUND = (1000332, 1000607, 1000789, 1000903, 1001198, 1001252, 1002258)

Stories = dict[int, "Future[Story]"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Draw as many batches as were asked for."""
    if "batch" in metafunc.fixturenames:
        count = int(metafunc.config.getoption("--soak-seeds"))
        metafunc.parametrize("batch", range(-(-count // BATCH)))


@pytest.fixture(scope="module")
def stories() -> Iterator[Stories]:
    """Every seed of this run, lived through by all processors at once."""
    with processors() as pool:
        found = {seed: pool.submit(simulate, seed, most_replicas=MOST_REPLICAS, faults=FAULTS) for seed in FOUND}
        yield found | {seed: pool.submit(simulate, seed, faults=FAULTS) for seed in range(SEEDS)}


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_stays_mended(stories: Stories, seed: int) -> None:
    """Whatever the soak tier has brought to light is lived through each time."""
    story = stories[seed].result()
    assert not story.violations, str(story)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_supervisor_makes_nothing_worse(stories: Stories, seed: int) -> None:
    """No act without a reason, without room, beside another or beyond a budget; in the end all are live again."""
    story = stories[seed].result()
    assert len(story.faults) == FAULTS
    assert not story.violations, str(story)


def test_the_same_seed_is_the_same_story() -> None:
    """Whatever failed can be seen again by its number."""
    assert simulate(7).history == simulate(7).history


def test_it_is_better_than_yarn_alone() -> None:
    """What YARN does not see costs it minutes without end; what it does see becomes no worse by being watched."""
    for row in rows(worlds=1, times=1, kinds=(Kind.HANG, Kind.BROKEN, Kind.CRASH, Kind.NO_IMAGE)):
        assert row.supervised.bad <= row.alone.bad + 60.0, str(row)
        if row.kind in (Kind.HANG, Kind.BROKEN):
            assert row.supervised.bad < row.alone.bad / 10, str(row)


@pytest.mark.soak
def test_nor_in_large_services(batch: int) -> None:
    """The same with up to two hundred replicas, seed after seed."""
    for seed in range(FIRST_OF_SOAK + batch * BATCH, FIRST_OF_SOAK + (batch + 1) * BATCH):
        story = simulate(seed, most_replicas=MOST_REPLICAS, faults=FAULTS)
        assert not story.violations, str(story)
