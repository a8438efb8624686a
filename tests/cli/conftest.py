"""One sandbox for all tests of the command line, and the command line as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cli import forkserver
from tests.support import REPOSITORY, claimed_ports
from yarnserve.sandbox import Sandbox

DIGITS = REPOSITORY / "examples" / "digits"

#: Seconds no command of these tests may take.
COMMAND_DEADLINE = 240


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The JSON on stdout."""
        return json.loads(self.stdout)


@dataclass
class Shell:
    """Runs ``yarnserve`` with an environment of its own; *environment* is what was exported."""

    environment: dict[str, str] = field(default_factory=dict)
    directory: Path = REPOSITORY

    def __call__(self, *arguments: str, stdin: str = "", **changes: str) -> Ran:
        """Run one command to its end; *changes* are further exports."""
        environment = {**_bare_environment(), **self.environment, **changes}
        run = forkserver.run(arguments, environment, self.directory, stdin, COMMAND_DEADLINE)
        return Ran(run.returncode, run.stdout, run.stderr)

    def start(self, *arguments: str, terminal: int | None = None, stdin: int | None = None) -> subprocess.Popen[str]:
        """Start a command and leave it running; *terminal* is what it shows its output on, else it is piped."""
        return subprocess.Popen(
            [sys.executable, "-m", "yarnserve", *arguments],
            env={**_bare_environment(), **self.environment},
            cwd=self.directory,
            stdin=stdin,
            stdout=subprocess.PIPE if terminal is None else terminal,
            stderr=subprocess.PIPE if terminal is None else terminal,
            text=True,
        )


def _bare_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("YARNSERVE_", "HADOOP_"))}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Sandbox]:
    """A sandbox with the digits model and one that is missing its version."""
    with Sandbox(uploads=[(DIGITS / "model", "/models/digits")]) as running:
        yield running


@pytest.fixture
def yarnserve(cluster: Sandbox) -> Shell:
    """The command line of somebody whose environment names the sandbox."""
    return Shell(dict(cluster.environment))


class SpecWriter:
    """Writes service.yaml files of the digits model into *directory*, all with the same ports from *base* on."""

    def __init__(self, directory: Path, base: int, base_path: str = "hdfs:///models/digits") -> None:
        self._directory = directory
        self.base = base
        self._base_path = base_path
        (directory / "example.json").write_text((DIGITS / "example.json").read_text())

    def __call__(self, name: str, **fields: Any) -> Path:
        """Write one; *fields* replace or add to it."""
        document = {
            "name": name,
            "model": {"base_path": self._base_path, "name": "digits", "example": "example.json"},
            "serving": {"version": "2.6", "flags": {"prefer_tflite_model": True}},
            "replicas": 1,
            "resources": {"cpus": 1, "memory": "512m"},
            "ports": {"grpc": self.base, "rest": self.base + 1},
        }
        path = self._directory / f"{name}.yaml"
        # JSON is YAML.
        path.write_text(json.dumps({**document, **fields}, indent=1))
        return path


@pytest.fixture
def write_spec(tmp_path: Path) -> Iterator[SpecWriter]:
    """Specs with ports of their own."""
    with claimed_ports() as base:
        yield SpecWriter(tmp_path, base)


@dataclass(frozen=True)
class Service:
    """A live service of one replica, and what wrote its spec."""

    name: str
    write_spec: SpecWriter


@contextmanager
def launched(yarnserve: Shell, name: str, directory: Path) -> Iterator[Service]:
    """A service launched and live, destroyed at the end if it is still there."""
    with claimed_ports() as base:
        write_spec = SpecWriter(directory, base)
        launch = yarnserve("launch", str(write_spec(name)), "--wait", "--timeout", "30")
        assert launch.status == 0, launch.stderr
        yield Service(name, write_spec)
        assert yarnserve("destroy", name, "--yes").status in (0, 5)


@pytest.fixture(scope="session")
def shared(cluster: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One live service for all tests that change nothing of it."""
    with launched(Shell(dict(cluster.environment)), "shared", tmp_path_factory.mktemp("shared")) as service:
        yield service


@pytest.fixture
def own(yarnserve: Shell, tmp_path: Path) -> Iterator[Service]:
    """A live service that a test may change."""
    with launched(yarnserve, "own", tmp_path) as service:
        yield service
