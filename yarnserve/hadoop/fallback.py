"""Two ways to say who we are, of which the first is better and may not be there yet, or for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import requests

from yarnserve.errors import YarnserveError
from yarnserve.hadoop.authentication import Authentication, Credentials, Signed

#: Seconds after a failure of the first until it is tried again: a KDC that is away takes its time to be so.
AGAIN_AFTER = 60.0


class FallbackAuthentication:
    """Signs each request as *open_first* gives, and as *second* while that fails; safe to use from several threads.

    Args:
        open_first: makes the better one, once it can.
        second: stands in.
        on_trouble: told why the first cannot be used, whenever that is found out.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        open_first: Callable[[], Authentication],
        second: Authentication,
        *,
        on_trouble: Callable[[YarnserveError], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_first = open_first
        self._second = second
        self._on_trouble = on_trouble
        self._clock = clock
        self._lock = threading.Lock()
        self._first: Authentication | None = None
        self._failed_at: float | None = None
        self._sessions: list[requests.Session] = []

    @property
    def user(self) -> str:
        """The short name of the first where it can be used, else that of the second."""
        first = self._usable()
        return first.user if first else self._second.user

    def attach(self, session: requests.Session) -> None:
        """Sign every request, and have refusals told as both would."""
        self._second.attach(session)
        with self._lock:
            self._sessions.append(session)
            if self._first is not None:
                self._first.attach(session)
        session.auth = Signed(self.credentials)

    def credentials(self, url: str) -> Credentials:
        """What the first gives for *url*, or the second.

        Raises:
            YarnserveError: the second gives nothing either, and says why.
        """
        first = self._usable()
        if first is not None:
            try:
                return first.credentials(url)
            except YarnserveError as error:
                self._fail(error)
        return self._second.credentials(url)

    def _usable(self) -> Authentication | None:
        with self._lock:
            if self._failed_at is not None and self._clock() - self._failed_at < AGAIN_AFTER:
                return None
            if self._first is None:
                try:
                    self._first = self._open_first()
                except YarnserveError as error:
                    self._failed_at = self._clock()
                    self._on_trouble(error)
                    return None
                for session in self._sessions:
                    self._first.attach(session)
                    session.auth = Signed(self.credentials)
            self._failed_at = None
            return self._first

    def _fail(self, error: YarnserveError) -> None:
        with self._lock:
            self._failed_at = self._clock()
        self._on_trouble(error)
