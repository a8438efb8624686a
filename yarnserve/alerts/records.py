"""What is told, whom it is told, and where it goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from yarnserve.errors import YarnserveError, without_credentials

#: Characters of each text in an alert.
_LONGEST = 2000


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
            "key": outward(alert.key),
            "summary": outward(alert.summary),
            "severity": alert.severity,
            "details": {label: outward(text) for label, text in alert.details.items()},
            "labels": {label: outward(text) for label, text in alert.labels.items()},
            "since": self.since,
            "count": self.count,
        }


class Sink(Protocol):
    """Somewhere an alert goes; to be inherited from.

    Attributes:
        words: what it is called in a log.
        repeat_every: seconds after which it forgets what it is not told again; None for one that forgets nothing.
        has_limit: whether it is told the first only when very much happens at once.
    """

    words: str
    repeat_every: float | None = None
    has_limit: bool = True

    def send(self, notice: Notice) -> None:
        """Send it; YarnserveError when that failed."""


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


def outward(text: str) -> str:
    """What leaves the house of *text*: a variable of the environment, and a message to a telephone, have limits."""
    return without_credentials(text[:_LONGEST])
