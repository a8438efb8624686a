"""One call for one trouble, and a word when it is over."""

from __future__ import annotations

from tests.unit.alerts.given import ALERT, Time
from yarnserve.alerts.delivery import REPEAT_EVERY, Alerts
from yarnserve.alerts.records import Alert
from yarnserve.alerts.sinks import LogSink


def test_a_trouble_is_told_once_and_its_end_once(lines: list[str]) -> None:
    """However often it comes; after an hour again; and when it is over nothing of it is left."""
    time = Time()
    alerts = Alerts([LogSink(lines.append)], clock=time)
    for _ in range(5):
        alerts.fire(ALERT)
        time.now += 60
    assert lines == ["ALERT firing: sync /models/digits: HDFS is away"]
    time.now += REPEAT_EVERY
    alerts.fire(ALERT)
    assert len(lines) == 2
    alerts.resolve(ALERT.key, "version 2 is here")
    alerts.resolve(ALERT.key)
    assert lines[2:] == ["ALERT resolved: sync /models/digits: version 2 is here"]
    alerts.fire(ALERT)
    assert len(lines) == 4


def test_what_becomes_worse_is_news(lines: list[str]) -> None:
    """A warning that turns critical is told at once; the other way it is the same trouble still."""
    alerts = Alerts([LogSink(lines.append)], clock=Time())
    alerts.fire(ALERT)
    for _ in range(2):
        alerts.fire(Alert(ALERT.key, "it did not come in time", "critical"))
        alerts.fire(ALERT)
    assert len(lines) == 2
