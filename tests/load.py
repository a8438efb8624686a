"""``wrk`` as the callers of replicas: a program that knows nothing of yarnserve, and counts for itself."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_suffix(".lua")

#: Seconds that wrk has to say what it counted; it notices its end ten times a second.
_LAST_WORDS = 15.0

#: Longer than anything here lasts: wrk ends when it is told to.
_FOR_EVER = 3600

CONNECTIONS = 2


@dataclass(frozen=True)
class Counts:
    """What wrk says at its end.

    Attributes:
        requests: those that were answered.
        seconds: how long it asked.
        status: answers of 400 and more.
        connect: connections that nobody took.
        read: answers that broke off.
        write: requests that could not be sent.
        timeout: answers that took more than two seconds.
        p50: milliseconds that half of the answers took at most.
        p99: milliseconds that 99 of a hundred took at most.
        longest: milliseconds that the slowest answer took.
    """

    requests: int
    seconds: float
    status: int
    connect: int
    read: int
    write: int
    timeout: int
    p50: float
    p99: float
    longest: float

    @property
    def errors(self) -> dict[str, int]:
        """Everything that went wrong, by kind; empty when nothing did."""
        kinds = ("status", "connect", "read", "write", "timeout")
        return {kind: count for kind in kinds if (count := getattr(self, kind))}


class Wrk:
    """A running wrk that posts the content of *body* to *url* by two connections, *pause* ms after each answer."""

    def __init__(self, url: str, body: Path, *, pause: int) -> None:
        self.url = url
        options = ["--threads=1", f"--connections={CONNECTIONS}", f"--duration={_FOR_EVER}", f"--script={_SCRIPT}"]
        command = ["wrk", *options, url, "--", str(body), str(pause)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self) -> Counts:
        """Let it end, and return what it counted."""
        self._process.send_signal(signal.SIGINT)
        told, _ = self._process.communicate(timeout=_LAST_WORDS)
        try:
            return Counts(**json.loads(told.splitlines()[-1]))
        except (ValueError, TypeError, IndexError) as error:
            raise AssertionError(f"wrk on {self.url} said: {told}") from error

    def kill(self) -> None:
        """End it without a word, if it runs."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()


@contextmanager
def callers(urls: Sequence[str], body: Path, *, pause: int) -> Iterator[list[Wrk]]:
    """Somebody who asks each of *urls* without an end, until the block ends or :meth:`Wrk.end` is called."""
    running: list[Wrk] = []
    try:
        for url in urls:
            running.append(Wrk(url, body, pause=pause))
        yield running
    finally:
        for each in running:
            each.kill()
