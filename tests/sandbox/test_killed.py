"""kill -9 at any moment, drawn by seed: never half a version or the last good one lost, and the next run goes on."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tests.models import write_model
from tests.sandbox.storage_support import HOME, Hdfs, connected, running_hdfs
from tests.sandbox.test_lease import HandClock
from tests.support import REPOSITORY
from yarnserve.errors import ConflictError
from yarnserve.records.repository import MANIFEST
from yarnserve.repository import catalog, layout
from yarnserve.repository.channels import Channels
from yarnserve.repository.claims import Claimant
from yarnserve.repository.local import LocalStore
from yarnserve.repository.publish import Publishing, publish
from yarnserve.repository.sync import Sync, SyncOptions
from yarnserve.repository.versions import versions
from yarnserve.storage.client import Storage
from yarnserve.storage.rate import RateLimit

BASE = f"{HOME}/models/digits"

#: Steps that an undisturbed run has, about; a draw beyond its end is a run that is not killed.
STEPS = {"publish": 135, "sync": 60}

SEEDS = [*range(20), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(20, 200))]


def doomed(verb: str, *arguments: object) -> bool:
    """Run it with the step at which it dies as its last argument; return whether it was killed."""
    command = [sys.executable, "-m", "tests.sandbox.doomed", verb, *map(str, arguments)]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=20, check=False)
    assert ran.returncode in (0, -9), ran.stderr
    return ran.returncode == -9


def assert_whole(storage: Storage, version: int) -> None:
    """Every byte of a version on HDFS is what its manifest says."""
    manifest = catalog.read_manifest(storage, BASE, version)
    assert catalog.verify(storage, f"{BASE}/{version}", manifest, rate=RateLimit(None)) == ()


def content(directory: Path) -> dict[str, bytes]:
    """Every file but the manifest."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_publisher_is_killed(tmp_path: Path, seed: int) -> None:
    """Under a number stands a whole version or none, and the next publisher of the number succeeds."""
    random = Random(seed)
    model = write_model(tmp_path / "export", data=b"data" * 1000)
    with running_hdfs(tmp_path / "hdfs", httpfs=random.random() < 0.5) as hdfs, connected(hdfs.url) as storage:
        publish(storage, model, BASE, 1)
        doomed("publish", hdfs.url, model, BASE, random.randrange(1, STEPS["publish"]))
        for version in versions(storage, BASE):
            assert_whole(storage, version)
        clock = HandClock()
        # It stands there already when the death came after the rename.
        with suppress(ConflictError):
            publish(storage, model, BASE, 2, Publishing(claimant=Claimant(clock=clock, pause=clock.pause)))
        assert versions(storage, BASE) == (1, 2)
        assert_whole(storage, 2)
        assert_nothing_staged(hdfs)


def assert_nothing_staged(hdfs: Hdfs) -> None:
    """What the dead one left is gone."""
    assert hdfs.names(layout.incoming(BASE)) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sync_is_killed(tmp_path: Path, seed: int) -> None:
    """Under every number lies a whole version, one of those served before at least; the next run converges."""
    random = Random(seed)
    host = tmp_path / "host"
    exports = {
        number: write_model(tmp_path / f"export-{number}", index=b"%d" % number, data=bytes([number // 2]) * 50_000)
        for number in (1, 2, 3)
    }
    with running_hdfs(tmp_path / "hdfs", httpfs=random.random() < 0.5) as hdfs, connected(hdfs.url) as storage:
        for number, export in exports.items():
            publish(storage, export, BASE, number)
        channels = Channels(storage, BASE)
        before, after = random.sample((1, 2, 3), 2)
        channels.promote(before)
        bring(storage, host)
        channels.promote(after)
        for _ in range(random.randrange(1, 4)):
            doomed("sync", hdfs.url, BASE, host, 1, random.randrange(1, STEPS["sync"]))
            here = numbers(host)
            assert here & {before, after}
            for number in here:
                assert content(host / str(number)) == content(exports[number])
        bring(storage, host)
        assert max(numbers(host)) == after
        assert content(host / str(after)) == content(exports[after])
        assert list((host / ".yarnserve" / "incoming").iterdir()) == []


def bring(storage: Storage, host: Path) -> None:
    """One undisturbed run."""
    with LocalStore(host) as store:
        engine = Sync(storage, BASE, store, SyncOptions(keep=1))
        engine.run(engine.wanted())


def numbers(host: Path) -> set[int]:
    """What a model server would find."""
    return {int(path.name) for path in host.iterdir() if path.name.isdecimal()}
