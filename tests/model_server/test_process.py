"""The stand-in as a process: ports, exit statuses, what it prints."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from pathlib import Path

import pytest

from tests.model_server.processes import Server, add_version, example, free_port, started
from tests.support import REPOSITORY, wait_until

EXCLUSIVE = "--grpc_channel_arguments=grpc.so_reuseport=0"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the server to its end."""
    command = [sys.executable, "-m", "yarnserve.sandbox.model_server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=REPOSITORY, check=False)


def accepts(port: int) -> bool:
    """Whether somebody listens on the port."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def test_predicts_what_the_example_expects(tmp_path: Path) -> None:
    """A real prediction over HTTP answers the example's values: nothing is canned."""
    add_version(tmp_path / "model", "1")
    case = example()
    with started(tmp_path, str(tmp_path / "model")) as server:
        server.wait_for({"1": "AVAILABLE"})
        status, answer = server.call("/v1/models/digits:predict", json.dumps(case["request"]).encode())
    assert status == 200
    assert answer["predictions"][0] == pytest.approx(case["expected"]["predictions"][0], abs=case["tolerance"])


def test_ports_are_closed_until_a_version_is_there(tmp_path: Path) -> None:
    """With a missing, then an empty base path the server waits with both ports closed; a version opens them."""
    base = tmp_path / "model"
    with started(tmp_path, str(base)) as server:
        server.wait_for_log(f"Could not find base path {base} for servable digits")
        base.mkdir()
        server.wait_for_log(f"No versions of servable digits found under base path {base}")
        assert not accepts(server.rest_port)
        assert not accepts(server.grpc_port)
        add_version(base, "1")
        server.wait_for_log(f"Exporting HTTP/REST API at:localhost:{server.rest_port} ...")
        server.wait_for_log(f"Running gRPC ModelServer at 0.0.0.0:{server.grpc_port} ...")
        assert accepts(server.grpc_port)
        assert server.states() == {"1": "AVAILABLE"}


def test_a_new_version_replaces_the_old_one(tmp_path: Path) -> None:
    """A directory that appears is served within a few polls, and the old version is unloaded but not forgotten."""
    base = tmp_path / "model"
    add_version(base, "1")
    with started(tmp_path, str(base)) as server:
        server.wait_for({"1": "AVAILABLE"})
        add_version(base, "2")
        server.wait_for({"2": "AVAILABLE", "1": "END"})
        assert server.process.poll() is None


def failed_start(server: Server) -> str:
    """Wait for exit status 255 and return what stands on stdout."""
    assert server.process.wait(20) == 255
    return server.stdout.read_text()


def test_first_load_fails(tmp_path: Path) -> None:
    """A version that cannot be loaded at start-up ends the server with 255 and the reason, after its retries."""
    add_version(tmp_path / "model", "7", broken=True)
    retries = ("--max_num_load_retries=2", "--load_retry_interval_micros=1000")
    with started(tmp_path, str(tmp_path / "model"), *retries) as server:
        printed = failed_start(server)
        assert server.stderr.read_text().count("retry") == 2
    assert printed.startswith("Failed to start server. Error: Unknown: 1 servable(s) did not become available: ")
    assert "{name: digits version: 7} due to error: Not found: Could not find SavedModel .pb or .pbtxt" in printed
    assert str(tmp_path / "model" / "7") in printed


def test_taken_grpc_port(tmp_path: Path) -> None:
    """A second server on an exclusive gRPC port ends with 255."""
    add_version(tmp_path / "model", "1")
    with started(tmp_path / "a", str(tmp_path / "model"), EXCLUSIVE) as first:
        first.wait_for({"1": "AVAILABLE"})
        with started(tmp_path / "b", str(tmp_path / "model"), EXCLUSIVE, grpc_port=first.grpc_port) as second:
            assert "Failed to BuildAndStart gRPC server" in failed_start(second)


def test_shared_grpc_port(tmp_path: Path) -> None:
    """Without so_reuseport=0 two servers share a gRPC port, and the second says nothing."""
    add_version(tmp_path / "model", "1")
    with started(tmp_path / "a", str(tmp_path / "model")) as first:
        first.wait_for({"1": "AVAILABLE"})
        with started(tmp_path / "b", str(tmp_path / "model"), grpc_port=first.grpc_port) as second:
            second.wait_for({"1": "AVAILABLE"})
            assert first.process.poll() is None


def test_taken_rest_port(tmp_path: Path) -> None:
    """Where REST cannot listen, the server says so and goes on with its gRPC port alone."""
    add_version(tmp_path / "model", "1")
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with started(tmp_path, str(tmp_path / "model"), rest_port=port) as server:
            server.wait_for_log(f"Failed to start HTTP Server at localhost:{port}")
            assert accepts(server.grpc_port)
            assert server.process.poll() is None


def test_grpc_is_held_but_mute(tmp_path: Path) -> None:
    """A connection to the gRPC port is accepted and ended at once."""
    add_version(tmp_path / "model", "1")
    with started(tmp_path, str(tmp_path / "model")) as server:
        server.wait_for({"1": "AVAILABLE"})
        with socket.create_connection(("127.0.0.1", server.grpc_port), timeout=10) as connection:
            assert connection.recv(1) == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_dies_of_a_signal_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and SIGINT have their default disposition: no drain, no exit status of its own, no words."""
    add_version(tmp_path / "model", "1")
    with started(tmp_path, str(tmp_path / "model")) as server:
        server.wait_for({"1": "AVAILABLE"})
        server.process.send_signal(number)
        assert server.process.wait(10) == -number
        assert "Traceback" not in server.stderr.read_text()


def test_version() -> None:
    """--version names 2.6 and ends with 0."""
    ended = run("--version")
    assert ended.returncode == 0
    assert ended.stdout.startswith("TensorFlow ModelServer: 2.6.")


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["--port=x", "--model_base_path=/m"], "usage: tensorflow_model_server"),
        (["--help"], "usage: tensorflow_model_server"),
        (["--prefer_tflite_model"], "model_base_path and server_options.model_config_file are empty!"),
        (["--model_config_file=/nowhere", "--prefer_tflite_model"], "Error: Not found: /nowhere; No such file"),
        (
            ["--model_base_path=/m", "--batching_parameters_file=/nowhere", "--prefer_tflite_model"],
            "batching_parameters_file is set without setting server_options.enable_batching to true.",
        ),
        (
            [
                "--model_base_path=/m",
                "--enable_batching",
                "--batching_parameters_file=/nowhere",
                "--prefer_tflite_model",
            ],
            "Error: Not found: /nowhere; No such file",
        ),
        (["--model_base_path=/m", "--port=0", "--prefer_tflite_model"], "grpc_port or server_options.grpc_socket_path"),
    ],
)
def test_refuses_to_start(arguments: list[str], printed: str) -> None:
    """What cannot be started ends with 255, the reason on stdout."""
    ended = run(*arguments)
    assert ended.returncode == 255
    assert printed in ended.stdout


def test_unknown_flags_are_tolerated(tmp_path: Path) -> None:
    """An unknown flag is named, followed by the usage, and the server starts."""
    add_version(tmp_path / "model", "1")
    with started(tmp_path, str(tmp_path / "model"), "--no_such_flag=1", "--enable_profiler") as server:
        server.wait_for({"1": "AVAILABLE"})
        assert server.stdout.read_text().startswith("unknown argument: --no_such_flag=1\nusage: ")
        server.wait_for_log("--enable_profiler has no effect")


def test_no_engine_names_the_extra(tmp_path: Path) -> None:
    """Without ai-edge-litert and TensorFlow it refuses to start and says what to install."""
    source = (
        "import importlib.util, sys\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: None if name in ('tensorflow', 'ai_edge_litert') else found(name)\n"
        "from yarnserve.sandbox.model_server.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", source, f"--model_base_path={tmp_path}", f"--port={free_port()}"]
    ended = subprocess.run(
        [*command, "--prefer_tflite_model"], capture_output=True, text=True, timeout=20, cwd=REPOSITORY, check=False
    )
    assert ended.returncode == 255
    assert "pip install 'yarnserve[sandbox]'" in ended.stdout


def test_a_removed_base_path_changes_nothing(tmp_path: Path) -> None:
    """A base path that cannot be listed is logged once a period; what serves goes on serving."""
    base = tmp_path / "model"
    add_version(base, "1")
    with started(tmp_path, str(base)) as server:
        server.wait_for({"1": "AVAILABLE"})
        base.rename(tmp_path / "away")
        wait_until(lambda: server.stderr.read_text().count("Could not find base path") >= 2)
        assert server.states() == {"1": "AVAILABLE"}


def test_several_models(tmp_path: Path) -> None:
    """A file of two models is served by one server; each is looked for and answers under its own name."""
    for name in ("digits", "figures"):
        add_version(tmp_path / name, "3" if name == "figures" else "1")
    configs = "".join(
        f'config {{ name: "{name}" base_path: "{tmp_path / name}" model_platform: "tensorflow" }}'
        for name in ("digits", "figures")
    )
    file = tmp_path / "models.config"
    file.write_text(f"model_config_list {{ {configs} }}")
    body = json.dumps(example()["request"]).encode()
    with started(tmp_path / "server", "", f"--model_config_file={file}") as server:
        server.wait_for({"1": "AVAILABLE"})
        _, found = server.call("/v1/models/figures")
        assert found["model_version_status"][0]["version"] == "3"
        for name in ("digits", "figures"):
            assert server.call(f"/v1/models/{name}:predict", body)[0] == 200
        assert server.call("/v1/models/default:predict", body)[0] == 404


@pytest.mark.parametrize(("allowed", "status"), [(False, None), (True, 200)])
def test_labels_at_the_start(tmp_path: Path, allowed: bool, status: int | None) -> None:
    """A label in the first configuration ends the server, unless labels of what is not loaded are allowed."""
    add_version(tmp_path / "digits", "1")
    file = tmp_path / "models.config"
    file.write_text(
        f'model_config_list {{ config {{ name: "digits" base_path: "{tmp_path / "digits"}"'
        ' model_platform: "tensorflow" version_labels { key: "stable" value: 1 } } }'
    )
    more = ["--allow_version_labels_for_unavailable_models"] if allowed else []
    with started(tmp_path / "server", "", f"--model_config_file={file}", *more) as server:
        if status is None:
            assert server.process.wait(20) == 255
            assert "Failed to start server. Error: Failed precondition: Request to" in server.stdout.read_text()
            return
        server.wait_for({"1": "AVAILABLE"})
        body = json.dumps(example()["request"]).encode()
        assert server.call("/v1/models/digits/labels/stable:predict", body)[0] == status


def test_a_prediction_that_hangs(tmp_path: Path) -> None:
    """After SIGUSR1 predictions wait while the status says AVAILABLE; after SIGUSR2 they are answered."""
    add_version(tmp_path / "model", "1")
    body = json.dumps(example()["request"]).encode()
    with started(tmp_path, str(tmp_path / "model")) as server, ThreadPoolExecutor(1) as pool:
        server.wait_for({"1": "AVAILABLE"})
        server.process.send_signal(signal.SIGUSR1)
        server.wait_for_log("Predictions hang until SIGUSR2")
        waiting = pool.submit(server.call, "/v1/models/digits:predict", body)
        with pytest.raises(StillWaiting):
            waiting.result(0.5)
        assert server.states() == {"1": "AVAILABLE"}
        server.process.send_signal(signal.SIGUSR2)
        assert waiting.result(10)[0] == 200
