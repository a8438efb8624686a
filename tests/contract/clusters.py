"""One cluster as the contract tests see it, whether the sandbox or a real Hadoop answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.hadoop.cluster import RealHadoop
from tests.hadoop.versions import VERSIONS
from tests.sandbox.cluster_support import HttpAnswer, send
from tests.support import wait_until
from yarnserve.sandbox import Sandbox

#: The sandboxes that imitate the versions of the real clusters.
SANDBOXES = [f"sandbox-{version}" for version in VERSIONS]

#: Seconds within which a cluster has to come to what is waited for: real ones start a JVM for every service.
DEADLINE = 90.0


@dataclass(frozen=True)
class Cluster:
    """A cluster on which alice and bob have homes; *name* is ``sandbox-VERSION`` or ``hadoop-VERSION``."""

    name: str
    version: str
    resource_manager_url: str
    namenode_url: str
    httpfs_url: str
    environment: Mapping[str, str]

    @classmethod
    def of(cls, cluster: Sandbox | RealHadoop) -> Cluster:
        """Return what of *cluster* is asked."""
        is_sandbox = isinstance(cluster, Sandbox)
        version = cluster.hadoop_version if isinstance(cluster, Sandbox) else cluster.version
        return cls(
            f"{'sandbox' if is_sandbox else 'hadoop'}-{version}",
            version,
            cluster.resource_manager_url,
            cluster.namenode_url,
            cluster.httpfs_url,
            cluster.environment,
        )

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers."""
        return tuple(int(part) for part in self.version.split("."))

    def services(
        self, method: str, path: str = "", body: Any = None, *, user: str | None = "alice", **query: str
    ) -> HttpAnswer:
        """Ask the services API as *user*."""
        asked = {"user.name": user, **query} if user else query
        return send(method, f"{self.resource_manager_url}/app/v1/services{path}", body, **asked)

    def yarn(self, path: str, method: str = "GET", body: Any = None, **query: str) -> HttpAnswer:
        """Ask the ResourceManager below ``/ws/v1/cluster``."""
        url = f"{self.resource_manager_url}/ws/v1/cluster{path}"
        return send(method, url, body, **{"user.name": "alice", **query})

    def service(self, name: str) -> dict[str, Any]:
        """The service as YARN shows it; empty where it shows none."""
        answer = self.services("GET", f"/{name}")
        document = answer.document() if answer.status == 200 else {}
        return document if isinstance(document, dict) else {}

    def until(self, name: str, state: str, count: int | None = None) -> dict[str, Any]:
        """Wait until the service has *state*, with *count* READY containers; return it."""

        def reached() -> dict[str, Any]:
            shown = self.service(name)
            ready = [each for each in containers(shown) if each["state"] == "READY"]
            return shown if shown.get("state") == state and count in (None, len(ready)) else {}

        return wait_until(reached, DEADLINE, f"{name} in {state}")

    def destroy(self, name: str) -> None:
        """Leave nothing of a service; a refusal that it ends is asked again."""
        wait_until(lambda: self.services("DELETE", f"/{name}").status in (200, 204, 400, 404), DEADLINE, f"no {name}")

    def application(self, name: str) -> dict[str, Any]:
        """The one application of that name that has not ended."""
        apps = (self.yarn("/apps", name=name).document()["apps"] or {}).get("app", [])
        (running,) = (app for app in apps if app["name"] == name and app["state"] in ("ACCEPTED", "RUNNING"))
        return dict(running)

    @property
    def node_url(self) -> str:
        """The NodeManager's web server."""
        (node,) = self.yarn("/nodes").document()["nodes"]["node"]
        return f"http://{node['nodeHTTPAddress']}"


def containers(service: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All containers of a service."""
    return [each for component in service.get("components", []) for each in component.get("containers", [])]


def sleeper(name: str, count: int = 1, *, command: str | None = "sleep 1000", **more: Any) -> dict[str, Any]:
    """A service of one component ``web`` that needs no program of ours."""
    component = {
        "name": "web",
        "number_of_containers": count,
        "launch_command": command,
        "resource": {"cpus": 1, "memory": "128"},
        **more,
    }
    return {"name": name, "version": "1", "components": [component]}
