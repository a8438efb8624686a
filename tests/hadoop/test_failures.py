"""Daemons of a real cluster that die while yarnserve acts: each test breaks a cluster of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Shell, SpecWriter
from tests.hadoop.cluster import OWN_RESOURCE_MANAGER, PAIR, RealHadoop
from tests.hadoop.conftest import MODEL, publish
from tests.sandbox.cluster_support import send
from tests.support import claimed_ports, wait_until

#: One worker for all of them: a cluster at a time is enough for two cores.
pytestmark = [pytest.mark.hadoop, pytest.mark.xdist_group("failures")]

DEADLINE = 120.0
#: What YARN calls a service whose ApplicationMaster is there.
LIVING = ("STARTED", "STABLE")
#: Sooner than the default 10 s, after which ZooKeeper gives a silent ResourceManager up.
QUICK_FAIL_OVER = {"yarn-site.xml": {"yarn.resourcemanager.zk-timeout-ms": "4000"}}


@contextmanager
def running(directory: Path, version: str, jvms: Any, **more: Any) -> Iterator[tuple[RealHadoop, Shell, SpecWriter]]:
    """A cluster with the digits model, alice's command line and a writer of her specs."""
    with (
        RealHadoop(version, directory / "hadoop", jvms=jvms, **more) as cluster,
        claimed_ports() as base,
    ):
        publish(cluster)
        yield cluster, Shell(dict(cluster.environment)), SpecWriter(directory, base, f"hdfs://{MODEL}")


def applications(cluster: RealHadoop, name: str) -> list[str]:
    """Every application of that name that ever was."""
    answer = send("GET", f"{cluster.resource_manager_url}/ws/v1/cluster/apps").document()["apps"] or {}
    return [each["id"] for each in answer.get("app", []) if each["name"] == name]


def shown_at(url: str) -> dict[str, Any]:
    """Alice's service at that URL; empty where nobody shows it."""
    answer = send("GET", url, **{"user.name": "alice"})
    return dict(answer.document()) if answer.status == 200 else {}


@pytest.mark.parametrize("version", ["3.1.4"])
def test_a_resource_manager_that_is_started_anew(version: str, tmp_path: Path) -> None:
    """Killed while ``launch --wait`` waits and started again, it is waited for: live at the end, one application."""
    with running(tmp_path, version, OWN_RESOURCE_MANAGER) as (cluster, yarnserve, write_spec):
        waiting = yarnserve.start("launch", str(write_spec("digits")), "--wait", "--timeout", "100")
        service = f"{cluster.resource_manager_url}/app/v1/services/digits"
        # Before that its ApplicationMaster may be lost with the ResourceManager (real-hadoop-ha.md 4).
        wait_until(lambda: shown_at(service).get("state") in LIVING, DEADLINE, "an ApplicationMaster")
        cluster.kill("resourcemanager")
        cluster.start("resourcemanager")
        told, errors = waiting.communicate(timeout=DEADLINE)
        assert waiting.returncode == 0, told + errors
        cluster.wait_until_active()
        assert len(applications(cluster, "digits")) == 1
        assert yarnserve("status", "digits", "--exit-status").status == 0


@pytest.mark.parametrize("version", ["3.1.4"])
def test_a_fail_over_in_the_midst_of_a_launch(version: str, tmp_path: Path) -> None:
    """The active of two is killed while a launch is under way: it goes on with the other, one application results."""
    with running(tmp_path, version, PAIR, changes=QUICK_FAIL_OVER) as (cluster, yarnserve, write_spec):
        active = cluster.resource_manager_url
        first = cluster.resource_manager_urls.index(active) + 1
        launching = yarnserve.start("launch", str(write_spec("digits")), "--wait", "--timeout", "100")
        url = f"{active}/app/v1/services/digits"
        # Of a definition that has not got its application's id yet every ApplicationMaster dies (NullPointerException).
        wait_until(lambda: shown_at(url).get("id"), DEADLINE, "a definition with an application")
        cluster.kill(f"resourcemanager=rm{first}")
        told, errors = launching.communicate(timeout=DEADLINE)
        assert launching.returncode == 0, told + errors
        assert len(applications(cluster, "digits")) == 1
        assert yarnserve("status", "digits", "--exit-status").status == 0


def test_no_node_manager(tmp_path: Path) -> None:
    """Without a NodeManager nothing starts: doctor says so, and the wait ends with the reason."""
    changes = {"yarn-site.xml": {"yarn.nm.liveness-monitor.expiry-interval-ms": "3000"}}
    with running(tmp_path, "3.1.4", OWN_RESOURCE_MANAGER, changes=changes) as (cluster, yarnserve, write_spec):
        cluster.kill("nodemanager")
        spec = str(write_spec("digits"))
        url = f"{cluster.resource_manager_url}/ws/v1/cluster/metrics"
        wait_until(lambda: send("GET", url).document()["clusterMetrics"]["activeNodes"] == 0, DEADLINE, "no node")
        assert yarnserve("doctor", spec).status == 9
        waited = yarnserve("launch", spec, "--wait", "--timeout", "15")
        assert waited.status == 8, waited.stdout + waited.stderr
        assert "node" in waited.stderr
        assert yarnserve("destroy", "digits", "--yes").status == 0
