"""The cluster's state machine, driven by hand: starting, flexing, stopping, and what a service is told meanwhile."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import Any

import pytest

from tests.sandbox.cluster_support import Lab, component, service
from yarnserve.sandbox.answers import Refusal
from yarnserve.sandbox.node import Resource
from yarnserve.sandbox.profile import HADOOP_3_1_4, HADOOP_3_3_6, Profile


def flex(lab: Lab, count: int, name: str = "web") -> None:
    """FLEX one component of svc."""
    lab.services.flex("alice", "svc", {name: count}, lab.now)


def stable(count: int = 1, **more: object) -> Lab:
    """Return a cluster whose service svc is STABLE with *count* instances of web."""
    lab = Lab()
    lab.create(service(component(count=count, **more)))  # type: ignore[arg-type]
    lab.run(3)
    assert lab.states()[0] == "STABLE"
    return lab


def test_states_on_the_way_to_stable() -> None:
    """A service is ACCEPTED, then STARTED without and with unready containers, and STABLE after a readiness tick."""
    lab = Lab()
    lab.create(service(component(count=2)))
    assert lab.states() == ("ACCEPTED", {}, {})
    lab.run(0.5)
    assert lab.states() == ("STARTED", {"web": "FLEXING"}, {})
    lab.run(0.35)
    unready = dict.fromkeys(("web-0", "web-1"), "RUNNING_BUT_UNREADY")
    assert lab.states() == ("STARTED", {"web": "FLEXING"}, unready)
    lab.run(1)
    assert lab.states() == ("STABLE", {"web": "STABLE"}, dict.fromkeys(unready, "READY"))


def test_default_readiness_interval_is_thirty_seconds() -> None:
    """Without a property of its own a service waits for YARN's first tick, 30 s after its master has come up."""
    lab = Lab()
    lab.create({**service(component()), "configuration": {}})
    lab.run(29)
    assert lab.states()[0] == "STARTED"
    lab.run(2)
    assert lab.states()[0] == "STABLE"


def test_address_comes_after_the_start() -> None:
    """A container is shown without ip and hostname first, and with them a little later."""
    lab = Lab()
    lab.create(service(component()))
    lab.until(lambda: lab.states()[2])
    assert "ip" not in lab.get()["components"][0]["containers"][0]
    lab.run(0.15)
    assert lab.get()["components"][0]["containers"][0]["ip"] == "10.0.0.1"


def test_ids_are_yarns() -> None:
    """Application and container ids carry the cluster's time stamp; the master's container is number 1."""
    lab = stable()
    timestamp = lab.cluster.timestamp
    assert list(lab.cluster.applications) == [f"application_{timestamp}_0001"]
    assert lab.container("web-0") == f"container_{timestamp}_0001_01_000002"
    assert f"container_{timestamp}_0001_01_000001" in [each.id for each in lab.cluster.containers()]


def test_flex_up_adds_the_next_index() -> None:
    """Flexing up makes the component FLEXING and the service STARTED until the new instance is READY."""
    lab = stable()
    flex(lab, 3)
    assert lab.states()[:2] == ("STARTED", {"web": "FLEXING"})
    lab.run(2)
    assert lab.states() == ("STABLE", {"web": "STABLE"}, dict.fromkeys(("web-0", "web-1", "web-2"), "READY"))


def test_flex_down_removes_the_highest_and_reuses_its_index() -> None:
    """Flexing down ends the highest instance; flexing up again gives its index a new container."""
    lab = stable(2)
    first = lab.container("web-1")
    flex(lab, 1)
    assert lab.states() == ("STABLE", {"web": "STABLE"}, {"web-0": "READY"})
    assert lab.runtime.of("web-1")[0].signals == [signal.SIGTERM]
    flex(lab, 2)
    lab.run(2)
    assert lab.states()[2] == {"web-0": "READY", "web-1": "READY"}
    assert lab.container("web-1") != first


def test_another_count_while_flexing_is_taken() -> None:
    """A second FLEX to another count works, even before the first is satisfied."""
    lab = stable()
    flex(lab, 2)
    flex(lab, 4)
    lab.run(3)
    assert lab.states()[0] == "STABLE"
    assert len(lab.states()[2]) == 4


def test_the_same_flex_twice_breaks_the_component() -> None:
    """FLEX to the count that is being reached: the container runs and never appears; another count heals it."""
    lab = stable()
    flex(lab, 2)
    flex(lab, 2)
    lab.run(5)
    assert lab.states() == ("STARTED", {"web": "FLEXING"}, {"web-0": "READY"})
    assert lab.get()["components"][0]["number_of_containers"] == 2
    assert len(lab.runtime.of("web-1")) == 1
    flex(lab, 1)
    assert lab.states() == ("STABLE", {"web": "STABLE"}, {"web-0": "READY"})
    flex(lab, 2)
    lab.run(3)
    assert lab.states()[2] == {"web-0": "READY", "web-1": "READY"}


def test_the_same_count_harms_nothing_once_it_is_reached() -> None:
    """A FLEX that is repeated after the component is STABLE changes nothing."""
    lab = stable(2)
    flex(lab, 2)
    flex(lab, 3)
    lab.run(3)
    assert lab.states()[0] == "STABLE"
    assert len(lab.states()[2]) == 3


def test_a_lost_container_ends_with_its_master() -> None:
    """The attempt that follows knows nothing of a container that was lost: it is released, and another started."""
    lab = stable()
    flex(lab, 2)
    flex(lab, 2)
    lab.run(3)
    (lost,) = lab.runtime.of("web-1")
    master = lab.cluster.applications[lab.get()["id"]].attempts[0].container
    assert master is not None
    master.signal(9, lab.now)
    lab.run(5)
    assert lab.states()[0] == "STABLE"
    assert signal.SIGTERM in lost.signals
    assert len(lab.runtime.of("web-1")) == 2


def test_a_service_that_may_end_stays_started_until_it_is_flexed() -> None:
    """With restart policy NEVER alone, READY replicas do not make the service STABLE: only a flex does."""
    lab = Lab()
    lab.create(service(component(restart_policy="NEVER")))
    lab.run(3)
    assert lab.states() == ("STARTED", {"web": "STABLE"}, {"web-0": "READY"})
    flex(lab, 2)
    lab.run(3)
    assert lab.states()[0] == "STABLE"


def test_flex_of_a_stopped_service_is_refused_but_stored() -> None:
    """FLEX answers 400 when nothing runs, and the count takes effect at the next start."""
    lab = stable()
    lab.services.stop("alice", "svc", lab.now)
    lab.run(1)
    with pytest.raises(Refusal, match="at FINISHED state"):
        flex(lab, 2)
    lab.services.start("alice", "svc", lab.now)
    lab.run(3)
    assert set(lab.states()[2]) == {"web-0", "web-1"}


def test_decommissioned_index_is_never_used_again() -> None:
    """A decommissioned instance goes with one off the count, and flexing up takes another index."""
    lab = stable(3)
    lab.services.decommission("alice", "svc", {"web": ["web-1"]}, lab.now)
    assert set(lab.states()[2]) == {"web-0", "web-2"}
    flex(lab, 3)
    lab.run(2)
    assert set(lab.states()[2]) == {"web-0", "web-2", "web-3"}


def test_decommissioning_what_is_not_there_lowers_the_stored_count() -> None:
    """An instance that does not exist is taken all the same: nothing ends now, and one fewer starts the next time."""
    lab = stable(2)
    lab.services.decommission("alice", "svc", {"web": ["web-9"]}, lab.now)
    lab.services.decommission("alice", "svc", {"web": ["web-9"]}, lab.now)
    assert set(lab.states()[2]) == {"web-0", "web-1"}
    assert lab.get()["components"][0]["decommissioned_instances"] == ["web-9"]
    lab.services.stop("alice", "svc", lab.now)
    lab.run(1)
    lab.services.start("alice", "svc", lab.now)
    lab.run(3)
    assert set(lab.states()[2]) == {"web-0"}


def test_stop_keeps_the_definition() -> None:
    """A stop is answered at once, shown a little later, and leaves a name that is taken and can be started."""
    lab = stable()
    first = lab.get()["id"]
    lab.services.stop("alice", "svc", lab.now)
    assert lab.states()[0] == "STABLE"
    lab.run(0.5)
    assert lab.states() == ("STOPPED", {}, {})
    assert lab.cluster.applications[first].final_status == "ENDED"
    with pytest.raises(Refusal, match="already taken"):
        lab.create(service(component()))
    lab.services.start("alice", "svc", lab.now)
    lab.run(3)
    assert lab.get()["id"] != first


def test_destroy_ends_a_live_service_first() -> None:
    """Destroying answers nothing until the application is over, and then removes the definition."""
    lab = stable()
    assert lab.services.destroy("alice", "svc", lab.now) is None
    lab.run(0.5)
    assert lab.services.destroy("alice", "svc", lab.now) == {"diagnostics": "Successfully destroyed service svc"}
    with pytest.raises(Refusal, match="not found"):
        lab.get()


def test_containers_get_term_then_kill() -> None:
    """At the end of a service its processes get TERM, and KILL after the profile's delay."""
    lab = stable()
    lab.services.stop("alice", "svc", lab.now)
    lab.run(0.4)
    script = lab.runtime.of("web-0")[0]
    assert script.signals == [signal.SIGTERM]
    lab.run(0.3)
    assert script.signals == [signal.SIGTERM, signal.SIGKILL]


def test_stop_of_an_accepted_service_is_a_kill() -> None:
    """Where no master runs yet, PUT STOPPED kills the application outright."""
    lab = Lab()
    application = lab.create(service(component()))
    lab.services.stop("alice", "svc", lab.now)
    assert lab.cluster.applications[application].state == "KILLED"
    assert "forcefully killed by user!" in lab.cluster.applications[application].diagnostics
    assert lab.states()[0] == "STOPPED"


def test_killed_application_leaves_a_stopped_service() -> None:
    """A kill of the application takes a moment and shows as STOPPED, with nothing left on the nodes."""
    lab = stable()
    application = lab.cluster.applications[lab.get()["id"]]
    application.kill("bob", lab.now)
    assert application.state == "RUNNING"
    lab.run(0.2)
    assert (application.state, application.diagnostics) == (
        "KILLED",
        f"Application {application.id} was killed by user bob",
    )
    assert lab.states()[0] == "STOPPED"
    lab.run(3)
    assert list(lab.cluster.containers()) == []


def test_lifetime_kills_and_does_not_delete() -> None:
    """When its lifetime is over a service is killed: STOPPED, remaining lifetime 0, name taken."""
    lab = Lab()
    application = lab.create(service(component(), lifetime=5))
    lab.run(2.5)
    assert lab.get()["lifetime"] == 2
    lab.run(3)
    assert (lab.get()["state"], lab.get()["lifetime"]) == ("STOPPED", 0)
    assert "exceeded the lifetime period" in lab.cluster.applications[application].diagnostics


def test_users_do_not_see_each_other() -> None:
    """A name belongs to a user: another may take it too, and finds nothing under it before."""
    lab = stable()
    with pytest.raises(Refusal, match="not found"):
        lab.get(user="bob")
    lab.create(service(component()), user="bob")
    assert lab.get(user="bob")["state"] == "ACCEPTED"


def test_user_without_home_is_refused() -> None:
    """HDFS's refusal of the definition is YARN's 403, and nothing is stored."""
    lab = Lab()
    with pytest.raises(Refusal, match=r"403.*Permission denied: user=stranger"):
        lab.create(service(component()), user="stranger")
    with pytest.raises(Refusal, match="not found"):
        lab.get(user="stranger")


def test_containers_wait_for_room() -> None:
    """What fits no node now is pending until something else is gone."""
    lab = Lab(capacity=Resource(2048, 16, 0))
    lab.create(service(component("big", 4, resource={"cpus": 1, "memory": "1024"})))
    lab.run(3)
    assert lab.states() == ("STARTED", {"big": "FLEXING"}, dict.fromkeys(("big-0", "big-1", "big-2"), "READY"))
    assert lab.cluster.capacity.memory_mb - lab.cluster.used.memory_mb == 0
    lab.runtime.of("big-0")[0].exit_code = 0
    lab.run(0.5)
    assert len(lab.runtime.scripts) == 4


@pytest.mark.parametrize("profile", [HADOOP_3_1_4, HADOOP_3_3_6], ids=["3.1.4", "3.3.6"])
def test_request_that_no_node_can_meet_is_explained_by_the_application_only(profile: Profile) -> None:
    """Too many GPUs for any node: STARTED without containers; the application's diagnostics say why, from 3.3 on."""
    lab = Lab(capacity=Resource(8192, 16, 2), profile=profile)
    gpus = {"yarn.io/gpu": {"value": 3, "unit": ""}}
    application = lab.create(service(component(resource={"cpus": 1, "memory": "64", "additional": gpus})))
    lab.run(5)
    assert lab.states() == ("STARTED", {"web": "FLEXING"}, {})
    told = lab.cluster.applications[application].diagnostics
    if profile is HADOOP_3_1_4:
        assert told == ""
        return
    assert told.startswith(
        "Invalid resource request! Cannot allocate containers as requested resource is greater than maximum allowed "
        "allocation. Requested resource type=[yarn.io/gpu], Requested resource=<memory:64, vCores:1, yarn.io/gpu: 3>"
    )


def test_gpus_are_capacity() -> None:
    """A node hands out each of its GPUs once."""
    lab = Lab(capacity=Resource(8192, 16, 1))
    gpus = {"yarn.io/gpu": {"value": 1, "unit": ""}}
    lab.create(service(component(count=3, resource={"cpus": 1, "memory": "64", "additional": gpus})))
    lab.run(3)
    assert set(lab.states()[2]) == {"web-0", "web-1"}
    assert [node.available.gpus for node in lab.nodes] == [0, 0]


def test_gpu_on_a_cluster_without_them_fails_the_service() -> None:
    """A cluster that does not know yarn.io/gpu accepts the POST, and the master dies of it, twice."""
    lab = Lab()
    gpus = {"yarn.io/gpu": {"value": 1, "unit": ""}}
    application = lab.create(service(component(resource={"cpus": 1, "memory": "64", "additional": gpus})))
    lab.run(3)
    assert lab.states() == ("FAILED", {}, {})
    assert "failed 2 times" in lab.cluster.applications[application].diagnostics
    assert "yarn.io/gpu" not in lab.cluster.applications[application].diagnostics


def test_dependencies_start_after_what_they_need() -> None:
    """A component waits until those it depends on are READY, and can name their addresses."""
    lab = Lab()
    needs = component("client", dependencies=["db"], launch_command="ask ${DB-0_IP}")
    lab.create(service(component("db"), needs))
    lab.run(1)
    assert set(lab.states()[2]) == {"db-0"}
    lab.run(3)
    assert lab.states()[2] == {"db-0": "READY", "client-0": "READY"}
    assert lab.runtime.scripts[-1].launch.command.startswith("ask 10.0.0.1 ")


def test_placement_constraints_get_no_containers() -> None:
    """Without a placement handler, YARN's default, a service with constraints stays STARTED and empty."""
    lab = Lab()
    constraint = {"type": "ANTI_AFFINITY", "scope": "NODE", "target_tags": ["web"]}
    lab.create(service(component(placement_policy={"constraints": [constraint]})))
    lab.run(5)
    assert lab.states() == ("STARTED", {"web": "FLEXING"}, {})


@pytest.mark.parametrize(
    ("constraint", "placed"),
    [
        ({"type": "ANTI_AFFINITY", "scope": "NODE"}, 2),
        ({"type": "ANTI_AFFINITY", "scope": "RACK"}, 1),
        ({"type": "AFFINITY", "scope": "NODE"}, 0),
        ({"type": "AFFINITY_WITH_CARDINALITY", "scope": "NODE", "max_cardinality": 0}, 2),
        ({"type": "AFFINITY_WITH_CARDINALITY", "scope": "NODE", "min_cardinality": 0, "max_cardinality": 9}, 3),
        ({"type": "ANTI_AFFINITY", "scope": "NODE", "node_partitions": ["gpu"]}, 0),
    ],
)
def test_placement_constraints_are_obeyed_where_there_is_a_handler(constraint: dict[str, Any], placed: int) -> None:
    """Of three replicas on two nodes as many start as the constraint allows; the service waits for the others."""
    lab = Lab(profile=replace(HADOOP_3_1_4, placement_handler="scheduler"))
    constraint = {**constraint, "target_tags": ["web"]}
    lab.create(service(component(count=3, placement_policy={"constraints": [constraint]})))
    lab.run(5)
    assert len(lab.states()[2]) == placed
    assert lab.states()[0] == ("STABLE" if placed == 3 else "STARTED")


def test_readiness_check_decides() -> None:
    """With a check from outside a container is READY only while the check passes."""
    lab = Lab()
    lab.runtime.passes = False
    lab.create(service(component(readiness_check={"type": "PORT", "properties": {"port": "80"}})))
    lab.run(3)
    assert lab.states()[2] == {"web-0": "RUNNING_BUT_UNREADY"}
    assert lab.runtime.checks[0].properties == {"port": "80"}
    lab.runtime.passes = True
    lab.run(1.5)
    assert lab.states()[0] == "STABLE"


@pytest.mark.parametrize(
    ("command", "started"),
    [
        ("run ${COMPONENT_NAME} ${COMPONENT_ID} ${USER}", "run web 0 alice"),
        ("run ${SERVICE_NAME} ${GREETING} $((8501+10*${COMPONENT_ID}))", "run svc hi web-0 $((8501+10*0))"),
        ("run $HOME ${UNKNOWN}", "run $HOME ${UNKNOWN}"),
    ],
)
def test_tokens(command: str, started: str) -> None:
    """Tokens and names of env entries are replaced in the launch command, everything else is left to the shell."""
    lab = Lab()
    configuration = {"env": {"GREETING": "hi ${COMPONENT_INSTANCE_NAME}"}}
    lab.create(service(component(launch_command=command, configuration=configuration)))
    lab.run(1)
    launch = lab.runtime.scripts[0].launch
    assert launch.command == f"{started} 1><LOG_DIR>/stdout.txt 2><LOG_DIR>/stderr.txt "
    assert launch.environment["GREETING"] == "hi web-0"


@pytest.mark.parametrize("value", ["$HOME", "a\\b"])
def test_dollar_and_backslash_in_a_used_value_fail_the_launch(value: str) -> None:
    """A value with $ or backslash that a token stands for fails the container before any process runs."""
    lab = Lab()
    lab.create(service(component(launch_command="run ${PLACE}", configuration={"env": {"PLACE": value}})))
    lab.until(lambda: lab.states()[2] == {"web-0": "FAILED"})
    assert lab.runtime.scripts == []


def test_docker_component_runs_as_a_process_under_its_own_host_name() -> None:
    """A Docker artifact is started like any command; the services API shows Docker's host name."""
    lab = stable(artifact={"id": "library/x:1"})
    assert lab.get()["components"][0]["containers"][0]["hostname"] == "web-0.svc.alice"
