"""The image that docker/Dockerfile makes, run as YARN runs one."""

from __future__ import annotations

import http.client
import shutil
from pathlib import Path

import pytest

from tests.docker.containers import ended, started
from tests.docker.daemon import docker
from tests.docker.images import Images
from tests.support import REPOSITORY, claimed_ports, wait_until
from yarnserve import __version__

pytestmark = pytest.mark.docker

MODEL = REPOSITORY / "examples" / "digits" / "model"
ARGUMENTS = ("--model_name=digits", f"--model_base_path={MODEL}", "--prefer_tflite_model")


def test_there_is_no_python_but_the_bundled_one(built: Images) -> None:
    """As in TF Serving's own image: what yarnserve brings is on nobody's PATH."""
    looked = ended(built.sync, "bash", "-c", "compgen -c | grep -x 'python[0-9.]*'; echo looked")
    assert looked.stdout == "looked\n", looked


def test_it_runs_as_nobody_in_particular_and_writes_nowhere(built: Images) -> None:
    """An unknown uid, a HOME that is not there, a read-only root file system and no network are enough."""
    version = ended(built.sync, "yarnserve", "--version", environment={"HOME": "/home/nowhere"})
    assert (version.exit_code, version.stdout) == (0, f"yarnserve, version {__version__}\n"), version
    helped = ended(built.sync, "yarnserve", "sync", "--help")
    assert helped.exit_code == 0, helped
    assert helped.stdout.startswith("Usage: yarnserve sync"), helped


def test_the_environment_of_another_python_is_not_its_own(built: Images) -> None:
    """PYTHONHOME and PYTHONPATH, which an image may set for a program of its own, break nothing."""
    foreign = {"PYTHONHOME": "/nowhere", "PYTHONPATH": "/nowhere", "PYTHONSTARTUP": "/nowhere", "LD_LIBRARY_PATH": "/"}
    version = ended(built.sync, "yarnserve", "--version", environment=foreign)
    assert version.exit_code == 0, version


def test_what_yarnserve_starts_does_not_inherit_its_libraries(built: Images) -> None:
    """The model server is a child of yarnserve: it must find its own libraries, not those of the bundle."""
    seen = ended(built.sync, "bash", "-c", "LD_LIBRARY_PATH=/as/it/was exec yarnserve-entrypoint env")
    assert "LD_LIBRARY_PATH=/as/it/was\n" in seen.stdout, seen
    launcher = ended(built.sync, "cat", "/opt/yarnserve/bin/yarnserve")
    assert "LD_" not in launcher.stdout, launcher


def test_the_base_has_its_model_server(built: Images) -> None:
    """The stand-in is there as TF Serving is: a program, told apart from it by what it says itself."""
    version = ended(built.sync, "tensorflow_model_server", "--version")
    assert version.exit_code == 0, version
    assert "TensorFlow ModelServer: 2.6" in version.stdout, version


def test_the_bundle_runs_from_wherever_it_lies(built: Images) -> None:
    """Moved to another directory and called by a link to a link, with nothing at its old place."""
    moved = (
        "cp -r /opt/yarnserve 'else where' && rm -rf /opt/yarnserve && mkdir bin"
        " && ln -s '../else where/bin/yarnserve' bin/first && ln -s $PWD/bin/first bin/second"
        " && cd / && exec $OLDPWD/bin/second --version"
    )
    version = ended(built.sync, "bash", "-c", moved, user="0:0", read_only=False)
    assert version.stdout == f"yarnserve, version {__version__}\n", version


def test_yarns_launch_script_is_run_and_not_taken_for_arguments(built: Images) -> None:
    """In its normal mode YARN gives ``bash <script>`` to whatever ENTRYPOINT the image has."""
    script = ended(built.sync, "bash", "-c", "echo launched as $$; exit 3")
    assert (script.exit_code, script.stdout) == (3, "launched as 1\n"), script


def test_options_alone_are_the_agents(built: Images) -> None:
    """YARN's ENTRYPOINT mode gives an image its options, without a program."""
    asked = ended(built.sync, "--help")
    assert "yarnserve" in asked.stdout + asked.stderr
    assert "tensorflow_model_server" not in asked.stdout + asked.stderr, asked


def test_the_stand_in_answers_on_the_bridge_and_ends_by_a_kill(built: Images) -> None:
    """The network, the log, the signals and the exit code that tests of the agent stand on."""
    with started(
        built.sync,
        *("tensorflow_model_server", *ARGUMENTS, "--port=8500", "--rest_api_port=8501"),
        network="bridge",
        mounts=[MODEL],
    ) as server:
        server.wait_for_log("Exporting HTTP/REST API")
        assert wait_until(lambda: status_of(server.address, 8501)) == 200
        server.signal("KILL")
        assert server.exit_code() == 137


def test_the_stand_in_answers_on_the_hosts_network_and_ends_by_a_term(built: Images, tmp_path: Path) -> None:
    """The host's network, a work directory of the host and ``docker stop``, as YARN 3.1 uses them."""
    shutil.copytree(MODEL, tmp_path / "model")
    arguments = ["--model_name=digits", f"--model_base_path={tmp_path / 'model'}", "--prefer_tflite_model"]
    with (
        claimed_ports() as port,
        started(
            built.sync,
            *(
                "bash",
                "-c",
                f"id -u > who; trap 'exit 9' TERM; tensorflow_model_server {' '.join(arguments)} $PORTS & wait",
            ),
            network="host",
            work=tmp_path,
            environment={"PORTS": f"--port={port + 1} --rest_api_port={port}"},
        ) as container,
    ):
        container.wait_for_log("Exporting HTTP/REST API")
        assert wait_until(lambda: status_of("127.0.0.1", port)) == 200
        assert (tmp_path / "who").read_text() == "4711\n"
        assert container.stop() == 9


def test_it_starts_quickly_and_adds_little(built: Images) -> None:
    """A launch per replica: what it costs is told, and bounded."""
    timed = ended(built.sync, "bash", "-c", "time (for i in 1 2 3 4 5; do yarnserve --help >/dev/null; done)")
    size = int(docker("inspect", "--format={{.Size}}", built.sync))
    added = (size - int(docker("inspect", "--format={{.Size}}", built.base))) / 2**20
    real = timed.stderr.split()[1]
    print(f"five times yarnserve --help: {real}; added to the image: {added:.0f} MiB")
    assert added < 100
    minutes, seconds = real.removesuffix("s").split("m")
    assert 60 * int(minutes) + float(seconds) < 10, timed


def status_of(host: str, port: int) -> int | None:
    """Return the HTTP status of the model at that address; None while nobody answers."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/v1/models/digits")
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()
