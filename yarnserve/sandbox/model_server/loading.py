"""Attempts at loading a version, and the threads that make them (tf-serving.md 5.2, 5.5)."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from yarnserve.sandbox.model_server.log import log
from yarnserve.sandbox.model_server.servable import Servable
from yarnserve.sandbox.model_server.source import Source, SourceError
from yarnserve.sandbox.model_server.status import Code, ServingError

Job: TypeAlias = Callable[[], None]


@dataclass(frozen=True)
class Place:
    """Where a version is: a directory of a base path."""

    source: Source
    child: str

    @property
    def path(self) -> str:
        """Its name in messages and metrics."""
        return f"{self.source.base_path}/{self.child}"


class Loading:
    """How versions are loaded.

    Args:
        load: turns a version's directory, and its path for messages, into a servable; raises ServingError.
        max_retries: further attempts after one has failed.
        retry_seconds: pause before each; negative for none.
        sleep: waits that many seconds.
        count: told the path of every attempt, and whether it succeeded.
    """

    def __init__(
        self,
        load: Callable[[Path, str], Servable],
        *,
        max_retries: int,
        retry_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        count: Callable[[str, bool], None] = lambda path, succeeded: None,
    ) -> None:
        self._load = load
        self._max_retries = max_retries
        self._retry_seconds = retry_seconds
        self._sleep = sleep
        self._count = count

    def run(self, place: Place, what: str, cancelled: threading.Event) -> Servable:
        """Load the version in *place*, with retries until *cancelled*; *what* is its name in the log.

        Raises:
            ServingError: what the last attempt said.
        """
        retry = 0
        while True:
            try:
                return self._attempt(place)
            except ServingError as error:
                retry += 1
                if cancelled.is_set():
                    log("I", "util/retrier.cc", f"Retrying of Loading servable: {what} was cancelled.")
                if cancelled.is_set() or retry > self._max_retries:
                    raise
                log("E", "core/loader_harness.cc", f"{error}; retry {retry} of {self._max_retries} for {what}")
            # Whoever cancels does not cut the pause short, and one attempt follows it, as in TF Serving.
            if self._retry_seconds > 0:
                self._sleep(self._retry_seconds)

    def _attempt(self, place: Place) -> Servable:
        try:
            with place.source.fetch(place.child) as directory:
                servable = self._load(directory, place.path)
        except (SourceError, OSError) as error:
            self._count(place.path, False)
            raise ServingError(Code.UNKNOWN, str(error)) from error
        except ServingError:
            self._count(place.path, False)
            raise
        self._count(place.path, True)
        return servable


def inline(job: Job) -> None:
    """Load where the decision is made, so that nothing else is decided meanwhile: ``num_load_threads=0``."""
    job()


def in_threads(count: int) -> Callable[[Job], None]:
    """Return what hands jobs to *count* threads."""
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()

    def work() -> None:
        while True:
            jobs.get()()

    for _ in range(count):
        threading.Thread(target=work, daemon=True, name="load").start()
    return jobs.put
