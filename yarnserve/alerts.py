"""Alerts of commands that run for long: each told once, to a command, a webhook and the log, and told when it is over.

Whoever is called at night wants one call for one trouble. An alert is known by its key; while it lasts it is repeated
every REPEAT_EVERY seconds at most, also by another process that finds the state file of this one. When very much
happens at once a receiver is told the first of it, and how much is held back.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from yarnserve.alert_rate import MOST, WITHIN, Rate
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

#: How often a receiver may fail before it is left alone for REST seconds at a time.
_PATIENCE = 3
REST = 30.0

#: Ends of alerts that wait for a receiver, and keys that wait to be sent.
_MOST_OWED = 1000
_MOST_WAITING = 1000

#: Seconds after which an unsent alert, and one that has to be repeated, is looked at again.
REFRESH_EVERY = 10.0

_HELD_BACK = "alerts held back"


@dataclass(frozen=True)
class Alert:
    """Something that somebody should look at.

    Attributes:
        key: what it is known by.
        summary: what it is, in one line.
        severity: ``warning`` or ``critical``.
        details: what errors tell: where, why, fix.
        labels: what it is about, for who sorts alerts: ``alertname``, ``service``, ``instance``. Two alerts that last
            at the same time need different ones, or none.
    """

    key: str
    summary: str
    severity: str = "warning"
    details: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, key: str, error: YarnserveError, *, severity: str = "warning", labels: Mapping[str, str] | None = None
    ) -> Alert:
        """The alert that *error* is worth."""
        return cls(key, error.what, severity, dict(error.details()), labels or {})


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
            "labels": {label: _told(text) for label, text in alert.labels.items()},
            "since": self.since,
            "count": self.count,
        }


class Sink(Protocol):
    """Somewhere an alert goes; *words* call it by its name in a log."""

    words: str

    def send(self, notice: Notice) -> None:
        """Send it; YarnserveError when that failed."""


class CommandSink:
    """Runs *command* by the shell, with the notice as JSON on its stdin and the main of it in its environment."""

    words = "the alert's command"

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
            raise _failed(f"{self.words} cannot be run", str(error)) from error
        with process:
            try:
                process.communicate(json.dumps(document).encode() + b"\n", timeout=self._timeout)
            except subprocess.TimeoutExpired as error:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise _failed(f"{self.words} did not end", f"{self._timeout:g} s have passed") from error
        if process.returncode:
            raise _failed(f"{self.words} failed", f"it ended with {process.returncode}")


def post_json(url: str, document: Any, *, to: str, timeout: float) -> None:
    """POST *document*; every answer but a 2xx is a failure of *to*, whatever its body is.

    Raises:
        YarnserveError: it was not taken.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    try:
        request = urllib.request.Request(url, json.dumps(document).encode(), {"Content-Type": "application/json"})
        # Its body is nothing to us, and may have no end.
        opener.open(request, timeout=timeout).close()
    except urllib.error.HTTPError as error:
        with error:
            raise _failed(f"{to} refuses it", f"HTTP {error.code}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(f"{to} cannot be reached", str(error)) from error


class WebhookSink:
    """POSTs the notice as JSON to *url*."""

    words = "the alert's webhook"

    def __init__(self, url: str, *, timeout: float = WEBHOOK_TIMEOUT) -> None:
        self._url = url
        self._timeout = timeout

    def send(self, notice: Notice) -> None:
        """Send it; every answer but a 2xx is a failure."""
        post_json(self._url, notice.to_document(), to=self.words, timeout=self._timeout)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any, **options: Any) -> None:
        """Follow none: a POST would become a GET of somewhere else."""


class LogSink:
    """Writes one line."""

    words = "the log"

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def send(self, notice: Notice) -> None:
        """Write it."""
        document = notice.to_document()
        self._write(f"ALERT {document['status']}: {document['key']}: {document['summary']}")


@runtime_checkable
class Repeating(Protocol):
    """A sink that forgets what it is not told again every *repeat_every* seconds."""

    repeat_every: float


@dataclass(frozen=True)
class _Firing:
    """What is remembered of an alert that lasts; *sent* is when each sink got it, by the sink's place."""

    since: float
    count: int
    severity: str
    sent: Mapping[str, float]
    labels: Mapping[str, str] = field(default_factory=dict)


class Alarm(Protocol):
    """Whom troubles are told."""

    def fire(self, alert: Alert) -> None:
        """Tell that *alert* is the case."""

    def resolve(self, key: str, summary: str = "") -> None:
        """Tell that what *key* is about is over."""

    def settle(self, prefix: str, lasting: Collection[str]) -> None:
        """Tell that what keys with *prefix* are about is over, but for those that are *lasting*.

        For whoever begins: an earlier process may have told of what has ended since.
        """


class BackgroundAlerts:
    """Sends through *alerts* in a thread of its own: whoever fires must not wait for a telephone.

    What comes while it still waits to be sent takes the place of what was to be told of the same key before, so that
    a receiver which is down for a day costs no memory. *on_failure* is told in a line what could not be sent.
    """

    def __init__(
        self,
        alerts: Alerts,
        *,
        on_failure: Callable[[str], None] = lambda text: None,
        refresh_every: float = REFRESH_EVERY,
    ) -> None:
        self._alerts = alerts
        self._on_failure = on_failure
        self._refresh_every = refresh_every
        self._changed = threading.Condition()
        self._waiting: dict[str, list[tuple[bool, Callable[[], None]]]] = {}
        self._is_busy = False
        threading.Thread(target=self._run, daemon=True, name="alerts").start()

    def fire(self, alert: Alert) -> None:
        """Tell that *alert* is the case."""
        self._put(alert.key, True, lambda: self._alerts.fire(alert))

    def resolve(self, key: str, summary: str = "") -> None:
        """Tell that what *key* is about is over."""
        self._put(key, False, lambda: self._alerts.resolve(key, summary))

    def settle(self, prefix: str, lasting: Collection[str]) -> None:
        """Tell that what keys with *prefix* are about is over, but for those that are *lasting*."""
        self._put(f"all of {prefix}", False, lambda: self._alerts.settle(prefix, lasting))

    def finish(self, patience: float) -> None:
        """Wait until all that was told is sent, for *patience* seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._is_busy, patience)

    def _put(self, key: str, is_firing: bool, send: Callable[[], None]) -> None:
        with self._changed:
            acts = self._waiting.setdefault(key, [])
            if acts and acts[-1][0] == is_firing:
                acts.pop()
            acts.append((is_firing, send))
            # A beginning and an end that were never told need not be told before the next ones.
            del acts[:-2]
            is_lost = len(self._waiting) > _MOST_WAITING
            if is_lost:
                del self._waiting[next(iter(self._waiting))]
            self._changed.notify_all()
        if is_lost:
            self._on_failure("an alert was lost: too many wait to be sent")

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting), self._refresh_every)
                acts = self._waiting.pop(next(iter(self._waiting))) if self._waiting else []
                self._is_busy = True
            for send in [send for _, send in acts] or [self._alerts.refresh]:
                self._try(send)

    def _try(self, send: Callable[[], None]) -> None:
        try:
            send()
        except Exception as error:  # noqa: BLE001  without its thread nothing would ever be told again
            self._on_failure(f"an alert was lost: {type(error).__name__}: {error}")


class _Target:
    """A sink, how much it is told, and whether it takes anything now; *name* is its place among all."""

    def __init__(self, name: str, sink: Sink, rate: Rate, say: Callable[[str], None]) -> None:
        self.name = name
        self.repeat_every = sink.repeat_every if isinstance(sink, Repeating) else None
        self._sink = sink
        self._rate = rate
        self._say = say
        self._owed: dict[str, Notice] = {}
        self._failures = 0
        self._missed = 0
        self._down_since = 0.0
        self._said_at = 0.0
        self._failed_at = 0.0

    def begin(self, notice: Notice, now: float, *, is_repeated: bool) -> bool:
        """Tell that an alert lasts; return whether it was taken. A repetition does not count against the rate."""
        self._owed.pop(notice.alert.key, None)
        if self._is_resting(now):
            return False
        if is_repeated or isinstance(self._sink, LogSink):
            return self._send(notice, now)
        if not self._rate.has_room(now):
            if self._rate.hold(notice.alert.key):
                self._tell_of_rate("firing", now)
            return False
        if self._send(notice, now):
            self._rate.count(now)
            return True
        return False

    def end(self, notice: Notice, now: float) -> None:
        """Tell that one is over; what cannot be told now is told later."""
        if self._is_resting(now) or not self._send(notice, now):
            self._owed[notice.alert.key] = notice
            if len(self._owed) > _MOST_OWED:
                del self._owed[next(iter(self._owed))]

    def settle(self, now: float) -> None:
        """Tell what it is still owed, and that alerts are not held back any more."""
        for key, notice in list(self._owed.items()):
            if self._is_resting(now) or not self._send(notice, now):
                return
            del self._owed[key]
        if self._rate.held and self._rate.has_room(now) and not self._is_resting(now):
            self._tell_of_rate("resolved", now)

    def _tell_of_rate(self, status: str, now: float) -> None:
        rate = self._rate
        limit = f"more than {rate.most} alerts in {rate.within / 60:.0f} minutes"
        if status == "firing":
            summary = f"{limit}: further ones are held back"
        else:
            summary = f"{limit}: {rate.release()} were held back; those that last are told now"
        alert = Alert(_HELD_BACK, summary, labels={"alertname": "YarnserveAlertsHeldBack"})
        self._send(Notice(alert, status, now, 1), now)

    def _is_resting(self, now: float) -> bool:
        return self._failures >= _PATIENCE and 0 <= now - self._failed_at < REST

    def _send(self, notice: Notice, now: float) -> bool:
        try:
            self._sink.send(notice)
        except YarnserveError as error:
            self._failed(error, now)
            return False
        if self._failures:
            minutes = (now - self._down_since) / 60
            self._say(
                f"{self._sink.words} takes alerts again, after {minutes:.0f} min; tries that failed: {self._missed}"
            )
        self._failures = self._missed = 0
        return True

    def _failed(self, error: YarnserveError, now: float) -> None:
        if not self._failures:
            self._down_since = now
        if not self._failures or not 0 <= now - self._said_at < REPEAT_EVERY:
            self._said_at = now
            self._say(f"{error.what}: {error.why}")
        self._failures += 1
        self._missed += 1
        self._failed_at = now


class Alerts:
    """Sends alerts, each once while it lasts.

    Whatever a sink does, no method raises: *on_failure* is told in a line. One thread at a time.

    Args:
        sinks: where they go.
        clock: seconds since the epoch.
        repeat_every: seconds after which an alert that lasts is sent again.
        state: a file that remembers what lasts from one process to the next; None for memory only.
        on_failure: told what could not be sent or saved, and that it can again.
        most: alerts that a sink, but for the log, is told *within* so many seconds; what is beyond is told later.
        within: seconds.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        clock: Callable[[], float],
        repeat_every: float = REPEAT_EVERY,
        state: Path | None = None,
        on_failure: Callable[[str], None] = lambda text: None,
        most: int = MOST,
        within: float = WITHIN,
    ) -> None:
        self._targets = [
            _Target(f"{type(sink).__name__}-{index}", sink, Rate(most, within), on_failure)
            for index, sink in enumerate(sinks)
        ]
        self._clock = clock
        self._repeat_every = repeat_every
        self._state = state
        self._on_failure = on_failure
        self._is_saved = True
        self._firing = self._load()
        # What this process has said itself: of what another one left only the key is known.
        self._alerts: dict[str, Alert] = {}

    def fire(self, alert: Alert) -> None:
        """Tell that *alert* is the case."""
        now = self._clock()
        known = self._firing.get(alert.key)
        # A trouble that has become worse is news.
        if known is None or _is_worse(alert.severity, known.severity):
            known = _Firing(known.since if known else now, known.count if known else 0, alert.severity, {})
        known = replace(known, count=known.count + 1, labels=alert.labels)
        self._alerts[alert.key] = alert
        due = [target for target in self._targets if self._is_due(target, known.sent, now)]
        self._tell(alert, known, due, now)
        self._save()

    def resolve(self, key: str, summary: str = "") -> None:
        """Tell that what *key* is about is over, to those who were told of it."""
        self._alerts.pop(key, None)
        known = self._firing.pop(key, None)
        if known is None:
            return
        alert = Alert(key, summary or "it is over", known.severity, labels=known.labels)
        notice = Notice(alert, "resolved", known.since, known.count)
        for target in self._targets:
            if target.name in known.sent:
                target.end(notice, self._clock())
        self._save()

    def settle(self, prefix: str, lasting: Collection[str]) -> None:
        """Tell that what keys with *prefix* are about is over, but for those that are *lasting*."""
        for key in [each for each in self._firing if each.startswith(prefix) and each not in lasting]:
            self.resolve(key)

    def refresh(self) -> None:
        """Tell what could not be told before, and again what a sink forgets; to be called every few seconds."""
        now, before = self._clock(), dict(self._firing)
        for target in self._targets:
            target.settle(now)
        for key, alert in list(self._alerts.items()):
            known = self._firing[key]
            due = [
                target
                for target in self._targets
                if target.name not in known.sent or (target.repeat_every and self._is_due(target, known.sent, now))
            ]
            self._tell(alert, known, due, now)
        if self._firing != before:
            self._save()

    def _tell(self, alert: Alert, known: _Firing, due: Sequence[_Target], now: float) -> None:
        sent = dict(known.sent)
        notice = Notice(alert, "firing", known.since, known.count)
        for target in due:
            is_repeated = target.repeat_every is not None and target.name in sent
            if target.begin(notice, now, is_repeated=is_repeated):
                sent[target.name] = now
        self._firing[alert.key] = replace(known, sent=sent)

    def _is_due(self, target: _Target, sent: Mapping[str, float], now: float) -> bool:
        # A clock that was set back must not silence it for ever.
        every = target.repeat_every or self._repeat_every
        return target.name not in sent or not 0 <= now - sent[target.name] < every

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
            if self._is_saved:
                self._on_failure(f"what is alerted cannot be remembered: {first_line(str(error))}")
            self._is_saved = False
        else:
            self._is_saved = True


def _is_worse(severity: str, other: str) -> bool:
    return severity == "critical" != other


def _told(text: str) -> str:
    """What leaves the house of *text*: a variable of the environment, and a message to a telephone, have limits."""
    return without_credentials(text[:_LONGEST])


def _failed(what: str, why: str) -> YarnserveError:
    return YarnserveError(what, why=first_line(why))
