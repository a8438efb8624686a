"""The acts under bad circumstances: lost answers, two at once, a holder that died. Never two applications."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sandbox.yarn_support import connection_to, relaying_yarn
from tests.support import REPOSITORY, claimed_ports, wait_until
from yarnserve.errors import (
    ConfigurationError,
    ConflictError,
    LeaseLostError,
    NotFoundError,
    UnreachableError,
    UsageError,
    WaitTimeoutError,
    YarnserveError,
)
from yarnserve.judge.plan import Step
from yarnserve.records.yarn import (
    Component,
    ComponentState,
    Container,
    ContainerState,
    ServiceState,
)
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_3_6
from yarnserve.service import changing
from yarnserve.service.actions import Actions
from yarnserve.service.catalogue import catalogue
from yarnserve.service.connection import Connection
from yarnserve.service.look import Snapshot, look
from yarnserve.service.state import Wanted
from yarnserve.service.waiting import wait_until_live
from yarnserve.spec.loader import parse_spec
from yarnserve.spec.model import COMPONENT, ServiceSpec
from yarnserve.storage.lease import Lease


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sandbox]:
    """A cluster whose model server only sleeps: these tests are about the acts, not about predictions."""
    with Sandbox(user="alice") as running:
        running.upload(REPOSITORY / "examples" / "digits" / "model", "/models/digits")
        yield running


@pytest.fixture
def connection(cluster: Sandbox) -> Iterator[Connection]:
    """Alice's clients."""
    with connection_to(cluster) as connected:
        yield connected


class FastClock:
    """Seconds that pass as quickly as somebody pauses: nobody waits 30 s for a dead holder's lease."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def pause(self, seconds: float) -> None:
        """Let *seconds* pass at once."""
        self.now += seconds


_CLAIMS = contextlib.ExitStack()
_CLAIMED: dict[str, int] = {}
_CLAIMING = threading.Lock()
atexit.register(_CLAIMS.close)


def base_port(name: str) -> int:
    """A port for the service *name*, the same for every thread, claimed until the tests end."""
    with _CLAIMING:
        if name not in _CLAIMED:
            _CLAIMED[name] = _CLAIMS.enter_context(claimed_ports())
        return _CLAIMED[name]


def spec_text(name: str, replicas: int = 1, memory: str = "512m") -> str:
    """The service.yaml of a service of the digits model, on ports of its own."""
    port = base_port(name)
    return f"""
name: {name}
model: {{base_path: /models/digits}}
serving: {{version: "2.6", flags: {{prefer_tflite_model: true}}}}
replicas: {replicas}
resources: {{memory: {memory}}}
ports: {{grpc: {port}, rest: {port + 1}}}
"""


def spec(name: str, replicas: int = 1, memory: str = "512m") -> ServiceSpec:
    """That service."""
    return parse_spec(spec_text(name, replicas, memory), file="service.yaml", read_text=lambda path: "")


@pytest.fixture
def name(request: pytest.FixtureRequest, connection: Connection) -> Iterator[str]:
    """A service name of the test's own; whatever it left is removed."""
    chosen = str(request.node.name).removeprefix("test_").replace("_", "-").split("[")[0][:40]
    yield chosen
    clock = FastClock()
    with contextlib.suppress(NotFoundError):
        Actions(connection, clock=clock, pause=clock.pause).destroy(chosen)


def applications(connection: Connection, name: str) -> list[str]:
    """Ids of every application that ever ran under *name*."""
    return [application.id for application in connection.cluster.applications(user="alice", name=name)]


def running(connection: Connection, name: str) -> bool:
    """Whether the one replica is READY."""
    component = connection.services.get(name).component(COMPONENT)
    return component is not None and component.state is ComponentState.STABLE


def test_a_post_whose_answer_is_lost_makes_one_application(cluster: Sandbox, connection: Connection, name: str) -> None:
    """The launch finds out by looking that it was carried out, and sends nothing twice."""
    with relaying_yarn(cluster.resource_manager_url) as relay, connection_to(cluster, relay.url) as lossy:
        relay.lost = {"POST"}
        outcome = Actions(lossy).launch(spec(name))
        assert relay.written == ["POST"]
    assert [outcome.application_id] == applications(connection, name)


def test_a_lost_stop_is_settled_by_looking(cluster: Sandbox, connection: Connection, name: str) -> None:
    """Stop reports what YARN shows, not what it did not hear."""
    Actions(connection).launch(spec(name))
    with relaying_yarn(cluster.resource_manager_url) as relay, connection_to(cluster, relay.url) as lossy:
        relay.lost = {"PUT"}
        assert Actions(lossy).stop(name).step is Step.STOP
        assert relay.written == ["PUT"]
    assert connection.services.get(name).state is ServiceState.STOPPED


def test_two_launches_at_once_make_one_application(cluster: Sandbox, connection: Connection, name: str) -> None:
    """The second waits for the first's lease, and then has nothing to do."""
    steps: list[Step] = []
    barrier = threading.Barrier(3)

    def launch() -> None:
        with connection_to(cluster) as mine:
            barrier.wait()
            steps.append(Actions(mine).launch(spec(name)).step)

    threads = [threading.Thread(target=launch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(steps, key=str) == sorted([Step.CREATE, Step.NOTHING, Step.NOTHING], key=str)
    assert len(applications(connection, name)) == 1


def test_a_flex_is_never_sent_while_the_component_is_flexing(
    cluster: Sandbox, connection: Connection, name: str
) -> None:
    """A second FLEX would break the component for good: scale waits until the first is done."""
    states: list[ComponentState] = []

    def look(method: str, path: str) -> None:
        component = connection.services.get(name).component(COMPONENT) if method == "PUT" else None
        if component is not None:
            states.append(component.state)

    Actions(connection).launch(spec(name))
    with relaying_yarn(cluster.resource_manager_url) as relay, connection_to(cluster, relay.url) as watched:
        relay.before = look
        Actions(watched).scale(name, 2)
        Actions(watched).scale(name, 3)
    assert states == [ComponentState.STABLE, ComponentState.STABLE]
    wait_until(lambda: running(connection, name), what="three replicas")
    component = connection.services.get(name).component(COMPONENT)
    assert component is not None
    assert len(component.containers) == 3


def test_a_size_that_has_no_room_is_left_for_another(connection: Connection, name: str) -> None:
    """After a while, in which YARN might have reached it; whoever has less patience is told what to do."""
    Actions(connection).launch(spec(name, memory="5g"))
    Actions(connection).scale(name, 3)
    clock = FastClock()
    with pytest.raises(WaitTimeoutError, match=r"^waited 8 s for .* to finish its last change of size$") as caught:
        Actions(connection, clock=clock, pause=clock.pause, patience=8.0).scale(name, 1)
    assert 8.0 <= clock() < 12.0
    assert f"yarnserve stop {name}" in caught.value.fix
    Actions(connection, clock=clock, pause=clock.pause).scale(name, 1)
    component = connection.services.get(name).component(COMPONENT)
    assert component is not None
    assert (component.state, component.desired, len(component.containers)) == (ComponentState.STABLE, 1, 1)


def test_the_wanted_state_is_recorded_before_yarn_is_asked(cluster: Sandbox, connection: Connection, name: str) -> None:
    """A supervisor that looks in between must not repair what a person has just ended."""
    Actions(connection).launch(spec(name))
    seen: list[Wanted] = []

    def look(method: str, path: str) -> None:
        desired = connection.store(name).desired.latest()
        if method == "PUT" and desired is not None:
            seen.append(desired.record.state)

    with relaying_yarn(cluster.resource_manager_url) as relay, connection_to(cluster, relay.url) as watched:
        relay.before = look
        Actions(watched).stop(name)
    assert seen == [Wanted.STOPPED]


def test_a_lease_lost_before_the_write_stops_the_act(
    cluster: Sandbox, connection: Connection, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was overtaken sends nothing."""

    class Overtaken(Lease):
        def check(self) -> None:
            series = connection.store(name).lease
            newest = series.latest()
            assert newest is not None
            series.append({**newest.body, "token": "somebody else"}, after=newest.number)
            self.renew()
            super().check()

    monkeypatch.setattr(changing, "Lease", Overtaken)
    with pytest.raises(LeaseLostError):
        Actions(connection).launch(spec(name))
    assert applications(connection, name) == []
    monkeypatch.undo()


def test_without_hdfs_nothing_is_changed(cluster: Sandbox, connection: Connection, name: str) -> None:
    """No HDFS, no lease, no action: the service goes on as it was."""
    Actions(connection).launch(spec(name))
    with connection_to(cluster, namenode="http://127.0.0.1:9") as blind, pytest.raises(UnreachableError):
        Actions(blind).stop(name)
    assert connection.services.get(name).state is not ServiceState.STOPPED


def test_a_launch_that_yarn_refuses_can_be_mended_and_repeated(connection: Connection, name: str) -> None:
    """On 3.1.4 the refused definition stays behind (real-hadoop.md 7.20): the next launch replaces it."""
    with pytest.raises(YarnserveError, match="cannot create") as caught:
        Actions(connection).launch(spec(name, memory="9999g"))
    assert "memory" in caught.value.why
    assert Actions(connection).launch(spec(name)).step in (Step.CREATE, Step.REPLACE)
    wait_until(lambda: running(connection, name), what="the mended service")


def test_a_running_service_that_differs_is_refused_and_untouched(connection: Connection, name: str) -> None:
    """The refusal lists the difference; YARN was sent nothing, and the saved revision is the old one."""
    Actions(connection).launch(spec(name))
    with pytest.raises(ConflictError) as caught:
        Actions(connection).launch(spec(name, memory="600m"))
    assert "memory" in caught.value.why
    revision = connection.store(name).revisions.latest()
    assert revision is not None
    assert (revision.number, revision.record.spec) == (1, spec(name))


def test_a_change_of_replicas_alone_is_a_scaling(connection: Connection, name: str) -> None:
    """The file is the truth: launch with another number scales, and keeps the application."""
    Actions(connection).launch(spec(name))
    wait_until(lambda: running(connection, name))
    assert Actions(connection).launch(spec(name, replicas=2)).step is Step.SCALE
    assert len(applications(connection, name)) == 1
    assert Actions(connection).launch(spec(name, replicas=2)).step is Step.NOTHING


def test_destroy_leaves_nothing_behind(connection: Connection, name: str) -> None:
    """Neither a definition nor a state directory; a second destroy says that there is nothing, and leaves nothing."""
    Actions(connection).launch(spec(name))
    Actions(connection).destroy(name)
    assert connection.saved_services() == () or name not in connection.saved_services()
    with pytest.raises(NotFoundError):
        Actions(connection).destroy(name)
    assert name not in connection.saved_services()


def test_a_killed_launch_can_be_repeated(cluster: Sandbox, connection: Connection, name: str, tmp_path: Path) -> None:
    """Kill -9 in the middle of the POST: the next launch takes the lease over and finds one application."""
    reached = threading.Event()
    spec_file = tmp_path / "service.yaml"
    spec_file.write_text(spec_text(name))

    def wait_in_post(victim: list[subprocess.Popen[bytes]]) -> Callable[[str, str], None]:
        def kill_on_post(method: str, path: str) -> None:
            if method == "POST":
                victim[0].send_signal(signal.SIGKILL)
                reached.set()

        return kill_on_post

    with relaying_yarn(cluster.resource_manager_url) as relay:
        victims: list[subprocess.Popen[bytes]] = []
        relay.before = wait_in_post(victims)
        command = [sys.executable, "-m", "yarnserve", "launch", str(spec_file), "--resource-manager", relay.url]
        victims.append(
            subprocess.Popen(command, env={**os.environ, **cluster.environment}, cwd=REPOSITORY, stderr=subprocess.PIPE)
        )
        assert reached.wait(30)
        victims[0].communicate()
    wait_until(lambda: len(applications(connection, name)) == 1, what="the POST to be carried out")
    waits: list[str] = []
    clock = FastClock()
    repeated = Actions(connection, narrate=waits.append, clock=clock, pause=clock.pause)
    assert repeated.launch(spec(name)).step is Step.NOTHING
    assert any("waiting for the lease" in text for text in waits)
    assert len(applications(connection, name)) == 1


def memory_in_yarn(connection: Connection, name: str, cluster: Sandbox) -> str:
    """The memory of the definition that YARN runs."""
    with urllib.request.urlopen(f"{cluster.resource_manager_url}/app/v1/services/{name}?user.name=alice") as answer:
        memory: str = json.load(answer)["components"][0]["resource"]["memory"]
        return memory


def test_a_replacement_cut_off_half_way_runs_the_new_definition_next_time(
    cluster: Sandbox, connection: Connection, name: str
) -> None:
    """The saved revision never says that YARN has what it has not, so the next launch does not start the old one."""
    Actions(connection).launch(spec(name))
    Actions(connection).stop(name)

    def refuse(method: str, path: str) -> None:
        if method == "DELETE":
            raise ConnectionError

    with relaying_yarn(cluster.resource_manager_url) as relay, connection_to(cluster, relay.url) as cut_off:
        relay.before = refuse
        clock = FastClock()
        with pytest.raises(YarnserveError):
            Actions(cut_off, clock=clock, pause=clock.pause).launch(spec(name, memory="600m"))
    assert Actions(connection).launch(spec(name, memory="600m")).step is Step.REPLACE
    wait_until(lambda: running(connection, name))
    assert memory_in_yarn(connection, name, cluster) == "600"


def test_a_stopped_service_of_another_size_starts_with_the_files(connection: Connection, name: str) -> None:
    """YARN keeps the size it was scaled to; launch must not start three replicas where the file wants one."""
    Actions(connection).launch(spec(name))
    Actions(connection).scale(name, 3)
    Actions(connection).stop(name)
    assert Actions(connection).launch(spec(name)).step is Step.REPLACE
    wait_until(lambda: running(connection, name))
    component = connection.services.get(name).component(COMPONENT)
    assert component is not None
    assert component.desired == 1


def test_a_stopped_service_of_the_files_size_is_started(connection: Connection, name: str) -> None:
    """Nothing has changed, so nothing is removed: PUT STARTED, and the revision stays."""
    Actions(connection).launch(spec(name))
    Actions(connection).stop(name)
    assert Actions(connection).launch(spec(name)).step is Step.START
    revision = connection.store(name).revisions.latest()
    assert revision is not None
    assert revision.number == 1


@pytest.mark.parametrize("verb", ["start", "scale", "destroy"])
def test_a_write_whose_answer_is_lost_is_settled_by_looking(
    cluster: Sandbox, connection: Connection, name: str, verb: str
) -> None:
    """It was carried out, so the act succeeds; it is sent once."""
    Actions(connection).launch(spec(name))
    wait_until(lambda: running(connection, name))
    if verb == "start":
        Actions(connection).stop(name)
    with relaying_yarn(cluster.resource_manager_url) as relay, connection_to(cluster, relay.url) as lossy:
        relay.lost = {"PUT", "DELETE"}
        if verb == "start":
            assert Actions(lossy).start(name).application_id
        elif verb == "scale":
            assert Actions(lossy).scale(name, 2).step is Step.SCALE
        else:
            Actions(lossy).destroy(name)
        assert len(relay.written) == 1
    assert (name in connection.saved_services()) is (verb != "destroy")


def test_an_interrupted_submission_is_waited_out_by_the_next(
    cluster: Sandbox, connection: Connection, name: str, tmp_path: Path
) -> None:
    """Ctrl-C while YARN still works on the POST: the next launch sends nothing beside it, and finds its application."""
    arrived, held = threading.Event(), threading.Event()
    spec_file = tmp_path / "service.yaml"
    spec_file.write_text(spec_text(name))

    def hold(method: str, path: str) -> None:
        if method == "POST":
            arrived.set()
            held.wait(20)

    told: list[str] = []

    def let_the_post_through(text: str) -> None:
        told.append(text)
        held.set()

    with relaying_yarn(cluster.resource_manager_url) as relay:
        relay.before = hold
        command = [sys.executable, "-m", "yarnserve", "launch", str(spec_file), "--resource-manager", relay.url]
        interrupted = subprocess.Popen(
            command, env={**os.environ, **cluster.environment}, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
        )
        assert arrived.wait(30)
        interrupted.send_signal(signal.SIGINT)
        _, stderr = interrupted.communicate(timeout=20)
        assert interrupted.returncode == 130, stderr
        assert Actions(connection, narrate=let_the_post_through).launch(spec(name)).step is Step.NOTHING
        assert relay.written == ["POST"]
    assert any("ended before YARN had answered" in text for text in told)
    assert len(applications(connection, name)) == 1


def test_a_failed_service_whose_application_lives_is_stopped(
    cluster: Sandbox, connection: Connection, name: str
) -> None:
    """FAILED in the services API is not the end: an attempt may still run (real-hadoop.md 7.8); stop must end it."""
    Actions(connection).launch(spec(name))
    wait_until(lambda: running(connection, name))
    with relaying_yarn(cluster.resource_manager_url) as relay, connection_to(cluster, relay.url) as misled:
        relay.rewrite = lambda content: content.replace(b'"STABLE"', b'"FAILED"')
        assert Actions(misled).stop(name).step is Step.STOP
    assert connection.services.get(name).state is ServiceState.STOPPED


def test_a_refused_act_leaves_no_directory(connection: Connection) -> None:
    """A lease taken for nothing does not make a service appear in the list."""
    for verb in (Actions(connection).stop, Actions(connection).start, Actions(connection).destroy):
        with pytest.raises(NotFoundError):
            verb("never-launched")
    assert "never-launched" not in connection.saved_services()


@pytest.mark.parametrize("wrong", ["", ".", "..", "../x", "a/b", "Ü", "serve"])
def test_a_name_that_is_a_path_is_refused(connection: Connection, wrong: str) -> None:
    """No verb may leave the directory of services."""
    with pytest.raises(UsageError):
        Actions(connection).destroy(wrong)
    with pytest.raises(UsageError):
        look(connection, wrong)


def test_more_replicas_than_ports_are_refused(connection: Connection, name: str) -> None:
    """Scale knows what launch would refuse, and says how many there may be."""
    Actions(connection).launch(spec(name))
    with pytest.raises(UsageError, match="at most"):
        Actions(connection).scale(name, 60000)


def test_a_host_name_that_docker_refuses_is_refused_before_yarn_hears_of_it(connection: Connection) -> None:
    """With the cluster's DNS domain at its end the name passes 64 characters; without, the same name is launched."""
    named = replace(spec("a" * 29), image="registry.example.org/tfserving-hdfs:2.6")
    assert len("serve-0." + "a" * 29 + ".alice.ml.hadoop.example.org") == 65
    domain = replace(connection.settings, registry_domain="ml.hadoop.example.org")
    with pytest.raises(ConfigurationError, match="of 65 characters") as caught:
        Actions(replace(connection, settings=domain)).launch(named)
    assert "at most 28" in caught.value.fix
    assert applications(connection, named.name) == []
    Actions(connection).launch(named)
    Actions(connection).destroy(named.name)


def test_looking_does_not_bring_a_destroyed_service_back(connection: Connection, name: str) -> None:
    """A status that overlaps destroy saves nothing: the state directory stays away."""
    Actions(connection).launch(spec(name))
    store = connection.store(name)
    Actions(connection).destroy(name)
    component = Component(COMPONENT, ComponentState.STABLE, 1, (Container("c2", "serve-0", ContainerState.READY),))
    assert store.update_sightings(lambda before: before.with_seen("application_1", component)).restarts("serve-0") == 0
    assert name not in connection.saved_services()


def test_without_hdfs_the_rest_is_still_seen(cluster: Sandbox, connection: Connection, name: str) -> None:
    """YARN answers: what it says is shown, with a note on what is missing, and never called well."""
    Actions(connection).launch(spec(name))
    wait_until(lambda: running(connection, name))
    with connection_to(cluster, namenode="http://127.0.0.1:9") as blind:
        seen = look(blind, name)
        entries, notes = catalogue(blind)
    assert seen.service is not None
    assert seen.service.state is ServiceState.STABLE
    assert any("cannot connect" in note or "cannot find" in note for note in seen.notes)
    assert not seen.well
    assert name in [entry.name for entry in entries]
    assert notes


def test_an_example_with_infinity_is_launched_and_compared(connection: Connection, name: str) -> None:
    """Infinity and NaN are values a model may give: they are saved, and the same file is nothing to do again."""
    text = spec_text(name).replace("/models/digits}", "/models/digits, example: e.json}")
    example = '{"request": {"instances": [1]}, "expected": {"predictions": [NaN, Infinity]}}'
    with_nan = parse_spec(text, file="service.yaml", read_text=lambda path: example)
    Actions(connection).launch(with_nan)
    assert Actions(connection).launch(with_nan).step is Step.NOTHING
    revision = connection.store(name).revisions.latest()
    assert revision is not None
    assert revision.number == 1


def found_dead(connection: Connection, name: str) -> Snapshot | None:
    """A look that finds the replica's process dead, or nothing."""
    seen = look(connection, name)
    return seen if "has ended with exit code 255" in seen.replicas[0].verdict.reason else None


def test_another_servers_answers_are_not_taken_for_ours(connection: Connection, name: str) -> None:
    """Two services on the same ports of one host: the second's processes die, and it is not called live."""
    Actions(connection).launch(spec(name))
    wait_until(lambda: look(connection, name).well, what="the first service live")
    second = parse_spec(
        spec_text(name).replace(f"name: {name}\n", "name: squatter\n", 1), file="s.yaml", read_text=lambda path: ""
    )
    try:
        Actions(connection).launch(second)
        with pytest.raises(WaitTimeoutError):
            wait_until_live(connection, "squatter", timeout=3)
        # Between its ends the process runs for a moment, and only that one look counts which saw it dead.
        seen = wait_until(lambda: found_dead(connection, "squatter"), what="the dead process behind the port")
        assert not seen.well
    finally:
        Actions(connection).destroy("squatter")


def interrupted(seconds: float) -> None:
    """Ctrl-C comes while something is waited for."""
    raise KeyboardInterrupt


def test_ctrl_c_in_a_stop_says_that_the_order_was_sent(connection: Connection, name: str) -> None:
    """Whoever interrupts the wait knows that YARN goes on, and how to wait again; the stop really happens."""
    Actions(connection).launch(spec(name))
    wait_until(lambda: running(connection, name), what="a replica")
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        Actions(connection, narrate=told.append, pause=interrupted).stop(name)
    assert f"the stop of {name} was told to YARN and goes on" in told[-1]
    assert f"yarnserve wait {name} --for stopped" in told[-1]
    wait_until(lambda: connection.services.get(name).state is ServiceState.STOPPED, what="the end")


def test_a_restart_whose_answers_are_lost_sends_each_write_once(
    cluster: Sandbox, connection: Connection, name: str
) -> None:
    """Decommissioning and the flex back up are settled by looking; another instance runs at the end."""
    Actions(connection).launch(spec(name))
    wait_until(lambda: running(connection, name), what="a replica")
    with relaying_yarn(cluster.resource_manager_url) as relay, connection_to(cluster, relay.url) as lossy:
        relay.lost = {"PUT"}
        outcome = Actions(lossy).restart(name, "0")
        assert relay.written == ["PUT", "PUT"]
    assert (outcome.step, outcome.instances) == (Step.RESTART, ("serve-1",))


def test_a_restart_that_is_broken_off_names_the_command_that_mends_it(connection: Connection, name: str) -> None:
    """Between the two writes the service is one replica short; Ctrl-C there says so, and scale brings it back."""
    Actions(connection).launch(spec(name))
    wait_until(lambda: running(connection, name), what="a replica")
    told: list[str] = []

    def narrate(text: str) -> None:
        told.append(text)
        if text.startswith("scaling"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Actions(connection, narrate=narrate).restart(name, "serve-0")
    assert f"yarnserve scale {name} 1" in told[-1]
    assert Actions(connection).scale(name, 1).step is Step.SCALE


def test_a_restart_that_never_began_leaves_nothing_to_mend(connection: Connection, name: str) -> None:
    """What was seen is too old to act by: nothing was sent, and nobody is told that a replica may be missing."""
    Actions(connection).launch(spec(name))
    wait_until(lambda: running(connection, name), what="a replica")
    told: list[str] = []

    def stale() -> None:
        raise ConflictError("what was seen is old by now")

    with pytest.raises(ConflictError):
        Actions(connection, narrate=told.append, still=stale).restart(name, "serve-0")
    assert told
    assert not any("one replica less" in each for each in told)


def test_from_3_3_on_a_signal_replaces_the_container_under_the_same_name(name: str) -> None:
    """The instance and the size stay, its container id is another: that proves it, not the signal's 200."""
    with Sandbox(user="alice", profile=HADOOP_3_3_6) as running_cluster, connection_to(running_cluster) as later:
        running_cluster.upload(REPOSITORY / "examples" / "digits" / "model", "/models/digits")
        Actions(later).launch(spec(name))
        wait_until(lambda: running(later, name), what="a replica")
        component = later.services.get(name).component(COMPONENT)
        assert component is not None
        before = component.containers[0].id
        assert Actions(later).restart(name, "0").instances == ("serve-0",)
        component = later.services.get(name).component(COMPONENT)
        assert component is not None
        assert [each.instance for each in component.containers] == ["serve-0"]
        assert component.containers[0].id != before
        Actions(later).destroy(name)
