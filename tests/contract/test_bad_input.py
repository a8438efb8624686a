"""What a person did wrong, or the cluster lacks: the documented error, cause, fix and exit status; nothing left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import DIGITS, Ran, Shell, SpecWriter
from tests.contract.clusters import SANDBOXES, Cluster, sleeper
from tests.hadoop.versions import real_versions
from tests.sandbox.cluster_support import send
from tests.support import claimed_ports

#: On the oldest real cluster alone: each of these takes a service's whole life.
pytestmark = pytest.mark.parametrize("cluster", [*SANDBOXES, *real_versions("hadoop-", only=["3.1.4"])], indirect=True)

MODEL = "/user/alice/bad-input"


@dataclass(frozen=True)
class Launch:
    """Launches the digits model from a spec with fields in place of usual ones."""

    cluster: Cluster
    yarnserve: Shell
    write_spec: SpecWriter

    def __call__(self, name: str, *options: str, **fields: Any) -> Ran:
        """Run ``launch``."""
        return self.yarnserve("launch", str(self.write_spec(name, **fields)), *options)

    def left(self, name: str) -> str:
        """What the cluster has of a service: ``definition``, ``state`` of yarnserve's own, both, or nothing."""
        is_defined = self.cluster.services("GET", f"/{name}").status == 200
        is_known = self.yarnserve("status", name).status != 5
        return " ".join(["definition"] * is_defined + ["state"] * is_known)


@pytest.fixture(scope="module")
def model(cluster: Cluster) -> str:
    """The base path of a published model."""
    published = Shell(dict(cluster.environment))(
        "models", "publish", str(DIGITS / "model" / "1"), MODEL, "--version", "1"
    )
    assert published.status in (0, 6), published.stderr
    return MODEL


@pytest.fixture
def launch(cluster: Cluster, yarnserve: Shell, model: str, tmp_path: Path) -> Iterator[Launch]:
    """The command, with ports of its own."""
    with claimed_ports() as base:
        yield Launch(cluster, yarnserve, SpecWriter(tmp_path, base, f"hdfs://{model}"))


def test_a_name_that_another_tool_has_taken(cluster: Cluster, launch: Launch) -> None:
    """A running service of somebody's own making is not touched; --replace is the way, and is named."""
    assert cluster.services("POST", body=sleeper("taken")).status == 202
    refused = launch("taken")
    assert refused.status == 6
    assert "YARN runs a service of this name that yarnserve did not launch" in refused.stderr
    assert "launch --replace" in refused.stderr
    cluster.until("taken", "STABLE", 1)
    cluster.destroy("taken")


def test_a_poisoned_name(cluster: Cluster, launch: Launch) -> None:
    """A definition without an application blocks its name: it is explained, and --replace clears it."""
    assert cluster.services("POST", body={**sleeper("poisoned"), "state": "STOPPED"}).status == 202
    refused = launch("poisoned")
    assert refused.status == 6
    assert "taken by a leftover definition" in refused.stderr
    assert "yarnserve destroy poisoned" in refused.stderr
    replaced = launch("poisoned", "--replace")
    assert replaced.status == 0, replaced.stderr
    assert launch.yarnserve("destroy", "poisoned", "--yes").status == 0
    assert not launch.left("poisoned")


def test_memory_over_the_maximum(launch: Launch) -> None:
    """More memory than any container may have is refused with the limit and its setting."""
    refused = launch("memory", resources={"cpus": 1, "memory": "100g"})
    assert refused.status == 1
    assert "(102400) is larger than configured max container memory size (8192)" in refused.stderr
    assert "yarn.scheduler.maximum-allocation-mb" in refused.stderr
    assert not launch.left("memory")


def test_an_unknown_queue(launch: Launch) -> None:
    """A queue that is not there is refused by name, and the name of the service is free again."""
    refused = launch("queue", queue="nosuch")
    assert refused.status == 1
    assert "unknown queue: nosuch" in refused.stderr or "unknown queue : nosuch" in refused.stderr
    assert "capacity-scheduler.xml" in refused.stderr
    assert not launch.left("queue")


def test_gpus_where_there_are_none(launch: Launch) -> None:
    """YARN takes the service and its ApplicationMaster dies: the wait ends with what it means."""
    failed = launch("gpus", "--wait", "--timeout", "80", resources={"cpus": 1, "memory": "512m", "gpus": 1})
    assert failed.status in (1, 8, 9)
    assert "yarn.io/gpu" in failed.stdout + failed.stderr
    assert launch.yarnserve("destroy", "gpus", "--yes").status == 0
    assert not launch.left("gpus")


def test_a_model_that_may_not_be_read(cluster: Cluster, launch: Launch) -> None:
    """A base path of another user's is refused with HDFS's words, before anything is sent to YARN."""
    url = f"{cluster.namenode_url}/webhdfs/v1/user/bob/closed"
    assert send("PUT", url, op="MKDIRS", permission="700", **{"user.name": "bob"}).status == 200
    refused = launch("closed", model={"base_path": "hdfs:///user/bob/closed", "name": "digits"})
    assert refused.status == 4
    assert "Permission denied: user=alice" in refused.stderr
    assert not launch.left("closed")


def test_a_model_that_is_not_there(launch: Launch) -> None:
    """A missing base path is refused with the command that publishes a model."""
    refused = launch("missing", model={"base_path": "hdfs:///user/alice/nothing", "name": "digits"})
    assert refused.status == 5
    assert "the model's base path does not exist" in refused.stderr
    assert "yarnserve models publish" in refused.stderr
    assert not launch.left("missing")
