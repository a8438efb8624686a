"""The command line of the model server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.unit.spec.documents import DOCKER, MINIMAL, spec_of, specs
from yarnserve.serving.arguments import launch_command, server_arguments
from yarnserve.spec.endpoints import endpoint
from yarnserve.spec.model import ServiceSpec
from yarnserve.spec.values import OWN_FLAGS


def test_launch_command_in_full() -> None:
    """The command of a Docker replica, word for word."""
    assert launch_command(spec_of(DOCKER)) == (
        "export CLASSPATH=$PWD/conf:"
        "${CLASSPATH:-$(${HADOOP_HDFS_HOME:+$HADOOP_HDFS_HOME/bin/}hadoop classpath --glob)} "
        "LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$JAVA_HOME/lib/server:$JAVA_HOME/jre/lib/amd64/server; "
        "exec tensorflow_model_server --port=$((8500+10*${COMPONENT_ID})) --rest_api_port=$((8501+10*${COMPONENT_ID})) "
        "--model_name=digits --model_base_path=hdfs://prod/models/digits --grpc_channel_arguments=grpc.so_reuseport=0 "
        "--grpc_max_threads=16 --rest_api_num_threads=16 "
        "--tensorflow_inter_op_parallelism=4 --tensorflow_intra_op_parallelism=4"
    )


def test_a_plain_path_is_one_on_hdfs() -> None:
    """Without its scheme the server would look on the local disk."""
    assert "--model_base_path=hdfs:///models/digits" in server_arguments(spec_of(MINIMAL))


def test_flags_are_written_as_the_server_parses_them() -> None:
    """Booleans are words, and the order in the file does not matter."""
    text = MINIMAL.replace('"2.6"', '"2.6", flags: {z: false, enable_batching: true, n: 2, f: 0.25, t: a b}')
    assert [argument for argument in server_arguments(spec_of(text, force=True))[5:] if "threads" not in argument] == [
        "--enable_batching=true",
        "--f=0.25",
        "--n=2",
        "--t=a b",
        "--tensorflow_inter_op_parallelism=1",
        "--tensorflow_intra_op_parallelism=1",
        "--z=false",
    ]


def test_a_users_thread_count_comes_instead_of_ours() -> None:
    """The server takes the last of several, but twice the same flag would puzzle whoever reads the command."""
    arguments = server_arguments(spec_of(MINIMAL.replace('"2.6"', '"2.6", flags: {rest_api_num_threads: 7}')))
    assert [argument for argument in arguments if "rest_api_num_threads" in argument] == ["--rest_api_num_threads=7"]


def test_no_flag_of_ours_can_be_set_by_the_user() -> None:
    """What the command must set is what the spec refuses; only thread counts are the user's to change."""
    ours = {argument.removeprefix("--").partition("=")[0] for argument in server_arguments(spec_of(MINIMAL))[:5]}
    assert ours <= OWN_FLAGS.keys()


@pytest.fixture(scope="module")
def server_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a ``tensorflow_model_server`` that prints its arguments, one a line."""
    directory = tmp_path_factory.mktemp("bin")
    server = directory / "tensorflow_model_server"
    server.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    hadoop = directory / "hadoop"
    hadoop.write_text("#!/bin/sh\n[ \"$*\" = 'classpath --glob' ] && echo /opt/hadoop/a.jar:/opt/hadoop/b.jar\n")
    for program in (server, hadoop):
        program.chmod(0o755)
    return directory


def java_variables(server_path: Path, variables: dict[str, str]) -> list[str]:
    """What the server of a Docker replica sees as CLASSPATH and LD_LIBRARY_PATH, in an image with *variables*."""
    command = launch_command(spec_of(DOCKER)).partition("exec tensorflow_model_server")[0]
    script = f'exec /bin/bash -c "{command} printenv CLASSPATH LD_LIBRARY_PATH"'
    environment = {"PATH": f"{server_path}:{os.environ['PATH']}", **variables}
    finished = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env=environment, cwd="/")
    return finished.stdout.decode().replace("//", "/").splitlines()


def test_an_image_with_java_and_hadoop_is_enough(server_path: Path) -> None:
    """The cluster's files come first, then every jar by name; libjvm is found where either Java keeps it."""
    assert java_variables(server_path, {"JAVA_HOME": "/opt/java", "LD_LIBRARY_PATH": "/usr/local/cuda"}) == [
        "/conf:/opt/hadoop/a.jar:/opt/hadoop/b.jar",
        "/usr/local/cuda:/opt/java/lib/server:/opt/java/jre/lib/amd64/server",
    ]


def test_hadoop_is_found_at_its_home(server_path: Path, tmp_path: Path) -> None:
    """HADOOP_HDFS_HOME, by which libhdfs is found too, comes before the PATH."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "hadoop").write_text("#!/bin/sh\necho /home/c.jar\n")
    (tmp_path / "bin" / "hadoop").chmod(0o755)
    assert java_variables(server_path, {"HADOOP_HDFS_HOME": str(tmp_path)})[0] == "/conf:/home/c.jar"


def test_an_images_own_class_path_is_kept(server_path: Path) -> None:
    """Whoever built the image knows; the cluster's files still come first."""
    assert java_variables(server_path, {"CLASSPATH": "/image.jar"})[0] == "/conf:/image.jar"


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(spec=specs())
def test_every_argument_survives_yarns_shell(spec: ServiceSpec, server_path: Path) -> None:
    """The command arrives at the server unchanged although YARN puts it between double quotes, unescaped."""
    command = launch_command(spec).replace("${COMPONENT_ID}", "7")
    script = f'exec /bin/bash -c "{command}"'
    environment = {**os.environ, "PATH": f"{server_path}:{os.environ['PATH']}"}
    finished = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env=environment)
    answer = endpoint(spec, instance="serve-7", bare_host="node")
    expected = [f"--port={answer.grpc_port}", f"--rest_api_port={answer.rest_port}", *server_arguments(spec)[2:]]
    assert finished.stdout.decode().split("\n")[:-1] == expected
    assert finished.stderr == b""
