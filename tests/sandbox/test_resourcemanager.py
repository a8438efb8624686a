"""The cluster API over sockets, where the recordings do not reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.sandbox.cluster_support import component, send, service, wait_for_state
from tests.support import wait_until
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_1_4


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sandbox]:
    """Two nodes with two GPUs each, and a running service of alice's that holds one."""
    with Sandbox(user="alice", gpus=2, profile=replace(HADOOP_3_1_4, am_start=0.1)) as running:
        gpu = {"cpus": 2, "memory": "512", "additional": {"yarn.io/gpu": {"value": 1, "unit": ""}}}
        services = f"{running.resource_manager_url}/app/v1/services"
        body = service(component(launch_command="exec sleep 600", resource=gpu))
        send("POST", services, body, **{"user.name": "alice"})
        wait_for_state(f"{services}/svc", "STABLE")
        yield running


def get(sandbox: Sandbox, path: str, **query: str) -> Any:
    """GET a path of the cluster API."""
    return send("GET", f"{sandbox.resource_manager_url}/ws/v1/cluster/{path}", **query).document()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"states": "RUNNING,ACCEPTED", "applicationTypes": "yarn-service", "user": "alice"}, True),
        ({"states": "finished"}, False),
        ({"user": "bob"}, False),
        ({"applicationTypes": "MAPREDUCE"}, False),
        ({"applicationTags": "Name: svc"}, True),
        ({"applicationTags": "name: other"}, False),
        ({"name": "ignored-before-3.3"}, True),
        ({"queue": "other"}, False),
    ],
)
def test_filters_of_the_list(cluster: Sandbox, query: dict[str, str], found: bool) -> None:
    """Applications are chosen by state, type, user, queue and tag; 3.1.4 ignores a filter by name."""
    assert bool(get(cluster, "apps", **query)["apps"].get("app")) is found


def test_gpus_are_a_resource_of_nodes_and_containers(cluster: Sandbox) -> None:
    """Where nodes have GPUs, what is used and free of them is shown."""
    free = 0
    for node in get(cluster, "nodes")["nodes"]["node"]:
        kinds = {
            kind["name"]: kind["value"]
            for kind in node["availableResource"]["resourceInformations"]["resourceInformation"]
        }
        assert kinds["memory-mb"] == node["availMemoryMB"]
        free += kinds["yarn.io/gpu"]
    assert free == 3


def test_attempt_lists_where_containers_run(cluster: Sandbox) -> None:
    """The containers of the current attempt name the NodeManager that answers for them."""
    application = get(cluster, "apps")["apps"]["app"][0]["id"]
    attempt = get(cluster, f"apps/{application}/appattempts")["appAttempts"]["appAttempt"][0]["appAttemptId"]
    listed = get(cluster, f"apps/{application}/appattempts/{attempt}/containers")["container"]
    assert [container["containerId"][-6:] for container in listed] == ["000001", "000002"]
    for container in listed:
        url = f"{container['nodeHttpAddress']}/ws/v1/node/containers/{container['containerId']}"
        assert send("GET", url).document()["container"]["state"] == "RUNNING"
    missing = send("GET", f"{cluster.resource_manager_url}/ws/v1/cluster/apps/{application}/appattempts/x/containers")
    assert missing.status == 404


def test_metrics_count_what_runs(cluster: Sandbox) -> None:
    """Allocated memory and containers are those of the service and its master."""
    metrics = get(cluster, "metrics")["clusterMetrics"]
    assert (metrics["allocatedMB"], metrics["containersAllocated"], metrics["appsRunning"]) == (1536, 2, 1)
    assert metrics["availableMB"] == metrics["totalMB"] - 1536
    assert get(cluster, "scheduler")["scheduler"]["schedulerInfo"]["queues"]["queue"][0]["numApplications"] == 1


def test_master_container_dies_of_any_signal(cluster: Sandbox) -> None:
    """A signal to the ApplicationMaster's container brings a second attempt; the service's container is kept."""
    application = get(cluster, "apps")["apps"]["app"][0]["id"]
    master = get(cluster, f"apps/{application}/appattempts")["appAttempts"]["appAttempt"][0]["containerId"]
    url = f"{cluster.resource_manager_url}/app/v1/services/svc"
    before = wait_for_state(url, "STABLE")["components"][0]["containers"][0]["id"]
    assert (
        send("POST", f"{cluster.environment['YARNSERVE_SANDBOX']}/containers/{master}/kill", signal="15").status == 204
    )
    wait_until(lambda: len(get(cluster, f"apps/{application}/appattempts")["appAttempts"]["appAttempt"]) == 2)
    assert wait_for_state(url, "STABLE")["components"][0]["containers"][0]["id"] == before


@pytest.mark.parametrize(("path", "kind"), [("/ws/v1/nothing", "text/html"), ("/app/v1/nothing", "text/plain")])
def test_unknown_paths(cluster: Sandbox, path: str, kind: str) -> None:
    """What YARN does not have is 404: a page below /ws, nothing below /app."""
    answer = send("GET", f"{cluster.resource_manager_url}{path}")
    assert (answer.status, answer.content_type.partition(";")[0]) == (404, kind)


@pytest.mark.parametrize("simulated", [False, True], ids=["process", "simulated"])
def test_a_container_ends_with_the_code_it_is_told(simulated: bool) -> None:
    """After exit?code=3 the NodeManager tells of 3, whatever stands behind the container, and starts it again."""
    profile = replace(HADOOP_3_1_4, am_start=0.1)
    with Sandbox(user="alice", simulated=simulated, profile=profile) as told:
        services = f"{told.resource_manager_url}/app/v1/services"
        body = service(component(launch_command="exec sleep 600"))
        assert send("POST", services, body, **{"user.name": "alice"}).status == 202
        container = wait_for_state(f"{services}/svc", "STABLE")["components"][0]["containers"][0]["id"]
        control = f"{told.environment['YARNSERVE_SANDBOX']}/containers/{container}/exit"
        for wrong in ("-1", "256", "x"):
            assert send("POST", control, code=wrong).status == 400
        assert send("POST", control, code="3").status == 204
        node = next(each for each in get(told, "nodes")["nodes"]["node"] if _holds(each, container))
        url = f"http://{node['nodeHTTPAddress']}/ws/v1/node/containers/{container}"
        wait_until(lambda: send("GET", url).document()["container"]["exitCode"] == 3)


def test_a_master_has_no_process_to_end(cluster: Sandbox) -> None:
    """An ApplicationMaster's container is not told to exit: 404."""
    application = get(cluster, "apps")["apps"]["app"][0]["id"]
    master = get(cluster, f"apps/{application}/appattempts")["appAttempts"]["appAttempt"][-1]["containerId"]
    assert send("POST", f"{cluster.environment['YARNSERVE_SANDBOX']}/containers/{master}/exit").status == 404


def _holds(node: dict[str, Any], container: str) -> bool:
    return send("GET", f"http://{node['nodeHTTPAddress']}/ws/v1/node/containers/{container}").status == 200
