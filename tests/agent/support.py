"""An agent as a process of its own, with the stand-in as its server, and models on the sandbox's HDFS."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.sandbox.storage_support import HOME, Hdfs, connected
from tests.support import REPOSITORY, wait_until
from yarnserve.orders import Order, new_secret, sign
from yarnserve.repository.channels import Channels
from yarnserve.repository.publish import Publishing, publish
from yarnserve.spec.assignment import Assignment, HdfsAccess
from yarnserve.spec.loader import parse_spec

BASE = f"{HOME}/models/digits"
SECRET = f"{HOME}/.yarnserve/digits/orders.secret"
MODEL = REPOSITORY / "examples" / "digits" / "model" / "1"
EXAMPLE = REPOSITORY / "examples" / "digits" / "example.json"

#: Everything is as quick as service.yaml allows, so that tests are.
QUICK = """
supervise: {check_interval: 1s, check_timeout: 1s, failures: 2, startup_deadline: 60s, restarts: 4}
"""


@dataclass
class Host:
    """One machine: *hdfs* has the models, *port* is the first of its replica's ports."""

    directory: Path
    hdfs: Hdfs
    port: int
    agent: str = "{poll: 1s, quiet: 1s, drain: 5s}"
    model: str = ""
    extra: str = QUICK
    memory: str = "2g"
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    #: Where the models' HDFS is, as the agent sees it; else as we do.
    hdfs_url: str = ""
    #: Whether its server has a second model, which HDFS has no version of.
    has_other: bool = False

    def publish(self, version: int, directory: Path = MODEL, base: str = BASE) -> None:
        """Publish a version, whatever it is."""
        with connected(self.hdfs.url) as storage:
            publish(storage, directory, base, version, Publishing(is_inspected=False))

    def promote(self, version: int, *instances: str) -> None:
        """Make a version the one to serve, for *instances* or for all."""
        with connected(self.hdfs.url) as storage:
            Channels(storage, BASE).promote(version, instances=instances)

    def write_assignment(self) -> Path:
        """Write what the agent is told."""
        names = ("digits", "other") if self.has_other else ("digits",)
        models = [
            f"{{base_path: {HOME}/models/{name}, delivery: sync, example: example.json{self.model}}}" for name in names
        ]
        text = f"""
name: digits
model: [{", ".join(models)}]
serving: {{version: "2.6", flags: {{prefer_tflite_model: true}}}}
resources: {{memory: {self.memory}}}
ports: {{rest: {self.port}, grpc: {self.port + 1}, agent: {self.port + 2}}}
agent: {self.agent}
{self.extra}
"""
        spec = parse_spec(text, file="service.yaml", read_text=lambda name: EXAMPLE.read_text())
        urls = (self.hdfs_url or self.hdfs.url,)
        access = HdfsAccess("alice", dict.fromkeys(names, urls), secret=SECRET, secret_endpoints=urls)
        path = self.directory / "agent.json"
        path.write_text(Assignment(spec, access).to_text())
        return path

    def program(self, script: str = "") -> None:
        """Put a tensorflow_model_server on the PATH: the stand-in, or *script* (of the shell) in its place."""
        stand_in = f'exec {sys.executable} -m yarnserve.sandbox.model_server "$@"'
        path = self.directory / "bin" / "tensorflow_model_server"
        path.parent.mkdir(exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(f"#!/bin/sh\n{script or stand_in}\n".replace("STAND_IN", stand_in))
        new.chmod(new.stat().st_mode | stat.S_IXUSR)
        new.replace(path)

    def start(self, *, instance: str = "serve-0", work: str = "work", log: str = "log") -> subprocess.Popen[bytes]:
        """Start an agent, whose output goes to *log*."""
        if not (self.directory / "bin").exists():
            self.program()
        environment = {
            **os.environ,
            "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
        }
        command = [sys.executable, "-m", "yarnserve", "agent", str(self.write_assignment())]
        with (self.directory / log).open("ab") as output:
            process = subprocess.Popen(
                [*command, "--instance", instance, "--directory", str(self.directory / work)],
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    @property
    def log(self) -> str:
        """What agent and server wrote."""
        file = self.directory / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def get(self, path: str) -> tuple[int, str]:
        """Ask the agent; 0 while nobody answers."""
        return ask(f"http://127.0.0.1:{self.port + 2}{path}")

    def status(self) -> dict[str, Any]:
        """What /status says; nothing while nobody answers."""
        code, text = self.get("/status")
        return dict(json.loads(text)) if code == 200 else {}

    def is_ready(self) -> bool:
        """Whether callers may be sent there."""
        return self.get("/readyz")[0] == 200

    def serves(self, version: int) -> bool:
        """Whether the agent is ready and vouches for *version*."""
        status = self.status()
        return bool(status) and status["state"] == "ready" and status["models"][0]["version"] == version

    def wait_ready(self, version: int | None = None, deadline: float = 30.0) -> None:
        """Wait until callers may be sent there, and *version* is served."""
        ready = self.is_ready if version is None else lambda: self.serves(version)
        try:
            wait_until(ready, deadline)
        except AssertionError as error:
            raise AssertionError(f"not ready with {version}: {self.status()}\n{self.log[-3000:]}") from error

    def predict(self, version: int | None = None, model: str = "digits") -> int:
        """Send the example as a caller does; return the HTTP status."""
        request = json.dumps(json.loads(EXAMPLE.read_text())["request"]).encode()
        of = "" if version is None else f"/versions/{version}"
        return ask(f"http://127.0.0.1:{self.port}/v1/models/{model}{of}:predict", request)[0]

    def order(self, order: Order, secret: str | None = None) -> int:
        """Give an order, signed with the service's secret or another; return the HTTP status."""
        signed = sign(
            self.hdfs.content(SECRET).decode().strip() if secret is None else secret, self.status()["boot"], order
        )
        return ask(f"http://127.0.0.1:{self.port + 2}/orders/{order.value}", b"", signed)[0]

    def signal_server(self, number: int) -> None:
        """Send the model server a signal."""
        pid = self.status().get("server_pid")
        with suppress(ProcessLookupError):
            if pid:
                os.kill(pid, number)

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def hosted(directory: Path, hdfs: Hdfs, port: int) -> Iterator[Host]:
    """A machine with version 1 on its HDFS, and nothing left of it afterwards."""
    host = Host(directory, hdfs, port)
    with connected(hdfs.url) as storage:
        publish(storage, MODEL, BASE, 1)
        storage.create(SECRET, new_secret().encode(), permission="600")
    try:
        yield host
    finally:
        host.end()


def ask(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Send a request; status and text, 0 where nobody answers in five seconds."""
    request = urllib.request.Request(url, body, dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except (OSError, ValueError):
        return 0, ""
