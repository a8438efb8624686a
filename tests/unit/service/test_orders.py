"""When an order is sent, sent again, waited for, given up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.unit.hadoop.wire import Responder, Wire, answer, serving
from yarnserve.errors import ConflictError, RequestTimeoutError, StandbyError, UnreachableError
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.hadoop.session import HadoopSession, Timeouts
from yarnserve.service.orders import FAILOVER_PATIENCE, TRIES, Orders
from yarnserve.yarn.resource_managers import INFO, ResourceManagers


class FastClock:
    """Seconds that pass as quickly as somebody pauses."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def pause(self, seconds: float) -> None:
        """Let *seconds* pass at once."""
        self.now += seconds


class Manager:
    """A ResourceManager that loses the answers to its first writes, and is another process after each if it *dies*."""

    def __init__(self, lost: int = 0, *, dies: bool = False) -> None:
        self.lost = lost
        self.dies = dies
        self.start = 1

    def __call__(self, asked: object) -> bytes:
        """Answer."""
        if getattr(asked, "path", "") == INFO:
            told = {"id": 1, "startedOn": self.start, "haState": "ACTIVE", "hadoopVersion": "3.3.6"}
            return answer(200, {"clusterInfo": told})
        self.lost -= 1
        if self.lost < 0:
            return answer(200, {})
        self.start += self.dies
        return b""


class Giving:
    """Gives the order ``PUT /app`` to a *respond*-er; *done* tells whether it was carried out."""

    def __init__(self, session: HadoopSession, wire: Wire, done: Callable[[], bool]) -> None:
        self.session = session
        self.wire = wire
        self.done = done
        self.told: list[str] = []
        self.clock = FastClock()
        self.managers = ResourceManagers(session, (wire.url,))
        self.orders = Orders(self.managers, narrate=self.told.append, clock=self.clock, pause=self.clock.pause)

    def __call__(self) -> None:
        """Give it."""
        self.orders.give(self.send, done=self.done, what="the stop", result="svc to stop")

    def send(self) -> None:
        """Send it once."""
        self.managers.write(lambda base: self.session.request("PUT", f"{base}/app"))

    @property
    def sent(self) -> int:
        """How often it was sent."""
        return sum(asked.method == "PUT" for asked in self.wire.asked)


@pytest.fixture
def giving() -> Iterator[Callable[[Responder, Callable[[], bool]], Giving]]:
    """Orders to a ResourceManager of the test's own."""
    with ExitStack() as stack:
        session = stack.enter_context(HadoopSession(SimpleAuthentication("alice"), timeouts=Timeouts(1.0, 2.0)))
        yield lambda respond, done: Giving(session, stack.enter_context(serving(respond)), done)


Give = Callable[[Responder, Callable[[], bool]], Giving]


def never() -> bool:
    """Not carried out."""
    return False


def test_an_answered_order_is_sent_once_and_not_looked_for(giving: Give) -> None:
    """The usual case: one write, no word."""
    give = giving(Manager(), never)
    give()
    assert (give.sent, give.told, give.clock.now) == (1, [], 0.0)


def test_a_lost_order_that_was_carried_out_is_not_sent_again(giving: Give) -> None:
    """Also when the process that got it has died since."""
    give = giving(Manager(1, dies=True), lambda: True)
    give()
    assert give.sent == 1


def test_a_lost_order_whose_process_died_is_sent_again(giving: Give) -> None:
    """It was not carried out and never will be, so it is sent once more, at once, and that is told."""
    give = giving(Manager(1, dies=True), never)
    give()
    assert give.sent == 2
    assert "ended before it carried out the stop" in give.told[-1]
    assert give.clock.now == 0.0


def test_a_lost_order_whose_process_lives_is_never_sent_again(giving: Give) -> None:
    """It may still be carried out: after two minutes the error says so, and names what to do."""
    give = giving(Manager(1), never)
    with pytest.raises(RequestTimeoutError) as caught:
        give()
    assert give.sent == 1
    assert "may still be carried out" in caught.value.fix
    assert caught.value.next.startswith("yarnserve")
    assert 120 <= give.clock.now < 130


def test_what_cannot_be_seen_is_not_taken_for_undone(giving: Give) -> None:
    """While nobody can look whether it was carried out, a dead process is no reason to send it again."""
    looks = iter([UnreachableError("starting"), UnreachableError("starting")])

    def done() -> bool:
        error = next(looks, None)
        if error is not None:
            raise error
        return True

    give = giving(Manager(1, dies=True), done)
    give()
    assert give.sent == 1


def test_a_cluster_whose_managers_die_of_an_order_is_left_alone(giving: Give) -> None:
    """An order is sent a few times at most; then the lost answer is the error."""
    give = giving(Manager(99, dies=True), never)
    with pytest.raises(RequestTimeoutError):
        give()
    assert give.sent == TRIES


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_refusal_after_a_lost_answer_may_be_success(giving: Give, carried_out: bool) -> None:
    """Stopped already, gone already: what was wanted is there; if it is not, the refusal counts."""
    looks = iter([False, carried_out])
    give = giving(Manager(1, dies=True), lambda: next(looks))
    sends = iter([give.send])

    def send() -> None:
        next(sends, refuse)()

    def refuse() -> None:
        raise ConflictError("it is stopped already")

    order = Orders(give.managers, narrate=give.told.append, clock=give.clock, pause=give.clock.pause)
    if carried_out:
        order.give(send, done=give.done, what="the stop", result="svc to stop")
    else:
        with pytest.raises(ConflictError):
            order.give(send, done=give.done, what="the stop", result="svc to stop")


def test_a_fail_over_is_waited_for_and_told(giving: Give) -> None:
    """While nobody is active a word comes every ten seconds; when somebody is, the act goes on."""
    give = giving(Manager(), never)

    def ask() -> str:
        if give.clock.now < 25:
            raise StandbyError("no ResourceManager is active")
        return "asked"

    assert give.orders.patiently(ask) == "asked"
    assert [text.partition(": ")[2] for text in give.told] == [
        "waiting, for 60 s at most",
        "waiting, for 50 s at most",
        "waiting, for 40 s at most",
    ]


def test_a_fail_over_that_does_not_end_is_an_error_with_what_to_do(giving: Give) -> None:
    """After a minute the act ends: nothing was sent, and doctor finds out more."""
    give = giving(Manager(), never)

    def ask() -> None:
        raise StandbyError("no ResourceManager is active", where="http://rm1", fix="wait")

    with pytest.raises(StandbyError, match=f"for {FAILOVER_PATIENCE:g} s now") as caught:
        give.orders.patiently(ask)
    assert "nothing was sent" in caught.value.fix
    assert caught.value.next == "yarnserve doctor"
    assert FAILOVER_PATIENCE <= give.clock.now <= FAILOVER_PATIENCE + 2
