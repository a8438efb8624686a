"""Whoever watches is told when nobody answers, for how long, and when the service was last seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.sandbox.test_ha_clients import NAME, acting, hurried, spec
from tests.sandbox.yarn_support import connection_to, relaying_yarn
from tests.support import REPOSITORY
from yarnserve.errors import NotFoundError, WaitTimeoutError
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_3_6
from yarnserve.service.actions import Actions
from yarnserve.service.waiting import wait_until_live
from yarnserve.service.watching import look_aloud, watch
from yarnserve.yarn.resource_managers import INFO


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sandbox]:
    """A cluster with the service, whose containers are state only."""
    with Sandbox(user="alice", simulated=True) as running, connection_to(running) as connection:
        running.upload(REPOSITORY / "examples" / "digits" / "model", "/models/digits")
        Actions(connection).launch(spec())
        yield running


def quick() -> float:
    """Seconds that pass twenty times as fast."""
    return time.monotonic() * 20


def test_a_silent_resource_manager_is_told_and_the_picture_stays(cluster: Sandbox) -> None:
    """From the third second on each word says for how long there is no answer; when one comes, all is as before."""
    released = threading.Event()
    released.set()
    with relaying_yarn(cluster.resource_manager_url) as relay, connection_to(cluster, relay.url) as connection:
        relay.before = lambda method, path: assert_released(released)
        with closing(watch(connection, NAME, clock=quick, pause=hurried, tick=0.05)) as sights:
            assert next(sights).trouble == ""
            released.clear()
            silent = [next(sights), next(sights), next(sights)]
            released.set()
            assert next(each for each in sights if not each.trouble).snapshot is not None
    assert {each.trouble for each in silent} == {"no answer from the ResourceManager"}
    assert 3 <= silent[0].lasting < silent[1].lasting < silent[2].lasting
    assert all(each.snapshot is not None and each.seen_at is not None for each in silent)


def assert_released(released: threading.Event) -> None:
    """Hold a request back until then."""
    assert released.wait(20)


def test_a_fail_over_is_told_while_it_lasts() -> None:
    """In the gap the watch says that nobody is active and what to do, then it goes on by itself."""
    with acting(HADOOP_3_3_6, takeover=1.0) as act, closing(watch(act.connection, NAME, pause=hurried)) as sights:
        assert next(sights).trouble == ""
        act.pairs.fail_over()
        gap = next(sights)
        assert gap.trouble == "no ResourceManager is active"
        assert "fail-over" in gap.fix
        assert gap.snapshot is not None
        assert next(each for each in sights if not each.trouble).lasting == 0.0


def test_before_the_first_look_there_is_no_picture(cluster: Sandbox) -> None:
    """A watch on an address where nobody listens says so from the beginning, and of nothing when it was seen."""
    with (
        connection_to(cluster, "http://127.0.0.1:9", sleep=hurried) as connection,
        closing(watch(connection, NAME)) as sights,
    ):
        sight = next(sights)
    assert (sight.snapshot, sight.seen_at) == (None, None)
    assert sight.trouble == "cannot connect"


def test_a_wait_tells_why_it_sees_nothing(cluster: Sandbox) -> None:
    """Whoever waits for a service to be live learns meanwhile that the cluster cannot be asked."""
    told: list[str] = []
    with connection_to(cluster, "http://127.0.0.1:9", sleep=hurried) as connection, pytest.raises(WaitTimeoutError):
        wait_until_live(connection, NAME, timeout=0, on_trouble=told.append)
    assert told == ["cannot connect: http://127.0.0.1:9/ws/v1/cluster/info"]


def test_what_is_not_there_ends_the_watch(cluster: Sandbox) -> None:
    """The error of the look is the end of the watch."""
    with connection_to(cluster) as connection, pytest.raises(NotFoundError):
        next(watch(connection, "nobody"))


def test_a_single_look_says_that_it_waits(cluster: Sandbox) -> None:
    """Status on a silent ResourceManager is not silent itself; the answer that comes at last is shown."""
    released = threading.Event()
    told: list[str] = []

    def say(text: str) -> None:
        told.append(text)
        released.set()

    with relaying_yarn(cluster.resource_manager_url) as relay, connection_to(cluster, relay.url) as connection:
        relay.before = lambda method, path: path.startswith(INFO) or assert_released(released)
        assert look_aloud(connection, NAME, say).service is not None
    assert told == ["no answer from the ResourceManager for 3 s: still waiting"]
