"""An alert sent by a command and by a webhook: what they get, and how their failures are told."""

from __future__ import annotations

import json
import select
import socketserver
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import served
from tests.unit.alerts.given import ALERT, posting
from yarnserve.alerts.records import Alert, Notice
from yarnserve.alerts.sinks import CommandSink, WebhookSink
from yarnserve.errors import YarnserveError


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


def test_a_command_that_does_not_read_is_fine(tmp_path: Path) -> None:
    """A closed stdin is no failure of the alert: the command goes on to its end."""
    out = tmp_path / "out"
    # More than a pipe holds: whoever writes it is still there when nobody reads any more.
    long = Alert("k", "it is away", details={str(number): "x" * 2000 for number in range(100)})
    CommandSink(f'exec <&-; echo "$YARNSERVE_ALERT_SUMMARY" > {out}').send(Notice(long, "firing", 1.0, 1))
    assert out.read_text() == "it is away\n"


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


class Dripping(socketserver.StreamRequestHandler):
    """Sends one header, byte by byte, for as long as somebody waits for its end."""

    def handle(self) -> None:
        """Begin well."""
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
            while not select.select([self.rfile], [], [], 0.05)[0] or self.rfile.read1():
                self.wfile.write(b"x")


def test_a_webhook_that_drips_holds_nobody_up() -> None:
    """Its time is that of the whole exchange, and not of every byte; what it began with is no consent."""
    with served(socketserver.TCPServer(("127.0.0.1", 0), Dripping)) as url:
        begun = time.monotonic()
        with pytest.raises(YarnserveError, match="cannot be reached"):
            WebhookSink(url, timeout=0.5).send(Notice(ALERT, "firing", 1.0, 1))
        assert time.monotonic() - begun < 5.0


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://x/", "http://[", "http://127.0.0.1:9"])
def test_a_webhook_that_is_not_there_is_told(url: str) -> None:
    """Neither a bad address nor a dead server is an exception of another kind."""
    with pytest.raises(YarnserveError, match="cannot be reached"):
        WebhookSink(url, timeout=1.0).send(Notice(ALERT, "firing", 1.0, 1))
