"""Which ResourceManager is asked: one, two, a standby, a dead one, two that claim to be active."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support import golden
from tests.unit.hadoop.wire import SILENCE, Asked, Responder, Wire, answer, free_port, serving
from yarnserve.errors import AccessError, MalformedAnswerError, RequestTimeoutError, StandbyError, UnreachableError
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.hadoop.session import HadoopSession, Reply, Timeouts
from yarnserve.service.background import in_background
from yarnserve.yarn.resource_managers import INFO, ResourceManagers


def info(state: str, started_on: int = 1000) -> bytes:
    """A /info answer of a ResourceManager in *state*, started *started_on* milliseconds after the epoch."""
    told = {"id": started_on, "startedOn": started_on, "haState": state, "hadoopVersion": "3.1.4"}
    return answer(200, {"clusterInfo": told})


def manager(state: str | list[str], rest: Responder = lambda asked: answer(200, {"ok": True})) -> Responder:
    """A ResourceManager that answers /info with *state* (or one state after the other), and *rest* otherwise."""
    states = [state] if isinstance(state, str) else state

    def respond(asked: Asked) -> bytes | None:
        if asked.path != INFO:
            return rest(asked)
        return info(states.pop(0) if len(states) > 1 else states[0])

    return respond


@pytest.fixture
def session() -> Iterator[HadoopSession]:
    """A session with short time-outs."""
    with HadoopSession(SimpleAuthentication("alice"), timeouts=Timeouts(1.0, 0.3), sleep=lambda _: None) as opened:
        yield opened


@pytest.fixture
def start() -> Iterator[Callable[[Responder], Wire]]:
    """Start servers that live as long as the test."""
    with ExitStack() as stack:
        yield lambda respond: stack.enter_context(serving(respond))


Start = Callable[[Responder], Wire]


def read(session: HadoopSession, managers: ResourceManagers) -> Any:
    """Read /ws through *managers*."""
    return managers.read(lambda base: session.get(f"{base}/ws")).document()


def write(session: HadoopSession, managers: ResourceManagers) -> Reply:
    """Write /app through *managers*."""
    return managers.write(lambda base: session.request("POST", f"{base}/app"))


def paths(wire: Wire) -> list[str]:
    """What a server was asked."""
    return [asked.path for asked in wire.asked]


def test_the_active_one_is_asked_and_remembered(session: HadoopSession, start: Start) -> None:
    """Of a standby and an active one, reads go to the active one, and the next read asks it at once."""
    standby, active = start(manager("STANDBY")), start(manager("ACTIVE"))
    managers = ResourceManagers(session, (standby.url, active.url))
    assert read(session, managers) == read(session, managers) == {"ok": True}
    assert paths(active) == [INFO, "/ws", "/ws"]
    assert paths(standby) == [INFO]


def test_every_write_looks_again(session: HadoopSession, start: Start) -> None:
    """A write probes first, also when the active one is known; it is sent once."""
    active = start(manager("ACTIVE"))
    managers = ResourceManagers(session, (active.url,))
    write(session, managers)
    write(session, managers)
    assert paths(active) == [INFO, "/app", INFO, "/app"]


def test_two_that_claim_to_be_active_get_no_write(session: HadoopSession, start: Start) -> None:
    """A write is refused while two say ACTIVE, and nothing is sent; a read is tolerated."""
    first, second = start(manager("ACTIVE")), start(manager("ACTIVE"))
    managers = ResourceManagers(session, (first.url, second.url))
    with pytest.raises(StandbyError, match="more than one"):
        write(session, managers)
    assert paths(first) == paths(second) == [INFO]
    assert read(session, managers) == {"ok": True}


def test_no_active_one(session: HadoopSession, start: Start) -> None:
    """A standby beside a dead one: wait for the fail-over; the state of each is told."""
    standby = start(manager("STANDBY"))
    dead = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StandbyError) as raised:
        ResourceManagers(session, (standby.url, dead)).active()
    assert f"{standby.url}: STANDBY" in raised.value.why
    assert "refused" in raised.value.why


def test_none_answers(session: HadoopSession) -> None:
    """One or two dead ones are unreachable, and no standby."""
    dead = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    for urls in (dead[:1], dead):
        with pytest.raises(UnreachableError) as raised:
            ResourceManagers(session, tuple(urls)).active()
        assert not isinstance(raised.value, StandbyError)


def test_a_frozen_one_costs_one_probe(session: HadoopSession, start: Start) -> None:
    """A ResourceManager that takes connections and says nothing does not keep us from the active one."""
    frozen, active = start(lambda asked: SILENCE), start(manager("ACTIVE"))
    managers = ResourceManagers(session, (frozen.url, active.url), probe_timeout=0.2)
    assert managers.active() == active.url


@pytest.mark.parametrize(
    "failure", [b"", answer(307, "This is standby RM. The redirect url is: /ws\n", "text/plain"), None]
)
def test_a_read_moves_on_with_the_fail_over(session: HadoopSession, start: Start, failure: bytes | None) -> None:
    """When the remembered one breaks, redirects or goes silent, the read is repeated at the one active by then."""
    old = start(manager(["ACTIVE", "STANDBY"], lambda asked: failure))
    new = start(manager(["STANDBY", "ACTIVE"]))
    assert read(session, ResourceManagers(session, (old.url, new.url))) == {"ok": True}


def test_a_read_is_not_repeated_at_the_same_one(session: HadoopSession, start: Start) -> None:
    """A time-out of a ResourceManager that stays active is reported after one request."""
    blocked = start(manager("ACTIVE", lambda asked: SILENCE))
    with pytest.raises(RequestTimeoutError):
        read(session, ResourceManagers(session, (blocked.url,)))
    assert paths(blocked).count("/ws") == 1


def test_a_write_is_never_repeated(session: HadoopSession, start: Start) -> None:
    """A write whose connection breaks is sent once and its outcome is unknown, also with another one active."""
    old = start(manager(["ACTIVE", "STANDBY"], lambda asked: b""))
    new = start(manager(["STANDBY", "ACTIVE"]))
    with pytest.raises(RequestTimeoutError):
        write(session, ResourceManagers(session, (old.url, new.url)))
    assert paths(old).count("/app") == 1
    assert "/app" not in paths(new)


STANDBY_ANSWERS = [
    answer(307, "This is standby RM. The redirect url is: /app\n", "text/plain;charset=utf-8", Location="/app"),
    answer(307, "Can not find any active RM. Will retry in next 2 seconds.", "text/plain", Refresh="2;url=/"),
    answer(200, "There is no active RM right now.\nHA Zookeeper Connection State: x", "text/plain"),
]


@pytest.mark.parametrize("raw", STANDBY_ANSWERS)
def test_a_standbys_answer_is_recognised(session: HadoopSession, start: Start, raw: bytes) -> None:
    """Each text of a standby, also with status 200, is StandbyError, and its redirect is not followed."""
    server = start(manager("ACTIVE", lambda asked: raw))
    with pytest.raises(StandbyError):
        write(session, ResourceManagers(session, (server.url,)))
    assert paths(server) == [INFO, "/app"]


@pytest.mark.parametrize("version", ["ha-3.1.4", "ha-3.3.6"])
def test_every_recorded_standby_is_recognised(session: HadoopSession, start: Start, version: str) -> None:
    """Whatever real standbys answered with 307 or as plain text with 200 is StandbyError."""
    texts = {
        (exchange["status"], exchange["body"])
        for exchange in golden(version)
        if exchange.get("status") in (200, 307)
        and str(exchange.get("content_type")).startswith("text/plain")
        and isinstance(exchange.get("body"), str)
        and " RM" in exchange["body"]
    }
    assert len(texts) > 3
    raw = [answer(status, body, "text/plain;charset=utf-8") for status, body in sorted(texts)]
    server = start(manager("ACTIVE", lambda asked: raw.pop()))
    for _ in sorted(texts):
        with pytest.raises(StandbyError):
            write(session, ResourceManagers(session, (server.url,)))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (answer(401, "<html>", "text/html"), AccessError),
        (answer(200, "<html>login</html>", "text/html"), MalformedAnswerError),
        (answer(200, {"clusterInfo": {}}), MalformedAnswerError),
        (answer(302, "", Location="http://login/"), UnreachableError),
        (answer(503, "starting", "text/plain"), UnreachableError),
        (answer(500, "", "text/html"), UnreachableError),
    ],
)
def test_something_else_at_the_address(
    session: HadoopSession, start: Start, raw: bytes, expected: type[Exception]
) -> None:
    """A login, a page or a gateway's error in place of /info is told as what it is."""
    server = start(lambda asked: raw)
    with pytest.raises(expected) as raised:
        ResourceManagers(session, (server.url,)).active()
    assert type(raised.value) is expected


def test_a_refused_write_to_one_of_two_waits_for_the_other(session: HadoopSession, start: Start) -> None:
    """A ResourceManager that ends between its /info and the write has carried out nothing: StandbyError."""
    active, other = start(manager("ACTIVE")), start(manager("STANDBY"))
    managers = ResourceManagers(session, (active.url, other.url))
    with pytest.raises(StandbyError, match="has ended") as raised:
        managers.write(lambda base: session.request("POST", f"http://127.0.0.1:{free_port()}/app"))
    assert "refused" in raised.value.why


def lost(session: HadoopSession, managers: ResourceManagers) -> None:
    """Send a write whose answer does not come."""
    with pytest.raises(RequestTimeoutError):
        write(session, managers)


def test_a_writer_that_refuses_connections_is_gone(session: HadoopSession) -> None:
    """The process that got a write is there as long as it answers, and gone when its port is nobody's."""
    with serving(manager("ACTIVE", lambda asked: b"")) as active:
        managers = ResourceManagers(session, (active.url,))
        assert not managers.writer_is_gone()
        lost(session, managers)
        assert not managers.writer_is_gone()
    assert managers.writer_is_gone()


def test_a_writer_that_was_started_anew_is_gone(session: HadoopSession, start: Start) -> None:
    """The address answers, but the process that got the write is another one by its time of start."""
    starts = [1000, 1000, 2000]
    server = start(lambda asked: info("ACTIVE", starts.pop(0)) if asked.path == INFO else b"")
    managers = ResourceManagers(session, (server.url,))
    lost(session, managers)
    assert not managers.writer_is_gone()
    assert managers.writer_is_gone()


def test_a_silent_writer_is_not_gone(session: HadoopSession, start: Start) -> None:
    """A frozen one may carry the write out when it wakes up, whoever is active by then."""
    answers = [info("ACTIVE"), SILENCE, SILENCE]
    frozen, other = start(lambda asked: answers.pop(0)), start(manager(["STANDBY", "ACTIVE"]))
    managers = ResourceManagers(session, (frozen.url, other.url), probe_timeout=0.2)
    lost(session, managers)
    assert not managers.writer_is_gone()


def test_each_thread_asks_for_the_writer_of_its_own(session: HadoopSession, start: Start) -> None:
    """Another service's write, to a process that has ended since, says nothing of the one that got ours."""
    ours, states = start(manager(["ACTIVE", "STANDBY"], lambda asked: b"")), ["STANDBY", "ACTIVE"]
    with serving(manager(states, lambda asked: b"")) as theirs:
        managers = ResourceManagers(session, (ours.url, theirs.url))
        lost(session, managers)
        in_background(lambda: lost(session, managers)).result(10.0)
        assert paths(theirs)[-1] == "/app"
    assert not managers.writer_is_gone()
