"""A cluster driven by hand, and a plain HTTP client for one that runs."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.support import wait_until
from yarnserve.sandbox import binding
from yarnserve.sandbox.cluster import Cluster
from yarnserve.sandbox.docker import DockerHost
from yarnserve.sandbox.node import Node, Resource
from yarnserve.sandbox.profile import HADOOP_3_1_4, Profile
from yarnserve.sandbox.runtime import Check, Launch, NodeAddress
from yarnserve.sandbox.services import Services

START = 1_000_000.0

#: Seconds without a byte after which `send` gives up: real clusters that boot on two busy cores have taken twenty.
_PATIENCE = 60.0


@dataclass
class Script:
    """A container that a test plays."""

    launch: Launch
    exit_code: int | None = None
    signals: list[int] = field(default_factory=list)


class ScriptedRuntime:
    """Starts nothing: *scripts* holds every start in order, and the test sets exit codes. TERM is ignored."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.forgotten: list[str] = []
        self.checks: list[Check] = []
        self.passes = True

    def start(self, launch: Launch) -> Script:
        """Record a start."""
        self.scripts.append(Script(launch))
        return self.scripts[-1]

    def poll(self, handle: Script) -> int | None:
        """Return what the test has set."""
        return handle.exit_code

    def kill(self, handle: Script, signal: int) -> None:
        """Record a signal; KILL works."""
        handle.signals.append(signal)
        if signal == 9:
            handle.exit_code = 137

    def address(self, handle: Script) -> tuple[str, str]:
        """Return an address."""
        return "10.0.0.1", "worker"

    def probe(self, check: Check, ip: str) -> Future[bool]:
        """Answer at once."""
        self.checks.append(check)
        future: Future[bool] = Future()
        future.set_result(self.passes)
        return future

    def logs(self, container_id: str) -> Path:
        """Return a place where nothing is."""
        return Path("/nonexistent") / container_id

    def forget(self, launch: Launch) -> None:
        """Record it."""
        self.forgotten.append(launch.container_id)

    def of(self, instance: str) -> list[Script]:
        """Return the starts of one instance, whose command is ``run <instance>``."""
        return [script for script in self.scripts if f"run {instance} " in script.launch.command]


class AnyHome:
    """An HDFS where everybody but *stranger* has a home directory and */there* exists."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def exists(self, path: str) -> bool:
        """Whether it is /there."""
        return path == "/there" or path in self.files

    def read(self, path: str) -> bytes:
        """Return what was written, or what is /there."""
        return b"there" if path == "/there" else self.files[path]

    def write(self, path: str, body: bytes, user: str) -> None:
        """Keep it."""
        self.files[path] = body

    def forget(self, user: str, service: str) -> None:
        """Drop the service's files."""
        self.files = {path: body for path, body in self.files.items() if f"/services/{service}/" not in path}

    def denial(self, user: str, service: str) -> tuple[int, str] | None:
        """Refuse the stranger."""
        return (403, f"Permission denied: user={user}") if user == "stranger" else None


class Lab:
    """A cluster of two nodes and its services, with a clock that only the test moves."""

    def __init__(
        self,
        *,
        capacity: Resource | None = None,
        profile: Profile = HADOOP_3_1_4,
        docker: DockerHost | None = None,
    ) -> None:
        self.now = START
        self.runtime = ScriptedRuntime()
        capacity = capacity or Resource(8192, 16, 0)
        self.nodes = [
            Node(NodeAddress("localhost", 45454 + index, 8042 + index), capacity, profile, self.runtime, docker)
            for index in (0, 1)
        ]
        home = AnyHome()
        self.cluster = Cluster(self.nodes, profile, filesystem="hdfs://localhost:8020", store=home, now=self.now)
        self.services = Services(self.cluster, home)

    def run(self, seconds: float, step: float = 0.05) -> None:
        """Let *seconds* pass in steps."""
        for _ in range(round(seconds / step)):
            self.now += step
            self.cluster.advance(self.now)

    def until(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        """Let time pass until *condition* holds, at most *seconds*."""
        ends = self.now + seconds
        while not condition():
            assert self.now < ends, f"not within {seconds} s"
            self.run(0.05)

    def create(self, document: dict[str, Any], user: str = "alice") -> str:
        """POST a service; return its application's id."""
        bound = binding.with_defaults(binding.bind_service(document, self.cluster.profile), self.cluster.profile)
        diagnostics: str = self.services.create(user, bound, self.now)["diagnostics"]
        return diagnostics.removeprefix("Application ID: ")

    def get(self, name: str = "svc", user: str = "alice") -> dict[str, Any]:
        """GET a service."""
        return self.services.get(user, name, self.now)

    def states(self, name: str = "svc") -> tuple[str, dict[str, str], dict[str, str]]:
        """Return the state of a service, of its components, and of its instances."""
        document = self.get(name)
        components = {component["name"]: component["state"] for component in document["components"]}
        instances = {
            container["component_instance_name"]: container["state"]
            for component in document["components"]
            for container in component["containers"]
        }
        return document["state"], components, instances

    def container(self, instance: str, name: str = "svc") -> str:
        """Return the container id shown for an instance."""
        return next(
            container["id"]
            for component in self.get(name)["components"]
            for container in component["containers"]
            if container["component_instance_name"] == instance
        )


def component(
    name: str = "web", count: int = 1, properties: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Return a component whose command is ``run <instance>``."""
    return {
        "name": name,
        "number_of_containers": count,
        "launch_command": "run ${COMPONENT_INSTANCE_NAME}",
        "resource": {"cpus": 1, "memory": "64"},
        "configuration": {"properties": dict(properties or {})},
        **more,
    }


def service(*components: dict[str, Any], name: str = "svc", **more: Any) -> dict[str, Any]:
    """Return a service with readiness ticks every second."""
    properties = {"yarn.service.readiness-check-interval.seconds": "1"}
    configuration = {"properties": properties}
    return {"name": name, "version": "1", "components": list(components), "configuration": configuration, **more}


@dataclass(frozen=True)
class HttpAnswer:
    """What came back."""

    status: int
    content_type: str
    body: bytes
    location: str = ""

    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


def send(
    method: str, url: str, body: Any = None, *, headers: Mapping[str, str] | None = None, **query: str
) -> HttpAnswer:
    """Send one request; a body that is no bytes is sent as JSON."""
    parts = urlsplit(url)
    target = "?".join(filter(None, (parts.path, "&".join(filter(None, (parts.query, urlencode(query)))))))
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Type": "application/json"} if headers is None and body is not None else dict(headers or {})
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
    try:
        connection.request(method, target, body=data, headers=given)
        answer = connection.getresponse()
        location = answer.getheader("Location", "")
        return HttpAnswer(answer.status, answer.getheader("Content-Type", ""), answer.read(), location)
    finally:
        connection.close()


def wait_for_state(url: str, state: str, user: str = "alice") -> dict[str, Any]:
    """Wait until the service at *url* has *state*; return it."""

    def reached() -> dict[str, Any] | None:
        document: dict[str, Any] = send("GET", url, **{"user.name": user}).document()
        return document if document.get("state") == state else None

    return wait_until(reached, what=f"{url} in {state}")
