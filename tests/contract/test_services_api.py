"""What the services API has to answer for yarnserve to work (yarn-services.md 1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.clusters import DEADLINE, Cluster, containers, sleeper
from tests.sandbox.cluster_support import HttpAnswer, send
from tests.support import wait_until


@pytest.fixture
def name(cluster: Cluster) -> Iterator[str]:
    """The name of a service that is gone afterwards."""
    yield "mine"
    cluster.destroy("mine")


def test_version(cluster: Cluster) -> None:
    """The API states Hadoop's version."""
    answer = cluster.services("GET", "/version")
    assert answer.status == 200
    assert answer.document()["hadoop_version"].startswith(f"{cluster.version} from ")


def test_accepted(cluster: Cluster, name: str) -> None:
    """A valid POST is 202 with where the service is and its application."""
    answer = cluster.services("POST", body=sleeper(name))
    assert (answer.status, answer.content_type) == (202, "application/json;charset=utf-8")
    accepted = answer.document()
    assert (accepted["state"], accepted["uri"]) == ("ACCEPTED", f"/v1/services/{name}")
    assert re.fullmatch(r"Application ID: application_\d+_\d{4}", accepted["diagnostics"])


def test_states_of_a_start(cluster: Cluster, name: str) -> None:
    """ACCEPTED, STARTED, STABLE: no state is seen again once the next was."""
    assert cluster.services("POST", body=sleeper(name)).status == 202
    seen: list[str] = []

    def is_stable() -> bool:
        state = cluster.service(name).get("state", "none")
        if state != seen[-1:]:
            seen.append(state)
        return bool(state == "STABLE")

    wait_until(is_stable, DEADLINE, f"{name} in STABLE")
    order = [state for state in dict.fromkeys(seen) if state != "none"]
    assert [state for state in ("ACCEPTED", "STARTED", "STABLE") if state in order] == order
    assert order[-1] == "STABLE"


def test_shape_of_a_service(cluster: Cluster, running: dict[str, Any]) -> None:
    """What is read of a running service and its containers is there, of the documented types."""
    component = running["components"][0]
    only = containers(running)[0]
    assert running["id"] == cluster.application("shared")["id"]
    assert (running["name"], running["state"]) == ("shared", "STABLE")
    assert (component["name"], component["state"], component["number_of_containers"]) == ("web", "STABLE", 1)
    assert only["component_instance_name"] == "web-0"
    assert only["state"] == "READY"
    assert re.fullmatch(r"container_(e\d+_)?\d+_\d{4}_\d\d_\d{6}", only["id"])
    assert isinstance(only["launch_time"], int)
    assert only["ip"]
    assert only["hostname"]
    assert only["bare_host"]


def test_a_taken_name(cluster: Cluster, running: dict[str, Any]) -> None:
    """A second POST of a name is 500, not 409, and changes nothing."""
    answer = cluster.services("POST", body=sleeper("shared", 2))
    assert answer.status == 500
    assert answer.document()["diagnostics"] == "Service name shared is already taken."
    assert len(containers(cluster.service("shared"))) == 1


def test_unknown_service(cluster: Cluster) -> None:
    """GET is 404 with a code of its own, DELETE 400, PUT STOPPED and FLEX no success."""
    got = cluster.services("GET", "/nothing")
    assert (got.status, got.document()["diagnostics"]) == (404, "Service nothing not found")
    gone = cluster.services("DELETE", "/nothing")
    assert (gone.status, gone.document()["diagnostics"]) == (400, "Service nothing doesn't exist")
    assert cluster.services("PUT", "/nothing", {"state": "STOPPED"}).status in (404, 500)
    flexed = {"state": "FLEX", "components": [{"name": "web", "number_of_containers": 2}]}
    assert cluster.services("PUT", "/nothing", flexed).status in (404, 500)


@pytest.mark.parametrize(
    ("body", "words"),
    [(b'{"name": "x", ', "JsonParseException|JsonEOFException|end-of-input"), (b"[]", "MismatchedInput|deserialize")],
    ids=["half", "a list"],
)
def test_malformed_json(cluster: Cluster, body: bytes, words: str) -> None:
    """Bad JSON is 404 with Jackson's exception, not 400."""
    answer = _post(cluster, body)
    assert answer.status == 404
    assert re.search(words, answer.text)


def test_unknown_field(cluster: Cluster) -> None:
    """A field that this Hadoop does not know is 404 and named."""
    answer = cluster.services("POST", body={**sleeper("unknown"), "replicas": 3})
    assert answer.status == 404
    assert 'Unrecognized field \\"replicas\\"' in answer.text
    assert cluster.services("GET", "/unknown").status == 404


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({**sleeper("ok"), "name": "Upper"}, "Invalid|must"),
        ({"name": "empty", "version": "1", "components": []}, "[Nn]o component"),
        (sleeper("nocommand", command=None), "launch_command is required"),
        (sleeper("negative", -1), "Invalid no of containers"),
    ],
    ids=["name", "no components", "no command", "negative count"],
)
def test_refused_specs(cluster: Cluster, document: dict[str, Any], words: str) -> None:
    """What YARN validates is 400 with its reason, and no definition is left."""
    answer = cluster.services("POST", body=document)
    assert answer.status == 400
    assert re.search(words, answer.document()["diagnostics"])
    assert cluster.services("GET", f"/{document['name']}").status == 404


def test_an_empty_command(cluster: Cluster, name: str) -> None:
    """An empty launch_command is no missing one: YARN takes it."""
    assert cluster.services("POST", body=sleeper(name, command="")).status == 202


def test_flex(cluster: Cluster, name: str) -> None:
    """FLEX up and down is 202, and the service comes to the number that was asked for."""
    assert cluster.services("POST", body=sleeper(name)).status == 202
    first = containers(cluster.until(name, "STABLE", 1))[0]["id"]
    for count in (3, 1):
        body = {"state": "FLEX", "components": [{"name": "web", "number_of_containers": count}]}
        answer = cluster.services("PUT", f"/{name}", body)
        assert (answer.status, answer.document()["state"]) == (202, "ACCEPTED")
        shown = cluster.until(name, "STABLE", count)
        assert shown["components"][0]["number_of_containers"] == count
    assert containers(shown)[0]["id"] == first


def test_flex_away_from_a_size_without_room(cluster: Cluster, name: str) -> None:
    """A size that YARN cannot reach is left for another while FLEXING; what ran goes on, and it can grow again."""
    body = sleeper(name, resource={"cpus": 1, "memory": "3000"})
    assert cluster.services("POST", body=body).status == 202
    first = containers(cluster.until(name, "STABLE", 1))[0]["id"]
    for count, state, ready in ((7, "STARTED", None), (1, "STABLE", 1), (2, "STABLE", 2)):
        flexed = {"state": "FLEX", "components": [{"name": "web", "number_of_containers": count}]}
        assert cluster.services("PUT", f"/{name}", flexed).status == 202
        shown = cluster.until(name, state, ready)
        assert shown["components"][0]["number_of_containers"] == count
        assert first in [each["id"] for each in containers(shown)]


def test_decommission(cluster: Cluster, name: str) -> None:
    """A decommissioned instance goes, its number goes with it, and the next one gets a new number."""
    assert cluster.services("POST", body=sleeper(name, 2)).status == 202
    cluster.until(name, "STABLE", 2)
    body = {"components": [{"name": "web", "decommissioned_instances": ["web-0"]}]}
    assert cluster.services("PUT", f"/{name}", body).status in (200, 202)
    left = cluster.until(name, "STABLE", 1)
    assert [each["component_instance_name"] for each in containers(left)] == ["web-1"]
    flexed = {"state": "FLEX", "components": [{"name": "web", "number_of_containers": 2}]}
    assert cluster.services("PUT", f"/{name}", flexed).status == 202
    names = [each["component_instance_name"] for each in containers(cluster.until(name, "STABLE", 2))]
    assert sorted(names) == ["web-1", "web-2"]


def test_stop_start_destroy(cluster: Cluster, name: str) -> None:
    """Stopped keeps the definition, started is a new application, destroyed is gone, each said twice is refused."""
    assert cluster.services("POST", body=sleeper(name)).status == 202
    before = cluster.until(name, "STABLE", 1)["id"]
    assert cluster.services("PUT", f"/{name}", {"state": "STARTED"}).status == 400
    stopped = cluster.services("PUT", f"/{name}", {"state": "STOPPED"})
    assert (stopped.status, stopped.document()["diagnostics"]) == (200, f"Successfully stopped service {name}")
    cluster.until(name, "STOPPED")
    again = cluster.services("PUT", f"/{name}", {"state": "STOPPED"})
    assert (again.status, again.document()["diagnostics"]) == (400, f"Service {name} is already stopped")
    assert cluster.services("POST", body=sleeper(name)).status == 500
    started = cluster.services("PUT", f"/{name}", {"state": "STARTED"})
    assert started.status == 200
    assert f"Service {name} is successfully started with ApplicationId: application_" in started.text
    assert cluster.until(name, "STABLE", 1)["id"] != before
    destroyed = cluster.services("DELETE", f"/{name}")
    assert (destroyed.status, destroyed.document()["diagnostics"]) == (200, f"Successfully destroyed service {name}")
    assert cluster.services("GET", f"/{name}").status == 404
    assert cluster.services("DELETE", f"/{name}").status == 400


def test_a_container_that_ends_is_replaced(cluster: Cluster, name: str) -> None:
    """A command that ends is started again, and the service says STABLE and READY meanwhile."""
    assert cluster.services("POST", body=sleeper(name, command="sleep 3; exit 3")).status == 202
    first = cluster.until(name, "STABLE", 1)

    def is_other() -> bool:
        shown = containers(cluster.service(name))
        return bool(shown) and (shown[0]["id"], shown[0]["launch_time"]) != _identity(first)

    wait_until(lambda: is_other() or _restarts(cluster) > 0, DEADLINE, "another start")
    assert cluster.service(name)["state"] in ("STABLE", "STARTED")


def test_users_do_not_see_each_other(cluster: Cluster, running: dict[str, Any]) -> None:
    """Services are by user: alice's is 404 for bob and for nobody, who may not even launch one."""
    assert cluster.services("GET", "/shared", user="bob").status == 404
    # 403 where HDFS lets nobody else look into the directory that services share (real-hadoop.md 7, item 9).
    assert cluster.services("DELETE", "/shared", user="bob").status in (400, 403)
    assert cluster.services("GET", "/shared", user=None).status == 404
    assert cluster.services("POST", body=sleeper("nobodys"), user=None).status == 403
    assert cluster.service("shared")["state"] == "STABLE"


def _post(cluster: Cluster, body: bytes) -> HttpAnswer:
    url = f"{cluster.resource_manager_url}/app/v1/services"
    return send("POST", url, body, headers={"Content-Type": "application/json"}, **{"user.name": "alice"})


def _identity(service: dict[str, Any]) -> tuple[str, int]:
    only = containers(service)[0]
    return only["id"], only["launch_time"]


def _restarts(cluster: Cluster) -> int:
    known = send("GET", f"{cluster.node_url}/ws/v1/node/containers").document()["containers"] or {}
    return sum(each["exitCode"] == 3 for each in known.get("container", []))
