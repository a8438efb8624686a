"""Docker's failures: what NodeManagers report of each, and that a person is told cause and fix in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.sandbox.cluster_support import Lab, component, send, service, wait_for_state
from tests.support import wait_until
from yarnserve.judge.explain import Kind, explain_exit
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.docker import DockerHost
from yarnserve.sandbox.faults import Fault
from yarnserve.sandbox.node import NodeContainer, Resource
from yarnserve.sandbox.profile import HADOOP_3_1_4, HADOOP_3_3_6, Profile
from yarnserve.sandbox.runtime import Launch, NodeAddress
from yarnserve.sandbox.states import NodeContainerState

OLD_AND_NEW = pytest.mark.parametrize("profile", [HADOOP_3_1_4, HADOOP_3_3_6], ids=["3.1.4", "3.3.6"])
NO_RETRY = {"yarn.service.container-failure.retry.max": "0"}
HOST = DockerHost(images=frozenset(["local/base:1"]), trusted=frozenset(["local"]))
ALICE = {"user.name": "alice"}


def launched(
    image: str, profile: Profile = HADOOP_3_1_4, *, gpus: int = 0, docker: DockerHost = HOST, retry: bool = False
) -> Lab:
    """A cluster whose service svc has one Docker container of *image*."""
    lab = Lab(capacity=Resource(8192, 16, 2), profile=profile, docker=docker)
    resource = {"cpus": 1, "memory": "64", "additional": {"yarn.io/gpu": {"value": gpus}}}
    properties = {"yarn.service.container-failure.retry-interval-ms": "1000"} if retry else NO_RETRY
    lab.create(service(component(properties=properties, artifact={"id": image, "type": "DOCKER"}, resource=resource)))
    return lab


def replica(lab: Lab) -> NodeContainer | None:
    """The newest container of the component on its node."""
    found = [each for each in lab.cluster.containers() if each.launch is not None]
    return max(found, key=lambda each: each.id) if found else None


def ended(lab: Lab) -> NodeContainer:
    """The first container, once it has an exit code."""
    lab.until(lambda: (container := replica(lab)) is not None and container.exit_code > 0)
    container = replica(lab)
    assert container is not None
    return container


@pytest.mark.parametrize(
    ("image", "gpus", "code", "kind", "cause"),
    [
        ("local/nope:1", 0, 7, Kind.IMAGE, "name or tag does not exist"),
        ("other/base:1", 0, 127, Kind.IMAGE, "not from a registry that the nodes trust"),
        ("other/base:1", 1, 29, Kind.IMAGE, "not from a registry that the nodes trust"),
    ],
    ids=["missing", "untrusted", "untrusted with a GPU"],
)
@OLD_AND_NEW
def test_a_refused_launch_is_explained(
    profile: Profile, image: str, gpus: int, code: int, kind: Kind, cause: str
) -> None:
    """No process starts; code and diagnostics are the recorded ones, and our table names cause and fix."""
    lab = launched(image, profile, gpus=gpus)
    container = ended(lab)
    assert (container.exit_code, lab.runtime.scripts) == (code, [])
    found = explain_exit(container.exit_code, container.diagnostics)
    assert found.kind is kind
    assert cause in found.cause
    assert found.fix


@OLD_AND_NEW
def test_a_failed_launch_lingers_before_3_3(profile: Profile) -> None:
    """3.1.4 stays in EXITED_WITH_FAILURE for 5 s, so that a replacement comes late; 3.3.6 is DONE at once."""
    lab = launched("local/nope:1", profile)
    container = ended(lab)
    is_old = profile is HADOOP_3_1_4
    assert container.state is (NodeContainerState.EXITED_WITH_FAILURE if is_old else NodeContainerState.DONE)
    began = lab.now
    lab.until(lambda: container.completed, 6)
    assert lab.now - began == pytest.approx(5 if is_old else 0, abs=0.2)
    lab.until(lambda: lab.states()[2] == {"web-0": "FAILED"})


def test_a_missing_image_blacklists_every_node_and_then_nothing_is_said() -> None:
    """Four failures on each node, no process ever; after that no container, no diagnostics, and STARTED for ever."""
    lab = launched("local/nope:1", HADOOP_3_3_6)
    lab.run(30)
    (application,) = lab.cluster.applications.values()
    assert application.master is not None
    assert application.master.blacklisted == {node.address.id for node in lab.nodes}
    assert (lab.get()["state"], application.diagnostics, lab.runtime.scripts) == ("STARTED", "", [])
    assert lab.container("web-0").endswith("_000009")


def test_a_failed_launch_is_retried_in_place_like_any_failure() -> None:
    """RELAUNCHING with exit code 7 under one container id: the node alone knows."""
    lab = launched("local/nope:1", HADOOP_3_3_6, retry=True)
    container = ended(lab)
    assert container.state is NodeContainerState.RELAUNCHING
    lab.run(3)
    assert (container.state, container.exit_code) == (NodeContainerState.RELAUNCHING, 7)
    assert lab.container("web-0") == container.id
    assert lab.states()[2] == {"web-0": "RUNNING_BUT_UNREADY"}
    assert container.diagnostics.count("Diagnostic message from attempt") > 1


def test_a_mount_that_a_node_lacks_stops_every_docker_launch() -> None:
    """Exit 29 whatever the image, until the path is there; plain processes start."""
    lab = Lab(docker=HOST)
    lab.cluster.faults.add(Fault.DOCKER_MOUNTS)
    docker = component("docker", properties=NO_RETRY, artifact={"id": "local/base:1", "type": "DOCKER"})
    lab.create(service(docker, component("plain")))
    lab.run(1)
    assert [script.launch.image for script in lab.runtime.scripts] == [""]
    container = next(each for each in lab.cluster.containers() if each.exit_code == 29)
    found = explain_exit(29, container.diagnostics)
    assert (found.kind, "docker.allowed.ro-mounts" in found.fix) == (Kind.NODE, True)
    lab.cluster.faults.clear()
    lab.run(8)
    assert lab.states()[1] == {"docker": "STABLE", "plain": "STABLE"}


def test_nodes_that_do_not_allow_docker() -> None:
    """Exit -1 with words that hide the reason; explain names the setting."""
    lab = Lab(docker=HOST)
    lab.cluster.faults.add(Fault.DOCKER_OFF)
    lab.create(service(component("docker", properties=NO_RETRY, artifact={"id": "local/base:1", "type": "DOCKER"})))
    lab.run(1)
    container = next(each for each in lab.cluster.containers() if each.exit_code == -1)
    found = explain_exit(container.exit_code, container.diagnostics)
    assert (container.exit_code, found.kind, "allowed-runtimes" in found.fix) == (-1, Kind.NODE, True)


@pytest.mark.parametrize(("profile", "delay"), [(HADOOP_3_1_4, 10.0), (HADOOP_3_3_6, 0.25)], ids=["3.1.4", "3.3.6"])
def test_who_ignores_term_has_so_long(profile: Profile, delay: float) -> None:
    """KILLING with -105 until KILL comes; its end is then told as 137; a plain process never has more than 250 ms."""
    lab = launched("local/base:1", profile)
    lab.until(lambda: lab.states()[0] == "STABLE")
    container = replica(lab)
    assert container is not None
    container.kill(lab.now)
    began = lab.now
    assert (container.state, container.exit_code) == (NodeContainerState.KILLING, -105)
    lab.until(lambda: container.state is not NodeContainerState.KILLING, 11)
    assert lab.now - began == pytest.approx(delay, abs=0.2)
    assert container.exit_code == -105
    assert "Container killed on request. Exit code is 137" in container.diagnostics
    seen = container.state
    assert seen is (NodeContainerState.DONE if delay < 1 else NodeContainerState.CLEANED_UP_AFTER_KILL)
    lab.run(0.5)
    assert container.completed


def test_a_killed_process_is_told_as_137_and_replaced() -> None:
    """What the kernel's out-of-memory killer does: no retry in place, 137, another container."""
    lab = launched("local/base:1", HADOOP_3_3_6)
    lab.until(lambda: lab.states()[0] == "STABLE")
    container = replica(lab)
    assert container is not None
    container.signal(9, lab.now)
    lab.until(lambda: container.completed)
    found = explain_exit(container.exit_code, container.diagnostics)
    assert (container.exit_code, found.kind, "memory" in found.fix) == (137, Kind.KILLED, True)
    lab.until(lambda: lab.container("web-0") != container.id)


@pytest.mark.parametrize(
    ("image", "trusted", "is_trusted"),
    [
        ("local/base:1", {"local"}, True),
        ("localhost:5000/ml/base:1", {"localhost:5000"}, True),
        ("localhost:5000/ml/base:1", {"localhost:5000/ml"}, True),
        ("locale/base:1", {"local"}, False),
        ("base:1", {"local"}, False),
        ("base:1", {"library"}, True),
        ("a/b", None, True),
    ],
)
def test_trust_goes_by_what_stands_before_the_name(image: str, trusted: set[str] | None, is_trusted: bool) -> None:
    """A prefix of whole parts of the name; ``library`` is for images without a registry."""
    host = DockerHost(trusted=None if trusted is None else frozenset(trusted))
    assert (host.refusal(launch_of(image), gpus=0) is None) is is_trusted


def launch_of(image: str, *, overrides: bool = True) -> Launch:
    """A launch of *image*."""
    return Launch("c", "a", "alice", NodeAddress("localhost", 45454, 8042), "run", image=image, overrides=overrides)


@pytest.mark.parametrize(
    ("image", "is_there"),
    [("a/base", True), ("a/base:latest", True), ("a/base:2", False), ("a:5000/base", False), ("x:1", True)],
)
def test_an_image_without_a_tag_is_the_latest(image: str, is_there: bool) -> None:
    """A colon before the last slash is a registry's port."""
    host = DockerHost(images=frozenset(["a/base", "x:1"]))
    assert (host.refusal(launch_of(image), gpus=0) is None) is is_there


def test_an_untrusted_entry_point_starts_without_its_mounts() -> None:
    """It needs no launch script; with a GPU it is refused all the same."""
    launch = launch_of("other/base:1", overrides=False)
    host = DockerHost(trusted=frozenset(["local"]))
    assert host.refusal(launch, gpus=0) is None
    refused = host.refusal(launch, gpus=1)
    assert refused is not None
    assert refused.code == 29


@contextmanager
def cluster(profile: Profile, **options: Any) -> Iterator[tuple[Sandbox, str]]:
    """A quick sandbox with processes, and the URL of its services."""
    quick = replace(profile, readiness_interval=0.2, am_start=0.1, docker_kill_delay=0.5)
    with Sandbox(user="alice", profile=quick, **options) as sandbox:
        yield sandbox, f"{sandbox.resource_manager_url}/app/v1/services"


def post(url: str, command: str, **more: Any) -> dict[str, Any]:
    """Have the service svc of one Docker container STABLE; return the container as the services API shows it."""
    artifact = {"id": "local/base:1", "type": "DOCKER"}
    assert (
        send("POST", url, service(component(launch_command=command, artifact=artifact, **more)), **ALICE).status == 202
    )
    found: dict[str, Any] = wait_for_state(f"{url}/svc", "STABLE")["components"][0]["containers"][0]
    return found


def on_node(sandbox: Sandbox, container: str) -> dict[str, Any] | None:
    """A container as its NodeManager shows it."""
    nodes = send("GET", f"{sandbox.resource_manager_url}/ws/v1/cluster/nodes").document()["nodes"]["node"]
    for node in nodes:
        answer = send("GET", f"http://{node['nodeHTTPAddress']}/ws/v1/node/containers/{container}")
        if answer.status == 200:
            found: dict[str, Any] = answer.document()["container"]
            return found
    return None


TRAP = "trap 'echo bye; exit 0' TERM; while true; do sleep 0.05; done"


@pytest.mark.parametrize(("command", "survives"), [("exec sleep 600", True), (TRAP, False)], ids=["default", "handler"])
def test_the_first_process_gets_term_only_if_it_handles_it(command: str, survives: bool) -> None:
    """A signal's success proves nothing: without a handler PID 1 of a Docker container does not even notice."""
    with cluster(HADOOP_3_3_6) as (sandbox, url):
        container = post(url, command)["id"]
        signalled = f"{sandbox.resource_manager_url}/ws/v1/cluster/containers/{container}/signal"
        assert send("POST", f"{signalled}/GRACEFUL_SHUTDOWN", **ALICE).status == 200
        if survives:
            assert send("POST", f"{signalled}/FORCEFUL_SHUTDOWN", **ALICE).status == 200
        code = 137 if survives else 0

        def exit_code() -> int:
            seen = on_node(sandbox, container)
            return -1000 if seen is None else int(seen["exitCode"])

        assert wait_until(lambda: exit_code() != -1000 and str(exit_code()), what="the end") == str(code)


def test_a_paused_container_is_ready_and_a_kill_ends_it() -> None:
    """Nobody but a probe sees a hang; unpause and kill go through all the same."""
    with cluster(HADOOP_3_3_6) as (sandbox, url):
        container = post(url, "exec sleep 600")["id"]
        control = f"{sandbox.environment['YARNSERVE_SANDBOX']}/containers"
        assert send("POST", f"{control}/{container}/pause").status == 204
        seen = on_node(sandbox, container)
        assert seen is not None
        assert (seen["state"], send("GET", f"{url}/svc", **ALICE).document()["state"]) == ("RUNNING", "STABLE")
        assert send("POST", f"{control}/{container}/unpause").status == 204
        assert send("POST", f"{control}/{container}/pause").status == 204
        master = re.sub(r"\d{6}$", "000001", container)
        assert send("POST", f"{control}/{master}/pause").status == 404
        assert send("PUT", f"{url}/svc", {"state": "STOPPED"}, **ALICE).status == 200
        wait_until(lambda: (left := on_node(sandbox, container)) is None or left["state"] == "DONE", what="its end")


def test_an_entry_point_gets_its_arguments_without_a_shell() -> None:
    """Commas part them; the sandbox runs them where the first is a program."""
    with cluster(HADOOP_3_1_4) as (sandbox, url):
        env = {"YARN_CONTAINER_RUNTIME_DOCKER_RUN_OVERRIDE_DISABLE": "true"}
        container = post(url, "sh,-c,echo a b; exec sleep 600", configuration={"env": env})["id"]
        seen = on_node(sandbox, container)
        assert seen is not None
        address = seen["containerLogsLink"].partition("/node/")[0]
        log = f"{address}/ws/v1/node/containers/{container}/logs/stdout.txt"
        assert "a b" in send("GET", log).text
