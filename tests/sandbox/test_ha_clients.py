"""Our acts while the active ResourceManager or NameNode changes: carried out once, never an untrue answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.models import saved_model
from tests.sandbox.ha_support import Pairs, pairs
from tests.sandbox.yarn_support import connection_to
from tests.support import REPOSITORY, wait_until
from yarnserve.errors import NotFoundError, StandbyError
from yarnserve.judge.plan import Step
from yarnserve.records.repository import MANIFEST
from yarnserve.records.yarn import ComponentState, ServiceState
from yarnserve.render.settings import SERVICE_PROPERTIES
from yarnserve.repository import layout
from yarnserve.repository.publish import Publishing, publish
from yarnserve.repository.versions import versions
from yarnserve.sandbox.profile import HADOOP_3_1_4, HADOOP_3_3_6, Profile
from yarnserve.service.actions import Actions
from yarnserve.service.connection import Connection
from yarnserve.service.logs import replica_logs
from yarnserve.service.look import look
from yarnserve.spec.loader import parse_spec
from yarnserve.spec.model import COMPONENT, ServiceSpec

NAME = "svc"
MODEL = REPOSITORY / "examples" / "digits" / "model"
VERSIONS = pytest.mark.parametrize("profile", [HADOOP_3_1_4, HADOOP_3_3_6], ids=["3.1.4", "3.3.6"])
QUICKER = {"takeover": 0.3, "loading": 0.1, "recovery": 0.1, "scheduling_wait": 0.1, "daemon_down": 0.5}
#: ``saved`` is a moment of a launch alone.
MOMENTS = pytest.mark.parametrize("moment", ["now", "before", "after"])


@pytest.fixture(autouse=True)
def _quick_readiness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readiness is checked ten times a second, not every two."""
    monkeypatch.setitem(SERVICE_PROPERTIES, "yarn.service.readiness-check-interval.seconds", "0.1")


def spec(replicas: int = 1) -> ServiceSpec:
    """The service of the digits model; nothing listens, for its containers are simulated."""
    text = f"""
name: {NAME}
model: {{base_path: /models/digits}}
serving: {{version: "2.6", flags: {{prefer_tflite_model: true}}}}
replicas: {replicas}
resources: {{memory: 512m}}
ports: {{grpc: 8500, rest: 8501}}
"""
    return parse_spec(text, file="service.yaml", read_text=lambda path: "")


@dataclass
class Acting:
    """Whoever acts on a cluster with pairs, waiting a tenth of the time; *told* is what they were told."""

    pairs: Pairs
    connection: Connection
    told: list[str]

    @property
    def actions(self) -> Actions:
        """The acts."""
        return Actions(self.connection, narrate=self.told.append, pause=hurried)

    def replicas(self) -> int:
        """How many replicas run, by what YARN shows once it shows any."""

        def stable() -> int:
            component = self.connection.services.get(NAME).component(COMPONENT)
            if component is None or component.state is not ComponentState.STABLE:
                return 0
            assert component.desired == len(component.containers)
            return component.desired

        return wait_until(stable, what="the component STABLE")

    def applications(self) -> list[str]:
        """Ids of every application that ever was."""
        return [each.id for each in self.connection.cluster.applications(user="alice", name=NAME)]

    def is_lease_free(self) -> bool:
        """Whether the next one may act at once."""
        entry = self.connection.store(NAME).lease.latest()
        return entry is None or (entry.body["released"] and not entry.body["unsettled"])


def hurried(seconds: float) -> None:
    """Wait a tenth of *seconds*."""
    threading.Event().wait(seconds / 10)


@contextmanager
def acting(profile: Profile, *, launched: bool = True, **times: float) -> Iterator[Acting]:
    """A cluster with pairs and the model, and the service running on it."""
    with (
        pairs(profile, simulated=True, **{**QUICKER, **times}) as running,
        connection_to(running.sandbox, sleep=hurried) as connection,
    ):
        running.sandbox.upload(MODEL, "/models/digits")
        act = Acting(running, connection, [])
        if launched:
            act.actions.launch(spec())
            assert act.replicas() == 1
        yield act


@VERSIONS
@pytest.mark.parametrize("moment", ["now", "before", "saved", "after"])
def test_a_launch_meets_a_fail_over(profile: Profile, moment: str) -> None:
    """Whenever the active one dies in a launch, the launch ends with one application, whose id it tells."""
    with acting(profile, launched=False) as act:
        act.pairs.fail_over(at=moment)
        outcome = act.actions.launch(spec())
        assert act.applications() == [outcome.application_id]
        assert act.replicas() == 1
        assert act.is_lease_free()


@VERSIONS
@MOMENTS
def test_a_scaling_meets_a_fail_over(profile: Profile, moment: str) -> None:
    """The new size is reached, by the application that was there."""
    with acting(profile) as act:
        act.pairs.fail_over(at=moment)
        assert act.actions.scale(NAME, 2).step is Step.SCALE
        assert act.replicas() == 2
        assert len(act.applications()) == 1
        assert act.is_lease_free()


@VERSIONS
@MOMENTS
def test_a_stop_and_a_start_meet_fail_overs(profile: Profile, moment: str) -> None:
    """Stop ends the application, start makes one more; each survives a fail-over of its own."""
    with acting(profile) as act:
        act.pairs.fail_over(at=moment)
        assert act.actions.stop(NAME).step is Step.STOP
        assert act.connection.services.get(NAME).state is ServiceState.STOPPED
        assert act.is_lease_free()
        wait_until(lambda: "STANDBY" in act.pairs.daemons("resourcemanager").values(), what="the dead one started")
        act.pairs.fail_over(at=moment)
        started = act.actions.start(NAME)
        assert started.application_id in act.applications()
        assert len(act.applications()) == 2
        assert act.replicas() == 1
        assert act.is_lease_free()


@VERSIONS
@pytest.mark.parametrize("moment", ["before", "saved", "after"])
def test_a_start_from_the_saved_revision_meets_a_fail_over(profile: Profile, moment: str) -> None:
    """YARN has lost the definition: the POST in its place is settled as that of a launch is."""
    with acting(profile) as act:
        act.actions.stop(NAME)
        act.connection.services.destroy(NAME)
        act.pairs.fail_over(at=moment)
        outcome = act.actions.start(NAME)
        assert outcome.application_id in act.applications()
        assert len(act.applications()) == 2
        assert act.replicas() == 1


@VERSIONS
@MOMENTS
def test_a_destruction_meets_a_fail_over(profile: Profile, moment: str) -> None:
    """Nothing is left of the service, neither in YARN nor of what was saved."""
    with acting(profile) as act:
        act.pairs.fail_over(at=moment)
        act.actions.destroy(NAME)
        with pytest.raises(NotFoundError):
            act.connection.services.get(NAME)
        assert act.pairs.applications() == []
        assert act.connection.saved_services() == ()


@VERSIONS
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_restart_meets_a_fail_over(profile: Profile, moment: str) -> None:
    """One replica is replaced, by a signal or by decommissioning, and the size stays."""
    with acting(profile) as act:
        before = act.connection.services.get(NAME).component(COMPONENT)
        assert before is not None
        act.pairs.fail_over(at=moment)
        act.actions.restart(NAME, "0")
        assert act.replicas() == 1
        after = act.connection.services.get(NAME).component(COMPONENT)
        assert after is not None
        assert after.containers[0].id != before.containers[0].id
        assert len(act.applications()) == 1


def test_who_waits_for_a_fail_over_is_told() -> None:
    """An act in the gap says what it waits for and for how long, and is carried out."""
    with acting(HADOOP_3_3_6, takeover=1.0) as act:
        act.pairs.fail_over()
        act.actions.scale(NAME, 2)
        assert "no ResourceManager is active: waiting, for 60 s at most" in act.told


@VERSIONS
def test_a_look_in_the_gap_says_so_at_once(profile: Profile) -> None:
    """Status does not wait: it says that no ResourceManager is active, and afterwards how the service is."""
    with acting(profile, takeover=1.0) as act:
        act.pairs.fail_over()
        with pytest.raises(StandbyError, match="no ResourceManager is active") as caught:
            look(act.connection, NAME)
        assert "wait" in caught.value.fix
        act.pairs.one("resourcemanager", "ACTIVE")
        assert act.replicas() == 1
        assert [each.instance for each in look(act.connection, NAME).replicas] == ["serve-0"]


ACTS: dict[str, Callable[[Actions], object]] = {
    "launch": lambda actions: actions.launch(spec(2)),
    "scale": lambda actions: actions.scale(NAME, 2),
    "stop": lambda actions: actions.stop(NAME),
    "destroy": lambda actions: actions.destroy(NAME),
}


@VERSIONS
@pytest.mark.parametrize("verb", ACTS)
def test_an_act_meets_a_fail_over_of_hdfs(profile: Profile, verb: str) -> None:
    """Lease and records wait for the next NameNode, longer than a lease waits for anything else; then it is done."""
    with acting(profile, namenode_takeover=0.5) as act:
        act.pairs.fail_over(of="namenode")
        ACTS[verb](act.actions)
        if verb in ("launch", "scale"):
            assert act.replicas() == 2
        assert len(act.pairs.applications()) == (verb in ("launch", "scale"))
        assert act.is_lease_free()


@VERSIONS
@pytest.mark.parametrize("when", ["before", "between two files"])
def test_a_publication_meets_a_fail_over_of_hdfs(profile: Profile, when: str, tmp_path: Path) -> None:
    """The version appears whole, and once; nothing is left in staging."""
    (tmp_path / "saved_model.pb").write_bytes(saved_model(["Placeholder"]))
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    with acting(profile, launched=False, namenode_takeover=0.5) as act:
        storage = act.connection.storage
        deaths = iter([when])

        def die(path: str, size: int) -> None:
            if next(deaths, "") != "":
                act.pairs.fail_over(of="namenode")

        if when == "before":
            die("", 0)
        publish(storage, tmp_path, "/models/new", 1, Publishing(on_file=die))
        assert versions(storage, "/models/new") == (1,)
        assert {each.name: each.length for each in storage.list("/models/new/1") if each.name != MANIFEST} == {
            "saved_model.pb": len(saved_model(["Placeholder"])),
            "a": 1,
            "b": 1,
        }
        assert storage.list(layout.incoming("/models/new")) == ()


@VERSIONS
def test_logs_in_the_gap_say_so_and_are_found_afterwards(profile: Profile) -> None:
    """Where the logs are is asked of the ResourceManager: nobody is active at first, and the container's node later."""
    with acting(profile, takeover=1.0) as act:
        before = replica_logs(act.connection, NAME)
        act.pairs.fail_over()
        with pytest.raises(StandbyError, match="no ResourceManager is active"):
            replica_logs(act.connection, NAME)
        act.pairs.one("resourcemanager", "ACTIVE")
        assert act.replicas() == 1
        assert replica_logs(act.connection, NAME) == before
