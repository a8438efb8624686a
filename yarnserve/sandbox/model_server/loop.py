"""The thread that decides: it looks at the base paths once a period, and acts on what happens in between."""

from __future__ import annotations

import time

from yarnserve.sandbox.model_server.models import Models
from yarnserve.sandbox.model_server.shared import Changes


class Loop:
    """Looks at *models* every *period* seconds: with 0 once, with less never (tf-serving.md 1.2)."""

    def __init__(self, models: Models, changes: Changes, period: int) -> None:
        self._models = models
        self._changes = changes
        self._period = period
        self._seen = changes.count
        self._next_look = time.monotonic() if period >= 0 else None

    def turn(self) -> None:
        """Wait until there is something to do, and do it."""
        self._changes.wait(self._seen, None if self._next_look is None else self._next_look - time.monotonic())
        self._seen = self._changes.count
        if self._next_look is not None and time.monotonic() >= self._next_look:
            self._models.look()
            self._next_look = time.monotonic() + self._period if self._period else None
        self._models.act()
