"""What goes wrong ends in one clear error: the documented exit status, what to do next, no traceback."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import DIGITS, Ran, Service, Shell, SpecWriter


def assert_failed(ran: Ran, status: int, *told: str) -> None:
    """Assert a clean failure that tells every word of *told*."""
    assert ran.status == status, ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stderr.count("error: ") == 1, ran.stderr
    for words in told:
        assert words in ran.stderr


@contextmanager
def http_server(status: int, content_type: str, body: bytes) -> Iterator[str]:
    """A web server that gives everybody the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, *arguments: Any) -> None:
            """Keep the test's output clean."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def closed() -> str:
    """The URL of a port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_without_any_cluster_the_fix_is_named() -> None:
    """Nothing configured: which variable or option to set, and what to try instead."""
    assert_failed(
        Shell({"HOME": "/nonexistent"})("list"), 3, "HADOOP_CONF_DIR", "--resource-manager", "yarnserve sandbox"
    )


@pytest.mark.parametrize("arguments", [("status", "x"), ("list",), ("stop", "x"), ("logs", "x"), ("predict", "x", "-")])
def test_an_unreachable_resource_manager(yarnserve: Shell, arguments: tuple[str, ...]) -> None:
    """Every command says that it cannot connect, and where, and exits with 7 (5 where nothing was ever launched)."""
    ran = yarnserve(*arguments, "--resource-manager", closed(), stdin="{}")
    assert ran.status in (5, 7), ran.stderr
    assert "Traceback" not in ran.stderr
    if ran.status == 7:
        assert "cannot connect" in ran.stderr


def test_an_unreachable_hdfs(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """No HDFS, no action."""
    assert_failed(yarnserve("launch", str(write_spec("nowhere")), "--namenode", closed()), 7, "cannot connect")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("text/html", b"<html>login</html>"), ("application/json", b'{"clusterInfo": {"ha'), ("application/json", b"")],
    ids=["HTML", "truncated JSON", "empty"],
)
def test_a_malformed_answer_is_told_from_an_unreachable_one(yarnserve: Shell, content_type: str, body: bytes) -> None:
    """A proxy or a wrong port is named as such."""
    with http_server(200, content_type, body) as url:
        assert_failed(yarnserve("list", "--resource-manager", url), 7, "the answer is not JSON", url)


def test_a_malformed_answer_of_hdfs(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """The same for the NameNode."""
    with http_server(200, "text/html", b"<html>login</html>") as url:
        assert_failed(yarnserve("launch", str(write_spec("html")), "--namenode", url), 7, url)


def test_a_spec_with_several_mistakes_reports_them_all(yarnserve: Shell, tmp_path: Path) -> None:
    """File, line, field, found, allowed for each, and what was probably meant."""
    spec = tmp_path / "bad.yaml"
    spec.write_text(
        "nme: digits\nmodel: {base_path: s3://x, delivery: copied}\nreplicas: none\nresources: {memory: 8x}\n"
    )
    ran = yarnserve("launch", str(spec))
    assert_failed(ran, 3, f"{spec}:1: nme", "did you mean name", f"{spec}:2: model.base_path: found s3://x")
    assert_failed(
        ran,
        3,
        f"{spec}:2: model.delivery: found copied",
        f"{spec}:3: replicas: found none",
        f"{spec}:4: resources.memory",
    )


def test_a_missing_example_file_is_a_mistake_of_the_spec(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """The file that is not there is named."""
    spec = write_spec("noexample", model={"base_path": "/models/digits", "example": "nope.json"})
    assert_failed(yarnserve("render", str(spec)), 3, "nope.json")


def test_a_missing_model_path_is_seen_before_anything_is_sent(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """TF Serving would wait for it for ever; nothing reaches YARN."""
    spec = write_spec("nomodel", model={"base_path": "/models/nope"})
    assert_failed(yarnserve("launch", str(spec), "--wait"), 5, "/models/nope", "yarnserve models publish")
    assert_failed(yarnserve("status", "nomodel"), 5)


def test_a_base_path_without_versions(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """Giving the version directory instead of the one above it is the usual slip."""
    spec = write_spec("versionless", model={"base_path": "/models/digits/1"})
    assert_failed(yarnserve("launch", str(spec)), 5, "holds no version")


def test_a_name_taken_by_somebody_elses_definition(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """A service that yarnserve did not launch is never touched, and the way out is named."""
    user = yarnserve.environment["HADOOP_USER_NAME"]
    resource_manager = yarnserve.environment["YARNSERVE_SANDBOX"].removesuffix("/sandbox")
    body = {
        "name": "theirs",
        "version": "1",
        "components": [
            {
                "name": "web",
                "number_of_containers": 1,
                "launch_command": "sleep 60",
                "resource": {"cpus": 1, "memory": "64"},
            }
        ],
    }
    request = urllib.request.Request(
        f"{resource_manager}/app/v1/services?user.name={user}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 202
    assert_failed(yarnserve("launch", str(write_spec("theirs"))), 6, "'theirs' is taken", "launch --replace")
    assert_failed(yarnserve("scale", "theirs", "2"), 5, "has not launched")
    shown = yarnserve("status", "theirs")
    assert shown.status == 0
    assert yarnserve("destroy", "theirs", "--yes").status == 0


def test_a_wrong_user_is_refused(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """Without a home directory on HDFS nothing can be saved; exit 4 and whose permission it was."""
    assert_failed(
        yarnserve("launch", str(write_spec("stranger")), "--user", "mallory"), 4, "Permission denied", "mallory"
    )


def test_publishing_what_cannot_be_served(yarnserve: Shell, tmp_path: Path) -> None:
    """No directory, no model in it, a version that exists: each its own exit status."""
    model = str(DIGITS / "model" / "1")
    assert_failed(
        yarnserve("models", "publish", str(tmp_path / "nope"), "/models/x", "--version", "1"), 2, "no such directory"
    )
    assert_failed(yarnserve("models", "publish", str(DIGITS / "model"), "/models/x", "--version", "1"), 2, "model/1")
    assert_failed(yarnserve("models", "publish", model, "/models/digits", "--version", "1"), 6, "exists already")
    assert_failed(yarnserve("models", "publish", model, "s3a://bucket/x", "--version", "1"), 3, "s3a")


def test_an_example_the_model_refuses_ends_the_wait_with_the_cause(
    yarnserve: Shell, write_spec: SpecWriter, tmp_path: Path
) -> None:
    """Waiting longer would not help: the model's own words are shown at once."""
    (tmp_path / "wrong.json").write_text('{"request": {"instances": [["text"]]}}')
    spec = write_spec("refuses", model={"base_path": "/models/digits", "name": "digits", "example": "wrong.json"})
    ran = yarnserve("launch", str(spec), "--wait", "--timeout", "40")
    assert_failed(ran, 1, "does not become live", "refuses the example with 400")
    assert yarnserve("destroy", "refuses", "--yes").status == 0


def test_a_wait_that_takes_too_long_names_what_each_replica_lacks(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """A server that cannot load its model: time-out, the replica's state, its last words, the next command."""
    spec = write_spec("slow", serving={"version": "2.6", "flags": {"prefer_tflite_model": False}})
    ran = yarnserve("launch", str(spec), "--wait", "--timeout", "3")
    assert_failed(ran, 8, "not live after 3 s", "serve-0", "yarnserve logs slow")
    assert yarnserve("destroy", "slow", "--yes").status == 0


def test_gpus_that_no_node_has_end_the_wait_with_yarns_reason(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """Nobody waits ten minutes for hardware that is not there."""
    spec = write_spec("gpus", resources={"cpus": 1, "memory": "512m", "gpus": 4})
    ran = yarnserve("launch", str(spec), "--wait", "--timeout", "40")
    assert_failed(ran, 1, "does not become live")
    assert yarnserve("destroy", "gpus", "--yes").status == 0


def test_predict_with_a_model_the_service_does_not_have(yarnserve: Shell, shared: Service) -> None:
    """The models it has are listed."""
    assert_failed(yarnserve("predict", shared.name, "--example", "--model", "nope"), 5, "it serves digits")
