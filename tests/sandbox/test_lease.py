"""The lease: one holder at a time, handed over when the holder dies, kept while it renews."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.sandbox.storage_support import HOME, Relay, connected
from yarnserve.errors import LeaseHeldError, LeaseLostError
from yarnserve.storage.client import Storage
from yarnserve.storage.lease import RENEW_EVERY, SAFETY_MARGIN, TTL, Lease
from yarnserve.storage.series import Series


class HandClock:
    """Monotonic seconds that pass only when somebody pauses."""

    def __init__(self, on_pause: Callable[[float], None] = lambda now: None) -> None:
        self.now = 1000.0
        self.on_pause = on_pause

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def pause(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.now += seconds
        self.on_pause(self.now)


@pytest.fixture
def series(storage: Storage) -> Series:
    """The lease series of a service."""
    return Series(storage, f"{HOME}/.yarnserve/digits/lease")


def lease(series: Series, holder: str, clock: HandClock, patience: float = TTL + RENEW_EVERY) -> Lease:
    """A lease driven by hand."""
    return Lease(
        series,
        subject="digits",
        look="yarnserve status digits",
        holder=holder,
        patience=patience,
        clock=clock,
        pause=clock.pause,
    )


def test_a_second_holder_is_refused_while_the_first_renews(series: Series) -> None:
    """A watcher that is patient for 40 s gives up on a holder that renews every 10 s, and is told its name."""
    first = lease(series, "alice@edge1: launch", HandClock())
    first.acquire()
    renewals = []

    def renew_every_ten_seconds(now: float) -> None:
        if (now - 1000.0) % RENEW_EVERY == 0:
            first.renew()
            renewals.append(now)

    second = lease(series, "bob@edge2: stop", HandClock(renew_every_ten_seconds))
    with pytest.raises(LeaseHeldError) as caught:
        second.acquire()
    assert "alice@edge1: launch" in caught.value.why
    assert len(renewals) == 4
    first.check()


def test_the_lease_of_a_dead_holder_is_taken_over_after_its_ttl(series: Series) -> None:
    """A holder that stopped renewing loses the lease after 30 s on the watcher's own clock, and learns it."""
    dead = lease(series, "alice@edge1: launch", HandClock())
    dead.acquire()
    clock = HandClock()
    waited_for: list[str] = []
    heir = Lease(
        series,
        subject="digits",
        look="yarnserve status digits",
        holder="bob",
        clock=clock,
        pause=clock.pause,
        on_wait=waited_for.append,
    )
    heir.acquire()
    assert clock.now - 1000.0 == TTL
    assert waited_for == ["alice@edge1: launch"]
    heir.check()
    dead.renew()
    with pytest.raises(LeaseLostError, match="lost"):
        dead.check()


def test_a_released_lease_is_free_at_once(series: Series) -> None:
    """The next command does not wait for a command that ended properly."""
    clock = HandClock()
    with lease(series, "alice", clock):
        pass
    lease(series, "bob", clock).acquire()
    assert clock.now == 1000.0


def test_a_holder_that_cannot_renew_stops_before_anybody_may_take_over(relay: Relay) -> None:
    """Its own clock tells the holder to stop a margin before the TTL ends, where HDFS takes no renewal."""
    with connected(relay.url) as storage:
        clock = HandClock()
        held = lease(Series(storage, f"{HOME}/lease"), "alice", clock)
        held.acquire()
        relay.ignored = {"CREATE"}
        clock.now += TTL - SAFETY_MARGIN
        held.check()
        clock.now += 0.1
        with pytest.raises(LeaseLostError) as caught:
            held.check()
    assert "could not be renewed" in caught.value.why


def test_an_overdue_renewal_is_made_up_for_unless_somebody_took_over(series: Series) -> None:
    """Whoever slept is the holder still while nobody else is; the file that another one has written decides."""
    clock = HandClock()
    held = lease(series, "alice", clock)
    held.acquire()
    clock.now += 2 * TTL
    held.check()
    other = lease(series, "bob", clock)
    assert other.try_acquire() == "alice"
    clock.now += TTL
    assert other.try_acquire() == ""
    with pytest.raises(LeaseLostError) as caught:
        held.check()
    assert "took it over" in caught.value.why


def test_a_renewal_extends_the_holders_trust(series: Series) -> None:
    """A holder that renews may act for as long as it takes."""
    clock = HandClock()
    held = lease(series, "alice", clock)
    held.acquire()
    for _ in range(10):
        clock.now += RENEW_EVERY
        held.renew()
        held.check()


def test_of_many_that_come_at_once_one_holds_the_lease(series: Series) -> None:
    """Racing for a free lease, exactly one acquires it."""
    barrier = threading.Barrier(6)
    held: list[str] = []
    refused: list[str] = []

    def race(holder: str) -> None:
        contender = lease(series, holder, HandClock(), patience=0.0)
        barrier.wait()
        try:
            contender.acquire()
            held.append(holder)
        except LeaseHeldError:
            refused.append(holder)

    threads = [threading.Thread(target=race, args=(f"h{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 1
    assert len(refused) == 5


def test_a_renewal_given_up_on_that_arrived_all_the_same_is_no_take_over(series: Series) -> None:
    """A file that carries our own token does not make us believe that we lost the lease."""
    held = lease(series, "alice", HandClock())
    held.acquire()
    ours = series.latest()
    assert ours is not None
    series.append(ours.body, after=ours.number)
    held.renew()
    held.check()
    held.renew()
    held.check()


def test_the_context_manager_renews_in_the_background(series: Series) -> None:
    """While a long write is under way the lease file keeps changing."""
    renewed = threading.Event()
    with Lease(series, subject="digits", look="yarnserve status digits", holder="alice", renew_every=0.01) as held:
        first = series.latest()

        def watch() -> None:
            while not renewed.is_set():
                newest = series.latest()
                if first is not None and newest is not None and newest.number > first.number + 1:
                    renewed.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert renewed.wait(10)
        watcher.join()
        held.check()
    last = series.latest()
    assert last is not None
    assert last.body["released"] is True
