"""Busy or hung, by two counts."""

from __future__ import annotations

import pytest

from yarnserve.judge.busy import is_busy


@pytest.mark.parametrize(
    ("before", "after", "busy"),
    [(5.0, 6.0, True), (5.0, 5.0, False), (0.0, 0.0, False), (5.0, 0.0, True), (None, 5.0, False), (5.0, None, False)],
)
def test_only_a_count_that_moved_tells_that_a_server_works(
    before: float | None, after: float | None, busy: bool
) -> None:
    """Upwards, or back because it has begun anew; what was not told is no evidence for it."""
    assert is_busy(before, after) is busy
