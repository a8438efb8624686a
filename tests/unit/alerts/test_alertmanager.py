"""Alertmanager: what it gets, and how often."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.alerts.given import ALERT, Time, posting
from yarnserve.alerts.alertmanager import LASTS, RESEND_EVERY, AlertmanagerSink
from yarnserve.alerts.delivery import Alerts
from yarnserve.alerts.records import Alert, Notice
from yarnserve.alerts.sinks import LogSink
from yarnserve.errors import YarnserveError

HANG = Alert(
    "digits serve-1 hang",
    "serve-1 of digits does not answer",
    "critical",
    {"why": "no answer for 60 s", "where": "node2:8501", "fix": "yarnserve events digits"},
    {"alertname": "YarnserveReplicaDown", "service": "digits", "instance": "serve-1"},
)


def test_alertmanager_gets_what_identifies_and_what_explains() -> None:
    """Labels, annotations, the time it began, and when to take it for over if nobody repeats it."""
    time = Time()
    with posting() as post:
        sink = AlertmanagerSink(post.url.removesuffix("/hook") + "/am/", runbook="https://wiki/yarnserve", now=time)
        sink.send(Notice(HANG, "firing", time.now - 60, 1))
    assert post.paths == ["/am/api/v2/alerts"]
    assert post.documents() == [
        [
            {
                "labels": {
                    "alertname": "YarnserveReplicaDown",
                    "service": "digits",
                    "instance": "serve-1",
                    "severity": "critical",
                },
                "annotations": {
                    "summary": "serve-1 of digits does not answer",
                    "description": "no answer for 60 s; node2:8501",
                    "fix": "yarnserve events digits",
                    "runbook_url": "https://wiki/yarnserve#yarnservereplicadown",
                },
                "startsAt": "2023-11-14T22:12:20.000+00:00",
                "endsAt": "2023-11-14T22:17:20.000+00:00",
            }
        ]
    ]
    assert LASTS == 240.0


def test_alertmanager_is_told_again_each_minute_and_others_are_not() -> None:
    """Else it would take the alert for over; the end carries the labels of the beginning, and ends now."""
    time = Time()
    lines: list[str] = []
    with posting() as post:
        alerts = Alerts([AlertmanagerSink(post.url, now=time), LogSink(lines.append)], clock=time)
        alerts.fire(HANG)
        for _ in range(12):
            time.now += RESEND_EVERY / 6
            alerts.refresh()
        alerts.resolve(HANG.key, "it was replaced")
        alerts.refresh()
    told = [each[0] for each in post.documents()]
    assert len(told) == 4
    assert len({json.dumps(each["labels"]) for each in told}) == 1
    assert len({each["startsAt"] for each in told}) == 1
    assert told[0]["endsAt"] < told[1]["endsAt"]
    assert told[3]["endsAt"] == "2023-11-14T22:15:20.000+00:00"
    assert len(lines) == 2


def test_what_another_process_fired_is_repeated_only_when_it_lasts(tmp_path: Path) -> None:
    """A service that is supervised no more has no alert for ever; one that still fails goes on from its beginning."""
    time = Time()
    with posting() as post:
        sink = AlertmanagerSink(post.url, now=time)
        Alerts([sink], clock=time, state=tmp_path / "alerts.json").fire(HANG)
        time.now += 3600
        alerts = Alerts([sink], clock=time, state=tmp_path / "alerts.json")
        alerts.refresh()
        assert len(post.bodies) == 1
        alerts.fire(HANG)
        alerts.resolve(HANG.key)
    first, second, last = (each[0] for each in post.documents())
    assert first["startsAt"] == second["startsAt"]
    assert last["labels"] == first["labels"]


def test_labels_of_alertmanager_are_always_valid() -> None:
    """Without labels the key identifies; names are what Prometheus takes, values not empty."""
    sink = AlertmanagerSink("http://am:9093/api/v2/alerts", now=Time())
    plain = sink.document(Notice(ALERT, "firing", 1.0, 1))
    assert plain["labels"] == {"alertname": "YarnserveTrouble", "key": ALERT.key, "severity": "warning"}
    odd = Alert("k", "http://alice:secret@nn is away", labels={"my-label é": "x", "service": "", "alertname": "A"})
    document = sink.document(Notice(odd, "firing", 1.0, 1))
    assert document["labels"] == {"alertname": "A", "my_label__": "x", "severity": "warning"}
    assert "secret" not in json.dumps(document)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "http://["])
def test_an_alertmanager_that_is_not_there_is_told(url: str) -> None:
    """As any receiver."""
    with pytest.raises(YarnserveError, match="Alertmanager cannot be reached"):
        AlertmanagerSink(url, timeout=1.0).send(Notice(ALERT, "firing", 1.0, 1))
