"""Stand-in servers as real processes, and the digits model as theirs to serve."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.support import REPOSITORY, wait_until

EXAMPLES = REPOSITORY / "examples" / "digits"
MODEL = EXAMPLES / "model" / "1" / "model.tflite"


def example() -> dict[str, Any]:
    """The digits example: a request and what it must answer."""
    document: dict[str, Any] = json.loads((EXAMPLES / "example.json").read_text())
    return document


def add_version(base_path: Path, name: str, *, broken: bool = False) -> Path:
    """Put a version into *base_path* as a whole; a *broken* one is an empty directory."""
    staging = base_path / f".incoming-{name}"
    staging.mkdir(parents=True)
    if not broken:
        shutil.copy(MODEL, staging)
    return staging.rename(base_path / name)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@dataclass(frozen=True)
class Server:
    """A running stand-in; its output goes to files."""

    process: subprocess.Popen[bytes]
    grpc_port: int
    rest_port: int
    stdout: Path
    stderr: Path

    def call(self, target: str, body: bytes | None = None) -> tuple[int, Any]:
        """Send a request to the REST API; return status and JSON."""
        request = Request(f"http://127.0.0.1:{self.rest_port}{target}", data=body)
        try:
            with urlopen(request, timeout=10) as response:
                return response.status, json.load(response)
        except HTTPError as error:
            with error:
                return error.code, json.load(error)

    def states(self) -> dict[str, str]:
        """State by version; empty while nothing answers."""
        try:
            _, document = self.call("/v1/models/digits")
        except OSError:
            return {}
        return {each["version"]: each["state"] for each in document.get("model_version_status", [])}

    def wait_for(self, states: Mapping[str, str], deadline: float = 60.0) -> None:
        """Wait until the versions are in exactly these states, for at most *deadline* seconds."""
        wait_until(lambda: self.states() == states, deadline, lambda: f"{states}, found {self.states()}")

    def wait_for_log(self, text: str) -> None:
        """Wait until *text* stands in stderr."""
        wait_until(lambda: text in self.stderr.read_text(), what=lambda: f"{text!r} in\n{self.stderr.read_text()}")


@contextmanager
def started(
    directory: Path, base_path: str, *more: str, environ: Mapping[str, str] | None = None, **ports: int
) -> Iterator[Server]:
    """Run a server for the model ``digits``, and end it."""
    grpc_port, rest_port = ports.get("grpc_port") or free_port(), ports.get("rest_port") or free_port()
    directory.mkdir(parents=True, exist_ok=True)
    stdout, stderr = directory / "stdout", directory / "stderr"
    arguments = (f"--port={grpc_port}", f"--rest_api_port={rest_port}", "--model_name=digits")
    command = [sys.executable, "-m", "yarnserve.sandbox.model_server", *arguments, f"--model_base_path={base_path}"]
    with stdout.open("wb") as out, stderr.open("wb") as err:
        process = subprocess.Popen(
            [*command, "--prefer_tflite_model", *more], stdout=out, stderr=err, cwd=REPOSITORY, env=environ
        )
    try:
        yield Server(process, grpc_port, rest_port, stdout, stderr)
    finally:
        process.kill()
        process.wait()
