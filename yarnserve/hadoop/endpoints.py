"""Which of several equal servers to ask, and in what order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from random import Random

#: A failure is forgotten after this many seconds.
MEMORY = 60.0


class EndpointChoice:
    """Random order among *urls*; one that failed lately comes late, and the last one to fail never comes first.

    Args:
        urls: base URLs; duplicates count once.
        random: source of the order.
        clock: monotonic seconds.
    """

    def __init__(
        self, urls: Iterable[str], *, random: Random | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.urls = tuple(dict.fromkeys(urls))
        self._random = random or Random()
        self._clock = clock
        self._failures: dict[str, tuple[int, float]] = {}
        self._last_failed = ""

    def order(self) -> list[str]:
        """Return every URL once, in the order to try them."""
        # Sorting by random ** (1 / weight) draws without replacement, each with a chance in proportion to its
        # weight (Efraimidis and Spirakis, 2006).
        keyed = {url: self._random.random() ** (1 / self._weight(url)) for url in self.urls}
        ordered = sorted(self.urls, key=lambda url: keyed[url], reverse=True)
        if ordered and ordered[0] == self._last_failed and self._recent_failures(ordered[0]):
            ordered.append(ordered.pop(0))
        return ordered

    def failed(self, url: str) -> None:
        """Remember that *url* failed just now."""
        self._failures[url] = (self._recent_failures(url) + 1, self._clock())
        self._last_failed = url

    def succeeded(self, url: str) -> None:
        """Forget what was held against *url*."""
        self._failures.pop(url, None)
        if self._last_failed == url:
            self._last_failed = ""

    def _weight(self, url: str) -> float:
        return 0.5 ** min(self._recent_failures(url), 6)

    def _recent_failures(self, url: str) -> int:
        count, at = self._failures.get(url, (0, 0.0))
        return count if self._clock() - at < MEMORY else 0
