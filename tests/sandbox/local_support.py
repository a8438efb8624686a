"""This host as somebody sees it who knows a NameNode and no ResourceManager."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.conftest import DIGITS, Ran, Shell
from tests.sandbox.yarn_support import connection_to
from tests.support import claimed_ports
from yarnserve.repository.publish import publish
from yarnserve.sandbox import Sandbox

#: The digits, in the repository of the sandbox.
BASE = "/user/alice/models/digits"


@contextmanager
def hdfs_with_digits() -> Iterator[Sandbox]:
    """A sandbox with one version of the digits."""
    with Sandbox(user="alice") as running:
        with connection_to(running) as connection:
            publish(connection.storage, DIGITS / "model" / "1", BASE, 1)
        yield running


@dataclass
class Host:
    """A host with ports of its own, and what is run on it."""

    shell: Shell
    directory: Path
    port: int

    def spec(self, **fields: Any) -> str:
        """Write service.yaml, with *fields* in place of its own, and return its name."""
        document = {
            "name": "digits",
            "model": {"base_path": BASE, "delivery": "sync", "example": str(DIGITS / "example.json")},
            "serving": {"version": "2.6", "flags": {"prefer_tflite_model": True}},
            "resources": {"memory": "512m"},
            "ports": {"grpc": self.port, "rest": self.port + 1, "agent": self.port + 2},
            "agent": {"poll": "1s", "quiet": "1s", "drain": "3s"},
            **fields,
        }
        path = self.directory / "service.yaml"
        path.write_text(json.dumps({name: value for name, value in document.items() if value is not None}))
        return str(path)

    def local(self, *arguments: str, **exports: str) -> Ran:
        """Run ``yarnserve local``."""
        return self.shell("local", *arguments, **exports)

    def up(self, *arguments: str, **fields: Any) -> Ran:
        """Bring the service up, and be sure that it is."""
        ran = self.local("up", self.spec(**fields), "--timeout", "30", *arguments)
        assert ran.status == 0, ran.stderr
        return ran

    def replicas(self) -> list[dict[str, Any]]:
        """What status says of each replica."""
        replicas: list[dict[str, Any]] = self.local("status", "digits", "-o", "json").document["replicas"]
        return replicas

    def ids(self) -> dict[str, str]:
        """The process of each replica that runs."""
        return {each["instance"]: each["id"] for each in self.replicas() if each["endpoint"]}


@contextmanager
def a_host(cluster: Sandbox, directory: Path) -> Iterator[Host]:
    """With ports of its own; what runs there at the end is ended."""
    bin_directory = Path(cluster.environment["HADOOP_CONF_DIR"]).parent / "bin"
    with claimed_ports() as port:
        shell = Shell(
            {
                "PATH": f"{bin_directory}{os.pathsep}{os.environ['PATH']}",
                "YARNSERVE_NAMENODE": cluster.namenode_url,
                "YARNSERVE_USER": "alice",
                "XDG_STATE_HOME": str(directory / "state"),
            }
        )
        host = Host(shell, directory, port)
        yield host
        assert host.local("down", "digits", "--purge").status in (0, 5)
