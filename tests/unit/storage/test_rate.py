"""The limit of bytes a second: kept by all together, whatever the clock does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yarnserve.storage.rate import BURST, RateLimit


class Clock:
    """Monotonic seconds that pass by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=50), st.lists(st.floats(0, 5), max_size=50))
def test_no_stretch_is_faster_than_the_rate(counts: list[int], pauses: list[float]) -> None:
    """From any take to any later one no more passes than the rate and a short burst allow."""
    clock = Clock()
    limit = RateLimit(1000.0, clock=clock, sleep=clock.sleep)
    passed: list[tuple[float, int]] = []
    for index, count in enumerate(counts):
        limit.take(count)
        passed.append((clock.now, count))
        clock.now += pauses[index] if index < len(pauses) else 0.0
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            seconds = passed[last][0] - passed[first][0]
            inside = sum(count for _, count in passed[first + 1 : last + 1])
            assert inside <= 1000.0 * (seconds + BURST) + 1e-6


def test_without_a_rate_nothing_waits() -> None:
    """Any number of bytes at once."""
    clock = Clock()
    RateLimit(None, clock=clock, sleep=clock.sleep).take(10**12)
    assert clock.now == 100.0
