"""Follow a model: one round of looking and fetching after the other, with an alarm for what fails and another try."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from yarnserve.alerts.records import Alarm, Alert
from yarnserve.errors import UnreachableError, WaitTimeoutError, YarnserveError
from yarnserve.repository.sync import Sync, Synced, Teller, Wanted

#: Seconds between two looks at HDFS; each host's differ by a fifth, so that a thousand do not come at once.
INTERVAL = 10.0
JITTER = 0.2

#: Seconds before the next try after a failure: doubled each time, up to a minute.
FIRST_RETRY = 1.0
MAX_RETRY = 60.0


@dataclass
class Follower:
    """Keeps *sync* up with what is to be served.

    *key* is what alerts are about. *random* draws the wave and the jitter; *sleep* waits, and returns whether the work
    is to end; *tell* is told each step, *on_round* what each round that went well has brought.
    """

    sync: Sync
    alerts: Alarm
    key: str
    random: Random
    sleep: Callable[[float], bool]
    tell: Teller = lambda step, about: None
    interval: float = INTERVAL
    on_round: Callable[[Wanted, Synced], None] = lambda wanted, synced: None
    _waved: tuple[int, str] | None = None
    _failures: int = 0

    def once(self) -> Synced:
        """One round, without waiting for a wave.

        Raises:
            YarnserveError: what failed; the alarm has been given.
        """
        return self._round(waves=False)

    def run(self) -> None:
        """Round after round until *sleep* says that it is enough; no failure ends it."""
        while True:
            try:
                self._round(waves=True)
            except _EndedError:
                return
            except YarnserveError:
                pause = min(FIRST_RETRY * 2.0**self._failures, MAX_RETRY)
                self._failures = min(self._failures + 1, 10)
            else:
                self._failures = 0
                pause = self.interval
            if self.sleep(pause * self.random.uniform(1 - JITTER, 1 + JITTER)):
                return

    def _round(self, *, waves: bool) -> Synced:
        try:
            wanted = self.sync.wanted()
            if waves:
                self._wait_for_wave(wanted)
            synced = self.sync.run(wanted)
        except _EndedError:
            raise
        except YarnserveError as error:
            self.tell("failed", _about(error))
            self.alerts.fire(Alert.of(self.key, error, severity=_severity(error)))
            raise
        self.alerts.resolve(self.key, f"version {synced.version} is here")
        self.on_round(wanted, synced)
        return synced

    def _wait_for_wave(self, wanted: Wanted) -> None:
        identity = (wanted.version, wanted.manifest.id)
        if self._waved == identity:
            return
        _, outlook = self.sync.plan(wanted)
        delay = outlook.pace.delay(outlook.size, self.random.random())
        if outlook.size and delay > 0:
            self.tell("waiting", {"version": wanted.version, "seconds": round(delay, 1), "waves": outlook.pace.waves})
            if self.sleep(delay):
                raise _EndedError("ended")
        self._waved = identity


class _EndedError(YarnserveError):
    """The work is to end."""


def _severity(error: YarnserveError) -> str:
    """HDFS may be away for a while, and what is served stays served; a version that does not come in time is worse."""
    is_passing = isinstance(error, UnreachableError) and not isinstance(error, WaitTimeoutError)
    return "warning" if is_passing else "critical"


def _about(error: YarnserveError) -> Mapping[str, Any]:
    return {"what": error.what, **dict(error.details())}
