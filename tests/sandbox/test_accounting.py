"""What counts against a service, what is held, and what is kept, when a cluster is in trouble."""

from __future__ import annotations

import http.client
import json
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from tests.sandbox.cluster_support import Lab, component, send, service
from tests.sandbox.ha_support import SERVICES, pairs, post
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.answers import Refusal
from yarnserve.sandbox.faults import Fault
from yarnserve.sandbox.node import Resource
from yarnserve.sandbox.profile import HADOOP_3_1_4, HADOOP_3_3_6
from yarnserve.sandbox.shapes import metrics
from yarnserve.sandbox.states import AppState, ServiceState


def running(count: int = 1, **profile: float) -> Lab:
    """A service of *count* containers that runs."""
    lab = Lab(profile=replace(HADOOP_3_3_6, **profile) if profile else HADOOP_3_3_6)  # type: ignore[arg-type]
    lab.create(service(component(count=count, resource={"cpus": 1, "memory": "64"})))
    lab.run(3)
    return lab


def test_a_refused_start_keeps_the_definition_and_its_application() -> None:
    """Only a refused POST leaves no definition (yarn-services.md 1.7): what ran before can be started later."""
    lab = running()
    lab.services.stop("alice", "svc", lab.now)
    lab.run(3)
    lab.cluster.faults.add(Fault.QUEUE_STOPPED)
    with pytest.raises(Refusal, match="STOPPED"):
        lab.services.start("alice", "svc", lab.now)
    assert lab.get()["state"] == "STOPPED"
    lab.cluster.faults.clear()
    lab.services.start("alice", "svc", lab.now)
    lab.run(3)
    assert lab.get()["components"][0]["containers"]


def test_a_refused_post_leaves_no_definition_from_3_3_1_on() -> None:
    """The name is free again."""
    lab = Lab(profile=HADOOP_3_3_6)
    with pytest.raises(Refusal):
        lab.create(service(component(), queue="nowhere"))
    lab.create(service(component()))


def test_containers_that_a_new_attempt_does_not_want_are_released() -> None:
    """Fewer were ordered while no ApplicationMaster was there: what is over is ended, and its room is free."""
    lab = running(4)
    (application,) = lab.cluster.applications.values()
    master = application.attempts[0].container
    assert master is not None
    master.complete(1, "", lab.now)
    lab.run(0.1)
    with pytest.raises(Refusal, match="port out of range"):
        lab.services.flex("alice", "svc", {"web": 1}, lab.now)
    lab.run(5)
    assert len(lab.get()["components"][0]["containers"]) == 1
    held = [each for each in lab.cluster.containers() if not each.completed]
    assert len(held) == 2
    assert lab.cluster.used == sum((each.resource for each in held), Resource())


def test_containers_of_a_lost_node_do_not_fail_a_component() -> None:
    """More of them than the threshold of 10 end with -100, and the service goes on (yarn-services.md 4.2)."""
    lab = Lab(profile=HADOOP_3_3_6)
    # Its ApplicationMaster takes room on the first node, so that the next one's is placed on the second.
    lab.create(service(component(), name="first"))
    lab.run(3)
    lab.create(service(component(count=28, resource={"cpus": 1, "memory": "64"})))
    lab.run(5)
    lab.cluster.faults.add(Fault.NODE_UNHEALTHY)
    lab.run(2)
    (application,) = (one for one in lab.cluster.applications.values() if one.name == "svc")
    assert len(application.attempts) == 1
    assert application.master is not None
    assert application.master.state is not ServiceState.FAILED


def test_an_application_master_lost_with_its_node_does_not_count() -> None:
    """After more losses than attempts the application runs."""
    lab = running()
    (application,) = lab.cluster.applications.values()
    for _ in range(3):
        master = application.attempts[-1].container
        assert master is not None
        master.lose(lab.now)
        lab.run(3)
    assert application.state is AppState.RUNNING
    assert len(application.attempts) == 4


def test_no_available_memory_is_negative() -> None:
    """An unhealthy node still holds what is being cleaned up on it, and has nothing to give."""
    lab = Lab(profile=replace(HADOOP_3_1_4, docker_cleanup=60.0), capacity=Resource(2048, 16, 0))
    docker = component(count=12, resource={"cpus": 1, "memory": "256"})
    docker["artifact"] = {"type": "DOCKER", "id": "local/base:1"}
    lab.create(service(docker))
    lab.run(3)
    lab.cluster.faults.add(Fault.NODE_UNHEALTHY)
    lab.run(0.1)
    assert metrics(lab.cluster)["availableMB"] >= 0


def test_a_refused_fail_over_changes_nothing() -> None:
    """Without a pair the order is 404, and the next POST is served as ever."""
    with Sandbox(user="alice", simulated=True) as sandbox:
        order = f"{sandbox.environment['YARNSERVE_SANDBOX']}/failover"
        assert send("POST", order, at="saved").status == 404
        assert post(sandbox.resource_manager_url).status == 202


def test_a_dead_resource_manager_carries_out_nothing_more() -> None:
    """A FLEX that waits in it for a silent ApplicationMaster when it dies is not carried out by the dead one."""
    with pairs(simulated=True, takeover=1.0, recovery=0.0) as cluster:
        active = cluster.one("resourcemanager", "ACTIVE")
        assert post(active).status == 202
        cluster.stable()
        fault = f"{cluster.control}/faults/masters-silent"
        assert send("PUT", fault).status == 204
        waiting = http.client.HTTPConnection(urlsplit(active).netloc, timeout=20)
        order = {"state": "FLEX", "components": [{"name": "web", "number_of_containers": 2}]}
        headers = {"Content-Type": "application/json"}
        waiting.request("PUT", f"{SERVICES}/svc?user.name=alice", json.dumps(order), headers)
        for _ in range(5):
            # By then it has arrived: the sandbox answers everybody in one loop.
            cluster.daemons("resourcemanager")
        cluster.fail_over()
        with pytest.raises((http.client.HTTPException, OSError)):
            waiting.getresponse()
        new = cluster.one("resourcemanager", "ACTIVE")
        assert new != active
        assert send("DELETE", fault).status == 204
        # In the time that another service takes to start, the dead one would have looked many times.
        assert post(new, "other").status == 202
        cluster.stable("other")
        assert cluster.stable()["components"][0]["number_of_containers"] == 1
