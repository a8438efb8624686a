"""Launches that are refused, or certain not to become live, and waits that end without what they waited for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.errors_page.runs import Bench, Sample, sample_of
from tests.errors_page.unreachable import always
from tests.sandbox.cluster_support import component, send, service
from tests.support import REPOSITORY, claimed_ports, wait_until
from tests.unit.hadoop.wire import answer, serving
from yarnserve.config import Flags, resolve
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_3_6
from yarnserve.service.connection import Connection, connect
from yarnserve.storage.lease import Lease

_DIGITS = REPOSITORY / "examples" / "digits"
_IMAGE = "local/tfserving:2.6"
_MODEL = {"base_path": "/models/digits", "name": "digits", "example": "example.json"}

_QUICK = replace(HADOOP_3_3_6, readiness_interval=0.2, am_start=0.1, failed_linger=0.1)


@contextmanager
def ward(directory: Path) -> Iterator[Ward]:
    """A cluster with GPUs, one Docker image of a trusted registry, and a model."""
    with (
        claimed_ports() as base,
        Sandbox(
            user="alice",
            gpus=2,
            profile=_QUICK,
            images=[_IMAGE, "other/tfserving:2.6"],
            trusted_registries=["local"],
            uploads=[(_DIGITS / "model", "/models/digits"), (_DIGITS / "model", "/models/old")],
        ) as sandbox,
    ):
        yield Ward(Bench(sandbox, directory), base)


class Ward:
    """Launches the service digits, whose ports begin at *base*, in one way after the other."""

    def __init__(self, bench: Bench, base: int) -> None:
        self._bench = bench
        self._base = base
        (bench.directory / "example.json").write_text((_DIGITS / "example.json").read_text())
        (bench.directory / "wrong.json").write_text('{"request": {"instances": [["text"]]}}')

    def refused(self) -> Iterator[Sample]:
        """Yield what ``launch`` says of what is not sent, or not taken."""
        yield self._launched("a model that is not there", model={**_MODEL, "base_path": "/models/none"})
        yield self._launched("a queue that does not exist", queue="ml")
        with self._fault("queue-stopped"):
            yield self._launched("a stopped queue")
        yield self._launched("constraints that nobody obeys", placement={"spread": True})
        yield self._launched("more memory than a container may have", resources={"cpus": 1, "memory": "64g"})
        yield from self._taken()
        yield from self._leased()

    def hopeless(self) -> Iterator[Sample]:
        """Yield what ``launch --wait`` says of what is certain not to become live, as soon as it is."""
        yield self.waited("an image of a registry that the nodes do not trust", image="other/tfserving:2.6")
        untrusted = {"image": "other/tfserving:2.6", "resources": _gpus(1)}
        yield self.waited("the same with a GPU", **untrusted)
        yield self.waited("more GPUs than any node has", image=_IMAGE, resources=_gpus(3))
        yield self.waited("an example that the model refuses", model={**_MODEL, "example": "wrong.json"})

    def late(self) -> Iterator[Sample]:
        """Yield what a wait says whose time is up."""
        yield self._late("a Docker image that there is not", _ended(7), image="local/nope:1")
        with self._fault("docker-mounts"):
            yield self._late("a mount that the nodes do not have", _ended(29), image=_IMAGE)
        with self._fault("queue-full"):
            yield self._late("no room in the queue", "no room in the queue")
        with self._fault("no-nodes"):
            yield self._late("no NodeManager", "no NodeManager is registered")
        file = {"enable_batching": True, "batching_parameters_file": "/etc/batching.pbtxt"}
        yield self._late("a flag that names a file that is not there", _ended(255), flags=file)
        with serving(always(answer(404, ""))) as wire:
            rest = int(wire.url.rpartition(":")[2])
            ports = {"grpc": self._base, "rest": rest}
            sign = "Failed to start HTTP Server"
            yield self._late("a port that somebody else has", sign, command="logs", ports=ports)
        yield self._vanished()
        yield from self._watched()

    def _watched(self) -> Iterator[Sample]:
        """The waits that are commands of their own, and a look that judges."""
        with self._fault("queue-full"):
            self._bench.run("launch", self._spec())
            self._until_shown("status", "no room in the queue")
            yield self._bench.sample("it does not stop", "wait", "digits", "--for", "stopped", "--timeout", "0")
            yield self._shortened("a look with `--exit-status`", "status", "digits", "--exit-status")
            yield self._bench.sample("a service that there is not", "wait", "none")
            yield self._bench.sample("a service of another user", "status", "digits", "--user", "bob")
            yield self._bench.sample("a replica that there is not", "logs", "digits", "--replica", "7")
            self._destroy()

    def _vanished(self) -> Sample:
        """A model that is removed while the service is on its way."""
        with self._fault("queue-full"):
            self._bench.run("launch", self._spec(model={**_MODEL, "base_path": "/models/old"}))
            hdfs = f"{self._bench.sandbox.namenode_url}/webhdfs/v1/models/old?op=DELETE&recursive=true&user.name=alice"
            assert send("DELETE", hdfs).status == 200
        self._until_shown("logs", "Could not find base path")
        sample = self._shortened("a model that was removed meanwhile", "wait", "digits", "--timeout", "0")
        self._destroy()
        return sample

    def _taken(self) -> Iterator[Sample]:
        """Names that are in use."""
        with self._fault("queue-full"):
            self._bench.run("launch", self._spec())
            yield self._launched("it runs, and is another", destroy=False, resources={"cpus": 2, "memory": "512m"})
            self._destroy()
            url = f"{self._bench.sandbox.resource_manager_url}/app/v1/services"
            assert send("POST", url, service(component(), name="digits"), **{"user.name": "alice"}).status == 202
            yield self._launched("a service of this name that yarnserve did not launch")

    def _leased(self) -> Iterator[Sample]:
        """Two who change the same service."""
        title = "another yarnserve changes the service"
        settings = resolve(Flags(), self._bench.sandbox.environment, directory=self._bench.directory)
        with connect(settings) as connection:
            first, second = (_lease(connection, each) for each in ("alice@edge1: launch", "alice@edge2: stop"))
            first.acquire()
            yield sample_of(title, second.acquire, {})
            first.release()
            second.acquire()
            first.renew()
            yield sample_of("the lease was taken over by another", first.check, {})
            second.release()

    def _launched(self, title: str, *options: str, destroy: bool = True, **fields: Any) -> Sample:
        sample = self._shortened(title, "launch", self._spec(**fields), *options)
        if destroy:
            self._bench.run("destroy", "digits", "--yes")
        return sample

    def waited(self, title: str, **fields: Any) -> Sample:
        """Launch, wait, and see it fail."""
        return self._launched(title, "--wait", **fields)

    def _late(self, title: str, sign: str, command: str = "status", **fields: Any) -> Sample:
        """Launch, and wait no longer once *command* shows *sign*: what it says then is no matter of moments."""
        assert self._bench.run("launch", self._spec(**fields)).status == 0
        self._until_shown(command, sign)
        sample = self._shortened(title, "wait", "digits", "--timeout", "0")
        self._destroy()
        return sample

    def _until_shown(self, command: str, sign: str) -> None:
        wait_until(lambda: sign in self._bench.run(command, "digits").stdout, what=sign)

    def _shortened(self, title: str, *command: str) -> Sample:
        """A sample that begins with its error: what is told before it is a matter of moments."""
        names = {str(self._base): "8500", str(self._base + 1): "8501"}
        sample = self._bench.sample(title, *command, names=names)
        return replace(sample, printed="error: " + sample.printed.partition("error: ")[2])

    def _spec(self, flags: dict[str, Any] | None = None, **fields: Any) -> str:
        document = {
            "name": "digits",
            "model": _MODEL,
            "serving": {"version": "2.6", "flags": {"prefer_tflite_model": True, **(flags or {})}},
            "resources": {"cpus": 1, "memory": "512m"},
            "ports": {"grpc": self._base, "rest": self._base + 1},
        }
        (self._bench.directory / "digits.yaml").write_text(json.dumps({**document, **fields}))
        return "digits.yaml"

    def _destroy(self) -> None:
        assert self._bench.run("destroy", "digits", "--yes").status == 0

    @contextmanager
    def _fault(self, name: str) -> Iterator[None]:
        url = f"{self._bench.sandbox.environment['YARNSERVE_SANDBOX']}/faults/{name}"
        assert send("PUT", url).status == 204
        try:
            yield
        finally:
            assert send("DELETE", url).status == 204


def without_gpus(directory: Path) -> Iterator[Sample]:
    """Yield what ``launch --wait`` says where yarn.io/gpu is no resource type."""
    with (
        claimed_ports() as base,
        Sandbox(user="alice", profile=_QUICK, uploads=[(_DIGITS / "model", "/models/digits")]) as sandbox,
    ):
        title = "GPUs in a cluster that does not know any"
        yield Ward(Bench(sandbox, directory), base).waited(title, image=_IMAGE, resources=_gpus(1))


def _ended(code: int) -> str:
    """What ``status`` shows once a replica has ended."""
    return f"exit code {code} (NodeManager: RELAUNCHING)"


def _gpus(count: int) -> dict[str, Any]:
    return {"cpus": 1, "memory": "512m", "gpus": count}


def _lease(connection: Connection, holder: str) -> Lease:
    """A lease without patience."""
    return Lease(
        connection.store("digits").lease, subject="digits", look="yarnserve status digits", holder=holder, patience=0.0
    )
