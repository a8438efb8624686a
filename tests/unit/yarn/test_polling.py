"""Who looks must not hurt the ResourceManager: when the services API is asked at all."""

from __future__ import annotations

import threading

import pytest

from tests.unit.hadoop.wire import SILENCE, Asked, answer, serving
from yarnserve.errors import RequestTimeoutError, UnreachableError
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.hadoop.session import HadoopSession
from yarnserve.records.version import Version
from yarnserve.yarn.polling import FIRST_PAUSE, LONGEST_PAUSE, Turns, leaks_per_call
from yarnserve.yarn.resource_managers import INFO, ResourceManagers
from yarnserve.yarn.services import ServicesApi

ACTIVE = answer(200, {"clusterInfo": {"id": 1, "haState": "ACTIVE", "hadoopVersion": "3.1.4"}})


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.mark.parametrize(
    ("version", "leaks"),
    [
        ("3.1.0", True),
        ("3.1.1.3.1.0.0-78", True),
        ("3.1.2", False),
        ("3.2.0", True),
        ("3.2.1", False),
        ("3.3.0", False),
    ],
)
def test_which_versions_leak_memory_per_call(version: str, leaks: bool) -> None:
    """Those before 3.1.2 and 3.2.0 (YARN-9067)."""
    assert leaks_per_call(Version.parse(version)) is leaks


def time_out(turns: Turns, name: str = "x") -> None:
    """Let one GET of service *name* time out."""
    with pytest.raises(RequestTimeoutError), turns.turn(name):
        raise RequestTimeoutError("no answer")


def test_the_pause_after_time_outs_grows_and_ends_with_an_answer() -> None:
    """2, 4, 8 ... at most 60 s; each service on its own; an answer makes the next pause short again."""
    clock = Clock()
    turns = Turns(clock)
    pauses = []
    for _ in range(8):
        time_out(turns)
        with pytest.raises(UnreachableError) as early, turns.turn("x"):
            pytest.fail("asked during the pause")
        pauses.append(float(early.value.why.rpartition(" in ")[2].removesuffix(" s")))
        clock.now += pauses[-1]
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert (pauses[0], pauses[-1]) == (FIRST_PAUSE, LONGEST_PAUSE)
    with turns.turn("x"), turns.turn("y"):
        pass
    time_out(turns)
    clock.now += FIRST_PAUSE
    with turns.turn("x"):
        pass


def test_one_get_per_service_at_a_time() -> None:
    """A second one waits until the first has its answer; that of another service does not."""
    turns = Turns()
    entered = threading.Event()

    def ask() -> None:
        with turns.turn("x"):
            entered.set()

    second = threading.Thread(target=ask)
    with turns.turn("x"):
        second.start()
        with turns.turn("y"):
            assert not entered.wait(0.1)
    assert entered.wait(5)
    second.join()


def test_a_get_that_blocked_is_not_followed_by_another_at_once() -> None:
    """The services API keeps the turns: during the pause nothing is sent, and it says when it asks again."""
    clock = Clock()

    def respond(asked: Asked) -> bytes | None:
        return ACTIVE if asked.path == INFO else SILENCE

    with serving(respond) as wire, HadoopSession(SimpleAuthentication("alice")) as session:
        api = ServicesApi(session, ResourceManagers(session, (wire.url,)), read_timeout=0.1, turns=Turns(clock))

        def gets() -> int:
            return sum(asked.path != INFO for asked in wire.asked)

        with pytest.raises(RequestTimeoutError):
            api.get("x")
        with pytest.raises(UnreachableError, match="not asked for right now") as early:
            api.get("x")
        assert "asking again in 2 s" in early.value.why
        assert gets() == 1
        clock.now += FIRST_PAUSE
        with pytest.raises(RequestTimeoutError):
            api.get("x")
        assert gets() == 2
