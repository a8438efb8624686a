"""The sync engine: bring the version that is to be served from HDFS to this host, whole, and in time.

It looks before it moves anything, takes only what changed, from a random endpoint, within the rate; it verifies every
byte, keeps what was there before, and tells whoever wants to know. The order of things is what makes it safe to be
killed at any moment: nothing gets a number before all of it is verified and on the disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from yarnserve.errors import ConflictError, NotFoundError, RefusedError, WaitTimeoutError, YarnserveError
from yarnserve.records.repository import Manifest
from yarnserve.repository import layout
from yarnserve.repository.catalog import read_manifest
from yarnserve.repository.channels import Channels
from yarnserve.repository.local import LocalStore, LocalVersion, is_whole, translated
from yarnserve.repository.pace import Outlook, Pace
from yarnserve.repository.transfer import Transfer, TransferPlan, damaged, plan_transfer
from yarnserve.repository.versions import versions
from yarnserve.storage.bulk import Patience
from yarnserve.storage.client import Storage
from yarnserve.storage.rate import RateLimit

#: Seconds in which a version has to be here: design.md's two minutes, less what loading it takes.
DEADLINE = 100.0

#: Old versions that are kept beside the current one.
KEEP = 2

#: Told what is done: a name of the step, and what belongs to it.
Teller = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class SyncOptions:
    """How a version is brought here.

    *deadline* in seconds for each version; *keep* old versions; *instance* picks a canary; *version* overrides the
    channels; *verify* compares what is here already, every byte; *patience* is with each endpoint; *budget* is how many
    bytes all versions here may take. *clock* is in monotonic seconds. *check* raises what shall end the work at once.

    *steered* says that the server is told by its configuration which version it serves, so that a higher number may
    stay in its sight; *pinned* are the versions that it has, which neither go nor change.
    """

    pace: Pace = field(default_factory=Pace)
    deadline: float = DEADLINE
    keep: int = KEEP
    patience: Patience = field(default_factory=Patience)
    instance: str = ""
    version: int | None = None
    verify: bool = False
    tell: Teller = lambda step, about: None
    on_bytes: Callable[[int], None] = lambda count: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    check: Callable[[], None] = lambda: None
    budget: int | None = None
    steered: bool = False
    pinned: Callable[[], Collection[int]] = lambda: ()


@dataclass(frozen=True)
class Wanted:
    """The version that this host is to have; *is_canary* when only some are."""

    version: int
    manifest: Manifest
    is_canary: bool = False


@dataclass(frozen=True)
class Synced:
    """What one round did: *fetched* bytes came from HDFS; *was_here* when there was nothing to do."""

    version: int
    was_here: bool
    fetched: int = 0
    seconds: float = 0.0


def find_wanted(storage: Storage, base_path: str, *, instance: str = "", version: int | None = None) -> Wanted:
    """Say which version is to be here: *version*, else what the channels name, else the highest complete one.

    Raises:
        NotFoundError: there is none, or the one that is named is not complete.
        RefusedError: its manifest cannot be trusted.
    """
    base = layout.base(base_path)
    if version is None:
        latest = Channels(storage, base).latest()
        if latest is not None:
            version = latest.channel.version_for(instance)
            is_canary = version != latest.channel.stable
            return Wanted(version, read_manifest(storage, base, version), is_canary)
    if version is not None:
        return Wanted(version, read_manifest(storage, base, version))
    for number in reversed(versions(storage, base)):
        try:
            return Wanted(number, read_manifest(storage, base, number))
        except NotFoundError:
            # Perhaps half a version, which is what manifests are for.
            continue
    raise NotFoundError(
        "no version of the model is complete",
        where=base,
        why="none has a manifest",
        next=f"yarnserve models publish DIR {base} --version next",
    )


class Sync:
    """Keeps a directory of this host at the version that is to be served.

    Args:
        storage: HDFS.
        base_path: of the model there, a plain path.
        store: the directory, locked.
        options: how.
    """

    def __init__(self, storage: Storage, base_path: str, store: LocalStore, options: SyncOptions) -> None:
        self._storage = storage
        self._base = layout.base(base_path)
        self._store = store
        self._options = options
        self._rate = RateLimit(options.pace.host_rate, clock=options.clock, sleep=options.sleep)

    def wanted(self) -> Wanted:
        """Ask HDFS which version is to be here; raises what :func:`find_wanted` does."""
        return find_wanted(self._storage, self._base, instance=self._options.instance, version=self._options.version)

    def plan(self, wanted: Wanted) -> tuple[TransferPlan, Outlook]:
        """Say what would be moved, and whether the limits allow it in time; nothing is changed."""
        with translated(self._store.directory):
            is_here = self._store.find(wanted.version, wanted.manifest.id) is not None
            plan = plan_transfer(wanted.manifest, self._store.known_files())
        size = 0 if is_here else plan.bytes
        return plan, Outlook(wanted.manifest.bytes, size, self._options.pace, self._options.deadline)

    def run(self, wanted: Wanted) -> Synced:
        """Have *wanted* here and current.

        Raises:
            WaitTimeoutError: not within the deadline; what came is used by the next try.
            RefusedError: there is no room for it.
            YarnserveError: what HDFS or the disk say; whatever is served stays served.
        """
        # Others may remove, while we look, what we looked at.
        with translated(self._store.directory):
            self._store.restore()
            return self._run(wanted)

    def _run(self, wanted: Wanted) -> Synced:
        begun = self._options.clock()
        here = self._usable(wanted)
        if here is not None:
            was_current = here.is_visible and self._store.state.current == wanted.version
            self._store.show(here)
            self._finish(wanted)
            return Synced(wanted.version, was_here=was_current)
        self._refuse_changed(wanted)
        fetched = self._bring(wanted, begun)
        self._finish(wanted)
        return Synced(wanted.version, was_here=False, fetched=fetched, seconds=self._options.clock() - begun)

    def _usable(self, wanted: Wanted) -> LocalVersion | None:
        """The copy that is here; None also for one that lost files, which is made anew from what is left of it."""
        here = self._store.find(wanted.version, wanted.manifest.id)
        if here is None:
            return None
        if not is_whole(here):
            self._options.tell("damaged", {"version": wanted.version, "files": ["some are missing or cut"]})
            return None
        # What comes out of the backup may have lain there for long.
        if self._options.verify or not here.is_visible:
            self._options.tell("verifying", {"version": wanted.version, "bytes": wanted.manifest.bytes})
            wrong = damaged(here.path, wanted.manifest)
            if wrong:
                self._options.tell("damaged", {"version": wanted.version, "files": list(wrong[:10])})
                return None
        return here

    def _bring(self, wanted: Wanted, begun: float) -> int:
        options, manifest = self._options, wanted.manifest
        self._store.clear_incoming(but=manifest)
        plan = plan_transfer(manifest, self._sound_files(wanted))
        self._make_room(plan)
        options.tell(
            "fetching",
            {"version": wanted.version, "bytes": plan.bytes, "files": len(plan.fetch), "linked": len(plan.link)},
        )
        reader = self._storage.bulk(patience=options.patience, on_trouble=self._tell_trouble)
        try:
            Transfer(
                reader,
                layout.version_directory(self._base, wanted.version),
                self._store.staging(manifest),
                self._rate,
                check=lambda: self._check(wanted, begun),
                on_bytes=options.on_bytes,
                on_corrupt=lambda error: options.tell("corrupt", {"where": error.where, "what": error.what}),
            ).run(plan)
        finally:
            reader.close()
        options.tell("verified", {"version": wanted.version, "bytes": manifest.bytes})
        self._store.install(wanted.version, manifest)
        return plan.bytes

    def _refuse_changed(self, wanted: Wanted) -> None:
        """Leave alone what is served: a server never looks at a number again that it has loaded (tf-serving.md 5.1)."""
        if wanted.version in self._options.pinned() and self._store.has_other(wanted.version, wanted.manifest.id):
            raise ConflictError(
                f"version {wanted.version} is served, and was published anew with other content",
                where=layout.version_directory(self._base, wanted.version),
                fix="publish it under another number, and promote that",
            )

    def _sound_files(self, wanted: Wanted) -> Mapping[tuple[int, str], Any]:
        """What may be linked; of a copy that turned out to be damaged nothing is, unless it was compared."""
        known = self._store.known_files()
        if not self._options.verify:
            return known
        wrong = {local.path / path for local in self._store.versions() for path in damaged(local.path, local.manifest)}
        return {key: path for key, path in known.items() if path not in wrong}

    def _make_room(self, plan: TransferPlan) -> None:
        staged = self._store.staging(plan.manifest)
        have = sum(path.stat().st_blocks * 512 for path in staged.rglob("*") if path.is_file())
        need = plan.bytes - have
        if need > self._free_bytes():
            gone = self._store.prune(0, self._options.pinned())
            self._options.tell("pruned", {"versions": list(gone), "why": "room is needed"})
        if need > self._free_bytes():
            raise RefusedError(
                "there is no room for the version on this host",
                where=str(self._store.directory),
                why=f"{need} bytes have to come, {self._free_bytes()} are free",
                fix="make room on the disk, or keep fewer versions",
            )

    def _free_bytes(self) -> int:
        free, budget = self._store.free_bytes(), self._options.budget
        return free if budget is None else min(free, max(budget - self._store.used_bytes(), 0))

    def _check(self, wanted: Wanted, begun: float) -> None:
        self._options.check()
        late = self._options.clock() - begun
        if late > self._options.deadline:
            raise WaitTimeoutError(
                f"version {wanted.version} did not arrive within {self._options.deadline:g} s",
                where=layout.version_directory(self._base, wanted.version),
                why="HDFS was too slow, or away",
                fix="what came so far is used by the next try; see --plan for what rate and deadline allow",
            )

    def _finish(self, wanted: Wanted) -> None:
        before = self._store.state.current
        steered = self._options.steered
        if before != wanted.version or not (steered or self._store.is_highest(wanted.version)):
            self._store.make_current(wanted.version, hide=not steered)
        if before != wanted.version:
            self._options.tell("online", {"version": wanted.version, "before": before})
        gone = self._store.prune(self._options.keep, self._options.pinned())
        if gone:
            self._options.tell("pruned", {"versions": list(gone)})

    def _tell_trouble(self, url: str, error: YarnserveError) -> None:
        self._options.tell("trouble", {"endpoint": url, "what": error.what, "why": error.why})
