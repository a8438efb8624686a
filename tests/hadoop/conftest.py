"""The real clusters that the tests here share, with a model on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cli.conftest import DIGITS, Shell, SpecWriter
from tests.hadoop.cluster import RealHadoop
from tests.hadoop.versions import real_versions
from tests.support import claimed_ports

#: Where the tests' model is.
MODEL = "/user/alice/digits"


@pytest.fixture(scope="session", params=real_versions())
def hadoop(request: pytest.FixtureRequest, real_hadoop: Callable[[str], RealHadoop]) -> RealHadoop:
    """A running cluster with the digits model, shared: a test destroys what it launches."""
    cluster = real_hadoop(request.param)
    if cluster.webhdfs("GET", MODEL, user="alice", op="GETFILESTATUS").status == 404:
        publish(cluster)
    return cluster


def publish(cluster: RealHadoop) -> None:
    """Publish the digits model on *cluster*, as a person does."""
    published = Shell(dict(cluster.environment))(
        "models", "publish", str(DIGITS / "model" / "1"), MODEL, "--version", "1"
    )
    assert published.status == 0, published.stderr


@pytest.fixture
def yarnserve(hadoop: RealHadoop) -> Shell:
    """The command line of alice, whose environment names the cluster."""
    return Shell(dict(hadoop.environment))


@pytest.fixture
def write_spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpecWriter]:
    """Specs of the published model, with ports of their own."""
    with claimed_ports() as base:
        yield SpecWriter(tmp_path_factory.mktemp("spec"), base, f"hdfs://{MODEL}")
