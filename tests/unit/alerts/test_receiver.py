"""A receiver that is down, or would be told very much at once."""

from __future__ import annotations

from tests.unit.alerts.given import ALERT, Time, numbered, posting
from yarnserve.alerts.delivery import Alerts
from yarnserve.alerts.receiver import REST
from yarnserve.alerts.sinks import LogSink, WebhookSink


def test_one_dead_sink_does_not_silence_the_others(lines: list[str]) -> None:
    """The failure is told, and that sink alone gets it again at the next time."""
    failures: list[str] = []
    with posting(500) as post:
        alerts = Alerts([WebhookSink(post.url), LogSink(lines.append)], clock=Time(), on_failure=failures.append)
        alerts.fire(ALERT)
        post.status = 200
        alerts.fire(ALERT)
        alerts.fire(ALERT)
    assert len(lines) == 1
    assert len(post.bodies) == 2
    assert failures == [
        "the alert's webhook refuses it: HTTP 500",
        "the alert's webhook takes alerts again, after 0 min; tries that failed: 1",
    ]


def test_a_receiver_that_is_down_for_a_day_is_told_afterwards() -> None:
    """What lasts, and the end of what it was told; it is tried now and then only, and said once an hour."""
    time = Time()
    failures: list[str] = []
    with posting() as post:
        alerts = Alerts([WebhookSink(post.url)], clock=time, on_failure=failures.append)
        alerts.fire(numbered(0))
        post.status = 503
        alerts.fire(numbered(1))
        alerts.resolve("serve-0", "it is back")
        for _ in range(24 * 60):
            time.now += REST / 2
            alerts.fire(numbered(1))
            time.now += REST / 2
            alerts.refresh()
        assert len(post.bodies) < 24 * 60 * 3
        assert len(failures) <= 13
        post.status = 200
        del post.bodies[:]
        time.now += REST
        alerts.refresh()
        alerts.refresh()
    assert [(each["key"], each["status"]) for each in post.documents()] == [
        ("serve-0", "resolved"),
        ("serve-1", "firing"),
    ]
    assert "takes alerts again, after 720 min" in failures[-1]


def test_of_very_many_alerts_the_first_are_told_and_how_many_are_held_back(lines: list[str]) -> None:
    """The log has all; those that last are told when there is room, the end of what was told passes always."""
    time = Time()
    with posting() as post:
        alerts = Alerts([WebhookSink(post.url), LogSink(lines.append)], clock=time, most=3)
        for number in range(10):
            alerts.fire(numbered(number))
            alerts.fire(numbered(number))
        alerts.refresh()
        assert len(lines) == 10
        assert [each["key"] for each in post.documents()] == ["serve-0", "serve-1", "serve-2", "alerts held back"]
        alerts.resolve("serve-0", "it is back")
        for number in range(4, 10):
            alerts.resolve(f"serve-{number}")
        assert [each["key"] for each in post.documents()[4:]] == ["serve-0"]
        time.now += 600
        alerts.refresh()
        alerts.refresh()
    last = [(each["key"], each["status"]) for each in post.documents()[5:]]
    assert last == [("alerts held back", "resolved"), ("serve-3", "firing")]
    assert "7 were held back" in post.documents()[5]["summary"]


def test_a_clock_that_was_set_back_does_not_hold_back_for_ever() -> None:
    """What was told in the future does not count."""
    time = Time()
    with posting() as post:
        alerts = Alerts([WebhookSink(post.url)], clock=time, most=1)
        alerts.fire(numbered(0))
        time.now -= 7 * 24 * 3600
        alerts.fire(numbered(1))
    assert len(post.bodies) == 2
