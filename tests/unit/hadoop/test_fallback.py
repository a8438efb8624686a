"""The better way to say who we are, and the one that stands in for it."""

from __future__ import annotations

import pytest

from tests.unit.hadoop.wire import answer, serving
from yarnserve.errors import AccessError, YarnserveError
from yarnserve.hadoop.authentication import Authentication, SimpleAuthentication
from yarnserve.hadoop.delegation import DelegationTokenAuthentication
from yarnserve.hadoop.fallback import AGAIN_AFTER, FallbackAuthentication
from yarnserve.hadoop.session import HadoopSession

URL = "http://nn:9870/webhdfs/v1/"


class Door:
    """Opens when it is told to; counts who knocks. Names stand for credentials, which they are in simple clusters."""

    def __init__(self) -> None:
        self.is_open = False
        self.knocks = 0

    def __call__(self) -> Authentication:
        """Open, or fail."""
        self.knocks += 1
        if not self.is_open:
            raise AccessError("no KDC")
        return SimpleAuthentication("better")


def test_the_second_stands_in() -> None:
    """While the first cannot be had the second is used, and the first is tried again after a while."""
    door, now, told = Door(), [0.0], list[YarnserveError]()
    either = FallbackAuthentication(door, SimpleAuthentication("second"), on_trouble=told.append, clock=lambda: now[0])
    users = [either.credentials(URL).query["user.name"] for _ in range(3)]
    assert (users, door.knocks, [error.what for error in told]) == (["second"] * 3, 1, ["no KDC"])
    door.is_open = True
    now[0] += AGAIN_AFTER
    assert (either.credentials(URL).query["user.name"], either.user) == ("better", "better")


def test_a_first_that_fails_later() -> None:
    """A first that gives nothing any more is left for a while, and its trouble told."""
    now, told = [0.0], list[YarnserveError]()
    # A token whose file is missing fails at each request.
    failing = DelegationTokenAuthentication(None)
    either = FallbackAuthentication(
        lambda: failing, SimpleAuthentication("second"), on_trouble=told.append, clock=lambda: now[0]
    )
    assert either.credentials(URL).query["user.name"] == "second"
    assert either.user == "second"
    assert len(told) == 1


def test_both_fail() -> None:
    """Where neither gives anything, the second says why."""
    either = FallbackAuthentication(Door(), DelegationTokenAuthentication(None), on_trouble=lambda error: None)
    with pytest.raises(AccessError, match="has no Hadoop tokens"):
        either.credentials(URL)


def test_a_session() -> None:
    """A session that began with the second goes on with the first."""
    door, now = Door(), [0.0]
    either = FallbackAuthentication(
        door, DelegationTokenAuthentication(None), on_trouble=lambda error: None, clock=lambda: now[0]
    )
    with serving(lambda asked: answer(200, {})) as server, HadoopSession(either) as session:
        with pytest.raises(AccessError):
            session.request("GET", server.url)
        door.is_open = True
        now[0] += AGAIN_AFTER
        session.request("GET", server.url)
    assert ["user.name=better" in asked.target for asked in server.asked] == [True]
