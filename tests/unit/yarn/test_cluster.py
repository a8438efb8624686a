"""ClusterApi against the recorded answers of a real ResourceManager."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import golden
from tests.unit.hadoop.wire import Asked, Wire, answer, serving
from yarnserve.errors import NotFoundError, RefusedError
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.hadoop.session import HadoopSession
from yarnserve.records.yarn import ApplicationState
from yarnserve.yarn.cluster import ClusterApi
from yarnserve.yarn.resource_managers import ResourceManagers


def _recorded() -> dict[str, tuple[int, Any]]:
    answers: dict[str, tuple[int, Any]] = {}
    for exchange in golden("3.1.4"):
        path = exchange.get("path") or ""
        if path.startswith("/ws/v1/cluster") and exchange["method"] == "GET" and "BOGUS" not in str(exchange["query"]):
            key = path if "no-such-type" not in str(exchange["query"]) else "none"
            answers.setdefault(key, (exchange["status"], exchange["body"]))
    return answers


RECORDED = _recorded()


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A ResourceManager that replays what the real one answered to the same path."""

    def respond(asked: Asked) -> bytes:
        status, body = RECORDED[urllib.parse.unquote(asked.path)]
        return answer(status, body)

    with serving(respond) as running:
        yield running


@pytest.fixture
def cluster(wire: Wire) -> Iterator[ClusterApi]:
    """The API of that ResourceManager."""
    with HadoopSession(SimpleAuthentication("alice"), sleep=lambda _: None) as session:
        yield ClusterApi(session, ResourceManagers(session, (wire.url,)))


def test_the_cluster_about_itself(cluster: ClusterApi) -> None:
    """Version and state, and one node of 8 GiB."""
    assert (cluster.info().hadoop_version, cluster.info().ha_state) == ("3.1.4", "ACTIVE")
    assert [(node.host, node.http_address, node.memory_mb) for node in cluster.nodes()] == [
        ("localhost", "localhost:8042", 8192)
    ]


def test_applications_are_filtered_by_name_here(cluster: ClusterApi, wire: Wire) -> None:
    """User, states and type are the server's to filter, the name ours: 3.1 ignores that parameter."""
    states = (ApplicationState.RUNNING, ApplicationState.ACCEPTED)
    found = cluster.applications(user="alice", name="life", states=states)
    assert [(each.name, each.user) for each in found] == [("life", "alice")]
    assert len(cluster.applications(user="alice", states=states)) > len(found)
    asked = urllib.parse.parse_qs(wire.asked[1].target.split("?")[1])
    assert asked == {
        "user.name": ["alice"],
        "applicationTypes": ["yarn-service"],
        "user": ["alice"],
        "states": ["RUNNING,ACCEPTED"],
    }


def test_the_containers_of_an_application(cluster: ClusterApi) -> None:
    """They are those of its latest attempt, the ApplicationMaster's among them."""
    (application,) = cluster.applications(name="life")
    (attempt,) = cluster.attempts(application.id)
    placed = cluster.placed_containers(application.id)
    assert attempt.am_container_id in {each.id for each in placed}
    assert cluster.application(application.id).name == "life"


def test_the_containers_after_a_restart_of_the_application_master() -> None:
    """Of two attempts the later one is asked, in whatever order they are listed; without any there is nothing."""
    info = {"clusterInfo": {"id": 1, "haState": "ACTIVE", "hadoopVersion": "3.1.4"}}
    attempts: list[dict[str, Any]] = [{"id": number, "appAttemptId": f"attempt_{number}"} for number in (2, 1)]

    def respond(asked: Asked) -> bytes:
        if asked.path.endswith("/info"):
            return answer(200, info)
        if asked.path.endswith("/appattempts"):
            return answer(200, {"appAttempts": {"appAttempt": attempts}})
        return answer(200, {"container": {"containerId": asked.path.split("/")[-2]}})

    with serving(respond) as wire, HadoopSession(SimpleAuthentication("alice")) as session:
        api = ClusterApi(session, ResourceManagers(session, (wire.url,)))
        assert [each.id for each in api.placed_containers("application_1_0001")] == ["attempt_2"]
        attempts.clear()
        assert api.placed_containers("application_1_0001") == ()


def test_an_application_that_is_not_there(cluster: ClusterApi) -> None:
    """An unknown id is not found, with YARN's own words; one that is none is refused."""
    with pytest.raises(NotFoundError) as raised:
        cluster.application("application_1_0001")
    assert raised.value.why == "app with id: application_1_0001 not found"
    with pytest.raises(RefusedError):
        cluster.application("nonsense")


def _recorded_signals() -> list[tuple[str, int, Any]]:
    """Every answer that real clusters gave to a FORCEFUL_SHUTDOWN or to a signal for a container that is none."""
    return [
        (version, exchange["status"], exchange["body"])
        for version in ("3.1.4", "3.3.6", "3.4.2")
        for exchange in golden(version)
        if "FORCEFUL_SHUTDOWN" in (exchange.get("path") or "") or "absent container" in str(exchange.get("body"))
    ]


@pytest.mark.parametrize(("version", "status", "body"), _recorded_signals())
def test_every_recorded_answer_to_a_signal_has_its_meaning(version: str, status: int, body: Any) -> None:
    """200 is sent, an absent container is not found, and 3.1 cannot signal at all."""
    raised = {200: None, 404: RefusedError}.get(status, NotFoundError)

    def respond(asked: Asked) -> bytes:
        return answer(200, RECORDED["/ws/v1/cluster/info"][1]) if asked.method == "GET" else answer(status, body)

    with serving(respond) as wire, HadoopSession(SimpleAuthentication("alice"), sleep=lambda _: None) as session:
        cluster = ClusterApi(session, ResourceManagers(session, (wire.url,)))
        with pytest.raises(raised) if raised else contextlib.nullcontext():
            cluster.kill_container("container_1_0001_01_000001")
