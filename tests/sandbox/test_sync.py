"""The sync engine: the version that is to be served comes whole, in time, and whatever happens nothing less appears."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.models import write_model
from tests.sandbox.liars import LIES, lying
from tests.sandbox.storage_support import HOME, Hdfs, closed_port, connected
from yarnserve.errors import (
    AccessError,
    ConflictError,
    NotFoundError,
    RefusedError,
    UnreachableError,
    WaitTimeoutError,
    YarnserveError,
)
from yarnserve.hadoop.session import Timeouts
from yarnserve.records.repository import MANIFEST
from yarnserve.repository import layout
from yarnserve.repository.channels import Channels
from yarnserve.repository.local import LocalStore
from yarnserve.repository.publish import Published, publish
from yarnserve.repository.sync import Sync, Synced, SyncOptions
from yarnserve.storage.bulk import Patience
from yarnserve.storage.client import Storage

BASE = f"{HOME}/models/digits"

#: Little, so that a server that stands still costs a test half a second.
PATIENCE = Patience(Timeouts(connect=1.0, read=0.5), slowest=1000.0, window=0.3)


@dataclass
class Host:
    """A serving host's directory, and the steps that were told."""

    directory: Path
    steps: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def tell(self, step: str, about: Mapping[str, Any]) -> None:
        """Remember a step."""
        self.steps.append((step, about))

    def told(self, step: str) -> list[Mapping[str, Any]]:
        """What was told of *step*."""
        return [about for name, about in self.steps if name == step]

    def sync(self, storage: Storage, **options: Any) -> Synced:
        """One round."""
        settings = SyncOptions(tell=self.tell, patience=PATIENCE, **options)
        with LocalStore(self.directory) as store:
            engine = Sync(storage, BASE, store, settings)
            return engine.run(engine.wanted())

    def versions(self) -> list[str]:
        """What a model server would find."""
        if not self.directory.exists():
            return []
        return sorted(path.name for path in self.directory.iterdir() if path.name.isdecimal())

    def content(self, version: int) -> dict[str, bytes]:
        """Every file of a version, the manifest left out."""
        root = self.directory / str(version)
        files = [path for path in root.rglob("*") if path.is_file() and path.name != MANIFEST]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host that has nothing yet."""
    return Host(tmp_path / "host")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A version directory as a training job exports it."""
    return write_model(tmp_path / "export")


def tree(directory: Path) -> dict[str, bytes]:
    """Every file of *directory*."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def published(storage: Storage, model: Path) -> Published:
    """Version 1."""
    return publish(storage, model, BASE, 1)


def test_a_version_comes_whole(storage: Storage, host: Host, model: Path, published: Published) -> None:
    """Every byte that was given to publish lies on the host under the same number, with the manifest."""
    synced = host.sync(storage)
    assert (synced.version, synced.was_here, synced.fetched) == (1, False, published.manifest.bytes)
    assert host.content(1) == tree(model)
    assert json.loads((host.directory / "1" / MANIFEST).read_text())["id"] == published.manifest.id


def test_nothing_is_asked_twice(storage: Storage, host: Host, published: Published) -> None:
    """A second round moves nothing."""
    host.sync(storage)
    again = host.sync(storage)
    assert (again.was_here, again.fetched) == (True, 0)
    assert len(host.told("fetching")) == 1


def test_only_what_changed_is_fetched(storage: Storage, host: Host, tmp_path: Path, published: Published) -> None:
    """A version in which one small file differs moves that file; the others are hard links."""
    host.sync(storage)
    publish(storage, write_model(tmp_path / "next", index=b"another index"), BASE, 2)
    synced = host.sync(storage)
    assert synced.fetched == len(b"another index")
    data = "variables/variables.data-00000-of-00001"
    assert (host.directory / "2" / data).samefile(host.directory / "1" / data)
    assert host.content(2) == tree(tmp_path / "next")
    assert host.content(1) != host.content(2)


def test_a_file_that_somebody_changed_is_not_linked(
    storage: Storage, host: Host, tmp_path: Path, published: Published
) -> None:
    """What was written over after it was verified does not spread into the next version."""
    host.sync(storage)
    data = host.directory / "1" / "variables" / "variables.data-00000-of-00001"
    spoilt = bytearray(data.read_bytes())
    spoilt[5] ^= 1
    data.write_bytes(bytes(spoilt))
    publish(storage, write_model(tmp_path / "next", index=b"another index"), BASE, 2)
    host.sync(storage)
    assert host.content(2) == tree(tmp_path / "next")


@pytest.mark.parametrize("lie", LIES)
def test_among_a_liar_and_an_honest_one(
    hdfs: Hdfs, storage: Storage, host: Host, model: Path, published: Published, lie: str
) -> None:
    """Whatever one endpoint does with the bytes, the version comes whole from the other, and the trouble is told."""
    with lying(hdfs.url, lie) as liar, connected(liar.url, hdfs.url) as both:
        host.sync(both, deadline=20.0)
    assert host.content(1) == tree(model)
    if liar.reads:
        assert host.told("trouble") or host.told("corrupt")


@pytest.mark.parametrize("lie", LIES)
def test_an_endpoint_that_lies_for_a_while(
    hdfs: Hdfs, storage: Storage, host: Host, model: Path, published: Published, lie: str
) -> None:
    """The only endpoint there is lies three times and then is honest: the version comes, three troubles are told."""
    with lying(hdfs.url, lie, times=3) as liar, connected(liar.url) as only:
        host.sync(only, deadline=20.0)
    assert host.content(1) == tree(model)
    assert len(host.told("trouble")) >= 3


@pytest.mark.parametrize("lie", ["corrupt", "stalling", "truncated"])
def test_an_endpoint_that_only_lies(
    hdfs: Hdfs, storage: Storage, host: Host, model: Path, published: Published, lie: str
) -> None:
    """The deadline ends it; nothing appears, and what was served stays."""
    host.sync(storage)
    publish(storage, write_model(model, data=b"new" * 100_000), BASE, 2)
    with lying(hdfs.url, lie) as liar, connected(liar.url) as only, pytest.raises(WaitTimeoutError) as caught:
        host.sync(only, deadline=1.0)
    assert "version 2 did not arrive within 1 s" in caught.value.what
    assert host.versions() == ["1"]


def test_what_came_is_used_by_the_next_try(
    hdfs: Hdfs, storage: Storage, host: Host, model: Path, published: Published
) -> None:
    """Files that arrived before the deadline are not fetched again."""
    with lying(hdfs.url, "stalling", times=1) as liar, connected(liar.url) as only, pytest.raises(WaitTimeoutError):
        host.sync(only, deadline=0.3)
    with lying(hdfs.url, "none", times=0) as honest, connected(honest.url) as only:
        host.sync(only)
    assert honest.reads < len(published.manifest.files) + 1 + 1
    assert host.content(1) == tree(model)


def test_connections_are_kept(hdfs: Hdfs, storage: Storage, published: Published) -> None:
    """Of an honest server one is enough for read after read."""
    got: list[bytes] = []
    with lying(hdfs.url, "reset", times=0) as honest, connected(honest.url) as only:
        reader = only.bulk()
        for file in published.manifest.files * 2:
            reader.read(f"{BASE}/1/{file.path}", 0, file.size, got.append, check=lambda: None)
        reader.close()
    assert sum(map(len, got)) == 2 * published.manifest.bytes
    assert honest.connections == 1


def test_a_roll_back_and_forward(storage: Storage, host: Host, model: Path, published: Published) -> None:
    """The higher number leaves the server's sight and comes back without a byte being fetched."""
    publish(storage, model, BASE, 2)
    channels = Channels(storage, BASE)
    channels.promote(1)
    channels.promote(2)
    host.sync(storage)
    channels.rollback()
    host.sync(storage)
    assert host.versions() == ["1"]
    channels.promote(2)
    again = host.sync(storage)
    assert (host.versions(), again.fetched) == (["1", "2"], 0)


def test_a_spoilt_backup_is_not_brought_back(storage: Storage, host: Host, model: Path, published: Published) -> None:
    """What lay in backup is compared before it is shown again, and fetched anew where it differs."""
    publish(storage, write_model(model, index=b"two"), BASE, 2)
    host.sync(storage)
    Channels(storage, BASE).promote(1)
    host.sync(storage)
    spoilt = host.directory / ".yarnserve" / "backup" / "2" / "variables" / "variables.index"
    spoilt.write_bytes(b"TWO")
    Channels(storage, BASE).promote(2)
    host.sync(storage)
    assert host.content(2) == tree(model)


def test_the_canary_is_for_its_instances(storage: Storage, host: Host, model: Path, published: Published) -> None:
    """The named instance gets the canary's version, another the stable one."""
    publish(storage, model, BASE, 2)
    Channels(storage, BASE).promote(1)
    Channels(storage, BASE).promote(2, instances=("serve-0",))
    assert host.sync(storage, instance="serve-1").version == 1
    assert host.sync(storage, instance="serve-0").version == 2


def test_a_clock_that_was_wrong_costs_bytes_and_nothing_else(
    storage: Storage, host: Host, model: Path, tmp_path: Path, published: Published
) -> None:
    """Files of a day to come are not trusted, since they may have been changed after they were verified."""
    host.sync(storage)
    for path in (host.directory / "1").rglob("*.*"):
        if path.name != MANIFEST:
            os.utime(path, (4e9, 4e9))
    second = publish(storage, write_model(tmp_path / "next", index=b"another index"), BASE, 2)
    assert host.sync(storage).fetched == second.manifest.bytes
    assert host.content(2) == tree(tmp_path / "next")


def test_half_a_version_is_passed_over(storage: Storage, host: Host, published: Published) -> None:
    """A higher number without a manifest is not fetched."""
    storage.create(f"{BASE}/9/saved_model.pb", b"half")
    assert host.sync(storage).version == 1


def test_old_versions_go_and_the_last_ones_stay(storage: Storage, host: Host, model: Path) -> None:
    """With one kept, the current one and the one before it are here."""
    for number in range(1, 5):
        publish(storage, write_model(model, index=b"%d" % number), BASE, number)
        host.sync(storage, keep=1)
    assert host.versions() == ["3", "4"]


def test_a_version_that_lost_a_file_here_is_made_anew(
    storage: Storage, host: Host, model: Path, published: Published
) -> None:
    """Somebody deleted a file of the served version: only that one is fetched."""
    host.sync(storage)
    (host.directory / "1" / "variables" / "variables.index").unlink()
    synced = host.sync(storage)
    assert synced.fetched == len(b"index" * 40)
    assert host.content(1) == tree(model)


def test_verify_mends_what_was_changed_here(storage: Storage, host: Host, model: Path, published: Published) -> None:
    """A byte that changed on this host's disk, sizes and times being right, is found and fetched anew."""
    host.sync(storage)
    path = host.directory / "1" / "saved_model.pb"
    before = path.stat()
    path.write_bytes(bytes(path.stat().st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert host.sync(storage).was_here
    synced = host.sync(storage, verify=True)
    assert (synced.was_here, synced.fetched) == (False, before.st_size)
    assert host.content(1) == tree(model)


def test_a_version_that_is_deleted_under_us(hdfs: Hdfs, storage: Storage, host: Host, published: Published) -> None:
    """It went from HDFS between the look and the fetching: an error at once, and nothing appears."""
    with LocalStore(host.directory) as store:
        engine = Sync(storage, BASE, store, SyncOptions(deadline=20.0, patience=PATIENCE))
        wanted = engine.wanted()
        storage.delete(f"{BASE}/1", recursive=True)
        with pytest.raises(NotFoundError):
            engine.run(wanted)
    assert host.versions() == []


def test_without_permission_it_says_so(hdfs: Hdfs, storage: Storage, host: Host, published: Published) -> None:
    """A model of somebody else's is refused at once, and not tried until the deadline."""
    hdfs.namespace.set_permission(f"{BASE}/1/saved_model.pb", user="hdfs", permission=0o600)
    with connected(hdfs.url, user="bob") as bobs, pytest.raises(AccessError):
        host.sync(bobs, deadline=20.0)
    assert host.versions() == []


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "variables/../../x", "./a", "a//b", "", ".manifest.json", "a\n", "variables"]
)
def test_a_manifest_that_leads_out_is_refused(storage: Storage, host: Host, published: Published, path: str) -> None:
    """A file that a version cannot have makes the manifest as a whole unusable; nothing is written anywhere."""
    document = published.manifest.to_document()
    document["files"][0]["path"] = path
    storage.delete(layout.manifest(BASE, 1))
    storage.create(layout.manifest(BASE, 1), json.dumps(document).encode())
    with pytest.raises(RefusedError, match="manifest cannot be used"):
        host.sync(storage)
    assert host.versions() == []
    assert not (host.directory.parent / "x").exists()


def test_a_link_in_the_staging_area_is_not_written_through(
    storage: Storage, host: Host, tmp_path: Path, published: Published
) -> None:
    """Somebody put a symbolic link where a file is going to be: the file it points to is left alone."""
    treasure = tmp_path / "treasure"
    treasure.write_text("mine")
    with LocalStore(host.directory) as store:
        staging = store.staging(published.manifest)
        staging.mkdir(parents=True)
        (staging / "saved_model.pb").symlink_to(treasure)
    host.sync(storage)
    assert treasure.read_text() == "mine"
    assert not (host.directory / "1" / "saved_model.pb").is_symlink()


def test_a_higher_number_of_somebody_elses_is_moved_out_of_sight(
    storage: Storage, host: Host, published: Published
) -> None:
    """TF Serving would load it, whatever is promoted; it is kept, and found in the next round."""
    host.sync(storage)
    (host.directory / "99").mkdir()
    assert host.sync(storage).was_here
    assert host.versions() == ["1"]
    assert (host.directory / ".yarnserve" / "backup" / "99").is_dir()


def test_two_in_one_directory(storage: Storage, host: Host, published: Published) -> None:
    """The second is told."""
    with LocalStore(host.directory), pytest.raises(ConflictError, match="another yarnserve works in this directory"):
        host.sync(storage)


def test_hdfs_is_down(storage: Storage, host: Host, published: Published) -> None:
    """An error of HDFS's, and what is served stays served."""
    host.sync(storage)
    with connected(closed_port()) as nobody, pytest.raises(UnreachableError):
        host.sync(nobody)
    assert host.versions() == ["1"]


class _SmallDisk(LocalStore):
    """A disk with room for *room* bytes."""

    room = 1000

    def free_bytes(self) -> int:
        return self.room


def test_a_full_disk_is_seen_before_anything_is_fetched(storage: Storage, host: Host, published: Published) -> None:
    """Without room nothing is fetched; old versions go first."""
    with _SmallDisk(host.directory) as store:
        engine = Sync(storage, BASE, store, SyncOptions(tell=host.tell))
        with pytest.raises(RefusedError, match="no room") as caught:
            engine.run(engine.wanted())
    assert "1000 are free" in caught.value.why
    assert host.told("fetching") == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB; skipped where we may not mount one."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if os.system(f"mount -t tmpfs -o size=128k tmpfs {mount} 2>/dev/null") != 0:
        pytest.skip("mounting a file system needs root")
    yield mount
    os.system(f"umount {mount}")


class _Unaware(LocalStore):
    """A disk that fills up only while it is written to."""

    def free_bytes(self) -> int:
        return 1 << 40


def test_a_disk_that_fills_up_meanwhile(storage: Storage, tiny_disk: Path, published: Published) -> None:
    """It is told as what it is, and nothing appears."""
    directory = tiny_disk / "host"
    with _Unaware(directory) as store:
        engine = Sync(storage, BASE, store, SyncOptions(patience=PATIENCE))
        with pytest.raises(RefusedError) as caught:
            engine.run(engine.wanted())
    assert "No space left" in caught.value.why
    assert not (directory / "1").exists()


def test_whatever_lies_in_the_state_files(storage: Storage, host: Host, published: Published) -> None:
    """A state file that is damaged is as none: the disk says what is here."""
    host.sync(storage)
    (host.directory / ".yarnserve" / "state.json").write_bytes(b"\xff{")
    assert host.sync(storage).version == 1
    assert host.versions() == ["1"]


def test_a_directory_that_cannot_be_made(storage: Storage, tmp_path: Path, published: Published) -> None:
    """A file stands in the way: one of our errors."""
    (tmp_path / "host").write_text("a file")
    with pytest.raises(YarnserveError, match="cannot be changed"):
        Host(tmp_path / "host").sync(storage)


def test_a_disk_budget_is_kept(storage: Storage, tmp_path: Path) -> None:
    """Old versions make room first; what does not fit is refused, and what is served stays."""
    for number in (1, 2, 3, 4):
        publish(storage, write_model(tmp_path / f"export-{number}", data=bytes([number]) * 400_000), BASE, number)
    with LocalStore(tmp_path / "host") as store:
        for number in (1, 2, 3, 4):
            engine = Sync(storage, BASE, store, SyncOptions(version=number, budget=1_400_000, keep=5, steered=True))
            engine.run(engine.wanted())
        assert [local.version for local in store.versions()] == [2, 3, 4]
        tight = Sync(storage, BASE, store, SyncOptions(version=1, budget=500_000, steered=True))
        with pytest.raises(RefusedError, match="no room"):
            tight.run(tight.wanted())
        assert 4 in [local.version for local in store.versions()]


def test_what_is_served_neither_goes_nor_changes(storage: Storage, tmp_path: Path) -> None:
    """A steered server's versions are pinned against pruning, and a number that was published anew is refused."""
    for number in (1, 2, 3, 4):
        publish(storage, write_model(tmp_path / f"export-{number}", data=bytes([number]) * 1000), BASE, number)
    with LocalStore(tmp_path / "host") as store:
        options = SyncOptions(keep=1, steered=True, pinned=lambda: (1,))
        for number in (1, 2, 3, 4):
            engine = Sync(storage, BASE, store, replace(options, version=number))
            engine.run(engine.wanted())
        assert {local.version for local in store.versions()} == {1, 3, 4}
        storage.delete(f"{BASE}/1", recursive=True)
        publish(storage, write_model(tmp_path / "other", data=b"other"), BASE, 1)
        engine = Sync(storage, BASE, store, replace(options, version=1))
        with pytest.raises(ConflictError, match="published anew"):
            engine.run(engine.wanted())
        # What is above the current one stays in sight: the configuration says what is served.
        back = Sync(storage, BASE, store, replace(options, version=3))
        back.run(back.wanted())
        assert {local.version for local in store.versions() if local.is_visible} >= {3, 4}


def test_a_directory_that_is_removed_under_it_is_filled_anew(
    storage: Storage, host: Host, published: Published
) -> None:
    """Whoever cleans up takes what is fetched, the lock, and where things are fetched to; the next round brings all."""
    with LocalStore(host.directory) as store:
        sync = Sync(storage, BASE, store, SyncOptions())
        sync.run(sync.wanted())
        shutil.rmtree(host.directory)
        assert sync.run(sync.wanted()).fetched > 0
        with pytest.raises(ConflictError), LocalStore(host.directory):
            pass
    assert host.versions() == ["1"]
