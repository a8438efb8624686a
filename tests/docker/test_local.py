"""``yarnserve local`` with real containers: confined, replaced, kept by Docker, drained and removed.

``sync_image`` is the name of an image with yarnserve and the stand-in on its PATH.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker.daemon import docker
from tests.sandbox.local_support import Host, a_host, hdfs_with_digits
from tests.support import wait_until
from yarnserve import probe
from yarnserve.sandbox import Sandbox

pytestmark = pytest.mark.docker

CONTAINER = "yarnserve-digits-serve-0"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sandbox]:
    """An HDFS with one version of the digits."""
    with hdfs_with_digits() as running:
        yield running


@pytest.fixture
def host(cluster: Sandbox, tmp_path: Path) -> Iterator[Host]:
    """A host on which nothing runs."""
    with a_host(cluster, tmp_path) as made:
        yield made


def inspected() -> Any:
    """What Docker knows of the replica's container."""
    return json.loads(docker("container", "inspect", CONTAINER))[0]


def test_a_container_lives_as_the_file_says(host: Host, sync_image: str) -> None:
    """Its agent is PID 1 of a read-only, limited container of ours; up again does nothing, down leaves none."""
    host.up(image=sync_image)
    (replica,) = host.replicas()
    assert (replica["health"], replica["agent"]["state"]) == ("live", "ready")
    seen = inspected()
    limits = seen["HostConfig"]
    assert (limits["Memory"], limits["ReadonlyRootfs"], limits["CapDrop"]) == (512 << 20, True, ["ALL"])
    assert limits["RestartPolicy"]["Name"] == "unless-stopped"
    assert seen["Config"]["Labels"]["yarnserve.instance"] == "serve-0"
    assert "nothing to do" in host.up(image=sync_image).stderr
    assert inspected()["Id"] == seen["Id"]
    assert "is served" in host.local("logs", "digits", "--tail", "5000").stdout
    assert host.local("down", "digits").status == 0
    assert CONTAINER not in docker("ps", "--all", "--format={{.Names}}")


def test_a_changed_file_makes_another_container(host: Host, sync_image: str) -> None:
    """In which what was fetched is there already."""
    host.up(image=sync_image)
    before = inspected()["Id"]
    assert "replacing serve-0" in host.up(image=sync_image, resources={"memory": "600m"}).stderr
    after = inspected()
    assert after["Id"] != before
    assert after["HostConfig"]["Memory"] == 600 << 20


def test_containers_that_a_change_to_processes_has_left_are_still_ours(host: Host, sync_image: str) -> None:
    """The first process never becomes live; the container that was not replaced is shown, and ended by down."""
    left = "yarnserve-digits-serve-1"
    host.up("--replicas", "2", image=sync_image)
    failing = {"version": "2.6", "flags": {"enable_batching": True, "batching_parameters_file": "/nonexistent"}}
    changed = host.spec(image=sync_image, serving=failing)
    ran = host.local("up", changed, "--no-docker", "--replicas", "2", "--timeout", "5")
    assert ran.status == 8, ran.stderr
    assert left in docker("ps", "--format={{.Names}}")
    assert host.replicas()[1]["health"] == "live"
    again = host.local("up", host.spec(image=sync_image), "--no-docker", "--replicas", "2", "--timeout", "30")
    # The process may have ended by itself in between; the container has not.
    assert "replacing serve-1" in again.stderr
    assert again.status == 0, again.stderr
    assert left not in docker("ps", "--all", "--format={{.Names}}")


def test_docker_starts_it_again_when_its_agent_dies(host: Host, sync_image: str) -> None:
    """Status counts that."""
    host.up(image=sync_image)
    subprocess.run(["kill", "-KILL", str(inspected()["State"]["Pid"])], check=True)
    wait_until(lambda: inspected()["RestartCount"] == 1, what="Docker to start it again")
    wait_until(lambda: host.replicas()[0]["health"] == "live", what="the replica to answer again")
    assert host.replicas()[0]["restarts"] == 1


def test_a_program_that_the_image_lacks_is_named(host: Host, sync_image: str) -> None:
    """And nothing of the container is left."""
    ran = host.local("up", host.spec(image=sync_image, agent={"command": "/no/yarnserve"}))
    assert ran.status == 3
    assert "agent.command" in ran.stderr
    assert CONTAINER not in docker("ps", "--all", "--format={{.Names}}")


def test_an_image_that_is_nowhere_is_an_error_before_anything_is_started(host: Host) -> None:
    """Its registry cannot be reached."""
    ran = host.local("up", host.spec(image="localhost:1/none:2.6"))
    assert ran.status == 7
    assert "docker load" in ran.stderr


def test_a_keepers_container_ends_with_docker_run(host: Host, sync_image: str) -> None:
    """SIGTERM to ``local run`` drains the container and leaves none."""
    keeper = host.shell.start("local", "run", host.spec(image=sync_image))
    try:
        ready = f"http://127.0.0.1:{host.port + 2}/readyz"
        wait_until(lambda: probe.read(ready, deadline=1.0), what="readiness")
    finally:
        keeper.terminate()
        _, told = keeper.communicate(timeout=30)
    assert keeper.returncode == 0
    assert "ending: SIGTERM" in told
    assert CONTAINER not in docker("ps", "--all", "--format={{.Names}}")
