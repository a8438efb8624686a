"""A server process steered through its file of models, and what its page of metrics says."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

from tests.model_server.processes import Server, add_version, example, started
from tests.support import wait_until

BODY = json.dumps(example()["request"]).encode()
FAST = ("--max_num_load_retries=1", "--load_retry_interval_micros=1000")


def steer(directory: Path, *versions: int, label: int) -> Path:
    """Write the file of models as an agent does, as a whole: these versions, and ``stable`` on one of them."""
    numbers = " ".join(f"versions: {version}" for version in versions)
    staged = directory / "models.config.new"
    staged.write_text(
        f'model_config_list {{ config {{ name: "digits" base_path: "{directory / "digits"}"'
        f' model_platform: "tensorflow" model_version_policy {{ specific {{ {numbers} }} }}'
        f' version_labels {{ key: "stable" value: {label} }} }} }}'
    )
    return staged.rename(directory / "models.config")


@contextmanager
def steered(directory: Path, *more: str) -> Iterator[Server]:
    """A server of version 1, labelled stable, that reads its file every second."""
    for name in ("1", "2"):
        add_version(directory / "digits", name)
    file = steer(directory, 1, label=1)
    flags = ("--model_config_file_poll_wait_seconds=1", "--allow_version_labels_for_unavailable_models", *FAST, *more)
    with started(directory / "server", "", f"--model_config_file={file}", *flags) as server:
        server.wait_for({"1": "AVAILABLE"})
        yield server


@contextmanager
def requested(server: Server, target: str) -> Iterator[Counter[int]]:
    """Statuses of the requests that one connection sends, one after the other, for as long as the block lasts."""
    statuses: Counter[int] = Counter()
    ends = threading.Event()

    def request() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=10)) as connection:
            while not ends.is_set():
                connection.request("POST", target, BODY)
                with connection.getresponse() as response:
                    response.read()
                    statuses[response.status] += 1

    thread = threading.Thread(target=request)
    thread.start()
    try:
        wait_until(lambda: statuses)
        yield statuses
    finally:
        ends.set()
        thread.join()


def test_no_request_fails_in_a_swap(tmp_path: Path) -> None:
    """Load, move the label, unload: requests by model and by label, on connections that stay, are all answered."""
    with (
        steered(tmp_path, "--num_load_threads=1") as server,
        requested(server, "/v1/models/digits:predict") as by_model,
        requested(server, "/v1/models/digits/labels/stable:predict") as by_label,
    ):
        steer(tmp_path, 1, 2, label=1)
        server.wait_for({"2": "AVAILABLE", "1": "AVAILABLE"})
        steer(tmp_path, 1, 2, label=2)
        stable = "/v1/models/digits/labels/stable/metadata"
        wait_until(lambda: server.call(stable)[1]["model_spec"]["version"] == "2")
        steer(tmp_path, 2, label=2)
        server.wait_for({"2": "AVAILABLE", "1": "END"})
    assert by_model.keys() == by_label.keys() == {200}


def test_mistakes_in_the_file_are_only_logged(tmp_path: Path) -> None:
    """Half a file, an empty one and a label of what does not serve are said, again and again; what serves goes on."""
    with steered(tmp_path) as server:
        file = tmp_path / "models.config"
        file.write_text(file.read_text()[:40])
        server.wait_for_log(f"Failed to read ModelServerConfig file: Invalid protobuf file: '{file}'")
        file.write_text("")
        server.wait_for_log("PollFilesystemAndReloadConfig failed to ReloadConfig: Cannot transition to requested")
        steer(tmp_path, 1, 2, label=2)
        refused = "failed to ReloadConfig: Request to assign label to version 2 of model digits, which is not"
        wait_until(lambda: server.stderr.read_text().count(refused) >= 2)
        assert server.states() == {"1": "AVAILABLE"}
        assert server.call("/v1/models/digits/labels/stable:predict", BODY)[0] == 200


def test_the_page_of_metrics(tmp_path: Path) -> None:
    """Attempts at loading, requests by status and latencies are counted, at the path that the file names."""
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text('prometheus_config { enable: true path: "/metrics" }')
    with steered(tmp_path, f"--monitoring_config_file={monitoring}") as server:
        (tmp_path / "digits" / "3").mkdir()
        steer(tmp_path, 1, 3, label=1)
        server.wait_for({"3": "END", "1": "AVAILABLE"})
        server.call("/v1/models/digits:predict", BODY)
        server.call("/v1/models/other:predict", BODY)
        server.call("/v1/models")
        with urlopen(f"http://127.0.0.1:{server.rest_port}/metrics", timeout=10) as response:
            assert response.headers["Content-Type"] == "text/plain"
            lines = response.read().decode().splitlines()
    attempts = f':tensorflow:cc:saved_model:load_attempt_count{{model_path="{tmp_path / "digits"}'
    for line in (
        f'{attempts}/1",status="success"}} 1',
        f'{attempts}/3",status="fail"}} 2',
        ':tensorflow:serving:request_count{model_name="",status="INVALID_ARGUMENT"} 1',
        ':tensorflow:serving:request_count{model_name="other",status="NOT_FOUND"} 1',
        ':tensorflow:serving:request_latency_count{model_name="digits",API="predict",entrypoint="REST"} 1',
        "# TYPE :tensorflow:serving:request_latency histogram",
    ):
        assert line in lines


def test_a_monitoring_file_that_cannot_be_read(tmp_path: Path) -> None:
    """It ends the start."""
    add_version(tmp_path / "digits", "1")
    with started(tmp_path, str(tmp_path / "digits"), "--monitoring_config_file=/nowhere") as server:
        assert server.process.wait(20) == 255
        assert "Failed to start server. Error: Not found: /nowhere" in server.stdout.read_text()
