"""Alerts: one call for one trouble, by a command, a webhook and the log, and a word when it is over."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support import wait_until
from yarnserve.alerts.alertmanager import LASTS, RESEND_EVERY, AlertmanagerSink
from yarnserve.alerts.background import BackgroundAlerts
from yarnserve.alerts.delivery import REPEAT_EVERY, Alerts
from yarnserve.alerts.receiver import REST
from yarnserve.alerts.records import Alert, Notice
from yarnserve.alerts.sinks import CommandSink, LogSink, WebhookSink
from yarnserve.errors import UnreachableError, YarnserveError

ALERT = Alert("sync /models/digits", "HDFS is away", "warning", {"why": "nobody answers"})


@dataclass
class Post:
    """A web server that keeps what is posted, and answers with *status*."""

    status: int = 200
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def documents(self) -> list[Any]:
        """What was posted."""
        return [json.loads(body) for body in self.bodies]


@contextmanager
def posting(status: int = 200) -> Iterator[Post]:
    """Run one."""
    post = Post(status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            post.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            post.paths.append(self.path)
            self.send_response(post.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    post.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    try:
        yield post
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Time:
    """Seconds since the epoch, by hand."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        """Tell them."""
        return self.now


@pytest.fixture
def lines() -> list[str]:
    """What the log got."""
    return []


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


def test_another_process_does_not_repeat_it(tmp_path: Path, lines: list[str]) -> None:
    """The state file remembers; a clock that was set back does not silence it for ever."""
    time = Time()
    for _ in range(3):
        Alerts([LogSink(lines.append)], clock=time, state=tmp_path / "alerts.json").fire(ALERT)
    assert len(lines) == 1
    time.now -= 7 * 24 * 3600
    Alerts([LogSink(lines.append)], clock=time, state=tmp_path / "alerts.json").fire(ALERT)
    assert len(lines) == 2
    Alerts([LogSink(lines.append)], clock=time, state=tmp_path / "alerts.json").resolve(ALERT.key)
    assert lines[2].startswith("ALERT resolved")


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"a": 1}', b"[" * 100_000])
def test_a_damaged_state_is_told_and_not_in_the_way(tmp_path: Path, lines: list[str], content: bytes) -> None:
    """It is as none."""
    state, failures = tmp_path / "alerts.json", list[str]()
    state.write_bytes(content)
    alerts = Alerts([LogSink(lines.append)], clock=Time(), state=state, on_failure=failures.append)
    alerts.fire(ALERT)
    assert len(lines) == 1
    assert "cannot be read" in failures[0]


def test_a_state_that_cannot_be_written_is_told(tmp_path: Path, lines: list[str]) -> None:
    """The alert itself goes out."""
    failures: list[str] = []
    alerts = Alerts(
        [LogSink(lines.append)], clock=Time(), state=tmp_path / "no" / "alerts.json", on_failure=failures.append
    )
    alerts.fire(ALERT)
    assert len(lines) == 1
    assert "cannot be remembered" in failures[0]


def test_a_command_gets_it(tmp_path: Path) -> None:
    """All of it as JSON on stdin, the main of it in the environment."""
    out = tmp_path / "out"
    CommandSink(f'cat > {out}; echo "$YARNSERVE_ALERT_STATUS $YARNSERVE_ALERT_SEVERITY" >> {out}').send(
        Notice(ALERT, "firing", 1.0, 2)
    )
    document, words = out.read_text().splitlines()
    assert json.loads(document) == {
        "apiVersion": "yarnserve/v1",
        "kind": "Alert",
        "status": "firing",
        "key": ALERT.key,
        "summary": ALERT.summary,
        "severity": "warning",
        "details": {"why": "nobody answers"},
        "labels": {},
        "since": 1.0,
        "count": 2,
    }
    assert words == "firing warning"


@pytest.mark.parametrize(
    ("command", "told"),
    [("exit 3", "ended with 3"), ("sleep 60 & wait", "have passed"), ("no-such-command", "ended with 127")],
)
def test_a_command_that_fails_is_told(command: str, told: str) -> None:
    """Its status, or the time it took; what it started is ended, too."""
    with pytest.raises(YarnserveError) as caught:
        CommandSink(command, timeout=0.3).send(Notice(ALERT, "firing", 1.0, 1))
    assert told in caught.value.why


def test_a_command_that_does_not_read_is_fine() -> None:
    """A closed stdin is no failure of the alert."""
    CommandSink("exec <&-; true").send(Notice(Alert("k", "s" * 1_000_000), "firing", 1.0, 1))


def test_a_webhook_gets_it() -> None:
    """As JSON by POST, without passwords that an address had."""
    leaky = Alert("k", "http://alice:secret@nn:9870 is away", "critical")
    with posting() as post:
        WebhookSink(post.url).send(Notice(leaky, "resolved", 1.0, 1))
    document = json.loads(post.bodies[0])
    assert (document["status"], document["severity"]) == ("resolved", "critical")
    assert b"secret" not in post.bodies[0]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_told(status: int) -> None:
    """Whatever is no 2xx; a redirect is not followed."""
    with posting(status) as post, pytest.raises(YarnserveError, match="refuses") as caught:
        WebhookSink(post.url).send(Notice(ALERT, "firing", 1.0, 1))
    assert f"HTTP {status}" in caught.value.why
    assert len(post.bodies) == 1


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://x/", "http://[", "http://127.0.0.1:9"])
def test_a_webhook_that_is_not_there_is_told(url: str) -> None:
    """Neither a bad address nor a dead server is an exception of another kind."""
    with pytest.raises(YarnserveError, match="cannot be reached"):
        WebhookSink(url, timeout=1.0).send(Notice(ALERT, "firing", 1.0, 1))


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


def test_an_error_is_an_alert() -> None:
    """What it says becomes the details."""
    error = UnreachableError("HDFS is away", where="http://nn:9870", why="refused", fix="start it")
    assert Alert.of("k", error, severity="critical") == Alert(
        "k", "HDFS is away", "critical", {"where": "http://nn:9870", "why": "refused", "fix": "start it"}
    )


def test_the_state_is_nobody_elses(tmp_path: Path) -> None:
    """Whoever may write it could silence alerts."""
    state = tmp_path / "alerts.json"
    Alerts([], clock=Time(), state=state).fire(ALERT)
    assert not stat.S_IMODE(state.stat().st_mode) & 0o022


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


def numbered(number: int) -> Alert:
    """One of many."""
    return Alert(f"serve-{number}", f"serve-{number} is away")


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
    """Nobody needs to fire it anew."""
    with posting(503) as post:
        background = BackgroundAlerts(Alerts([WebhookSink(post.url)], clock=Time()), refresh_every=0.05)
        background.fire(ALERT)
        wait_until(lambda: len(post.bodies) == 2)
        post.status = 200
        wait_until(lambda: len(post.bodies) == 3)
        background.finish(10.0)


def test_a_state_that_stays_unwritable_is_told_once(tmp_path: Path, lines: list[str]) -> None:
    """A full disk is no reason for a line each second."""
    failures: list[str] = []
    state = tmp_path / "no" / "alerts.json"
    alerts = Alerts([LogSink(lines.append)], clock=Time(), state=state, on_failure=failures.append)
    for _ in range(5):
        alerts.fire(ALERT)
    assert len(failures) == 1
