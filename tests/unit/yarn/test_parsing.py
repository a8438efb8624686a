"""YARN's JSON -> records: everything that real clusters answered, and anything that they might."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import golden
from yarnserve.errors import MalformedAnswerError
from yarnserve.records.version import Version
from yarnserve.records.yarn import (
    NOT_EXITED,
    Accepted,
    ApplicationState,
    ComponentState,
    ContainerState,
    LogFile,
    NodeContainer,
    PlacedContainer,
    Service,
    ServiceState,
)
from yarnserve.yarn import parsing

VERSIONS = ["3.1.4", "3.3.6", "3.4.2"]

PARSERS: dict[str, Callable[[Any, str], Any]] = {
    r"/app/v1/services/version": parsing.parse_hadoop_version,
    r"/app/v1/services/[a-z0-9-]+/?": parsing.parse_service,
    r"/ws/v1/cluster/info": parsing.parse_cluster_info,
    r"/ws/v1/cluster/apps": parsing.parse_applications,
    r"/ws/v1/cluster/apps/application_\w+": parsing.parse_application,
    r"/ws/v1/cluster/apps/application_\w+/appattempts": parsing.parse_attempts,
    r"/ws/v1/cluster/apps/application_\w+/appattempts/\w+/containers": parsing.parse_placed_containers,
    r"/ws/v1/cluster/nodes": parsing.parse_nodes,
    r"/ws/v1/cluster/scheduler": parsing.parse_scheduler,
    r"/ws/v1/node/containers": parsing.parse_node_containers,
    r"/ws/v1/node/containers/\w+/logs": parsing.parse_log_files,
}


@functools.cache
def recorded(version: str) -> list[tuple[dict[str, Any], Any]]:
    """Every successful GET that we have a parser for, with what it parses to."""
    found = []
    for exchange in golden(version):
        path = exchange.get("path") or ""
        if exchange.get("method") != "GET" or exchange.get("status") != 200:
            continue
        for pattern, parse in PARSERS.items():
            if re.fullmatch(pattern, path):
                found.append((exchange, parse(exchange["body"], path)))
                break
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recorded_answer_is_read(version: str) -> None:
    """Each answer of a real cluster parses, no state is unknown, and every parser was exercised."""
    used = set()
    for exchange, record in recorded(version):
        used.add(next(pattern for pattern in PARSERS if re.fullmatch(pattern, exchange["path"])))
        assert "UNKNOWN" not in repr(record), exchange["step"]
    assert used == set(PARSERS)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_recorded_version(version: str) -> None:
    """The services API and /info agree on the version of the cluster."""
    by_path = {exchange["path"]: record for exchange, record in recorded(version)}
    assert by_path["/app/v1/services/version"] == Version.parse(version)
    assert by_path["/ws/v1/cluster/info"].hadoop_version == version
    assert by_path["/ws/v1/cluster/info"].ha_state == "ACTIVE"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recorded_stable_service(version: str) -> None:
    """A STABLE service has its components, and each READY container its instance, start and host."""
    services = [record for _, record in recorded(version) if isinstance(record, Service) and record.name == "life"]
    stable = next(service for service in services if service.state is ServiceState.STABLE)
    web = stable.component("web")
    assert web is not None
    assert (web.state, web.desired) == (ComponentState.STABLE, 2)
    assert [container.instance for container in web.containers] in (["web-0", "web-1"], ["web-1", "web-0"])
    assert {container.state for container in web.containers} == {ContainerState.READY}
    assert all(1.7e9 < (container.launched_at or 0) < 1.9e9 for container in web.containers)
    assert {container.bare_host for container in web.containers} == {"localhost"}
    assert stable.application_id.startswith("application_")


def test_a_recorded_service_that_does_not_run() -> None:
    """3.1.4 tells neither id nor version nor components of a saved service: empty, and no error."""
    saved = next(record for _, record in recorded("3.1.4") if isinstance(record, Service) and record.name == "saved")
    assert saved == Service("saved", ServiceState.STOPPED)


def test_a_recorded_application_that_was_killed() -> None:
    """An ended application has its end in seconds, a running one has none."""
    applications = [
        record for exchange, record in recorded("3.1.4") if re.search(r"/apps/application_\w+$", exchange["path"])
    ]
    killed = next(each for each in applications if each.state is ApplicationState.KILLED)
    running = next(each for each in applications if each.state is ApplicationState.RUNNING)
    assert killed.finished_at is not None
    assert 0 < killed.finished_at - killed.started_at < 3600
    assert (running.finished_at, running.user, running.final_status) == (None, "alice", "UNDEFINED")


def test_recorded_containers_and_attempts() -> None:
    """Attempts come first one first; a placed container names its NodeManager as host:port, without a scheme."""
    by_path = [(exchange["path"], record) for exchange, record in recorded("3.1.4")]
    attempts = [record for path, record in by_path if path.endswith("appattempts")]
    assert [each.id[-6:] for each in max(attempts, key=len)[:2]] == ["000001", "000002"]
    placed = next(record for path, record in by_path if path.endswith("/containers") and "appattempt_" in path)
    assert {each.node_http_address for each in placed} == {"localhost:8042"}
    assert len(placed) == 4


def test_a_recorded_container_that_was_relaunched_in_place() -> None:
    """The exit code of a running container is that of its last death, or NOT_EXITED."""
    first = next(
        record
        for _, record in recorded("3.1.4")
        if record and isinstance(record, tuple) and isinstance(record[0], NodeContainer)
    )
    assert {(each.state, each.exit_code) for each in first} == {("RUNNING", NOT_EXITED)}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recorded_scheduler(version: str) -> None:
    """CapacityScheduler tells its leaf queue, the room for ApplicationMasters in it, and the largest container."""
    scheduler = next(record for exchange, record in recorded(version) if exchange["path"].endswith("/scheduler"))
    queue = scheduler.queue("default")
    assert (scheduler.kind, queue.path, queue.state) == ("capacityScheduler", "root.default", "RUNNING")
    assert (queue.am_limit_mb, scheduler.maximum_memory_mb, scheduler.maximum_vcores) == (6592, 4096, 4)
    assert scheduler.resource_types == {"memory-mb", "vcores"}
    assert scheduler.queue("root.default") is queue
    assert scheduler.queue("root") is None


def test_a_tree_of_queues() -> None:
    """A leaf queue is found by its whole path, in CapacityScheduler's and in FairScheduler's form."""
    capacity = {"queueName": "root", "queues": {"queue": {"queueName": "a", "queues": {"queue": [{"queueName": "b"}]}}}}
    fair = {"rootQueue": {"queueName": "root", "childQueues": {"queue": [{"queueName": "root.a.b"}]}}}
    for info in (capacity, fair):
        scheduler = parsing.parse_scheduler({"scheduler": {"schedulerInfo": {"type": "x", **info}}}, "u")
        queue = scheduler.queue("a.b")
        assert queue is not None
        assert (queue.path, queue.name, queue.am_limit_mb) == ("root.a.b", "b", None)


def test_a_recorded_node() -> None:
    """Totals are used and available together, on every version."""
    for version in VERSIONS:
        nodes = next(record for exchange, record in recorded(version) if exchange["path"].endswith("/nodes"))
        assert [(node.memory_mb, node.vcores, node.gpus, node.state) for node in nodes] == [(8192, 16, 0, "RUNNING")]


@pytest.mark.parametrize("later", [True, False])
def test_the_gpus_of_a_node(later: bool) -> None:
    """GPUs are counted from totalResource where there is one, else from what is used and available."""

    def resource(gpus: int) -> dict[str, Any]:
        kinds = [{"name": "memory-mb", "value": 5}, {"name": "yarn.io/gpu", "value": gpus}]
        return {"resourceInformations": {"resourceInformation": kinds}}

    node: dict[str, Any] = {"id": "n:1", "nodeHostName": "n", "state": "RUNNING", "usedMemoryMB": 1, "availMemoryMB": 2}
    node |= {"usedVirtualCores": 3, "availableVirtualCores": 4}
    node |= {"usedResource": resource(1), "availableResource": resource(3)}
    if later:
        node["totalResource"] = resource(4)
    assert parsing.parse_nodes({"nodes": {"node": [node]}}, "u")[0].gpus == 4


@pytest.mark.parametrize(
    ("parse", "document"),
    [
        (parsing.parse_applications, {"apps": {}}),
        (parsing.parse_applications, {"apps": None}),
        (parsing.parse_nodes, {"nodes": {}}),
        (parsing.parse_nodes, {"nodes": None}),
        (parsing.parse_placed_containers, {}),
        (parsing.parse_placed_containers, None),
        (parsing.parse_attempts, {"appAttempts": None}),
        (parsing.parse_node_containers, {"containers": None}),
        (parsing.parse_log_files, {}),
    ],
)
def test_nothing_there(parse: Callable[[Any, str], Any], document: Any) -> None:
    """Each way in which YARN writes an empty list is an empty tuple."""
    assert parse(document, "u") == ()


def test_a_single_item_without_its_list() -> None:
    """YARN's older JSON writer drops the list around a single item, and writes numbers as strings."""
    one = {"containerId": "c", "assignedNodeId": "n:1", "nodeHttpAddress": "https://n:8044"}
    assert parsing.parse_placed_containers({"container": one}, "u") == (PlacedContainer("c", "n:1", "n:8044"),)
    logs = {"containerLogsInfo": [{"containerLogInfo": {"fileName": "a", "fileSize": "12"}}, {"containerLogInfo": []}]}
    assert parsing.parse_log_files(logs, "u") == (LogFile("a", 12),)


def test_the_application_id_of_a_write() -> None:
    """It is taken from the words of create and start, and is empty where they name none."""
    started = "Service x is successfully started with ApplicationId: application_1795406690572_0011"
    assert parsing.parse_accepted({"diagnostics": started}, "u").application_id == "application_1795406690572_0011"
    assert parsing.parse_accepted({"state": "ACCEPTED"}, "u") == Accepted("")


def test_a_state_that_a_later_hadoop_invents() -> None:
    """An unknown state is UNKNOWN and no error."""
    assert parsing.parse_service({"name": "x", "state": "HIBERNATING"}, "u").state is ServiceState.UNKNOWN


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([], "the document: expected an object, found []"),
        ({"name": "x"}, "state: expected a text, found nothing"),
        ({"name": 1, "state": "STABLE"}, "name: expected a text, found 1"),
        ({"name": "x", "state": "STABLE", "components": [3]}, "components[0]: expected an object, found 3"),
        (
            {
                "name": "x",
                "state": "STABLE",
                "components": [{"name": "a", "state": "STABLE", "number_of_containers": True}],
            },
            "components[0].number_of_containers: expected a whole number, found True",
        ),
    ],
)
def test_a_wrong_field_is_named(document: Any, why: str) -> None:
    """The error names the field, what was expected, what was found, and where it was asked."""
    with pytest.raises(MalformedAnswerError) as raised:
        parsing.parse_service(document, "http://rm/app")
    assert (raised.value.why, raised.value.where) == (why, "http://rm/app")


# Every name that the parsers look for, so that Hypothesis gets past the first one.
KEYS = sorted(set(re.findall(r'"([A-Za-z_]+)"', Path(parsing.__file__).read_text(encoding="utf-8"))))
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("12")
JSON = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner))


@given(JSON)
def test_any_document_is_read_or_malformed(document: Any) -> None:
    """No JSON raises anything but MalformedAnswerError, in any parser."""
    for parse in [*PARSERS.values(), parsing.parse_accepted, parsing.parse_configuration]:
        with contextlib.suppress(MalformedAnswerError):
            assert parse(document, "u") is not None


LEAVES = [{}, [], None, True, 10**400, -1, "", "x", [None], {"a": 1}]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_answer_with_any_one_value_changed(version: str) -> None:
    """A real answer in which one value is of another kind is read or malformed, wherever it stands, in every parser."""
    seen, refused = set(), set()
    for exchange, _ in recorded(version):
        pattern = next(pattern for pattern in PARSERS if re.fullmatch(pattern, exchange["path"]))
        if pattern in seen and not exchange["path"].endswith("life"):
            continue
        seen.add(pattern)
        for changed in _variants(exchange["body"]):
            try:
                PARSERS[pattern](changed, "u")
            except MalformedAnswerError:
                refused.add(pattern)
    assert seen == refused == set(PARSERS)


def _variants(value: Any) -> Iterator[Any]:
    yield from LEAVES
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        for changed in _variants(inner):
            copy = value.copy()
            copy[key] = changed
            yield copy
