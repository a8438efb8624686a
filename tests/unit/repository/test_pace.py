"""Rates, waves and deadlines: what can be promised before anything is moved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.repository.pace import Outlook, Pace

RATES = st.none() | st.floats(1.0, 1e9)
PACES = st.builds(Pace, RATES, RATES, st.integers(1, 500))


@pytest.mark.parametrize(
    ("pace", "host_rate", "waves"),
    [
        (Pace(), None, 1),
        (Pace(rate=10.0), 10.0, 1),
        # Without a rate of its own each host takes its share, all at once.
        (Pace(fleet_rate=100.0, hosts=4), 25.0, 1),
        (Pace(rate=50.0, fleet_rate=100.0, hosts=4), 50.0, 2),
        (Pace(rate=50.0, fleet_rate=100.0, hosts=5), 50.0, 3),
        (Pace(rate=500.0, fleet_rate=100.0, hosts=3), 100.0, 3),
    ],
)
def test_rates_and_waves(pace: Pace, host_rate: float | None, waves: int) -> None:
    """What a host may take, and how many groups keep the fleet within its rate."""
    assert (pace.host_rate, pace.waves) == (host_rate, waves)


@given(PACES, st.integers(0, 10**12))
def test_a_wave_keeps_to_the_fleets_rate(pace: Pace, size: int) -> None:
    """As many hosts as a wave has, each at its rate, are within the rate of all; but for the last one's rounding."""
    if pace.fleet_rate is None:
        assert pace.waves == 1
        return
    rate = pace.host_rate
    assert rate is not None
    assert rate <= pace.fleet_rate * (1 + 1e-9)
    # Every wave but the last is full.
    in_a_wave = max(int(pace.fleet_rate / rate + 1e-9), 1)
    assert in_a_wave * rate <= pace.fleet_rate * (1 + 1e-6)
    assert (pace.waves - 1) * in_a_wave < pace.hosts <= pace.waves * in_a_wave


@given(PACES, st.integers(0, 10**9), st.floats(0, 1), st.floats(0, 1))
def test_delays_are_in_order_and_within_the_outlook(pace: Pace, size: int, one: float, other: float) -> None:
    """A larger draw never begins earlier, and whoever begins last is done when the outlook says, or a tenth later."""
    first, last = sorted((pace.delay(size, one), pace.delay(size, other)))
    assert (first, last) == (pace.delay(size, min(one, other)), pace.delay(size, max(one, other)))
    outlook = Outlook(size, size, pace, 100.0)
    slack = 0.1 * pace.seconds(size)
    assert 0 <= last <= outlook.seconds - pace.seconds(size) + slack + 1e-6


@given(PACES, st.integers(1, 10**9), st.floats(1, 1e4))
def test_the_rate_that_is_needed_would_do(pace: Pace, size: int, deadline: float) -> None:
    """What the refusal of a plan names makes the plan possible, each limit for itself."""
    needed = Outlook(size, size, pace, deadline).needed_rate * (1 + 1e-9)
    if pace.fleet_rate is None:
        assert Outlook(size, size, Pace(rate=needed, hosts=pace.hosts), deadline).is_possible
    else:
        assert Outlook(size, size, Pace(fleet_rate=needed, hosts=pace.hosts), deadline).is_possible
