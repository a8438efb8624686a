"""What a NodeManager has to answer for yarnserve to work (yarn-services.md 6, real-hadoop.md 7)."""

from __future__ import annotations

from typing import Any

from tests.contract.clusters import DEADLINE, Cluster, containers, sleeper
from tests.sandbox.cluster_support import HttpAnswer, send
from tests.support import wait_until


def node(cluster: Cluster, path: str, **query: str) -> HttpAnswer:
    """Ask the NodeManager below ``/ws/v1/node``."""
    return send("GET", f"{cluster.node_url}/ws/v1/node{path}", headers={"Accept": "application/json"}, **query)


def known(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """The node's containers by id."""
    found = node(cluster, "/containers").document()["containers"] or {}
    return {each["id"]: each for each in found.get("container", [])}


def test_info(cluster: Cluster) -> None:
    """/info tells the version."""
    assert node(cluster, "/info").document()["nodeInfo"]["hadoopVersion"] == cluster.version


def test_a_running_container(cluster: Cluster, container: str) -> None:
    """A container tells state, exit code -1000 while it runs, user and node."""
    told = known(cluster)[container]
    assert (told["state"], told["exitCode"], told["user"]) == ("RUNNING", -1000, "alice")
    assert isinstance(told["diagnostics"], str)
    assert told["containerLogsLink"].startswith("http://")


def test_a_container_that_failed(cluster: Cluster) -> None:
    """A command that ends with a code is started again in the same container, which tells code and words meanwhile."""
    assert cluster.services("POST", body=sleeper("failing", command="echo oops >&2; sleep 1; exit 3")).status == 202
    wanted = wait_until(lambda: containers(cluster.service("failing")), DEADLINE, "a container")[0]["id"]

    def told() -> dict[str, Any] | None:
        shown = known(cluster).get(wanted, {})
        return shown if shown.get("exitCode") == 3 else None

    shown = wait_until(told, DEADLINE, "exit code 3")
    assert "3" in shown["diagnostics"]
    assert cluster.service("failing")["state"] in ("STABLE", "STARTED")
    cluster.destroy("failing")


def test_logs(cluster: Cluster, container: str) -> None:
    """A container's log files are told with their sizes, and read whole and from their end."""
    listed = node(cluster, f"/containers/{container}/logs").document()
    groups = listed["containerLogsInfo"] if isinstance(listed, dict) else listed
    groups = groups if isinstance(groups, list) else [groups]
    files = {each["fileName"]: each for group in groups for each in group["containerLogInfo"]}
    assert {"stdout.txt", "stderr.txt"} <= set(files)
    path = f"/containers/{container}/logs/stdout.txt"
    whole, end = (send("GET", f"{cluster.node_url}/ws/v1/node{path}", **size) for size in ({}, {"size": "-3"}))
    assert (whole.status, end.status) == (200, 200)
    assert whole.content_type.startswith("text/plain")
    assert "\nLogContents:\nhello\n" in whole.text
    assert "\nLogContents:\nlo\n" in end.text
    assert "LogLength:6\n" in end.text


def test_logs_that_are_not_there(cluster: Cluster, container: str) -> None:
    """An unknown file is 404, an unknown container no success and told as unknown."""
    logs = f"{cluster.node_url}/ws/v1/node/containers"
    assert send("GET", f"{logs}/{container}/logs/nothing.txt").status in (404, 500)
    unknown = send("GET", f"{logs}/container_1_0001_01_000009/logs")
    assert unknown.status in (404, 500, 503)
