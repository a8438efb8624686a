"""Alerts to Prometheus' Alertmanager (API v2), which groups, silences and routes them."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Callable
from typing import Any

from yarnserve.alerts.records import Notice, Sink, outward
from yarnserve.alerts.sinks import WEBHOOK_TIMEOUT, post_json

#: Seconds after which an alert that lasts is sent again, as Alertmanager expects it.
RESEND_EVERY = 60.0

#: Seconds after which Alertmanager takes one that is not sent again for over: this process is gone then.
LASTS = 4 * RESEND_EVERY

#: The name of an alert that has none.
ALERT_NAME = "YarnserveTrouble"

_PATH = "/api/v2/alerts"


class AlertmanagerSink(Sink):
    """POSTs notices to the Alertmanager at *url*, with or without the path of its API.

    Labels identify an alert: those it has, and its severity; where it has none, its key. Annotations explain it.

    Args:
        url: of one Alertmanager; of a cluster of them each gets a sink of its own.
        runbook: address of what to do, which ``#`` and the alert's name is added to; empty for none.
        timeout: seconds.
        now: seconds since the epoch.
    """

    words = "Alertmanager"
    repeat_every = RESEND_EVERY

    def __init__(
        self,
        url: str,
        *,
        runbook: str = "",
        timeout: float = WEBHOOK_TIMEOUT,
        now: Callable[[], float] = time.time,
    ) -> None:
        base = url.rstrip("/")
        self._url = base if base.endswith(_PATH) else base + _PATH
        self._runbook = runbook
        self._timeout = timeout
        self._now = now

    def send(self, notice: Notice) -> None:
        """Send it; every answer but a 2xx is a failure."""
        post_json(self._url, [self.document(notice)], to=self.words, timeout=self._timeout)

    def document(self, notice: Notice) -> dict[str, Any]:
        """Return *notice* as Alertmanager has it."""
        alert, now = notice.alert, self._now()
        named = {"alertname": ALERT_NAME, **(alert.labels or {"key": alert.key}), "severity": alert.severity}
        labels = {re.sub("[^a-zA-Z0-9_]", "_", label): outward(value) for label, value in named.items() if value}
        ends = now if notice.status == "resolved" else now + LASTS
        details = alert.details
        description = "; ".join(details[label] for label in ("why", "where") if details.get(label))
        runbook = f"{self._runbook}#{labels['alertname'].lower()}" if self._runbook else ""
        annotations = {
            "summary": alert.summary,
            "description": description,
            "fix": details.get("fix", ""),
            "runbook_url": runbook,
        }
        return {
            "labels": labels,
            "annotations": {name: outward(text) for name, text in annotations.items() if text},
            "startsAt": _moment(min(notice.since, now)),
            "endsAt": _moment(ends),
        }


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(timespec="milliseconds")
