"""Real clusters for the tests here: one of each version for all of them, and such that a test may break."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.conftest import DIGITS, Shell, SpecWriter
from tests.hadoop.cluster import RealHadoop
from tests.support import claimed_ports

#: Versions whose every test runs; 3.2.4 boots, too, and is there on request (make hadoop HADOOP=3.2.4).
VERSIONS = ("3.1.4", "3.3.6", "3.4.2")

#: Where the tests' model is.
MODEL = "/user/alice/digits"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let all tests of a version run on one worker, which boots it once (``--dist loadgroup``)."""
    for item in items:
        version = getattr(item, "callspec", None) and item.callspec.params.get("hadoop")  # type: ignore[attr-defined]
        if version:
            item.add_marker(pytest.mark.xdist_group(version))


@pytest.fixture(scope="session", params=VERSIONS)
def hadoop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHadoop]:
    """A running cluster with the digits model, shared: a test destroys what it launches."""
    version: str = request.param
    with RealHadoop(version, tmp_path_factory.mktemp(f"hadoop-{version}")) as cluster:
        publish(cluster)
        yield cluster


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
