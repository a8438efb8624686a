"""Containers that are state only, in a cluster driven by hand and in one that is served."""

from __future__ import annotations

from pathlib import Path

from tests.sandbox.cluster_support import START, AnyHome
from tests.sandbox.yarn_support import connection_to
from tests.support import wait_until
from yarnserve.records.yarn import ContainerState
from yarnserve.sandbox import Sandbox, binding
from yarnserve.sandbox.cluster import Cluster
from yarnserve.sandbox.node import Node, Resource
from yarnserve.sandbox.profile import HADOOP_3_1_4
from yarnserve.sandbox.runtime import NodeAddress
from yarnserve.sandbox.services import Services
from yarnserve.sandbox.simulated import SimulatedRuntime


def _service(replicas: int) -> dict[str, object]:
    resource = {"cpus": 1, "memory": "64"}
    component = {"name": "serve", "number_of_containers": replicas, "launch_command": "x", "resource": resource}
    properties = {"yarn.service.container-failure.retry.max": "0", "yarn.service.readiness-check-interval.seconds": "1"}
    return {"name": "many", "version": "1", "components": [component], "configuration": {"properties": properties}}


def test_a_container_that_ends_by_itself_is_replaced_and_its_room_is_free_again() -> None:
    """In a cluster whose clock a test moves: exit 1 without retries makes another container; room is counted right."""
    runtime, now = SimulatedRuntime(), START
    node = Node(NodeAddress("localhost", 45454, 8042), Resource(8192, 16, 0), HADOOP_3_1_4, runtime)
    cluster = Cluster([node], HADOOP_3_1_4, filesystem="hdfs://localhost:8020", store=AnyHome(), now=now)
    services = Services(cluster, AnyHome())
    document = binding.with_defaults(binding.bind_service(_service(2), HADOOP_3_1_4), HADOOP_3_1_4)
    services.create("alice", document, now)

    def run(seconds: float) -> None:
        nonlocal now
        for _ in range(round(seconds / 0.1)):
            now += 0.1
            cluster.advance(now)

    run(60)
    before = [each["id"] for each in services.get("alice", "many", now)["components"][0]["containers"]]
    held = node.used
    assert len(before) == 2
    runtime.exit(before[0], 1)
    run(60)
    after = [each["id"] for each in services.get("alice", "many", now)["components"][0]["containers"]]
    assert before[0] not in after
    assert before[1] in after
    assert len(after) == 2
    assert node.used == held
    services.stop("alice", "many", now)
    run(60)
    assert node.used == Resource()


def test_many_replicas_need_no_process(tmp_path: Path) -> None:
    """A hundred replicas of a served cluster are READY, and none has written anything."""
    with Sandbox(user="alice", nodes=4, memory_mb=16384, vcores=64, simulated=True, directory=tmp_path) as cluster:
        with connection_to(cluster) as connection:
            connection.services.create(_service(100))

            def ready() -> bool:
                found = connection.services.get("many").component("serve")
                states = [each.state for each in found.containers] if found else []
                return states.count(ContainerState.READY) == 100

            wait_until(ready, 60)
        assert not (tmp_path / "nm-logs").exists()
