"""What happens to a service on a real cluster, as YARN shows it and as yarnserve does."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import DIGITS, Shell, SpecWriter
from tests.hadoop.cluster import RealHadoop
from tests.hadoop.versions import real_versions
from tests.sandbox.cluster_support import send
from tests.support import wait_until

#: On the oldest alone: the contract has seen that the others answer alike.
pytestmark = pytest.mark.parametrize("hadoop", real_versions(only=["3.1.4"]), indirect=True)

DEADLINE = 90.0


def yarn_shows(cluster: RealHadoop, name: str, user: str = "alice") -> dict[str, Any]:
    """State of the service and of its containers, without yarnserve."""
    url = f"{cluster.resource_manager_url}/app/v1/services/{name}"
    shown = send("GET", url, **{"user.name": user}).document()
    states = [each["state"] for of in shown["components"] for each in of["containers"]]
    return {"service": shown["state"], "containers": states}


def replicas(yarnserve: Shell, name: str) -> list[dict[str, Any]]:
    """What ``status`` shows of each replica."""
    found: list[dict[str, Any]] = yarnserve("status", name, "-o", "json").document["replicas"]
    return found


def shown_as(yarnserve: Shell, name: str, state: str) -> dict[str, Any]:
    """Wait until ``status`` shows its only replica in *state*; return it."""

    def reached() -> dict[str, Any] | None:
        (only,) = replicas(yarnserve, name)
        return only if only["health"] == state else None

    return wait_until(reached, DEADLINE, f"{name} {state}")


def server_on(port: int) -> int:
    """The process id of the model server that was told to answer REST on *port*."""

    def found() -> int:
        for entry in Path("/proc").iterdir():
            arguments = _arguments(entry)
            if entry.name.isdigit() and f"--rest_api_port={port}" in arguments and "bash" not in arguments[0]:
                return int(entry.name)
        return 0

    return wait_until(found, DEADLINE, f"a server on {port}")


def _arguments(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return [""]


def test_a_model_that_came_by_httpfs(hadoop: RealHadoop, write_spec: SpecWriter, tmp_path: Path) -> None:
    """Published and launched by way of HttpFS alone, the service answers as by WebHDFS."""
    by_httpfs = Shell({**hadoop.environment, "YARNSERVE_NAMENODE": hadoop.httpfs_url})
    base_path = f"/user/alice/by-httpfs-{hadoop.version}"
    published = by_httpfs("models", "publish", str(DIGITS / "model" / "1"), base_path, "--version", "1")
    assert published.status == 0, published.stderr
    model = {"base_path": f"hdfs://{base_path}", "name": "digits", "example": "example.json"}
    launched = by_httpfs("launch", str(write_spec("by-httpfs", model=model)), "--wait", "--timeout", "80")
    assert launched.status == 0, launched.stdout + launched.stderr
    assert "predictions" in by_httpfs("predict", "by-httpfs", "--example").stdout
    assert by_httpfs("destroy", "by-httpfs", "--yes").status == 0


def test_two_users(hadoop: RealHadoop, yarnserve: Shell, write_spec: SpecWriter) -> None:
    """Alice and bob have a service of the same name; each sees and ends his own, and list --all-users shows both."""
    bob = Shell({**hadoop.environment, "HADOOP_USER_NAME": "bob"})
    for user, command, port in (("alice", yarnserve, 0), ("bob", bob, 10)):
        spec = write_spec("both", ports={"grpc": write_spec.base + port, "rest": write_spec.base + port + 1})
        launched = command("launch", str(spec), "--wait", "--timeout", "80")
        assert launched.status == 0, f"{user}: {launched.stdout}{launched.stderr}"
    everybody = yarnserve("list", "--all-users", "-o", "json").document["services"]
    assert {(each["name"], each["application"]["user"]) for each in everybody} >= {("both", "alice"), ("both", "bob")}
    assert bob("destroy", "both", "--yes").status == 0
    assert shown_as(yarnserve, "both", "live")
    assert yarnserve("destroy", "both", "--yes").status == 0


def test_a_server_that_hangs(hadoop: RealHadoop, yarnserve: Shell, write_spec: SpecWriter) -> None:
    """A stopped process is READY and STABLE for YARN; ``status`` sees that nobody answers."""
    launched = yarnserve("launch", str(write_spec("hung")), "--wait", "--timeout", "80")
    assert launched.status == 0, launched.stdout + launched.stderr
    server = server_on(write_spec.base + 1)
    os.kill(server, signal.SIGSTOP)
    try:
        failing = shown_as(yarnserve, "hung", "failing")
        assert "answer" in failing["reason"]
        assert yarn_shows(hadoop, "hung") == {"service": "STABLE", "containers": ["READY"]}
        assert yarnserve("status", "hung", "--exit-status").status == 9
    finally:
        os.kill(server, signal.SIGCONT)
    shown_as(yarnserve, "hung", "live")
    assert yarnserve("destroy", "hung", "--yes").status == 0


def test_a_crash_loop(hadoop: RealHadoop, yarnserve: Shell, write_spec: SpecWriter) -> None:
    """A port that is taken ends every start: for YARN the service goes on, for us it fails, with code, count, cause."""
    with socket.socket() as holder:
        # Taken, and refusing: nobody answers in the server's place.
        holder.bind(("", write_spec.base))
        launched = yarnserve("launch", str(write_spec("crashing")), "--wait", "--timeout", "200")
        assert launched.status == 1, launched.stdout + launched.stderr
        assert "last exit 255: another process on the node has the server's port" in launched.stderr
        (only,) = replicas(yarnserve, "crashing")
        assert (only["health"], only["lastExit"]["code"]) == ("failing", 255)
        assert only["restarts"] >= 2
        # Which of the two, and READY or not, is luck: whether YARN's check met a process between two ends.
        assert yarn_shows(hadoop, "crashing")["service"] in ("STARTED", "STABLE")
    assert yarnserve("destroy", "crashing", "--yes").status == 0
