"""Alerts sent in a thread of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

from yarnserve.alerts.delivery import Alerts
from yarnserve.alerts.records import Alert

#: Keys that wait to be sent.
_MOST_WAITING = 1000

#: Seconds after which an unsent alert, and one that has to be repeated, is looked at again.
REFRESH_EVERY = 10.0


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
        # By its key, the newest beginning (True) and the newest end, in the order in which they came.
        self._waiting: dict[str, dict[bool, Callable[[], None]]] = {}
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
            # A beginning and an end that were never told need not be told before the next ones.
            acts = self._waiting.setdefault(key, {})
            acts.pop(is_firing, None)
            acts[is_firing] = send
            is_lost = len(self._waiting) > _MOST_WAITING
            if is_lost:
                del self._waiting[next(iter(self._waiting))]
            self._changed.notify_all()
        if is_lost:
            self._on_failure("an alert was lost: too many wait to be sent")

    def _run(self) -> None:
        due = time.monotonic() + self._refresh_every
        while True:
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting), max(0.0, due - time.monotonic()))
                acts = self._waiting.pop(next(iter(self._waiting))) if self._waiting else {}
                self._is_busy = True
            for send in acts.values():
                self._try(send)
            # Also while others keep coming: a supervisor fires what lasts at every step.
            if time.monotonic() >= due:
                self._try(self._alerts.refresh)
                due = time.monotonic() + self._refresh_every

    def _try(self, send: Callable[[], None]) -> None:
        try:
            send()
        except Exception as error:  # noqa: BLE001  without its thread nothing would ever be told again
            self._on_failure(f"an alert was lost: {type(error).__name__}: {error}")
