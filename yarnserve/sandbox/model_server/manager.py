"""The life of a model's versions (tf-serving.md 5): which ones are wanted, loaded, served, forgotten."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from yarnserve.sandbox.model_server.loading import Job, Place
from yarnserve.sandbox.model_server.log import log
from yarnserve.sandbox.model_server.model_config import ModelConfig
from yarnserve.sandbox.model_server.servable import Servable
from yarnserve.sandbox.model_server.shared import Shared
from yarnserve.sandbox.model_server.source import SourceError, versions
from yarnserve.sandbox.model_server.status import Code, ServingError

_STORAGE = "sources/storage_path/file_system_storage_path_source.cc"


@dataclass(frozen=True)
class VersionStatus:
    """A version's state, and why it ended where a load failed."""

    state: str
    error: ServingError | None = None


class Manager:
    """One model: what its policy wants is loaded, and the old serves until something new can.

    Looks are taken and acted on by one thread; the configuration may come from another.

    Args:
        config: its name, base path and version policy.
        shared: how its versions are found and loaded.
    """

    def __init__(self, config: ModelConfig, shared: Shared) -> None:
        self.model = config.name
        self._shared = shared
        self._lock = threading.Lock()
        self._statuses: dict[int, VersionStatus] = {}
        self._wanted: Mapping[int, Place] = {}
        self._loading: dict[int, threading.Event] = {}
        self._failed: set[int] = set()
        self._outcome: VersionStatus | None = None
        self.configure(config)

    def configure(self, config: ModelConfig) -> None:
        """Follow another base path and policy from the next look on; a version that serves is not loaded anew."""
        self._policy = config.policy
        self._source = self._shared.source(config.base_path)

    def statuses(self) -> dict[int, VersionStatus]:
        """Return every version ever seen, highest first."""
        with self._lock:
            return dict(sorted(self._statuses.items(), reverse=True))

    def use(self, version: int | None) -> AbstractContextManager[tuple[int, Servable]]:
        """Hand out a version that serves, the highest without a number.

        Raises:
            ServingError: NOT_FOUND.
        """
        return self._shared.serving.use(self.model, version)

    @property
    def outcome(self) -> VersionStatus | None:
        """The status of the first version that served or ended; None while there is none."""
        return self._outcome

    def await_outcome(self) -> None:
        """Forget the outcome: the model is new, or comes back."""
        self._outcome = None

    def look(self) -> dict[int, Place] | None:
        """Return what the policy wants of the base path; None when it cannot be listed, which changes nothing."""
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
        return {version: Place(self._source, found[version]) for version in self._policy.aspired(found)}

    def aspire(self, wanted: Mapping[int, Place]) -> None:
        """Take what a look has found as what is to be served; nothing else is."""
        self._wanted = wanted

    def act(self) -> None:
        """Load and unload until there is nothing to do but to wait."""
        wanted = self._wanted
        with self._lock:
            self._failed &= wanted.keys()
            for version in self._loading.keys() - wanted.keys():
                self._loading[version].set()
        while (step := self._next(wanted)) is not None:
            step()

    def _next(self, wanted: Mapping[int, Place]) -> Job | None:
        """Return what TF Serving's AvailabilityPreservingPolicy does next."""
        serving = self._shared.serving.versions(self.model)
        unwanted = serving - wanted.keys()
        if unwanted and (not wanted or serving & wanted.keys() or len(unwanted) > 1):
            return partial(self._take_down, min(unwanted))
        with self._lock:
            new = wanted.keys() - serving - self._failed - self._loading.keys()
        return partial(self._bring_up, max(new), wanted[max(new)]) if new else None

    def _bring_up(self, version: int, place: Place) -> None:
        cancelled = threading.Event()
        with self._lock:
            self._loading[version] = cancelled
        self._set(version, "LOADING")
        self._log(version, "Loading servable version")
        self._shared.start(lambda: self._load(version, place, cancelled))

    def _load(self, version: int, place: Place, cancelled: threading.Event) -> None:
        """Load, with retries; all the while the version's status is LOADING and OK, as in TF Serving."""
        try:
            servable = self._shared.loading.run(place, self._name(version), cancelled)
            if cancelled.is_set():
                raise ServingError(Code.CANCELLED, f"Loading of servable cancelled: {self._name(version)}")
        except ServingError as error:
            with self._lock:
                del self._loading[version]
                # What was cancelled has not been wanted in between, and may be tried again.
                if not cancelled.is_set():
                    self._failed.add(version)
            self._set(version, "END", error)
            return
        self._shared.serving.put(self.model, version, servable)
        with self._lock:
            del self._loading[version]
        self._set(version, "AVAILABLE")
        self._log(version, "Successfully loaded servable version")

    def _take_down(self, version: int) -> None:
        self._set(version, "UNLOADING")
        self._shared.serving.drop(self.model, version)
        self._set(version, "END")
        self._log(version, "Unloaded servable version")

    def _set(self, version: int, state: str, error: ServingError | None = None) -> None:
        status = VersionStatus(state, error)
        with self._lock:
            self._statuses[version] = status
            if state in ("AVAILABLE", "END") and self._outcome is None:
                self._outcome = status
        self._shared.changes.note()

    def _name(self, version: int) -> str:
        return f"{{name: {self.model} version: {version}}}"

    def _log(self, version: int, what: str) -> None:
        log("I", "core/loader_harness.cc", f"{what} {self._name(version)}")
