"""The life of a model's versions (tf-serving.md 5): which ones are wanted, loaded, served, forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from yarnserve.sandbox.model_server.log import log
from yarnserve.sandbox.model_server.model_config import ModelConfig
from yarnserve.sandbox.model_server.servable import Servable
from yarnserve.sandbox.model_server.source import Source, SourceError, versions
from yarnserve.sandbox.model_server.status import Code, ServingError, not_found

_STORAGE = "sources/storage_path/file_system_storage_path_source.cc"


@dataclass(frozen=True)
class VersionStatus:
    """A version's state, and why it ended where a load failed."""

    state: str
    error: ServingError | None = None


class Manager:
    """One model: what its policy wants is loaded, and the old serves until something new can.

    Args:
        config: its name, version policy and labels.
        source: where its versions are.
        load: turns a version's directory, and its path for messages, into a servable; raises ServingError.
        max_retries: further attempts after a load has failed.
        retry_seconds: pause before each; negative for none.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        config: ModelConfig,
        source: Source,
        load: Callable[[Path, str], Servable],
        *,
        max_retries: int,
        retry_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.model = config.name
        self.labels = config.labels
        self._policy = config.policy
        self._source = source
        self._load = load
        self._max_retries = max_retries
        self._retry_seconds = retry_seconds
        self._sleep = sleep
        self._lock = threading.Lock()
        self._statuses: dict[int, VersionStatus] = {}
        self._serving: dict[int, Servable] = {}
        self._failed: set[int] = set()

    def statuses(self) -> dict[int, VersionStatus]:
        """Return every version ever seen, highest first."""
        with self._lock:
            return dict(sorted(self._statuses.items(), reverse=True))

    def servable(self, version: int | None) -> tuple[int, Servable]:
        """Return a version that serves, the highest without a number.

        Raises:
            ServingError: NOT_FOUND.
        """
        with self._lock:
            number = version if version is not None else max(self._serving, default=None)
            if number is None or number not in self._serving:
                raise not_found(self.model, version)
            return number, self._serving[number]

    def first_outcome(self) -> VersionStatus | None:
        """Return the status of a version that serves or has ended; None while there is none."""
        statuses = self.statuses().values()
        return next((status for status in statuses if status.state in ("AVAILABLE", "END")), None)

    def look(self) -> dict[int, str] | None:
        """Return the versions in the base path by number; None when it cannot be listed, which changes nothing."""
        path = self._source.base_path
        try:
            found = versions(self._source.children())
        except SourceError as error:
            log("E", _STORAGE, f"{error}")
            missing = f"Could not find base path {path} for servable {self.model}"
            log("E", _STORAGE, f"FileSystemStoragePathSource encountered a filesystem access error: {missing}")
            return None
        if not found:
            log("W", _STORAGE, f"No versions of servable {self.model} found under base path {path}")
        return found

    def follow(self, found: Mapping[int, str]) -> None:
        """Load what the policy wants of *found*, the highest first, and unload the rest once something serves."""
        wanted = self._policy.aspired(found)
        self._failed &= wanted
        for version in sorted(wanted - self._serving.keys() - self._failed, reverse=True):
            self._bring_up(version, found[version])
            self._unload_all_but(wanted)
        self._unload_all_but(wanted)

    def _unload_all_but(self, wanted: Set[int]) -> None:
        if wanted and not wanted & self._serving.keys():
            return
        for version in sorted(self._serving.keys() - wanted):
            self._take_down(version)

    def _bring_up(self, version: int, child: str) -> None:
        self._set(version, "LOADING")
        self._log("I", version, "Loading servable version")
        try:
            servable = self._attempt(version, child)
        except ServingError as error:
            self._failed.add(version)
            self._set(version, "END", error)
            return
        with self._lock:
            self._serving[version] = servable
            self._statuses[version] = VersionStatus("AVAILABLE")
        self._log("I", version, "Successfully loaded servable version")

    def _attempt(self, version: int, child: str) -> Servable:
        """Load, with retries; all the while the version's status is LOADING and OK, as in TF Serving."""
        for retry in range(1, self._max_retries + 1):
            try:
                return self._load_once(child)
            except ServingError as error:
                self._log("E", version, f"{error}; retry {retry} of {self._max_retries} for")
            if self._retry_seconds > 0:
                self._sleep(self._retry_seconds)
        return self._load_once(child)

    def _load_once(self, child: str) -> Servable:
        try:
            with self._source.fetch(child) as directory:
                return self._load(directory, f"{self._source.base_path}/{child}")
        except (SourceError, OSError) as error:
            raise ServingError(Code.UNKNOWN, str(error)) from error

    def _take_down(self, version: int) -> None:
        self._set(version, "UNLOADING")
        with self._lock:
            del self._serving[version]
        self._set(version, "END")
        self._log("I", version, "Unloaded servable version")

    def _set(self, version: int, state: str, error: ServingError | None = None) -> None:
        with self._lock:
            self._statuses[version] = VersionStatus(state, error)

    def _log(self, severity: str, version: int, what: str) -> None:
        log(severity, "core/loader_harness.cc", f"{what} {{name: {self.model} version: {version}}}")
