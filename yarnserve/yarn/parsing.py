"""JSON documents of YARN -> records: strict about what we need, tolerant about all the rest.

Shapes are those of real clusters 3.1.4, 3.3.6 and 3.4.2. Lists that come from YARN's older JSON writer
(containers of an attempt, log files) send numbers as strings, a single item without its list, and nothing at all
for an empty list; all lists are read that way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from yarnserve.errors import MalformedAnswerError
from yarnserve.records.scheduler import Queue, Scheduler
from yarnserve.records.version import Version
from yarnserve.records.yarn import (
    Accepted,
    Application,
    ApplicationState,
    Attempt,
    ClusterInfo,
    Component,
    ComponentState,
    Container,
    ContainerState,
    LogFile,
    Node,
    NodeContainer,
    PlacedContainer,
    Service,
    ServiceState,
)

_GPU = "yarn.io/gpu"
_APPLICATION_ID = re.compile(r"\bapplication_[0-9]+_[0-9]+\b")


class _Object:
    """A JSON object that names itself when something in it is not as it should be."""

    def __init__(self, value: Any, path: str, url: str) -> None:
        if not isinstance(value, dict):
            raise _unexpected(path or "the document", "an object", value, url)
        self._value = value
        self._path = path
        self._url = url

    def has(self, name: str) -> bool:
        return self._value.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        value = self._value.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self._wrong(name, "a text", value)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._value.get(name)
        items = [] if value is None else value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in items):
            raise self._wrong(name, "a list of texts", value)
        return tuple(items)

    def number(self, name: str, default: int | None = None) -> int:
        value = self._value.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
            return int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(name, "a whole number", value)
        return value

    def moment(self, name: str) -> float | None:
        """Seconds of a time in milliseconds; None when it is missing or, YARN's way to say "not yet", 0."""
        milliseconds = self.number(name, 0)
        # Beyond float's exact integers it is no time at all, and dividing it might overflow.
        if abs(milliseconds) > 2**53:
            raise self._wrong(name, "a time in milliseconds", milliseconds)
        return milliseconds / 1000 if milliseconds else None

    def object(self, name: str) -> _Object:
        return _Object(self._value.get(name), self._join(name), self._url)

    def objects(self, name: str) -> list[_Object]:
        value = self._value.get(name)
        items = [] if value is None else value if isinstance(value, list) else [value]
        return [_Object(item, f"{self._join(name)}[{index}]", self._url) for index, item in enumerate(items)]

    def _join(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _wrong(self, name: str, expected: str, value: Any) -> MalformedAnswerError:
        return _unexpected(self._join(name), expected, value, self._url)


def parse_hadoop_version(document: Any, url: str) -> Version:
    """Read ``/app/v1/services/version``: ``{"hadoop_version": "3.1.4 from <revision> by ..."}``."""
    text = _Object(document, "", url).text("hadoop_version")
    try:
        return Version.parse((text.split() or [""])[0])
    except ValueError as error:
        raise _unexpected("hadoop_version", "a Hadoop version", text, url) from error


def parse_accepted(document: Any, url: str) -> Accepted:
    """Read the answer to a write; the application's id stands in the diagnostics (yarn-services.md 1.5)."""
    diagnostics = _Object(document, "", url).text("diagnostics", "")
    match = _APPLICATION_ID.search(diagnostics)
    return Accepted(diagnostics, match[0] if match else "")


def parse_service(document: Any, url: str) -> Service:
    """Read ``GET /app/v1/services/{name}``."""
    service = _Object(document, "", url)
    return Service(
        name=service.text("name"),
        state=ServiceState(service.text("state")),
        application_id=service.text("id", ""),
        version=service.text("version", ""),
        components=tuple(_component(each) for each in service.objects("components")),
        diagnostics=service.text("diagnostics", ""),
    )


def _component(component: _Object) -> Component:
    return Component(
        name=component.text("name"),
        state=ComponentState(component.text("state")),
        desired=component.number("number_of_containers"),
        containers=tuple(_container(each) for each in component.objects("containers")),
    )


def _container(container: _Object) -> Container:
    return Container(
        id=container.text("id"),
        instance=container.text("component_instance_name"),
        state=ContainerState(container.text("state")),
        launched_at=container.moment("launch_time"),
        ip=container.text("ip", ""),
        hostname=container.text("hostname", ""),
        bare_host=container.text("bare_host", ""),
    )


def parse_cluster_info(document: Any, url: str) -> ClusterInfo:
    """Read ``/ws/v1/cluster/info``."""
    info = _Object(document, "", url).object("clusterInfo")
    return ClusterInfo(
        id=str(info.number("id")),
        ha_state=info.text("haState"),
        hadoop_version=info.text("hadoopVersion"),
        started_at=info.moment("startedOn"),
    )


def parse_applications(document: Any, url: str) -> tuple[Application, ...]:
    """Read ``/ws/v1/cluster/apps``; no application is ``{"apps": {}}`` or ``{"apps": null}``."""
    root = _Object(document, "", url)
    return tuple(_application(each) for each in root.object("apps").objects("app")) if root.has("apps") else ()


def parse_application(document: Any, url: str) -> Application:
    """Read ``/ws/v1/cluster/apps/{id}``."""
    return _application(_Object(document, "", url).object("app"))


def _application(application: _Object) -> Application:
    return Application(
        id=application.text("id"),
        name=application.text("name"),
        user=application.text("user"),
        queue=application.text("queue", ""),
        state=ApplicationState(application.text("state")),
        final_status=application.text("finalStatus", ""),
        diagnostics=application.text("diagnostics", ""),
        started_at=application.moment("startedTime") or 0.0,
        finished_at=application.moment("finishedTime"),
    )


def parse_attempts(document: Any, url: str) -> tuple[Attempt, ...]:
    """Read ``/ws/v1/cluster/apps/{id}/appattempts``, first attempt first.

    An attempt that has no container yet has neither *am_container_id* nor *node_http_address*.
    """
    root = _Object(document, "", url)
    found = root.object("appAttempts").objects("appAttempt") if root.has("appAttempts") else []
    return tuple(
        Attempt(
            id=each.text("appAttemptId"),
            am_container_id=each.text("containerId", ""),
            node_http_address=_host_and_port(each.text("nodeHttpAddress", "")),
            avoided=tuple(sorted(filter(None, map(str.strip, each.text("blacklistedNodes", "").split(","))))),
        )
        for each in sorted(found, key=lambda each: each.number("id"))
    )


def parse_placed_containers(document: Any, url: str) -> tuple[PlacedContainer, ...]:
    """Read ``.../appattempts/{id}/containers``; an attempt without containers answers ``{}`` or ``null``."""
    if document is None:
        return ()
    return tuple(
        PlacedContainer(
            id=each.text("containerId"),
            node_id=each.text("nodeId", "") or each.text("assignedNodeId", ""),
            node_http_address=_host_and_port(each.text("nodeHttpAddress", "")),
        )
        for each in _Object(document, "", url).objects("container")
    )


def parse_nodes(document: Any, url: str) -> tuple[Node, ...]:
    """Read ``/ws/v1/cluster/nodes``."""
    root = _Object(document, "", url)
    return tuple(_node(each) for each in root.object("nodes").objects("node")) if root.has("nodes") else ()


def _node(node: _Object) -> Node:
    return Node(
        id=node.text("id"),
        host=node.text("nodeHostName"),
        http_address=node.text("nodeHTTPAddress", ""),
        state=node.text("state"),
        memory_mb=node.number("usedMemoryMB") + node.number("availMemoryMB"),
        vcores=node.number("usedVirtualCores") + node.number("availableVirtualCores"),
        gpus=_total_gpus(node),
        health_report=node.text("healthReport", ""),
        labels=node.texts("nodeLabels"),
    )


def _total_gpus(node: _Object) -> int:
    # totalResource came with 3.3.0 (yarn-services.md 6).
    names = ["totalResource"] if node.has("totalResource") else ["usedResource", "availableResource"]
    return sum(_gpus(node.object(name)) for name in names if node.has(name))


def _gpus(resource: _Object) -> int:
    if not resource.has("resourceInformations"):
        return 0
    kinds = resource.object("resourceInformations").objects("resourceInformation")
    return sum(kind.number("value") for kind in kinds if kind.text("name") == _GPU)


def parse_scheduler(document: Any, url: str) -> Scheduler:
    """Read ``/ws/v1/cluster/scheduler`` (yarn-services.md 6): the leaf queues of the whole tree."""
    info = _Object(document, "", url).object("scheduler").object("schedulerInfo")
    # FairScheduler hangs its tree below rootQueue and names queues by their whole path.
    root = info.object("rootQueue") if info.has("rootQueue") else info
    maximum = info.object("maximumAllocation") if info.has("maximumAllocation") else None
    return Scheduler(
        kind=info.text("type", ""),
        queues=tuple(_leaf_queues(root)),
        maximum_memory_mb=maximum.number("memory") if maximum else None,
        maximum_vcores=maximum.number("vCores") if maximum else None,
        resource_types=_resource_types(maximum) if maximum else None,
    )


def _leaf_queues(root: _Object) -> Iterator[Queue]:
    # A stack of our own: a hostile answer may nest deeper than Python recurses.
    waiting = [(root, "")]
    while waiting:
        queue, parent = waiting.pop()
        name = queue.text("queueName", "root")
        path = name if not parent or name.startswith(f"{parent}.") else f"{parent}.{name}"
        children = _child_queues(queue)
        waiting += [(child, path) for child in reversed(children)]
        if not children and queue.has("queueName"):
            yield _queue(queue, path)


def _child_queues(queue: _Object) -> list[_Object]:
    name = next((name for name in ("queues", "childQueues") if queue.has(name)), None)
    return queue.object(name).objects("queue") if name else []


def _queue(queue: _Object, path: str) -> Queue:
    limit = queue.object("AMResourceLimit").number("memory") if queue.has("AMResourceLimit") else None
    used = queue.object("usedAMResource").number("memory") if queue.has("usedAMResource") else 0
    return Queue(path.rpartition(".")[2], path, queue.text("state", "RUNNING"), limit, used)


def _resource_types(resource: _Object) -> frozenset[str] | None:
    if not resource.has("resourceInformations"):
        return None
    kinds = resource.object("resourceInformations").objects("resourceInformation")
    return frozenset(kind.text("name") for kind in kinds)


def parse_configuration(document: Any, url: str) -> dict[str, str]:
    """Read ``/conf`` of a daemon: its properties by name, those without a value left out."""
    properties = _Object(document, "", url).objects("properties")
    return {each.text("key"): each.text("value") for each in properties if each.has("value")}


def parse_node_containers(document: Any, url: str) -> tuple[NodeContainer, ...]:
    """Read a NodeManager's ``/ws/v1/node/containers``."""
    root = _Object(document, "", url)
    found = root.object("containers").objects("container") if root.has("containers") else []
    return tuple(
        NodeContainer(
            id=each.text("id"),
            state=each.text("state"),
            exit_code=each.number("exitCode"),
            diagnostics=each.text("diagnostics", ""),
        )
        for each in found
    )


def parse_log_files(document: Any, url: str) -> tuple[LogFile, ...]:
    """Read ``.../containers/{id}/logs`` of a NodeManager or a log server, by name; a file listed twice counts once."""
    sizes: dict[str, int] = {}
    # A log server sends what stands inside a NodeManager's object (real-hadoop.md 7, item 19).
    whole = {"containerLogsInfo": document} if isinstance(document, list) else document
    for kind in _Object(whole, "", url).objects("containerLogsInfo"):
        for each in kind.objects("containerLogInfo"):
            sizes.setdefault(each.text("fileName"), each.number("fileSize"))
    return tuple(LogFile(name, sizes[name]) for name in sorted(sizes))


def _host_and_port(address: str) -> str:
    # An attempt's address is bare, a container's comes with its scheme.
    return address.split("://", 1)[-1]


def _unexpected(path: str, expected: str, value: Any, url: str) -> MalformedAnswerError:
    found = "nothing" if value is None else repr(value)
    return MalformedAnswerError(
        "the answer is not what YARN sends", where=url, why=f"{path}: expected {expected}, found {found[:80]}"
    )
