"""What the ResourceManager's own API has to answer for yarnserve to work (yarn-services.md 6)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.clusters import DEADLINE, Cluster, containers, sleeper
from tests.sandbox.cluster_support import send
from tests.support import wait_until


def test_info(cluster: Cluster) -> None:
    """/info tells version, start and that the only ResourceManager is active."""
    info = cluster.yarn("/info").document()["clusterInfo"]
    assert (info["state"], info["haState"]) == ("STARTED", "ACTIVE")
    assert info["hadoopVersion"] == info["resourceManagerVersion"] == cluster.version
    assert isinstance(info["id"], int)
    assert isinstance(info["startedOn"], int)


def test_application(cluster: Cluster, running: dict[str, Any]) -> None:
    """A service's application is found by name, and alone by its id; what is read of it is there."""
    found = cluster.application("shared")
    alone = cluster.yarn(f"/apps/{running['id']}").document()["app"]
    assert found["id"] == alone["id"] == running["id"]
    assert (alone["user"], alone["name"]) == ("alice", "shared")
    assert alone["queue"] == ("default" if cluster.release < (3, 4) else "root.default")
    assert (alone["state"], alone["finalStatus"], alone["applicationType"]) == ("RUNNING", "UNDEFINED", "yarn-service")
    assert isinstance(alone["startedTime"], int)
    assert alone["runningContainers"] == 2
    assert isinstance(alone["diagnostics"], str)
    assert alone["amContainerLogs"].startswith("http://")


@pytest.mark.parametrize(
    ("query", "is_there"),
    [
        ({"states": "RUNNING,ACCEPTED"}, True),
        ({"states": "FINISHED"}, False),
        ({"applicationTypes": "yarn-service"}, True),
        ({"applicationTypes": "MAPREDUCE"}, False),
        ({"user": "alice"}, True),
        ({"user": "bob"}, False),
    ],
)
def test_filters(cluster: Cluster, running: dict[str, Any], query: dict[str, str], is_there: bool) -> None:
    """Applications are filtered by state, type and user."""
    found = cluster.yarn("/apps", **query).document()["apps"] or {}
    assert (running["id"] in [app["id"] for app in found.get("app", [])]) is is_there


def test_unknown_application(cluster: Cluster) -> None:
    """An application that is not there is 404, a name that is no id 404 or 400, both with a RemoteException."""
    missing = cluster.yarn("/apps/application_1_0001")
    assert missing.status == 404
    assert missing.document()["RemoteException"]["exception"] == "NotFoundException"
    assert cluster.yarn("/apps/nonsense").status in (400, 404)


def test_attempts(cluster: Cluster, running: dict[str, Any]) -> None:
    """The first attempt of the ApplicationMaster is told, with its container and node."""
    (attempt,) = cluster.yarn(f"/apps/{running['id']}/appattempts").document()["appAttempts"]["appAttempt"]
    assert attempt["id"] == 1
    assert attempt["appAttemptId"].startswith("appattempt_")
    assert attempt["containerId"].endswith("_01_000001")
    assert attempt["nodeHttpAddress"] in cluster.node_url
    assert attempt["startTime"] > 0


def test_containers_of_an_attempt(cluster: Cluster, running: dict[str, Any], container: str) -> None:
    """The ApplicationMaster's container and the service's are told with their nodes; numbers are texts."""
    (attempt,) = cluster.yarn(f"/apps/{running['id']}/appattempts").document()["appAttempts"]["appAttempt"]
    path = f"/apps/{running['id']}/appattempts/{attempt['appAttemptId']}/containers"
    told = {each["containerId"]: each for each in cluster.yarn(path).document()["container"]}
    assert {attempt["containerId"], container} <= set(told)
    assert str(told[container]["allocatedMB"]) == "128"
    assert told[container]["nodeHttpAddress"].endswith(cluster.node_url.removeprefix("http://").partition(":")[2])


def test_nodes(cluster: Cluster, running: dict[str, Any]) -> None:
    """A node tells its state, address, health and what is used and left of it."""
    (node,) = cluster.yarn("/nodes").document()["nodes"]["node"]
    assert node["state"] == "RUNNING"
    assert node["healthReport"] == ""
    assert node["numContainers"] >= 2
    assert node["usedMemoryMB"] + node["availMemoryMB"] == 8192
    assert node["usedVirtualCores"] + node["availableVirtualCores"] == 16
    assert node["id"].startswith(node["nodeHostName"])


def test_scheduler(cluster: Cluster) -> None:
    """The capacity scheduler's leaf queue tells state and shares."""
    info = cluster.yarn("/scheduler").document()["scheduler"]["schedulerInfo"]
    assert info["type"] == "capacityScheduler"
    (queue,) = info["queues"]["queue"]
    assert (queue["queueName"], queue["state"]) == ("default", "RUNNING")
    assert isinstance(queue["capacity"], (int, float))
    assert queue["type"] == "capacitySchedulerLeafQueueInfo"


def test_configuration(cluster: Cluster) -> None:
    """/conf tells the daemon's properties as JSON."""
    answer = send("GET", f"{cluster.resource_manager_url}/conf", headers={"Accept": "application/json"})
    properties = {each["key"]: each["value"] for each in answer.document()["properties"]}
    assert properties["yarn.webapp.api-service.enable"] == "true"


def test_kill_of_an_application(cluster: Cluster) -> None:
    """PUT KILLED is 202 and ends it; the service says STOPPED, and its definition stays."""
    assert cluster.services("POST", body=sleeper("killed")).status == 202
    cluster.until("killed", "STABLE", 1)
    application = cluster.application("killed")["id"]
    assert cluster.yarn(f"/apps/{application}/state", "PUT", {"state": "KILLED"}).status in (200, 202)
    wait_until(lambda: cluster.yarn(f"/apps/{application}/state").document()["state"] == "KILLED", DEADLINE, "KILLED")
    cluster.until("killed", "STOPPED")
    cluster.destroy("killed")


def test_signal_to_a_container(cluster: Cluster) -> None:
    """From 3.3 on a signalled container ends and is replaced, an unknown one is 500 in words; 3.1 has no such path."""
    assert cluster.services("POST", body=sleeper("signalled")).status == 202
    before = containers(cluster.until("signalled", "STABLE", 1))[0]["id"]
    answer = cluster.yarn(f"/containers/{before}/signal/FORCEFUL_SHUTDOWN", "POST")
    absent = cluster.yarn(f"/containers/{before[:-6]}999999/signal/FORCEFUL_SHUTDOWN", "POST")
    if cluster.release < (3, 3):
        assert (answer.status, absent.status) == (404, 404)
    else:
        assert answer.status == 200
        assert (absent.status, "absent container" in absent.text) == (500, True)
        wait_until(lambda: _is_replaced(cluster, before), DEADLINE, "another container")
    cluster.destroy("signalled")


def _is_replaced(cluster: Cluster, before: str) -> bool:
    shown = containers(cluster.service("signalled"))
    return bool(shown) and shown[0]["id"] != before and shown[0]["state"] == "READY"
