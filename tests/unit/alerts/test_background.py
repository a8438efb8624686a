"""Alerts sent by a thread: nobody waits for it, and nothing ends it."""

from __future__ import annotations

import threading
from collections import Counter

from tests.support import wait_until
from tests.unit.alerts.given import ALERT, Time, numbered, posting
from yarnserve.alerts.background import BackgroundAlerts
from yarnserve.alerts.delivery import Alerts
from yarnserve.alerts.records import Alert
from yarnserve.alerts.sinks import LogSink, WebhookSink


def test_an_alert_that_fails_as_nobody_foresaw_ends_no_others() -> None:
    """A log that cannot be written, say: the thread goes on, and says that one was lost."""
    lost: list[str] = []
    told: list[str] = []

    def write(line: str) -> None:
        if "first" in line:
            raise OSError(28, "No space left on device")
        told.append(line)

    background = BackgroundAlerts(Alerts([LogSink(write)], clock=lambda: 0.0), on_failure=lost.append)
    background.fire(Alert("first", "it is away"))
    background.fire(Alert("second", "it is away"))
    background.finish(10.0)
    assert told == ["ALERT firing: second: it is away"]
    assert len(lost) == 1
    assert "No space left" in lost[0]


def test_what_waits_for_a_slow_receiver_is_bounded() -> None:
    """Ten thousand words on ten replicas are ten that wait; whoever fires does not wait at all."""
    is_free = threading.Event()
    told: list[str] = []

    def write(line: str) -> None:
        is_free.wait(60)
        told.append(line)

    background = BackgroundAlerts(Alerts([LogSink(write)], clock=Time()))
    background.fire(numbered(99))
    for number in range(10_000):
        background.fire(numbered(number % 10))
        background.resolve(f"serve-{number % 10}", "it is back")
    is_free.set()
    background.finish(30.0)
    assert len(told) == 1 + 2 * 10


def test_too_many_keys_lose_the_oldest() -> None:
    """Memory is bounded whatever is fired; what is lost is said."""
    is_free = threading.Event()
    lost: list[str] = []
    told: list[str] = []

    def write(line: str) -> None:
        is_free.wait(60)
        told.append(line)

    background = BackgroundAlerts(Alerts([LogSink(write)], clock=Time()), on_failure=lost.append)
    for number in range(1500):
        background.fire(numbered(number))
    is_free.set()
    background.finish(30.0)
    assert len(told) + len(lost) == 1500
    assert told[-1].endswith("serve-1499 is away")
    assert set(lost) == {"an alert was lost: too many wait to be sent"}


def test_what_could_not_be_sent_is_tried_again_by_itself() -> None:
    """Nobody needs to fire it anew: the same notice is sent until it is taken, and no more."""
    said: list[str] = []
    with posting(first=[503, 503]) as post:
        alerts = Alerts([WebhookSink(post.url)], clock=Time(), on_failure=said.append)
        background = BackgroundAlerts(alerts, refresh_every=0.05)
        background.fire(ALERT)
        wait_until(lambda: len(said) == 2)
        background.finish(10.0)
    assert said == [
        "the alert's webhook refuses it: HTTP 503",
        "the alert's webhook takes alerts again, after 0 min; tries that failed: 2",
    ]
    assert [(each["key"], each["status"], each["count"]) for each in post.documents()] == [(ALERT.key, "firing", 1)] * 3


def test_what_is_owed_is_told_while_others_keep_coming() -> None:
    """A supervisor fires what lasts every few seconds: the end of another alert, not taken at first, does not wait."""
    with posting(first=[200, 503]) as post:
        background = BackgroundAlerts(Alerts([WebhookSink(post.url)], clock=Time()), refresh_every=0.1)
        background.fire(numbered(0))
        background.resolve("serve-0", "it is back")

        def told() -> Counter[tuple[str, str]]:
            return Counter((each["key"], each["status"]) for each in post.documents())

        def is_told_again() -> bool:
            background.fire(numbered(1))
            return told()["serve-0", "resolved"] == 2

        wait_until(is_told_again)
        background.finish(10.0)
    assert told() == {("serve-0", "firing"): 1, ("serve-0", "resolved"): 2, ("serve-1", "firing"): 1}
