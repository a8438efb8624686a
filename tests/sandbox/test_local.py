"""``yarnserve local``: real agents and stand-in servers on this host, their models from the sandbox's HDFS alone."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import DIGITS
from tests.sandbox.local_support import BASE, Host, a_host, hdfs_with_digits
from tests.support import REPOSITORY, wait_until
from yarnserve import probe
from yarnserve.sandbox import Sandbox

#: With these the stand-in does not start.
FAILING = {"prefer_tflite_model": True, "enable_batching": True, "batching_parameters_file": "/nonexistent"}


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


def test_the_life_of_a_service(host: Host) -> None:
    """Up, one replica more, up again without an act, one less, logs, down, and nothing is left."""
    host.up("--no-docker", image="a/b:2.6")
    (first,) = host.replicas()
    assert (first["health"], first["versions"], first["agent"]["state"]) == ("live", {"digits": [1]}, "ready")
    again = host.up("--no-docker", "--replicas", "2", image="a/b:2.6")
    assert "1 to start, 1 as it should be" in again.stderr
    ids = host.ids()
    assert ids["serve-0"] == first["id"]
    nothing = host.up("--no-docker", "--replicas", "2", image="a/b:2.6")
    assert "nothing to do" in nothing.stderr
    assert host.ids() == ids
    assert "removing serve-1" in host.up("--no-docker", image="a/b:2.6").stderr
    assert host.ids() == {"serve-0": first["id"]}
    assert "is served" in host.local("logs", host.spec(), "--tail", "5000").stdout
    assert host.local("list", "-o", "json").document["services"] == [
        {"name": "digits", "runsIn": "process", "replicas": 1, "running": 1}
    ]
    down = host.local("down", "digits", "--purge")
    assert down.status == 0, down.stderr
    assert not probe.accepts("127.0.0.1", host.port + 1, deadline=1.0)
    assert host.local("status", "digits").status == 5


def test_what_differs_is_replaced_one_after_the_other(host: Host) -> None:
    """The second one only when the first has answered, as is told; what has been fetched is there already."""
    host.up(replicas=2)
    before = host.ids()
    changed = host.up(replicas=2, agent={"poll": "1s", "quiet": "1s", "drain": "4s"}).stderr
    waited = changed.index("waiting for serve-0 before serve-1 is replaced")
    assert changed.index("replacing serve-0") < waited < changed.index("serve-0    live", waited)
    assert changed.index("serve-0    live", waited) < changed.index("replacing serve-1")
    after = host.ids()
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())


def test_one_that_was_killed_is_seen_and_brought_back(host: Host) -> None:
    """Its server has died with it, so that the port is free; status says so by its exit status, too."""
    host.up()
    (before,) = host.ids().values()
    os.kill(int(before), signal.SIGKILL)
    wait_until(lambda: not probe.accepts("127.0.0.1", host.port + 1, deadline=1.0), what="the server to die")
    dead = host.local("status", "digits", "--exit-status")
    assert dead.status == 9
    assert "gone" in dead.stdout
    host.up()
    (after,) = host.ids().values()
    assert after != before


def test_a_keepers_replica_is_shown_and_left_alone(host: Host) -> None:
    """``run`` becomes the agent itself: SIGTERM to it drains; neither up nor down touches it meanwhile."""
    keeper = host.shell.start("local", "run", host.spec())
    try:
        wait_until(lambda: probe.read(f"http://127.0.0.1:{host.port + 2}/readyz", deadline=1.0), what="readiness")
        assert host.ids() == {"serve-0": str(keeper.pid)}
        assert host.up().stderr.startswith(f"digits runs as {host.spec()} says")
        changed = host.local("up", host.spec(agent={"drain": "1s"}))
        down = host.local("down", "digits")
        for ran in (changed, down):
            assert ran.status == 6
            assert "kept by somebody else" in ran.stderr
    finally:
        keeper.terminate()
        _, told = keeper.communicate(timeout=20)
    assert keeper.returncode == 0
    assert "ending: SIGTERM" in told


def test_a_keeper_whose_streams_are_closed(host: Host, tmp_path: Path) -> None:
    """What it and its server write goes nowhere, not into a file that it has opened since; its end is in order."""
    command = shlex.join([sys.executable, "-m", "yarnserve", "local", "run", host.spec()])
    environment = {**os.environ, **host.shell.environment}
    keeper = subprocess.Popen(["/bin/sh", "-c", f"exec {command} <&- >&- 2>&-"], env=environment, cwd=REPOSITORY)
    try:
        wait_until(lambda: probe.read(f"http://127.0.0.1:{host.port + 2}/readyz", deadline=1.0), what="readiness")
    finally:
        keeper.terminate()
        assert keeper.wait(20) == 0
    assert (tmp_path / "state/yarnserve/local/digits/serve-0/agent.lock").read_bytes() == b""


def test_a_taken_port_is_named_before_anything_is_started(host: Host, cluster: Sandbox) -> None:
    """Whoever answers there would be taken for the replica."""
    port = int(cluster.namenode_url.rpartition(":")[2])
    ran = host.local("up", host.spec(ports={"grpc": host.port, "rest": port, "agent": host.port + 2}))
    assert ran.status == 6
    assert f"port {port} of serve-0 is taken" in ran.stderr
    assert host.ids() == {}


def test_one_that_ends_fails_the_wait_at_once_with_its_own_words(host: Host) -> None:
    """A server that does not start, and an agent that gives up on it."""
    ran = host.local(
        "up",
        host.spec(serving={"version": "2.6", "flags": FAILING}, supervise={"restarts": 1}),
    )
    assert ran.status == 1
    assert "serve-0: it has ended with exit code 143; its last words: " in ran.stderr
    assert "/nonexistent" in ran.stderr


def test_a_server_that_reads_hdfs_itself_has_no_agent(host: Host, cluster: Sandbox) -> None:
    """It needs Hadoop's configuration, and says so where there is none."""
    fields: dict[str, Any] = {
        "model": {"base_path": BASE, "example": str(DIGITS / "example.json")},
        "ports": {"grpc": host.port, "rest": host.port + 1},
        "agent": None,
    }
    without = host.local("up", host.spec(**fields))
    assert without.status == 3
    assert "HADOOP_CONF_DIR" in without.stderr
    ran = host.local("up", host.spec(**fields), HADOOP_CONF_DIR=cluster.environment["HADOOP_CONF_DIR"])
    assert ran.status == 0, ran.stderr
    (replica,) = host.replicas()
    assert (replica["health"], replica["agent"]) == ("live", None)
    assert replica["endpoint"] == {"host": "127.0.0.1", "rest": host.port + 1, "grpc": host.port, "agent": None}


def test_a_unit_runs_what_is_said_now(host: Host) -> None:
    """The file by its whole path, and the NameNode of this shell, which systemd does not have."""
    unit = host.local("unit", host.spec(), "--replicas", "2").stdout
    (start,) = (line for line in unit.splitlines() if line.startswith("ExecStart="))
    assert f"local run {host.directory}/service.yaml" in start
    assert f"--namenode={host.shell.environment['YARNSERVE_NAMENODE']}" in start
    assert start.endswith("--replicas=2 --replica %i")


@pytest.mark.parametrize("name", ["no-such", "../digits", "n" * 300])
def test_who_is_not_there_is_not_found(host: Host, name: str) -> None:
    """A name that no service can have is a mistake of another kind."""
    for command in ("status", "logs", "down"):
        assert host.local(command, name).status == (5 if name == "no-such" else 2)
