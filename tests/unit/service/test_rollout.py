"""What a canary and the others are compared by."""

from __future__ import annotations

from yarnserve.judge.canary import Tally
from yarnserve.service.rollout import Comparison
from yarnserve.serving.metrics import RequestCounts


def test_what_was_counted_before_is_nobody_s_failure() -> None:
    """A replica that could not be asked at first is compared from when it could, one that is away by its last word."""
    comparison = Comparison(["serve-0"])
    comparison.take_in({"serve-1": RequestCounts(100.0, 50.0)})
    comparison.take_in({"serve-0": RequestCounts(1000.0, 40.0), "serve-1": RequestCounts(110.0, 51.0)})
    comparison.take_in({"serve-0": RequestCounts(1010.0, 40.0)})
    assert comparison.tallies() == (Tally(10.0, 0.0), Tally(10.0, 1.0))
    # The server has begun anew.
    comparison.take_in({"serve-1": RequestCounts(3.0, 1.0)})
    assert comparison.tallies() == (Tally(10.0, 0.0), Tally(3.0, 1.0))
