"""Agents, promotions that are followed, and one host without YARN: what can be asked of them and cannot be."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.errors_page.runs import Bench, Sample
from tests.support import REPOSITORY, claimed_ports
from yarnserve.spec.assignment import Assignment, HdfsAccess
from yarnserve.spec.loader import parse_spec

_DIGITS = REPOSITORY / "examples" / "digits"

_SPEC = """\
name: digits-hot
model: {{base_path: /models/{model}, name: digits, delivery: sync}}
serving: {{version: "2.6", flags: {{prefer_tflite_model: true}}}}
resources: {{memory: 512m}}
ports: {{rest: {rest}, grpc: {grpc}, agent: {agent}}}
{more}"""


def samples(bench: Bench) -> Iterator[Sample]:
    """Yield what is said of agents and of one host."""
    (bench.directory / "agent.json").write_text("{}\n")
    yield bench.sample("an assignment that is none", "agent", "agent.json", "--instance", "serve-0")
    with claimed_ports() as port:
        _write(bench, port)
        spec = parse_spec((bench.directory / "service.yaml").read_text(), file="service.yaml", read_text=str)
        (bench.directory / "agent.json").write_text(Assignment(spec, HdfsAccess("alice", {})).to_text())
        yield bench.sample("an instance without a number", "agent", "agent.json", "--instance", "serve")
        yield from _of_services(bench, port)
        yield from _of_one_host(bench, port)


def _of_services(bench: Bench, port: int) -> Iterator[Sample]:
    yield bench.sample("a model without a complete version", "launch", "service.yaml")
    yield bench.sample("a service that nobody launched", "order", "digits-hot", "drain", "--replica", "0")
    promote = ("models", "promote", "/models/mine", "1")
    bench.run("models", "publish", str(_DIGITS / "model" / "1"), "/models/mine", "--version", "1")
    yield bench.sample("a canary before anything is stable", *promote, "--canary", "serve-0")
    yield bench.sample("a promotion that nobody can follow", *promote, "--service", "digits-hot")


def _of_one_host(bench: Bench, port: int) -> Iterator[Sample]:
    environment = {**bench.sandbox.environment, "HOME": str(bench.directory)}
    with_server = {**environment, "PATH": f"{_programs(bench)}:/usr/bin:/bin"}
    yield _local(
        bench, "a server that is not on the PATH", {**environment, "PATH": "/usr/bin:/bin"}, "up", "service.yaml"
    )
    yield _local(bench, "a service that does not run here", environment, "status", "other")
    with socket.create_server(("127.0.0.1", port)):
        names = {str(port): "8501"}
        yield bench.sample("a port that is taken", "local", "up", "service.yaml", environment=with_server, names=names)
    _write(bench, port, "image: tfserving:2.6\n")
    yield _local(bench, "a host without Docker", {**environment, "PATH": str(bench.directory)}, "up", "service.yaml")


def _local(bench: Bench, title: str, environment: Mapping[str, str], *arguments: str) -> Sample:
    return bench.sample(title, "local", *arguments, environment=environment)


def _programs(bench: Bench) -> Path:
    return Path(bench.sandbox.environment["HADOOP_CONF_DIR"]).parent / "bin"


def _write(bench: Bench, port: int, more: str = "") -> None:
    text = _SPEC.format(model="digits", rest=port, grpc=port + 1, agent=port + 2, more=more)
    (bench.directory / "service.yaml").write_text(text)
