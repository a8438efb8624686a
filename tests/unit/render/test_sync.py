"""A service with agents, as YARN gets it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.spec.documents import spec_of
from tests.unit.spec.test_sync import SYNC, SYNC_DOCKER
from yarnserve.errors import ConfigurationError
from yarnserve.records.replica import Endpoint, Example
from yarnserve.records.version import Version
from yarnserve.render.service import ClusterFacts, render
from yarnserve.serving.arguments import steered_arguments
from yarnserve.serving.config_files import ServedModel, steering_config
from yarnserve.spec.assignment import Assignment, HdfsAccess
from yarnserve.spec.model import ServiceSpec

HDFS = HdfsAccess("alice", {"digits": ("http://nn1:9870", "http://nn2:9870")}, secret="/user/alice/s")
OLDEST = Version(3, 1, 1)
FACTS = ClusterFacts(OLDEST, hdfs=HDFS)


def rendered(spec: ServiceSpec, version: Version = OLDEST) -> dict[str, object]:
    """The one component."""
    (component,) = render(spec, ClusterFacts(version, hdfs=HDFS))["components"]
    return dict(component)


def test_the_agent_is_the_process_and_finds_its_assignment_beside_it() -> None:
    """In YARN's normal mode it is exec'd, with the instance that YARN fills in; spec and HDFS are in the file."""
    component = rendered(spec_of(SYNC))
    assert component["launch_command"] == ("exec yarnserve agent conf/agent.json --instance ${COMPONENT_INSTANCE_NAME}")
    (file,) = component["configuration"]["files"]  # type: ignore[index]
    assert (file["type"], file["dest_file"]) == ("TEMPLATE", "agent.json")
    assert Assignment.from_text(file["properties"]["content"]) == Assignment(spec_of(SYNC), HDFS)


def test_an_entry_point_gets_it_as_a_list() -> None:
    """Without a shell, and the file is mounted where any image finds it."""
    component = rendered(spec_of(SYNC_DOCKER + "entrypoint: true\n"))
    assert component["launch_command"] == (
        "yarnserve,agent,/etc/yarnserve/agent.json,--instance,${COMPONENT_INSTANCE_NAME}"
    )
    (file,) = component["configuration"]["files"]  # type: ignore[index]
    assert file["dest_file"] == "/etc/yarnserve/agent.json"


def test_bridge_and_readiness_know_the_agent_s_port() -> None:
    """Three ports are mapped; on the host's network YARN may wait for /readyz."""
    bridge = rendered(spec_of(SYNC_DOCKER + "network: bridge\nports: {per_replica: false}\n"), Version(3, 3, 0))
    env = bridge["configuration"]["env"]  # type: ignore[index]
    assert env["YARN_CONTAINER_RUNTIME_DOCKER_PORTS_MAPPING"] == "8500:8500,8501:8501,8502:8502"
    ready = rendered(spec_of(SYNC + "readiness: http\nports: {per_replica: false}\n"))
    assert ready["readiness_check"] == {
        "type": "HTTP",
        "properties": {"url": "http://${THIS_HOST}:8502/readyz", "timeout": "1000"},
    }


def test_nothing_is_rendered_that_no_agent_could_work_with() -> None:
    """No NameNode, and an example that YARN would have to keep in memory."""
    with pytest.raises(ConfigurationError, match="has to be told where HDFS is"):
        render(spec_of(SYNC), ClusterFacts(Version(3, 1, 1)))
    spec = spec_of(SYNC)
    large = replace(spec.models[0], example=Example({"instances": [[0.123456789] * 30_000]}))
    with pytest.raises(ConfigurationError, match="examples are too large"):
        render(replace(spec, models=(large,)), FACTS)


def test_the_server_is_started_to_be_steered() -> None:
    """Own ports, the agent's files, labels that may name what is not loaded yet, threads by the spec."""
    spec = spec_of(SYNC.replace('"2.6"', '"2.6", flags: {enable_model_warmup: false}'))
    files = {"models": "/w/models.config", "monitoring": "/w/monitoring.config", "batching": "/w/batching.config"}
    arguments = steered_arguments(spec, Endpoint("127.0.0.1", 8511, 8510, 8512), **files)
    assert arguments == [
        "--port=8510",
        "--rest_api_port=8511",
        "--model_config_file=/w/models.config",
        "--model_config_file_poll_wait_seconds=10",
        "--monitoring_config_file=/w/monitoring.config",
        "--max_num_load_retries=0",
        "--allow_version_labels_for_unavailable_models=true",
        "--grpc_channel_arguments=grpc.so_reuseport=0",
        "--enable_model_warmup=false",
        "--flush_filesystem_caches=false",
        "--grpc_max_threads=16",
        "--num_load_threads=1",
        "--num_unload_threads=1",
        "--rest_api_num_threads=16",
        "--tensorflow_inter_op_parallelism=1",
        "--tensorflow_intra_op_parallelism=1",
    ]


def test_what_is_served_is_said_version_by_version() -> None:
    """Several models, each with its versions and labels."""
    models = [ServedModel("a", "/w/a", (1, 2), {"stable": 1}), ServedModel("b", "/w/b", (7,), {})]
    assert (
        steering_config(models)
        == """\
model_config_list {
  config {
    name: "a"
    base_path: "/w/a"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 1 versions: 2 } }
    version_labels { key: "stable" value: 1 }
  }
  config {
    name: "b"
    base_path: "/w/b"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 7 } }
  }
}
"""
    )
