"""Every optional part of service.yaml, as YARN is told, and as it is refused where YARN could not do it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.render.test_service import assert_known_fields, known_fields
from tests.unit.spec.documents import DOCKER, MINIMAL, spec_of
from yarnserve.errors import ConfigurationError
from yarnserve.records.version import Version
from yarnserve.render.service import ClusterFacts, render
from yarnserve.sandbox.binding import bind_service, with_defaults
from yarnserve.sandbox.profile import profile_of
from yarnserve.sandbox.validation import validate
from yarnserve.spec.model import ModelSpec, Mount, Network, Placement, Ports, Readiness, ServiceSpec

VERSIONS = ["3.1.1", "3.1.4", "3.2.4", "3.3.6", "3.4.2", "3.1.1.3.1.0.0-78"]
SHARED = Ports(per_replica=False)
DOCKERED = replace(spec_of(DOCKER), ports=SHARED)
PLAIN = spec_of(MINIMAL)
TWO = (ModelSpec("ctr", "/models/ctr"), ModelSpec("cvr", "/models/cvr"))


def rendered(spec: ServiceSpec, version: str = "3.3.6") -> dict[str, Any]:
    """The document of *spec*."""
    return render(spec, ClusterFacts(Version.parse(version)))


def component(spec: ServiceSpec, version: str = "3.3.6") -> dict[str, Any]:
    """The document's one component."""
    (only,) = rendered(spec, version)["components"]
    assert isinstance(only, dict)
    return only


class EveryFile:
    """An HDFS that has whatever a definition refers to."""

    def exists(self, path: str) -> bool:
        """Yes."""
        return bool(path)


EVERYTHING = replace(
    DOCKERED,
    models=TWO,
    env={"TF_CPP_MIN_LOG_LEVEL": "1"},
    mounts=(Mount("/etc/passwd", "/etc/passwd"),),
    placement=Placement("gpu", spread=True),
    lifetime=3600,
    readiness=Readiness.HTTP,
    registry_credentials="hdfs:///user/ml/config.json",
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "spec",
    [
        EVERYTHING,
        replace(EVERYTHING, placement=Placement("gpu"), ports=Ports(), readiness=Readiness.PROCESS),
        replace(EVERYTHING, entrypoint=True),
        replace(PLAIN, models=TWO, serving=replace(PLAIN.serving, batching={"max_batch_size": 8})),
    ],
    ids=["everything", "label", "entrypoint", "process"],
)
def test_yarn_takes_every_option(spec: ServiceSpec, version: str) -> None:
    """No unknown field and no broken rule, by the tables of the facts and by the sandbox's reading of YARN."""
    document = rendered(spec, version)
    assert_known_fields(document)
    (only,) = document["components"]
    assert only.keys() <= known_fields("Component")
    assert only.get("readiness_check", {}).keys() <= {"type", "properties", "artifact"}
    for file in only["configuration"]["files"]:
        assert file.keys() == {"type", "dest_file", "properties"}
    profile = profile_of(version)
    validate(with_defaults(bind_service(document, profile), profile), EveryFile(), profile)


def test_several_models_come_as_a_file() -> None:
    """Its text lies in the definition itself: no file has to be on HDFS beforehand."""
    (file,) = component(replace(PLAIN, models=TWO))["configuration"]["files"]
    assert (file["type"], file["dest_file"]) == ("TEMPLATE", "models.config")
    assert 'base_path: "hdfs:///models/cvr"' in file["properties"]["content"]
    assert "$" not in file["properties"]["content"]


def test_environment_of_a_plain_process() -> None:
    """The user's variables and nothing of Docker's."""
    assert component(replace(PLAIN, env={"A": "1"}))["configuration"]["env"] == {"A": "1"}
    assert "env" not in component(PLAIN)["configuration"]


def test_mounts_always_have_a_mode() -> None:
    """Hadoop 3.1.1 does not launch a container whose mounts have none."""
    spec = replace(DOCKERED, mounts=(Mount("/etc/passwd", "/etc/passwd"), Mount("/data", "/cache", read_only=False)))
    variables = component(spec, "3.1.1")["configuration"]["env"]
    assert variables["YARN_CONTAINER_RUNTIME_DOCKER_MOUNTS"] == "/etc/passwd:/etc/passwd:ro,/data:/cache:rw"


@pytest.mark.parametrize("version", ["3.1.2", "3.1.4", "3.2.1", "3.3.0", "3.4.2"])
def test_bridged_ports_keep_their_numbers(version: str) -> None:
    """Docker's own choice would be seen by nobody; two replicas on a node would want the same port."""
    only = component(replace(DOCKERED, network=Network.BRIDGE), version)
    assert only["configuration"]["properties"]["docker.network"] == "bridge"
    assert only["configuration"]["env"]["YARN_CONTAINER_RUNTIME_DOCKER_PORTS_MAPPING"] == "8500:8500,8501:8501"
    assert only["placement_policy"]["constraints"][0]["type"] == "ANTI_AFFINITY"


@pytest.mark.parametrize("version", ["3.1.1", "3.2.0", "3.1.1.7.1.7.0-551"])
def test_a_bridge_is_refused_where_no_port_can_be_mapped(version: str) -> None:
    """These would ignore the variable and leave the replicas unreachable."""
    with pytest.raises(ConfigurationError, match="network: bridge needs port mappings"):
        rendered(replace(DOCKERED, network=Network.BRIDGE), version)


def test_spread_replicas_of_a_partition() -> None:
    """One constraint says both, as YARN's documentation has it."""
    (constraint,) = component(replace(PLAIN, placement=Placement("gpu", spread=True)))["placement_policy"][
        "constraints"
    ]
    assert constraint == {
        "type": "ANTI_AFFINITY",
        "scope": "NODE",
        "target_tags": ["serve"],
        "node_partitions": ["gpu"],
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_partition_alone_names_the_component_all_the_same(version: str) -> None:
    """Hadoop before 3.4 refuses a constraint without target_tags; this one allows any number on a node."""
    (constraint,) = component(replace(PLAIN, placement=Placement("gpu")), version)["placement_policy"]["constraints"]
    assert constraint["target_tags"] == ["serve"]
    assert constraint["node_partitions"] == ["gpu"]
    assert constraint["type"] == "AFFINITY_WITH_CARDINALITY"
    assert constraint["min_cardinality"] == 0
    assert constraint["max_cardinality"] > 1000


def test_lifetime_and_credentials_belong_to_the_service() -> None:
    """Both stand at the top, and are missing when nobody asked for them."""
    document = rendered(replace(DOCKERED, lifetime=3600, registry_credentials="hdfs:///user/ml/config.json"))
    assert document["lifetime"] == 3600
    assert document["docker_client_config"] == "hdfs:///user/ml/config.json"
    assert not {"lifetime", "docker_client_config"} & rendered(DOCKERED).keys()


def test_readiness_by_port_and_by_http() -> None:
    """YARN asks the REST port, or the first model's status."""
    assert component(replace(DOCKERED, readiness=Readiness.PORT))["readiness_check"] == {
        "type": "PORT",
        "properties": {"port": "8501", "timeout": "1000"},
    }
    assert component(replace(DOCKERED, readiness=Readiness.HTTP))["readiness_check"] == {
        "type": "HTTP",
        "properties": {"url": "http://${THIS_HOST}:8501/v1/models/digits", "timeout": "1000"},
    }
    assert "readiness_check" not in component(DOCKERED)


def test_an_entrypoint_gets_its_arguments_as_a_list() -> None:
    """Commas between them, no shell, no program: the image knows that."""
    only = component(replace(DOCKERED, entrypoint=True), "3.1.1")
    assert only["configuration"]["env"]["YARN_CONTAINER_RUNTIME_DOCKER_RUN_OVERRIDE_DISABLE"] == "true"
    arguments = only["launch_command"].split(",")
    assert arguments[:3] == ["--port=8500", "--rest_api_port=8501", "--model_name=digits"]
    assert not [argument for argument in arguments if not argument.startswith("--")]


HDFS = {"hdfs-site.xml": {"dfs.nameservices": "prod"}, "core-site.xml": {"fs.defaultFS": "hdfs://prod"}}


@pytest.mark.parametrize("version", VERSIONS)
def test_an_image_gets_the_clusters_file_systems(version: str) -> None:
    """Without hdfs-site.xml a nameservice is an unknown host; YARN writes both files from the definition itself."""
    (only,) = render(spec_of(DOCKER), ClusterFacts(Version.parse(version), HDFS))["components"]
    assert only["configuration"]["files"] == [
        {"type": "HADOOP_XML", "dest_file": "core-site.xml", "properties": {"fs.defaultFS": "hdfs://prod"}},
        {"type": "HADOOP_XML", "dest_file": "hdfs-site.xml", "properties": {"dfs.nameservices": "prod"}},
    ]


@pytest.mark.parametrize("spec", [PLAIN, replace(DOCKERED, entrypoint=True)], ids=["process", "entrypoint"])
def test_nobody_else_gets_hadoops_files(spec: ServiceSpec) -> None:
    """A plain process has its node's own, and an ENTRYPOINT brings its own class path."""
    (only,) = render(spec, ClusterFacts(Version(3, 3, 6), HDFS))["components"]
    assert "files" not in only["configuration"]
