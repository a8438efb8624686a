"""Each model is fetched in a thread of its own, so that a slow one keeps neither others nor answers waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from yarnserve.alerts.records import Alarm, Alert
from yarnserve.config import hdfs_path
from yarnserve.errors import ConflictError, YarnserveError
from yarnserve.judge.steering import Candidate
from yarnserve.repository.follow import Follower
from yarnserve.repository.local import LocalStore, read_local_manifest
from yarnserve.repository.pace import Pace
from yarnserve.repository.sync import Sync, Synced, SyncOptions, Wanted
from yarnserve.spec.model import ModelSpec, ServiceSpec
from yarnserve.storage.client import Storage

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Fetched:
    """The version that is wanted and here, and whether only some instances are to have it."""

    candidate: Candidate
    is_canary: bool


class Fetcher:
    """Keeps one model's directory at the version that is wanted, in a daemon thread.

    Args:
        model: the model.
        spec: its service.
        storage: the file system that it lies on.
        directory: where its versions go on this host.
        instance: which replica we are.
        alarm: whom failures are told.
        tell: told each step.
    """

    def __init__(
        self,
        model: ModelSpec,
        spec: ServiceSpec,
        storage: Storage,
        directory: Path,
        *,
        instance: str,
        alarm: Alarm,
        tell: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        self.model = model
        self.directory = directory
        self._storage = storage
        self._alarm = alarm
        self._tell = tell
        self._stop = threading.Event()
        self._fetched: Fetched | None = None
        self._trouble = ""
        self._tried = False
        self._pinned: frozenset[int] = frozenset()
        agent = spec.agent
        self._interval = float(agent.poll)
        self._options = SyncOptions(
            pace=Pace(agent.rate, agent.fleet_rate, spec.replicas),
            deadline=float(agent.deadline),
            keep=agent.keep,
            instance=instance,
            version=model.pinned,
            tell=self._told,
            check=self._check,
            sleep=self._sleep,
            budget=agent.disk * _MIB if agent.disk is not None else None,
            steered=True,
            pinned=lambda: self._pinned,
        )

    @property
    def fetched(self) -> Fetched | None:
        """What is here; None before the first round went well."""
        return self._fetched

    @property
    def trouble(self) -> str:
        """Why the last round failed; empty when it went well."""
        return self._trouble

    @property
    def has_tried(self) -> bool:
        """Whether a round has ended, well or not."""
        return self._tried

    def holds(self, candidate: Candidate) -> bool:
        """Whether the files of *candidate* are here under their number."""
        manifest = read_local_manifest(self.directory / str(candidate.version))
        return manifest is not None and manifest.id == candidate.identity

    def pin(self, versions: Collection[int]) -> None:
        """Say which versions the server has: they stay as they are."""
        self._pinned = frozenset(versions)

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, daemon=True, name=f"fetch {self.model.name}").start()

    def end(self) -> None:
        """End the work soon; nobody needs to wait for it."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with LocalStore(self.directory) as store:
                    self._follow(store)
            except KeyboardInterrupt:
                return
            except YarnserveError as error:
                self._failed(error)
            except Exception as error:  # noqa: BLE001  without its thread the model would never be new again
                what, why = f"the sync of {self.model.name} failed", f"{type(error).__name__}: {error}"
                self._failed(YarnserveError(what, where=str(self.directory), why=why))
            self._stop.wait(self._interval)

    def _failed(self, error: YarnserveError) -> None:
        self._trouble, self._tried = str(error), True
        # Another replica of this host may work there for a moment: that is no trouble yet.
        if not isinstance(error, ConflictError):
            self._alarm.fire(Alert.of(self._key, error, severity="critical"))

    def _follow(self, store: LocalStore) -> None:
        base = hdfs_path(self.model.base_path)
        Follower(
            Sync(self._storage, base, store, self._options),
            self._alarm,
            key=self._key,
            random=Random(),
            sleep=self._stop.wait,
            tell=self._told,
            interval=self._interval,
            on_round=self._note,
        ).run()

    @property
    def _key(self) -> str:
        return f"sync {self.model.name}"

    def _note(self, wanted: Wanted, synced: Synced) -> None:
        candidate = Candidate(wanted.version, wanted.manifest.id, wanted.manifest.bytes)
        self._fetched = Fetched(candidate, wanted.is_canary)
        self._trouble, self._tried = "", True

    def _told(self, step: str, about: Mapping[str, Any]) -> None:
        if step == "failed":
            self._trouble, self._tried = str(about["what"]), True
        self._tell(step, {"model": self.model.name, **about})

    def _sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _check(self) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt
