"""Alerts on their way: each once while it lasts, to every receiver, also from one process to the next."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from yarnserve.alerts.rate import MOST, WITHIN, Rate
from yarnserve.alerts.receiver import Receiver
from yarnserve.alerts.records import Alert, Notice, Sink
from yarnserve.errors import first_line
from yarnserve.records.document import from_document, to_document

#: Seconds after which an alert that lasts is told again.
REPEAT_EVERY = 3600.0


@dataclass(frozen=True)
class _Firing:
    """What is remembered of an alert that lasts; *sent* is when each sink got it, by the sink's place."""

    since: float
    count: int
    severity: str
    sent: Mapping[str, float]
    labels: Mapping[str, str] = field(default_factory=dict)


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
            Receiver(f"{type(sink).__name__}-{index}", sink, Rate(most, within), on_failure)
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

    def _tell(self, alert: Alert, known: _Firing, due: Sequence[Receiver], now: float) -> None:
        sent = dict(known.sent)
        notice = Notice(alert, "firing", known.since, known.count)
        for target in due:
            is_repeated = target.repeat_every is not None and target.name in sent
            if target.begin(notice, now, is_repeated=is_repeated):
                sent[target.name] = now
        self._firing[alert.key] = replace(known, sent=sent)

    def _is_due(self, target: Receiver, sent: Mapping[str, float], now: float) -> bool:
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
