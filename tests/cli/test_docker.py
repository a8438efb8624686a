"""Docker's failures as a person meets them: in the sandbox that was told to have them, cause and fix in words."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.cli.conftest import DIGITS, Shell, SpecWriter
from tests.support import wait_until
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_3_6

TRUSTED_REGISTRIES = "docker.trusted.registries in container-executor.cfg"


@pytest.fixture(scope="module")
def yarnserve() -> Iterator[Shell]:
    """The command line beside a cluster with one image of a trusted registry, and nodes with two GPUs."""
    with Sandbox(
        gpus=2,
        uploads=[(DIGITS / "model", "/models/digits")],
        profile=replace(HADOOP_3_3_6, readiness_interval=1.0),
        images=["local/tfserving:2.6", "other/tfserving:2.6"],
        trusted_registries=["local"],
    ) as running:
        yield Shell(dict(running.environment))


def status(yarnserve: Shell, name: str) -> str:
    """What a person sees of ``status``: the table, and the advice beside it."""
    ran = yarnserve("status", name)
    return ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("name", "image", "gpus", "cause", "fix"),
    [
        ("untrusted", "other/tfserving:2.6", 0, "exit code 127 (NodeManager: RELAUNCHING): the image is not from a "
         "registry that the nodes trust", TRUSTED_REGISTRIES),
        ("untrusted-gpu", "other/tfserving:2.6", 1, "exit code 29 (NodeManager: RELAUNCHING): the image is not from a "
         "registry that the nodes trust", TRUSTED_REGISTRIES),
        ("too-many-gpus", "local/tfserving:2.6", 3, "a replica asks for more GPUs than any node has",
         "ask for fewer GPUs per replica"),
    ],
    ids=["untrusted", "untrusted with a GPU", "too many GPUs"],
)  # fmt: skip
def test_launch_wait_ends_with_cause_and_fix(
    yarnserve: Shell, write_spec: SpecWriter, name: str, image: str, gpus: int, cause: str, fix: str
) -> None:
    """It fails long before its time-out, because no repetition can help, and status says the same."""
    spec = write_spec(name, image=image, resources={"cpus": 1, "memory": "512m", "gpus": gpus})
    launch = yarnserve("launch", str(spec), "--wait", "--timeout", "60")
    assert launch.status == 1, launch.stderr
    for told in (launch.stderr, status(yarnserve, name)):
        assert cause in told
        assert fix in told
    assert yarnserve("destroy", name, "--yes").status == 0


def test_a_missing_image_is_told_with_its_fix(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """Docker says nothing of exit 7, so --wait waits, and then tells what it means and not only that time is up."""
    launch = yarnserve("launch", str(write_spec("missing", image="local/nope:1")), "--wait", "--timeout", "2")
    assert launch.status == 8
    for told in (launch.stderr, status(yarnserve, "missing")):
        assert "exit code 7" in told
        assert "the image's name or tag does not exist" in told
        assert "correct the image's name and tag" in told
    assert yarnserve("destroy", "missing", "--yes").status == 0


def test_a_program_that_the_image_lacks_is_told(yarnserve: Shell) -> None:
    """Exit 127 without a word of trust: the name of the server's program, or the image, is wrong."""
    explained = yarnserve("explain", "127")
    assert "check that the image holds tensorflow_model_server" in explained.stdout


def test_a_hang_is_seen_by_the_probe_alone(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """YARN says READY; status says that it accepts and does not answer, and what replaces it."""
    launch = yarnserve("launch", str(write_spec("hang", image="local/tfserving:2.6")), "--wait", "--timeout", "30")
    assert launch.status == 0, launch.stderr
    (only,) = yarnserve("status", "hang", "-o", "json").document["replicas"]
    post(yarnserve, f"containers/{only['container']}/pause")
    seen = status(yarnserve, "hang")
    assert "accepts and does not answer" in seen
    assert "yarnserve restart NAME --replica R" in seen
    post(yarnserve, f"containers/{only['container']}/kill")
    wait_until(lambda: "1 of 1 replicas serving" in status(yarnserve, "hang"), what="its replacement")
    assert yarnserve("destroy", "hang", "--yes").status == 0


def post(yarnserve: Shell, path: str) -> None:
    """Use one of the sandbox's own verbs."""
    url = f"{yarnserve.environment['YARNSERVE_SANDBOX']}/{path}"
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10):
        pass
