"""What is wrong with the cluster as a whole: how the sandbox answers then, and that our clients name the cause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.sandbox.cluster_support import Lab, component, send, service, wait_for_state
from tests.sandbox.test_actions import spec
from tests.sandbox.yarn_support import connection_to
from tests.support import REPOSITORY, wait_until
from yarnserve.errors import (
    NotFoundError,
    RefusedError,
    RequestTimeoutError,
    UnreachableError,
    UsageError,
    YarnserveError,
)
from yarnserve.judge.explain import Kind, explain_text
from yarnserve.records.yarn import ServiceState
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.answers import Refusal
from yarnserve.sandbox.faults import MEANINGS, Fault
from yarnserve.sandbox.node import NODE_LOST, Resource
from yarnserve.sandbox.profile import HADOOP_3_1_4, HADOOP_3_3_6, Profile
from yarnserve.service.actions import Actions
from yarnserve.service.connection import Connection
from yarnserve.service.waiting import wait_until_live
from yarnserve.spec.model import Resources
from yarnserve.yarn.resource_managers import ResourceManagers
from yarnserve.yarn.services import ServicesApi

VERSIONS = pytest.mark.parametrize("profile", [HADOOP_3_1_4, HADOOP_3_3_6], ids=["3.1.4", "3.3.6"])
ALICE = {"user.name": "alice"}


def running(lab: Lab | None = None, count: int = 2) -> Lab:
    """Return a cluster whose service svc is STABLE."""
    lab = lab or Lab()
    lab.create(service(component(count=count)))
    lab.run(3)
    assert lab.states()[0] == "STABLE"
    return lab


@contextmanager
def cluster(profile: Profile = HADOOP_3_3_6) -> Iterator[tuple[Sandbox, Connection]]:
    """A quick sandbox and alice's clients of it."""
    quick = replace(profile, readiness_interval=0.2, am_start=0.1)
    with Sandbox(user="alice", profile=quick) as sandbox, connection_to(sandbox) as connection:
        yield sandbox, connection


def switch(sandbox: Sandbox, fault: Fault, *, on: bool = True) -> None:
    """Turn *fault* on or off."""
    url = f"{sandbox.environment['YARNSERVE_SANDBOX']}/faults/{fault.value}"
    assert send("PUT" if on else "DELETE", url).status == 204


def launch(sandbox: Sandbox, **more: object) -> str:
    """Have the service svc STABLE; return its application's id."""
    url = f"{sandbox.resource_manager_url}/app/v1/services"
    document = service(component(launch_command="sleep 600", **more))  # type: ignore[arg-type]
    assert send("POST", url, document, **ALICE).status == 202
    found: str = wait_for_state(f"{url}/svc", "STABLE")["id"]
    return found


def test_every_fault_has_a_meaning() -> None:
    """docs/sandbox.md has each fault with what it means."""
    assert set(MEANINGS) == set(Fault)
    page = (REPOSITORY / "docs" / "sandbox.md").read_text(encoding="utf-8")
    for fault, meaning in MEANINGS.items():
        assert f"| `{fault.value}` | {meaning} |" in page


def test_faults_are_listed_and_unknown_ones_refused() -> None:
    """/sandbox/faults tells what is on, from the start or since; a name that is none is 404, and no option."""
    with Sandbox(user="alice", faults=["queue-full"]) as sandbox:
        url = f"{sandbox.environment['YARNSERVE_SANDBOX']}/faults"
        switch(sandbox, Fault.NO_NODES)
        assert send("GET", url).document() == ["no-nodes", "queue-full"]
        switch(sandbox, Fault.QUEUE_FULL, on=False)
        assert send("GET", url).document() == ["no-nodes"]
        assert send("PUT", f"{url}/bad-weather").status == 404
    with pytest.raises(UsageError, match="bad-weather"):
        Sandbox(faults=["bad-weather"])


@VERSIONS
def test_a_stopped_queue_refuses(profile: Profile) -> None:
    """The scheduler's words come back with 500; before 3.3.1 the definition stays behind and takes the name."""
    lab = Lab(profile=profile)
    lab.cluster.faults.add(Fault.QUEUE_STOPPED)
    with pytest.raises(Refusal, match=r"Queue root.default is STOPPED. Cannot accept") as refused:
        lab.create(service(component()))
    assert refused.value.status == 500
    if profile.clears_refused:
        with pytest.raises(Refusal, match="Service svc not found"):
            lab.get()
    else:
        assert lab.get()["state"] == "STOPPED"


def test_a_full_queue_keeps_a_service_waiting() -> None:
    """Without room for its ApplicationMaster a service stays ACCEPTED and its application says why, until there is."""
    lab = Lab()
    lab.cluster.faults.add(Fault.QUEUE_FULL)
    application = lab.cluster.applications[lab.create(service(component()))]
    lab.run(3)
    assert lab.get()["state"] == "ACCEPTED"
    found = explain_text(application.diagnostics)
    assert found is not None
    assert (found.kind, "no room in the queue" in found.cause) == (Kind.CAPACITY, True)
    lab.cluster.faults.clear()
    lab.run(3)
    assert lab.get()["state"] == "STABLE"
    assert application.diagnostics == ""


def test_the_masters_share_of_the_queue_is_a_limit() -> None:
    """One ApplicationMaster is always let through; another waits while the share is used up, with nodes half empty."""
    lab = Lab(profile=replace(HADOOP_3_1_4, am_share=0.1))
    for name in ("one", "two"):
        lab.create(service(component(), name=name))
    lab.run(3)
    assert lab.states("one")[0] == "STABLE"
    lab.create(service(component(), name="three"))
    lab.run(3)
    assert [lab.states(name)[0] for name in ("two", "three")] == ["ACCEPTED", "ACCEPTED"]
    lab.services.stop("alice", "one", lab.now)
    lab.run(3)
    assert [lab.states(name)[0] for name in ("two", "three")] == ["STABLE", "ACCEPTED"]


def test_no_room_on_any_node_is_told() -> None:
    """A service whose ApplicationMaster fits no node now waits, and its application says for what."""
    lab = Lab(capacity=Resource(900, 4, 0))
    application = lab.cluster.applications[lab.create(service(component()))]
    lab.run(1)
    assert (lab.get()["state"], "waiting for resources to be assigned for AM" in application.diagnostics) == (
        "ACCEPTED",
        True,
    )


def test_without_nodes_nothing_starts_and_what_runs_goes_on() -> None:
    """The cluster's resource is empty: a new application says so."""
    lab = running()
    lab.cluster.faults.add(Fault.NO_NODES)
    late = lab.cluster.applications[lab.create(service(component(), name="late"))]
    lab.run(3)
    assert lab.states()[0] == "STABLE"
    assert lab.states("late")[0] == "ACCEPTED"
    found = explain_text(late.diagnostics)
    assert found is not None
    assert "no NodeManager is registered" in found.cause
    lab.cluster.faults.clear()
    lab.run(3)
    assert lab.states("late")[0] == "STABLE"


def test_an_unhealthy_node_loses_its_containers() -> None:
    """They end with -100 and are replaced on the other node, the ApplicationMaster's too; no node is blacklisted."""
    lab = running(count=3)
    application = lab.cluster.applications[lab.get()["id"]]
    sick, well = lab.nodes
    lost = list(sick.containers.values())
    assert lost
    lab.cluster.faults.add(Fault.NODE_UNHEALTHY)
    lab.run(6)
    assert {container.exit_code for container in lost} == {NODE_LOST}
    assert lab.states()[0] == "STABLE"
    assert len(lab.states()[2]) == 3
    assert {container.node for container in lab.cluster.containers_of(application.id)} == {well}
    assert application.master is not None
    assert application.master.blacklisted == set()


def test_between_two_attempts_a_service_is_not_found_for_a_moment() -> None:
    """GET is 404 with the code of an absent service, and other words; FLEX is 500; then it is as before."""
    lab = running()
    application = lab.cluster.applications[lab.get()["id"]]
    before = lab.states()
    master = application.attempts[0].container
    assert master is not None
    master.signal(9, lab.now)
    lab.run(0.1)
    with pytest.raises(Refusal) as refused:
        lab.get()
    assert (refused.value.status, refused.value.body) == (404, {"diagnostics": "port out of range:-1", "code": 404004})
    with pytest.raises(Refusal, match=r"500: .*port out of range:-1"):
        lab.services.flex("alice", "svc", {"web": 3}, lab.now)
    lab.run(0.3)
    assert lab.states() == ("ACCEPTED", {}, {})
    lab.services.stop("alice", "svc", lab.now)
    lab.services.start("alice", "svc", lab.now)
    lab.run(3)
    assert lab.states()[:1] == before[:1]


def test_without_zookeeper_a_destroy_fails_after_the_definition_is_gone() -> None:
    """DELETE is 500, and the service is not there any more all the same."""
    lab = running()
    lab.cluster.faults.add(Fault.ZOOKEEPER_DOWN)
    lab.services.stop("alice", "svc", lab.now)
    lab.run(1)
    with pytest.raises(Refusal, match=r"500: .*Could not delete zk node for svc"):
        lab.services.destroy("alice", "svc", lab.now)
    with pytest.raises(Refusal, match="Service svc not found"):
        lab.get()


@VERSIONS
def test_clients_know_a_services_api_that_is_off(profile: Profile) -> None:
    """500 at first, then 503 or 404 by the version: never "no such service", always the setting to change."""
    with cluster(profile) as (sandbox, connection):
        switch(sandbox, Fault.API_OFF)
        url = f"{sandbox.resource_manager_url}/app/v1/services/version"
        statuses = [send("GET", url).status for _ in range(3)]
        assert statuses == ([500, 404, 404] if profile is HADOOP_3_3_6 else [500, 503, 503])
        switch(sandbox, Fault.API_OFF, on=False)
        assert send("GET", url).status == 200
        switch(sandbox, Fault.API_OFF)
        for ask in (connection.services.version, lambda: connection.services.get("svc")):
            with pytest.raises(UnreachableError) as raised:
                ask()
            assert "yarn.webapp.api-service.enable" in raised.value.fix


def test_clients_wait_for_a_service_between_two_attempts() -> None:
    """The death of an ApplicationMaster is "cannot be asked right now", never "no such service"."""
    slow = replace(HADOOP_3_3_6, restart_gap=1.0)
    with cluster(slow) as (sandbox, connection):
        application = launch(sandbox)
        attempts = f"{sandbox.resource_manager_url}/ws/v1/cluster/apps/{application}/appattempts"
        master = send("GET", attempts).document()["appAttempts"]["appAttempt"][0]["containerId"]
        kill = f"{sandbox.environment['YARNSERVE_SANDBOX']}/containers/{master}/kill"
        assert send("POST", kill).status == 204
        seen: list[str] = []

        def is_back() -> bool:
            try:
                found = connection.services.get("svc")
            except UnreachableError as error:
                seen.append(error.fix)
                return False
            return bool(seen) and found.state is ServiceState.STABLE

        wait_until(is_back)
        assert all("its ApplicationMaster is starting or ending" in fix for fix in seen)


def test_clients_give_a_silent_master_time() -> None:
    """A GET that blocks ends by our own timeout, and the next is not sent at once; YARN's own patience ends too."""
    with cluster(replace(HADOOP_3_3_6, master_wait=1.0)) as (sandbox, connection):
        launch(sandbox)
        switch(sandbox, Fault.MASTERS_SILENT)
        managers = ResourceManagers(connection.session, (sandbox.resource_manager_url,))
        eager = ServicesApi(connection.session, managers, read_timeout=0.2)
        with pytest.raises(RequestTimeoutError):
            eager.get("svc")
        with pytest.raises(UnreachableError, match="not asked for right now"):
            eager.get("svc")
        with pytest.raises(UnreachableError) as raised:
            connection.services.get("svc")
        assert "Connection refused" in raised.value.why
        switch(sandbox, Fault.MASTERS_SILENT, on=False)
        assert connection.services.get("svc").state is ServiceState.STABLE


def test_clients_know_that_a_destroy_without_zookeeper_destroyed() -> None:
    """The refusal says that the definition is gone, and the next look finds nothing."""
    with cluster() as (sandbox, connection):
        launch(sandbox)
        switch(sandbox, Fault.ZOOKEEPER_DOWN)
        with pytest.raises(RefusedError) as raised:
            connection.services.destroy("svc")
        assert "its definition is gone" in raised.value.fix
        with pytest.raises(NotFoundError):
            connection.services.get("svc")


@pytest.mark.parametrize(
    ("there", "wanted", "cause", "fix"),
    [
        (0, 1, "ApplicationMaster itself failed", "yarnserve doctor"),
        (2, 3, "more GPUs than any node has", "fewer GPUs per replica"),
    ],
    ids=["an unknown resource", "more than any node has"],
)
def test_a_launch_that_waits_tells_of_gpus_that_are_not_there(there: int, wanted: int, cause: str, fix: str) -> None:
    """Where yarn.io/gpu is unknown the application fails without naming it; where it is scarce YARN says so."""
    quick = replace(HADOOP_3_3_6, readiness_interval=0.2, am_start=0.1)
    asks = replace(spec("gpus"), image="library/serving:1", resources=Resources(cpus=1, memory_mb=512, gpus=wanted))
    with (
        Sandbox(user="alice", profile=quick, gpus=there) as sandbox,
        connection_to(sandbox) as connection,
    ):
        sandbox.upload(REPOSITORY / "examples" / "digits" / "model", "/models/digits")
        Actions(connection).launch(asks)
        with pytest.raises(YarnserveError) as raised:
            wait_until_live(connection, "gpus", timeout=20)
    assert cause in raised.value.why
    assert fix in raised.value.fix
