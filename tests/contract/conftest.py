"""The clusters of the contract: every test runs on the sandbox and, in the tier hadoop, on the real one it imitates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.cli.conftest import Shell
from tests.contract.clusters import SANDBOXES, Cluster, containers, sleeper
from tests.hadoop.cluster import RealHadoop
from tests.hadoop.versions import real_versions
from tests.sandbox.cluster_support import send
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import profile_of


@pytest.fixture(scope="session", params=[*SANDBOXES, *real_versions("hadoop-")])
def cluster(request: pytest.FixtureRequest, real_hadoop: Callable[[str], RealHadoop]) -> Iterator[Cluster]:
    """A running cluster, shared: a test gives services and files names of its own and leaves none."""
    kind, _, version = request.param.partition("-")
    if kind == "hadoop":
        yield Cluster.of(real_hadoop(version))
        return
    profile = replace(profile_of(version), readiness_interval=0.2)
    with Sandbox(user="alice", nodes=1, memory_mb=8192, vcores=16, profile=profile) as sandbox:
        _give_home(sandbox, "bob")
        yield Cluster.of(sandbox)


def _give_home(sandbox: Sandbox, user: str) -> None:
    url = f"{sandbox.namenode_url}/webhdfs/v1/user/{user}"
    assert send("PUT", url, op="MKDIRS", **{"user.name": "hdfs"}).status == 200
    assert send("PUT", url, op="SETPERMISSION", permission="777", **{"user.name": "hdfs"}).status == 200


@pytest.fixture(scope="module")
def running(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """Service ``shared`` of one READY container, as YARN shows it; tests look at it and leave it so."""
    # Of several commands YARN's redirection would take the last one's output only.
    document = sleeper("shared", command="bash -c 'echo hello; exec sleep 1000'")
    assert cluster.services("POST", body=document).status == 202
    yield cluster.until("shared", "STABLE", 1)
    cluster.destroy("shared")


@pytest.fixture
def container(running: dict[str, Any]) -> str:
    """The id of its container."""
    (only,) = containers(running)
    return str(only["id"])


@pytest.fixture
def yarnserve(cluster: Cluster) -> Shell:
    """The command line of alice."""
    return Shell(dict(cluster.environment))
