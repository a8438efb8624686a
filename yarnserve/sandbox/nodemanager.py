"""``/ws/v1/node`` of a NodeManager: its containers and their logs (yarn-services.md 6; golden 3.1.4)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from yarnserve.sandbox import daemon_configuration, shapes
from yarnserve.sandbox.faults import Fault
from yarnserve.sandbox.node import Node, NodeContainer
from yarnserve.sandbox.web_answers import Handler, answer, bad_request, not_found, text, wrapped

_NODE = "/ws/v1/node"
_UNKNOWN = (
    "org.apache.hadoop.yarn.webapp.NotFoundException: java.lang.Exception: Unknown container. Container either has "
    "not started or has already completed or doesn't belong to this node at all."
)


class NodeApi:
    """Handlers for *node*."""

    def __init__(self, node: Node, started_at: float, clock: Callable[[], float]) -> None:
        self._node = node
        self._started_at = started_at
        self._clock = clock

    def add_to(self, application: web.Application) -> None:
        """Route the API's paths."""
        router = application.router
        application.middlewares.append(self._switch)
        router.add_get("/conf", self._configuration)
        router.add_get(f"{_NODE}/info", self._info)
        router.add_get(f"{_NODE}/containers", self._containers)
        router.add_get(f"{_NODE}/containers/{{id}}", self._container)
        router.add_get(f"{_NODE}/containers/{{id}}/logs", self._log_files)
        router.add_get(f"{_NODE}/containers/{{id}}/logs/{{file}}", self._log)
        router.add_get(f"{_NODE}/containerlogs/{{id}}/{{file}}", self._log)

    @web.middleware
    async def _switch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if Fault.NODES_SILENT in self._node.faults and request.transport is not None:
            request.transport.close()
        return await handler(request)

    async def _configuration(self, request: web.Request) -> web.Response:
        return daemon_configuration.configuration(request, daemon_configuration.node_manager(self._node))

    async def _info(self, request: web.Request) -> web.Response:
        profile, capacity = self._node.profile, self._node.capacity
        info = {
            "healthReport": "",
            "totalPmemAllocatedContainersMB": capacity.memory_mb,
            "totalVCoresAllocatedContainers": capacity.vcores,
            "vmemCheckEnabled": False,
            "pmemCheckEnabled": False,
            "lastNodeUpdateTime": shapes.milliseconds(self._clock()),
            "nodeHealthy": True,
            "nodeManagerVersion": profile.version,
            "nodeManagerBuildVersion": profile.build_version,
            "nodeManagerVersionBuiltOn": profile.built_on,
            "hadoopVersion": profile.version,
            "hadoopBuildVersion": profile.build_version,
            "hadoopVersionBuiltOn": profile.built_on,
            "id": self._node.address.id,
            "nodeHostName": self._node.address.host,
            "nmStartupTime": shapes.milliseconds(self._started_at),
        }
        return answer({"nodeInfo": info})

    async def _containers(self, request: web.Request) -> web.Response:
        shown = [self._shape(container) for container in self._node.containers.values()]
        return answer({"containers": {"container": shown} if shown else {}})

    async def _container(self, request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        if not wanted.startswith("container_"):
            raise bad_request(f"java.lang.Exception: invalid container id, {wanted}")
        container = self._node.containers.get(wanted)
        if container is None:
            raise not_found(f"container with id, {wanted}, not found")
        return answer({"container": self._shape(container)})

    async def _log_files(self, request: web.Request) -> web.Response:
        container = self._known(request)
        files = [
            {"fileName": path.name, "fileSize": str(path.stat().st_size), "lastModifiedTime": _modified(path)}
            for path in self._files(container)
        ]
        return answer(
            {
                "containerLogsInfo": {
                    "containerLogInfo": files,
                    "logAggregationType": "LOCAL",
                    "containerId": container.id,
                    "nodeId": self._node.address.id,
                }
            }
        )

    async def _log(self, request: web.Request) -> web.Response:
        container = self._known(request)
        wanted = request.match_info["file"]
        path = next((path for path in self._files(container) if path.name == wanted), None)
        if path is None:
            return text("java.lang.Exception: Cannot find this log on the local disk.", 404)
        return text(self._framed(container, path, _size(request)))

    def _framed(self, container: NodeContainer, path: Path, size: int) -> str:
        data = path.read_bytes()
        shown = data[size:] if size < 0 else data[:size]
        mark = f"End of LogType:{path.name}"
        end = f"{mark}.\n"
        if not container.completed:
            end = f"{mark}.This log file belongs to a running container ({container.id}) and so may not be complete.\n"
        end += f"{'*' * (len(mark) + 50)}\n\n"
        if not data:
            # an empty file comes without its head (golden 3.1.4, section quoting)
            return end
        return (
            f"Container: {container.id} on {self._node.address.id}\nLogAggregationType: LOCAL\n{'=' * 68}\n"
            f"LogType:{path.name}\nLogLastModifiedTime:{_modified(path)}\nLogLength:{len(data)}\nLogContents:\n"
            f"{shown.decode('utf-8', 'replace')}{end}"
        )

    def _known(self, request: web.Request) -> NodeContainer:
        container = self._node.containers.get(request.match_info["id"])
        if container is None:
            raise wrapped(self._node.profile.generic_failure, "javax.ws.rs.WebApplicationException", _UNKNOWN)
        return container

    def _files(self, container: NodeContainer) -> list[Path]:
        directory = self._node.runtime.logs(container.id)
        return sorted(directory.iterdir()) if directory.is_dir() else []

    def _shape(self, container: NodeContainer) -> shapes.Shape:
        return shapes.node_container(container, [path.name for path in self._files(container)])


def _modified(path: Path) -> str:
    return time.strftime("%a %b %d %H:%M:%S +0000 %Y", time.gmtime(path.stat().st_mtime))


def _size(request: web.Request) -> int:
    try:
        return int(request.query["size"])
    except KeyError:
        return 2**63 - 1
    except ValueError:
        raise bad_request("java.lang.NumberFormatException: size") from None
