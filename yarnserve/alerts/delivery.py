"""Alerts on their way: each once while it lasts, to every receiver."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from yarnserve.alerts.rate import MOST, WITHIN, Rate
from yarnserve.alerts.receiver import Receiver
from yarnserve.alerts.records import Alert, Notice, Sink
from yarnserve.alerts.state import Firing, StateFile

#: Seconds after which an alert that lasts is told again.
REPEAT_EVERY = 3600.0


class Alerts:
    """Sends alerts, each once while it lasts.

    Whatever a sink does, no method raises: *on_failure* is told in a line. One thread at a time.

    Args:
        sinks: where they go.
        clock: seconds since the epoch.
        state: a file that remembers what lasts from one process to the next; None for memory only.
        on_failure: told what could not be sent or saved, and that it can again.
        most: alerts that a sink with a limit is told within WITHIN seconds; what is beyond is told later.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        clock: Callable[[], float],
        state: Path | None = None,
        on_failure: Callable[[str], None] = lambda text: None,
        most: int = MOST,
    ) -> None:
        self._receivers = [
            Receiver(f"{type(sink).__name__}-{index}", sink, Rate(most, WITHIN), on_failure)
            for index, sink in enumerate(sinks)
        ]
        self._clock = clock
        self._state = StateFile(state, on_failure)
        self._firing = self._state.load()
        # What this process has said itself: of what another one left only the key is known.
        self._alerts: dict[str, Alert] = {}

    def fire(self, alert: Alert) -> None:
        """Tell that *alert* is the case."""
        now = self._clock()
        known = self._firing.get(alert.key, Firing(now, 0, alert.severity, {}))
        # A trouble that has become worse is news.
        if alert.severity == "critical" and known.severity != "critical":
            known = replace(known, severity=alert.severity, sent={})
        known = replace(known, count=known.count + 1, labels=alert.labels)
        self._alerts[alert.key] = alert
        self._tell(alert, known, [each for each in self._receivers if _is_due(each, known, now)], now)
        self._state.save(self._firing)

    def resolve(self, key: str, summary: str = "") -> None:
        """Tell that what *key* is about is over, to those who were told of it."""
        self._alerts.pop(key, None)
        known = self._firing.pop(key, None)
        if known is None:
            return
        alert = Alert(key, summary or "it is over", known.severity, labels=known.labels)
        notice = Notice(alert, "resolved", known.since, known.count)
        for receiver in self._receivers:
            if receiver.name in known.sent:
                receiver.end(notice, self._clock())
        self._state.save(self._firing)

    def settle(self, prefix: str, lasting: Collection[str]) -> None:
        """Tell that what keys with *prefix* are about is over, but for those that are *lasting*."""
        for key in [each for each in self._firing if each.startswith(prefix) and each not in lasting]:
            self.resolve(key)

    def refresh(self) -> None:
        """Tell what could not be told before, and again what a sink forgets; to be called every few seconds."""
        now, before = self._clock(), dict(self._firing)
        for receiver in self._receivers:
            receiver.settle(now)
        for key, alert in self._alerts.items():
            known = self._firing[key]
            # One that forgets nothing is told again when it comes again.
            waiting = [each for each in self._receivers if each.repeat_every or each.name not in known.sent]
            self._tell(alert, known, [each for each in waiting if _is_due(each, known, now)], now)
        if self._firing != before:
            self._state.save(self._firing)

    def _tell(self, alert: Alert, known: Firing, receivers: Sequence[Receiver], now: float) -> None:
        sent = dict(known.sent)
        notice = Notice(alert, "firing", known.since, known.count)
        for receiver in receivers:
            is_repeated = receiver.repeat_every is not None and receiver.name in sent
            if receiver.begin(notice, now, is_repeated=is_repeated):
                sent[receiver.name] = now
        self._firing[alert.key] = replace(known, sent=sent)


def _is_due(receiver: Receiver, known: Firing, now: float) -> bool:
    every = receiver.repeat_every or REPEAT_EVERY
    # A clock that was set back must not silence it for ever.
    return receiver.name not in known.sent or not 0 <= now - known.sent[receiver.name] < every
