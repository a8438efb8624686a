"""One receiver of alerts: how much it is told, and what it is owed while it takes nothing."""

from __future__ import annotations

from collections.abc import Callable

from yarnserve.alerts.rate import Rate
from yarnserve.alerts.records import Alert, Notice, Sink
from yarnserve.errors import YarnserveError

#: Seconds after which it is said again that it takes nothing.
SAY_EVERY = 3600.0

#: How often it may fail before it is left alone for REST seconds at a time.
_PATIENCE = 3
REST = 30.0

#: Ends of alerts that wait for it.
_MOST_OWED = 1000

_HELD_BACK = "alerts held back"


class Receiver:
    """A sink, how much it is told, and whether it takes anything now; *name* is its place among all."""

    def __init__(self, name: str, sink: Sink, rate: Rate, say: Callable[[str], None]) -> None:
        self.name = name
        self.repeat_every = sink.repeat_every
        self._sink = sink
        self._rate = rate
        self._say = say
        self._owed: dict[str, Notice] = {}
        self._failures = 0
        self._down_since = 0.0
        self._said_at = 0.0
        self._failed_at = 0.0

    def begin(self, notice: Notice, now: float, *, is_repeated: bool) -> bool:
        """Tell that an alert lasts; return whether it was taken. A repetition does not count against the rate."""
        self._owed.pop(notice.alert.key, None)
        if self._is_resting(now):
            return False
        is_counted = self._sink.has_limit and not is_repeated
        if is_counted and not self._rate.has_room(now):
            if self._rate.hold(notice.alert.key):
                self._tell_of_rate("firing", "further ones are held back", now)
            return False
        is_taken = self._try(notice, now)
        if is_taken and is_counted:
            self._rate.count(now)
        return is_taken

    def end(self, notice: Notice, now: float) -> None:
        """Tell that one is over; what cannot be told now is told later."""
        if not self._try(notice, now):
            self._owed[notice.alert.key] = notice
            if len(self._owed) > _MOST_OWED:
                del self._owed[next(iter(self._owed))]

    def settle(self, now: float) -> None:
        """Tell what it is still owed, and that alerts are not held back any more."""
        for key, notice in list(self._owed.items()):
            if not self._try(notice, now):
                return
            del self._owed[key]
        if self._rate.held and self._rate.has_room(now) and not self._is_resting(now):
            held = self._rate.release()
            self._tell_of_rate("resolved", f"{held} were held back; those that last are told now", now)

    def _tell_of_rate(self, status: str, what: str, now: float) -> None:
        summary = f"more than {self._rate.most} alerts in {self._rate.within / 60:.0f} minutes: {what}"
        alert = Alert(_HELD_BACK, summary, labels={"alertname": "YarnserveAlertsHeldBack"})
        self._try(Notice(alert, status, now, 1), now)

    def _is_resting(self, now: float) -> bool:
        return self._failures >= _PATIENCE and 0 <= now - self._failed_at < REST

    def _try(self, notice: Notice, now: float) -> bool:
        """Send it, unless it rests; return whether it was taken."""
        if self._is_resting(now):
            return False
        try:
            self._sink.send(notice)
        except YarnserveError as error:
            self._failed(error, now)
            return False
        if self._failures:
            minutes = (now - self._down_since) / 60
            failed = f"tries that failed: {self._failures}"
            self._say(f"{self._sink.words} takes alerts again, after {minutes:.0f} min; {failed}")
        self._failures = 0
        return True

    def _failed(self, error: YarnserveError, now: float) -> None:
        if not self._failures:
            self._down_since = now
        if not self._failures or not 0 <= now - self._said_at < SAY_EVERY:
            self._said_at = now
            self._say(f"{error.what}: {error.why}")
        self._failures += 1
        self._failed_at = now
