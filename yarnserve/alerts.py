"""Alerts of commands that run for long: each told once, to a command, a webhook and the log, and told when it is over.

Whoever is called at night wants one call for one trouble. An alert is known by its key; while it lasts it is repeated
every REPEAT_EVERY seconds at most, also by another process that finds the state file of this one.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from yarnserve.errors import YarnserveError, first_line, without_credentials
from yarnserve.records.document import from_document, to_document

#: Seconds after which an alert that lasts is told again.
REPEAT_EVERY = 3600.0

#: Seconds that a command, and a webhook, may take.
COMMAND_TIMEOUT = 10.0
WEBHOOK_TIMEOUT = 5.0

_IN_ENVIRONMENT = ("key", "status", "summary", "severity")

#: Characters of each text in an alert.
_LONGEST = 2000

#: Bytes of a webhook's answer that are read.
_ANSWER = 64 * 1024


@dataclass(frozen=True)
class Alert:
    """Something that somebody should look at; *details* are what errors tell: where, why, fix."""

    key: str
    summary: str
    severity: str = "warning"
    details: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, key: str, error: YarnserveError, *, severity: str = "warning") -> Alert:
        """The alert that *error* is worth."""
        return cls(key, error.what, severity, dict(error.details()))


@dataclass(frozen=True)
class Notice:
    """What is sent: the alert, whether it is ``firing`` or ``resolved``, since when (epoch), and how often it came."""

    alert: Alert
    status: str
    since: float
    count: int

    def to_document(self) -> dict[str, Any]:
        """What a command reads and a webhook gets."""
        alert = self.alert
        return {
            "apiVersion": "yarnserve/v1",
            "kind": "Alert",
            "status": self.status,
            "key": _told(alert.key),
            "summary": _told(alert.summary),
            "severity": alert.severity,
            "details": {label: _told(text) for label, text in alert.details.items()},
            "since": self.since,
            "count": self.count,
        }


class Sink(Protocol):
    """Somewhere an alert goes."""

    def send(self, notice: Notice) -> None:
        """Send it; YarnserveError when that failed."""


class CommandSink:
    """Runs *command* by the shell, with the notice as JSON on its stdin and the main of it in its environment."""

    def __init__(self, command: str, *, timeout: float = COMMAND_TIMEOUT) -> None:
        self._command = command
        self._timeout = timeout

    def send(self, notice: Notice) -> None:
        """Run it; an exit status other than 0, or more time than it may take, is a failure."""
        document = notice.to_document()
        told = {f"YARNSERVE_ALERT_{name.upper()}": str(document[name]) for name in _IN_ENVIRONMENT}
        try:
            process = subprocess.Popen(
                self._command,
                shell=True,
                env={**os.environ, **told},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise _failed("the alert's command cannot be run", str(error)) from error
        with process:
            try:
                process.communicate(json.dumps(document).encode() + b"\n", timeout=self._timeout)
            except subprocess.TimeoutExpired as error:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise _failed("the alert's command did not end", f"{self._timeout:g} s have passed") from error
        if process.returncode:
            raise _failed("the alert's command failed", f"it ended with {process.returncode}")


class WebhookSink:
    """POSTs the notice as JSON to *url*."""

    def __init__(self, url: str, *, timeout: float = WEBHOOK_TIMEOUT) -> None:
        self._url = url
        self._timeout = timeout
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)

    def send(self, notice: Notice) -> None:
        """Send it; every answer but a 2xx is a failure."""
        body = json.dumps(notice.to_document()).encode()
        try:
            request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
            with self._opener.open(request, timeout=self._timeout) as answer:
                answer.read(_ANSWER)
        except urllib.error.HTTPError as error:
            with error:
                raise _failed("the alert's webhook refuses it", f"HTTP {error.code}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _failed("the alert's webhook cannot be reached", str(error)) from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any, **options: Any) -> None:
        """Follow none: a POST would become a GET of somewhere else."""


class LogSink:
    """Writes one line."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def send(self, notice: Notice) -> None:
        """Write it."""
        document = notice.to_document()
        self._write(f"ALERT {document['status']}: {document['key']}: {document['summary']}")


@dataclass(frozen=True)
class _Firing:
    """What is remembered of an alert that lasts; *sent* is when each sink got it, by the sink's place."""

    since: float
    count: int
    severity: str
    sent: Mapping[str, float]


class Alarm(Protocol):
    """Whom troubles are told."""

    def fire(self, alert: Alert) -> None:
        """Tell that *alert* is the case."""

    def resolve(self, key: str, summary: str = "") -> None:
        """Tell that what *key* is about is over."""


class BackgroundAlerts:
    """Sends through *alerts* in a thread of its own: whoever fires must not wait for a telephone.

    *on_failure* is told in a line what could not be sent.
    """

    def __init__(self, alerts: Alarm, *, on_failure: Callable[[str], None] = lambda text: None) -> None:
        self._alerts = alerts
        self._on_failure = on_failure
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True, name="alerts").start()

    def fire(self, alert: Alert) -> None:
        """Tell that *alert* is the case."""
        self._waiting.put(lambda: self._alerts.fire(alert))

    def resolve(self, key: str, summary: str = "") -> None:
        """Tell that what *key* is about is over."""
        self._waiting.put(lambda: self._alerts.resolve(key, summary))

    def finish(self, patience: float) -> None:
        """Wait until all that was told so far is sent, for *patience* seconds at most."""
        is_sent = threading.Event()
        self._waiting.put(is_sent.set)
        is_sent.wait(patience)

    def _run(self) -> None:
        while True:
            send = self._waiting.get()
            try:
                send()
            except Exception as error:  # noqa: BLE001  without its thread nothing would ever be told again
                self._on_failure(f"an alert was lost: {type(error).__name__}: {error}")


class Alerts:
    """Sends alerts, each once while it lasts.

    Whatever a sink does, no method raises: *on_failure* is told in a line.

    Args:
        sinks: where they go.
        clock: seconds since the epoch.
        repeat_every: seconds after which an alert that lasts is sent again.
        state: a file that remembers what lasts from one process to the next; None for memory only.
        on_failure: told what could not be sent or saved.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        clock: Callable[[], float],
        repeat_every: float = REPEAT_EVERY,
        state: Path | None = None,
        on_failure: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._sinks = sinks
        self._clock = clock
        self._repeat_every = repeat_every
        self._state = state
        self._on_failure = on_failure
        self._firing = self._load()

    def fire(self, alert: Alert) -> None:
        """Tell that *alert* is the case."""
        now = self._clock()
        known = self._firing.get(alert.key)
        # A trouble that has become worse is news.
        if known is None or _is_worse(alert.severity, known.severity):
            known = _Firing(known.since if known else now, known.count if known else 0, alert.severity, {})
        known = replace(known, count=known.count + 1)
        sent = dict(known.sent)
        notice = Notice(alert, "firing", known.since, known.count)
        for name, sink in self._due(sent, now):
            if self._send(sink, notice):
                sent[name] = now
        self._firing[alert.key] = replace(known, sent=sent)
        self._save()

    def resolve(self, key: str, summary: str = "") -> None:
        """Tell that what *key* is about is over, to those who were told of it."""
        known = self._firing.pop(key, None)
        if known is None:
            return
        notice = Notice(Alert(key, summary or "it is over", known.severity), "resolved", known.since, known.count)
        for name, sink in self._named():
            if name in known.sent:
                self._send(sink, notice)
        self._save()

    def _named(self) -> list[tuple[str, Sink]]:
        return [(f"{type(sink).__name__}-{index}", sink) for index, sink in enumerate(self._sinks)]

    def _due(self, sent: Mapping[str, float], now: float) -> list[tuple[str, Sink]]:
        # A clock that was set back must not silence it for ever.
        return [
            (name, sink)
            for name, sink in self._named()
            if name not in sent or not 0 <= now - sent[name] < self._repeat_every
        ]

    def _send(self, sink: Sink, notice: Notice) -> bool:
        try:
            sink.send(notice)
        except YarnserveError as error:
            self._on_failure(f"{error.what}: {error.why}")
            return False
        return True

    def _load(self) -> dict[str, _Firing]:
        if self._state is None:
            return {}
        try:
            document = json.loads(self._state.read_bytes())
            return {str(key): from_document(_Firing, firing) for key, firing in document.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            self._on_failure(f"what was alerted before cannot be read: {first_line(str(error))}")
            return {}

    def _save(self) -> None:
        if self._state is None:
            return
        new = self._state.with_name(self._state.name + ".new")
        try:
            new.write_text(json.dumps(to_document(self._firing)) + "\n")
            new.replace(self._state)
        except OSError as error:
            self._on_failure(f"what is alerted cannot be remembered: {first_line(str(error))}")


def _is_worse(severity: str, other: str) -> bool:
    return severity == "critical" != other


def _told(text: str) -> str:
    """What leaves the house of *text*: a variable of the environment, and a message to a telephone, have limits."""
    return without_credentials(text[:_LONGEST])


def _failed(what: str, why: str) -> YarnserveError:
    return YarnserveError(what, why=first_line(why))
