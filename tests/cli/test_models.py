"""Services of more than one model, and of a server that is configured by files, on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.cli.conftest import DIGITS, Shell, SpecWriter
from tests.support import claimed_ports
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_1_4

MODELS = [
    {"name": "digits", "base_path": "hdfs:///models/digits", "example": "example.json"},
    {"name": "figures", "base_path": "hdfs:///models/figures"},
]
BATCHING = {
    "version": "2.6",
    "flags": {"prefer_tflite_model": True},
    "batching": {"max_batch_size": 8, "allowed_batch_sizes": [4, 8]},
}


@pytest.fixture(scope="module")
def yarnserve() -> Iterator[Shell]:
    """A cluster with two models that obeys placement, which an ENTRYPOINT's fixed ports need."""
    uploads = [(DIGITS / "model", f"/models/{name}") for name in ("digits", "figures")]
    profile = replace(HADOOP_3_1_4, placement_handler="scheduler")
    with Sandbox(profile=profile, uploads=uploads) as cluster:
        yield Shell(dict(cluster.environment))


@pytest.fixture
def request_of_nine() -> str:
    """A request of nine digits: more than a batch holds."""
    return json.dumps({"instances": json.loads((DIGITS / "heldout.json").read_text())["images"][:9]})


@pytest.mark.parametrize("docker", [{}, {"image": "serving:2.6"}, {"image": "serving:2.6", "entrypoint": True}])
def test_two_models_and_batching(
    yarnserve: Shell, write_spec: SpecWriter, request_of_nine: str, docker: dict[str, Any]
) -> None:
    """One server of two models goes live with its files, as process and in both modes of Docker, and obeys both.

    Both models answer under their names, and a request larger than the largest batch is refused by the server.
    """
    name = f"pair{len(docker)}"
    with claimed_ports() as base:
        ports = {"grpc": base, "rest": base + 1, "per_replica": "entrypoint" not in docker}
        spec = write_spec(name, model=MODELS, serving=BATCHING, ports=ports, **docker)
        launched = yarnserve("launch", str(spec), "--wait", "--timeout", "30")
        assert launched.status == 0, launched.stderr
        (only,) = yarnserve("status", name, "-o", "json").document["replicas"]
        assert only["versions"] == {"digits": [1], "figures": [1]}
        for model in ("digits", "figures"):
            body = (DIGITS / "example.json").read_text()
            request = json.dumps(json.loads(body)["request"])
            assert len(yarnserve("predict", name, "-", "--model", model, stdin=request).document["predictions"]) == 1
        refused = yarnserve("predict", name, "-", stdin=request_of_nine)
        assert "Task size 9 is larger than maximum input batch size 8" in refused.stderr
        assert yarnserve("destroy", name, "--yes").status == 0


def test_a_server_that_cannot_start_is_quoted(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """Of a server that ends at once its own reason is shown, which is on stdout, and not the last line of its log."""
    spec = write_spec("mute", serving={"version": "2.6", "flags": {"prefer_tflite_model": False}})
    launched = yarnserve("launch", str(spec), "--wait", "--timeout", "3")
    assert launched.status == 8
    assert "serve-0's last words: Failed to start server. Error: " in launched.stderr
    assert yarnserve("destroy", "mute", "--yes").status == 0
