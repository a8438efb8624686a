"""A running sandbox, and a running HDFS alone, for everything that talks to a cluster over sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.storage_support import Hdfs, Relay, connected, relaying, running_hdfs
from yarnserve.sandbox import Sandbox
from yarnserve.storage.client import Storage


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A cluster of two nodes, shared by all tests: give services names of your own and remove them.

    ``sandbox.environment`` is what a command needs to find it.
    """
    with Sandbox(user="alice") as running:
        yield running


@pytest.fixture(params=["webhdfs", "httpfs"])
def hdfs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Hdfs]:
    """A fresh HDFS, behind a NameNode and behind HttpFS: what the storage promises holds over both."""
    with running_hdfs(tmp_path / "hdfs", httpfs=request.param == "httpfs") as running:
        yield running


@pytest.fixture
def storage(hdfs: Hdfs) -> Iterator[Storage]:
    """Alice's storage on it."""
    with connected(hdfs.url) as connection:
        yield connection


@pytest.fixture
def relay(hdfs: Hdfs) -> Iterator[Relay]:
    """A server in front of the NameNode."""
    with relaying(hdfs.url) as running:
        yield running
