"""The model repository on the sandbox's HDFS and on real ones: claims and channels decide for one, by both doors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from tests.contract.clusters import Cluster
from tests.models import write_model
from tests.sandbox.storage_support import connected
from yarnserve.errors import ConflictError
from yarnserve.repository import catalog, layout
from yarnserve.repository.channels import Channels
from yarnserve.repository.local import LocalStore
from yarnserve.repository.publish import publish
from yarnserve.repository.sync import Sync, SyncOptions
from yarnserve.repository.versions import versions
from yarnserve.storage.client import Storage
from yarnserve.storage.rate import RateLimit

T = TypeVar("T")

#: How many do the same at once.
CROWD = 4


@pytest.fixture(params=["webhdfs", "httpfs"])
def url(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """One of the two doors."""
    return cluster.namenode_url if request.param == "webhdfs" else cluster.httpfs_url


@pytest.fixture
def base(url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A base path of the test's own."""
    path = f"/user/alice/repository-{request.node.originalname}"
    yield path
    with connected(url) as storage:
        storage.delete(path, recursive=True)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A version to publish."""
    return write_model(tmp_path / "export")


def at_once(url: str, act: Callable[[Storage, int], T]) -> list[T | ConflictError]:
    """What *act* returns, or by which conflict it ends, for each of a crowd that begins in the same moment."""
    start = threading.Barrier(CROWD)

    def one(number: int) -> T | ConflictError:
        with connected(url) as storage:
            start.wait(10)
            try:
                return act(storage, number)
            except ConflictError as error:
                return error

    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(one, range(CROWD)))


def test_of_publishers_of_one_number_one_wins(url: str, base: str, model: Path) -> None:
    """The others are told; the version is whole, and nothing else of anybody is left."""
    outcomes = at_once(url, lambda storage, number: publish(storage, model, base, 7))
    (winner,) = (each for each in outcomes if not isinstance(each, ConflictError))
    with connected(url) as storage:
        manifest = catalog.read_manifest(storage, base, 7)
        assert manifest.id == winner.manifest.id
        assert catalog.verify(storage, f"{base}/7", manifest, rate=RateLimit(None)) == ()
        assert storage.list(layout.incoming(base)) == ()
        assert versions(storage, base) == (7,)


def test_publishers_of_the_next_number_get_one_each(url: str, base: str, model: Path) -> None:
    """Nobody waits for anybody, and no number is given twice."""
    outcomes = at_once(url, lambda storage, number: publish(storage, model, base, None).version)
    assert sorted(outcomes, key=str) == list(range(1, CROWD + 1))


def test_of_promotions_at_once_one_wins(url: str, base: str, model: Path) -> None:
    """Each that returned stands in the history, one for each number; the others are told and stand nowhere."""
    with connected(url) as storage:
        for number in range(1, CROWD + 1):
            publish(storage, model, base, number)
    outcomes = at_once(url, lambda storage, number: Channels(storage, base).promote(number + 1))
    done = sorted(each.number for each in outcomes if not isinstance(each, ConflictError))
    with connected(url) as storage:
        history = Channels(storage, base).history()
    assert done == [entry.number for entry in history] == list(range(1, len(done) + 1))
    won = {each.channel.stable for each in outcomes if not isinstance(each, ConflictError)}
    assert won == {entry.channel.stable for entry in history}


def test_a_version_comes_to_a_host(url: str, base: str, model: Path, tmp_path: Path) -> None:
    """What was published lies there byte by byte, and the next version's unchanged files are not fetched again."""
    with connected(url) as storage, LocalStore(tmp_path / "host") as store:
        sync = Sync(storage, base, store, SyncOptions())
        publish(storage, model, base, 1)
        assert sync.run(sync.wanted()).fetched == sum(path.stat().st_size for path in model.rglob("*.*"))
        publish(storage, write_model(model, index=b"other"), base, 2)
        assert sync.run(sync.wanted()).fetched == len(b"other")
    for path in (path for path in model.rglob("*") if path.is_file()):
        assert (tmp_path / "host" / "2" / path.relative_to(model)).read_bytes() == path.read_bytes()
