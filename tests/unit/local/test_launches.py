"""From a spec to what is started: arguments of docker run, command lines, files, and what counts as a difference."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from tests.unit.local.specs import FACTS, spec
from yarnserve.errors import ConfigurationError, NotFoundError, UsageError
from yarnserve.local.docker_arguments import WORK
from yarnserve.local.launches import launch, local_spec, require_instance, starts
from yarnserve.local.records import Way
from yarnserve.spec.assignment import Assignment
from yarnserve.spec.model import ServiceSpec


def docker(instance: str = "serve-1", **fields: Any) -> list[str]:
    """The arguments of the container of *instance*."""
    return list(launch(spec(**fields), Way.DOCKER, instance, FACTS).arguments)


def test_a_container_is_confined_as_on_yarn_and_its_agent_is_pid_1() -> None:
    """The user of this host, one directory to write to, nothing of root's powers, no --init before the agent."""
    arguments = docker()
    assert arguments[-7:] == [
        "ml/serving:2.6", "agent", f"{WORK}/agent.json", "--instance", "serve-1", "--directory", WORK,
    ]  # fmt: skip
    expected = {
        "--name=yarnserve-digits-serve-1", "--label=yarnserve.service=digits", "--label=yarnserve.instance=serve-1",
        "--user=1000:1001", "--env=HOME=/home/", f"--workdir={WORK}", f"--volume=/state/digits/serve-1:{WORK}:rw,Z",
        "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--network=host", "--memory=1024m", "--memory-swap=1024m",
        "--cpus=2", "--entrypoint=yarnserve", "--stop-timeout=40", "--log-opt=max-size=20m",
    }  # fmt: skip
    assert expected <= set(arguments)
    assert not [word for word in arguments if word.startswith(("--init", "--gpus", "--publish"))]


def test_a_bridge_publishes_the_replicas_own_ports() -> None:
    """Under the same numbers, since nobody else tells callers of others; the agent's port too."""
    arguments = docker("serve-0", network="bridge", ports={"per_replica": False}, replicas=1)
    assert "--network=bridge" in arguments
    assert [word for word in arguments if word.startswith("--publish")] == [
        "--publish=8500:8500", "--publish=8501:8501", "--publish=8502:8502",
    ]  # fmt: skip


def test_every_replica_has_gpus_of_its_own() -> None:
    """Docker's plain number would give the first GPUs to every container; plain processes are told by CUDA's name."""
    resources = {"memory": "1g", "gpus": 2}
    assert '--gpus="device=2,3"' in docker(resources=resources)
    plain, way = local_spec(spec(resources=resources), replicas=None, is_docker=False)
    assert launch(plain, way, "serve-1", FACTS).environment["CUDA_VISIBLE_DEVICES"] == "2,3"


def test_more_processors_than_the_host_has_are_not_asked_for() -> None:
    """Vcores may be more than that, and Docker refuses."""
    assert "--cpus=8" in docker(resources={"memory": "1g", "cpus": 64})


def test_mounts_env_and_the_agents_program_are_those_of_the_file() -> None:
    """Each mount with its mode."""
    arguments = docker(mounts=["/data:/data", "/fast:/fast:rw"], env={"A": "b c"}, agent={"command": "/opt/ys"})
    assert {"--volume=/data:/data:ro", "--volume=/fast:/fast:rw", "--env=A=b c", "--entrypoint=/opt/ys"} <= set(
        arguments
    )


def test_an_images_own_entrypoint_gets_the_arguments_only() -> None:
    """It is yarnserve with an agent, the server without one, whose files lie where it looks for them."""
    agent = docker(entrypoint=True, ports={"per_replica": False}, replicas=1)
    assert not [word for word in agent if word.startswith("--entrypoint")]
    assert agent[agent.index("ml/serving:2.6") + 1] == "agent"
    server = docker(
        "serve-0",
        delivery="native",
        entrypoint=True,
        ports={"per_replica": False},
        serving={"version": "2.6", "batching": {"max_batch_size": 8}},
    )
    assert "--port=8500" in server
    assert "--volume=/state/digits/serve-0/conf:/etc/yarnserve:ro,Z" in server


def test_a_server_in_an_image_that_reads_hdfs_gets_hadoops_files() -> None:
    """Where its class path begins; the shell does the sum of its ports."""
    facts = dataclasses.replace(FACTS, hdfs_client={"core-site.xml": {"fs.defaultFS": "hdfs://a&b"}})
    made = launch(spec(delivery="native"), Way.DOCKER, "serve-1", facts)
    assert "<value>hdfs://a&amp;b</value>" in made.files["conf/core-site.xml"]
    assert {"--entrypoint=/bin/bash", "--env=COMPONENT_ID=1"} <= set(made.arguments)
    assert "8501+10*${COMPONENT_ID}" in made.arguments[-1]


def test_a_plain_process_is_our_own_agent() -> None:
    """Run by the interpreter that runs us, so that both are of one version; the assignment names no secret."""
    plain, way = local_spec(spec(), replicas=None, is_docker=False)
    made = launch(plain, way, "serve-1", FACTS)
    assert way is Way.PROCESS
    assert made.arguments[:4] == ("/usr/bin/python3", "-m", "yarnserve", "agent")
    assert made.arguments[4:] == (
        "/state/digits/serve-1/agent.json", "--instance", "serve-1", "--directory", "/state/digits/serve-1",
    )  # fmt: skip
    assert Assignment.from_text(made.files["agent.json"]).hdfs.secret == ""


def marks(wanted: ServiceSpec) -> list[str]:
    """What the replicas are known by."""
    return [start.mark for start in starts(wanted, Way.DOCKER, FACTS)]


def test_another_number_of_replicas_is_no_reason_to_replace_one() -> None:
    """Although its agent is told; another flag is, and so is another image under the same tag."""
    two = marks(spec())
    assert marks(spec(replicas=3))[:2] == two
    assert marks(spec(serving={"version": "2.6", "flags": {"num_load_threads": 2}})) != two
    other = dataclasses.replace(FACTS, image_id="sha256:2")
    assert [start.mark for start in starts(spec(), Way.DOCKER, other)] != two
    told = json.loads(starts(spec(replicas=3), Way.DOCKER, FACTS)[0].launch.files["agent.json"])
    assert told["spec"]["replicas"] == 3


@pytest.mark.parametrize(
    ("fields", "replicas", "error", "words"),
    [
        ({"ports": {"per_replica": False}}, None, UsageError, "same ports"),
        ({}, 99_999, UsageError, "ports below 65536"),
        (
            {"model": {"base_path": "/models/digits", "version": "stable"}},
            None,
            ConfigurationError,
            "which version of digits is stable",
        ),
    ],
)
def test_what_one_host_cannot_do_is_refused(
    fields: dict[str, Any], replicas: int | None, error: type[Exception], words: str
) -> None:
    """Before anything is started."""
    with pytest.raises(error, match=words):
        local_spec(spec(**fields), replicas=replicas, is_docker=True)


def test_a_replica_goes_by_its_number_or_name() -> None:
    """One that is not wanted is named with those that are."""
    assert require_instance(spec(), "1") == require_instance(spec(), "serve-1") == "serve-1"
    with pytest.raises(NotFoundError) as caught:
        require_instance(spec(), "2")
    assert "serve-0, serve-1" in caught.value.why
