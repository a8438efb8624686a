"""Each fault that doctor knows, seeded alone into a cluster that is well: it is found, with the setting to change.

What the sandbox can have wrong with it is seeded there. For the rest the ResourceManager and the NodeManager are real
answers of a 3.3.6 cluster, with one of them spoilt, and HDFS is the sandbox's.
"""

from __future__ import annotations

import copy
import re
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sandbox.cluster_support import send
from tests.sandbox.doctor_support import (
    IMAGE,
    PROPERTIES,
    SPEC,
    Fake,
    beyond_every_node,
    gpu_on_no_node,
    gpu_unknown,
    in_safe_mode,
    logs_come_at_the_end,
    no_bridge,
    no_docker,
    no_native_executor,
    no_version,
    not_hadoop,
    secret_configuration,
    standby,
    too_old,
)
from tests.support import REPOSITORY, golden
from tests.unit.hadoop.wire import Asked, serving
from yarnserve.config import Flags, resolve
from yarnserve.records.doctor import Check, Outcome
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_3_6
from yarnserve.service.connection import connect
from yarnserve.service.examine import CHECKS, examine
from yarnserve.spec.model import ModelSpec, Placement, Ports, Resources, ServiceSpec


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """HDFS with a model and a home directory."""
    model = tmp_path_factory.mktemp("model")
    (model / "1").mkdir()
    (model / "1" / "saved_model.pb").write_bytes(b"")
    profile = replace(HADOOP_3_3_6, placement_handler="scheduler")
    with Sandbox(user="alice", profile=profile, uploads=[(model, "/models/digits")]) as running:
        yield running


def checks(sandbox: Sandbox, fake: Fake) -> dict[str, Check]:
    """Every check of the fake cluster, by name."""
    with serving(fake) as wire:
        for node in fake.nodes:
            node["nodeHTTPAddress"] = fake.node or wire.url.removeprefix("http://")
        settings = resolve(Flags(resource_manager=wire.url, user=fake.user), sandbox.environment, directory=Path("/"))
        with connect(settings) as connection:
            return {check.name: check for check in examine(connection, fake.spec)}


def test_a_good_cluster(sandbox: Sandbox) -> None:
    """Without a fault nothing fails and nothing warns; only what nobody asks for is skipped."""
    found = checks(sandbox, Fake())
    assert list(found) == list(CHECKS)
    outcomes = {name: check.outcome for name, check in found.items() if check.outcome is not Outcome.OK}
    assert outcomes == dict.fromkeys(("label", "docker", "placement", "zookeeper"), Outcome.SKIPPED), found
    assert checks(sandbox, Fake(spec=IMAGE))["docker"].outcome is Outcome.OK


def sandbox_checks(
    sandbox: Sandbox, fault: str = "", spec: ServiceSpec = SPEC, user: str | None = None
) -> dict[str, Check]:
    """Every check of the sandbox while *fault* is on, by name."""
    url = f"{sandbox.environment['YARNSERVE_SANDBOX']}/faults/{fault}"
    if fault:
        assert send("PUT", url).status == 204
    try:
        settings = resolve(Flags(user=user), sandbox.environment, directory=Path("/"))
        with connect(settings) as connection:
            return {check.name: check for check in examine(connection, spec)}
    finally:
        if fault:
            send("DELETE", url)


def test_a_good_sandbox(sandbox: Sandbox) -> None:
    """Nothing fails; as in Hadoop as it is shipped, logs are not collected."""
    found = sandbox_checks(sandbox)
    assert list(found) == list(CHECKS)
    outcomes = {name: check.outcome for name, check in found.items() if check.outcome is not Outcome.OK}
    skipped = dict.fromkeys(("label", "docker", "placement", "zookeeper"), Outcome.SKIPPED)
    assert outcomes == {**skipped, "log-aggregation": Outcome.WARNING}, found
    assert "yarn.log-aggregation-enable" in found["log-aggregation"].fix


def wants(memory_mb: int = 512, cpus: int = 1, gpus: int = 0) -> ServiceSpec:
    """A service whose replicas ask for that much."""
    resources = Resources(cpus=cpus, memory_mb=memory_mb, gpus=gpus)
    return replace(SPEC, image="r/i:1" if gpus else None, resources=resources)


@pytest.mark.parametrize(
    ("fault", "name", "fix"),
    [
        ("api-off", "services-api", "yarn.webapp.api-service.enable"),
        ("queue-stopped", "queue", "yarn.scheduler.capacity.root.default.state"),
        ("queue-full", "am-room", "maximum-am-resource-percent"),
        ("nodes-silent", "nodes", "yarn.nodemanager.webapp.address"),
        ("no-nodes", "nodes", "yarn.resourcemanager.hostname"),
        ("zookeeper-down", "zookeeper", "hadoop.registry.zk.quorum"),
    ],
)
def test_a_fault_of_the_sandbox_is_found(sandbox: Sandbox, fault: str, name: str, fix: str) -> None:
    """The fault's own check fails and says what to change; of the others only those that see it too."""
    found = sandbox_checks(sandbox, fault)
    assert found[name].outcome is Outcome.FAILED, found
    assert fix in found[name].fix
    failed = {each for each, check in found.items() if check.outcome is Outcome.FAILED}
    assert failed - {name} <= {"no-nodes": {"resources", "hosts", "am-room"}}.get(fault, set())


def test_nodes_without_docker_are_found(sandbox: Sandbox) -> None:
    """Only who brings an image needs Docker on the nodes."""
    assert sandbox_checks(sandbox, "docker-off", spec=IMAGE)["docker"].outcome is Outcome.FAILED
    assert sandbox_checks(sandbox, spec=IMAGE)["docker"].outcome is Outcome.OK
    assert sandbox_checks(sandbox, "docker-off")["docker"].outcome is Outcome.SKIPPED


def test_placement_without_a_handler_is_found() -> None:
    """Hadoop as it is shipped refuses constraints without a word."""
    with Sandbox(user="alice") as shipped:
        found = sandbox_checks(shipped, spec=replace(SPEC, placement=Placement(spread=True)))
    assert found["placement"].outcome is Outcome.FAILED
    assert "yarn.resourcemanager.placement-constraints.handler" in found["placement"].fix


def test_an_unhealthy_node_of_the_sandbox_is_a_warning(sandbox: Sandbox) -> None:
    """With another node left nothing fails, and the NodeManager's own report is told."""
    found = sandbox_checks(sandbox, "node-unhealthy")
    assert found["nodes"].outcome is Outcome.WARNING, found
    assert "local-dirs have errors" in found["nodes"].why + found["nodes"].fix


@pytest.mark.parametrize(
    ("spec", "user", "name", "fix"),
    [
        (SPEC, "stranger", "hdfs", "hdfs dfs -mkdir -p /user/stranger"),
        (replace(SPEC, queue="nowhere"), None, "queue", "capacity-scheduler.xml"),
        (wants(memory_mb=9000), None, "resources", "yarn.scheduler.maximum-allocation-mb"),
        (wants(cpus=99), None, "resources", "yarn.scheduler.maximum-allocation-vcores"),
        (wants(gpus=1), None, "gpu", "resource-types.xml"),
        (replace(SPEC, placement=Placement(node_label="gpu")), None, "label", "placement.node_label"),
        (replace(SPEC, replicas=3, ports=Ports(per_replica=False)), None, "hosts", "ports.per_replica"),
        (
            replace(SPEC, models=(ModelSpec("digits", "hdfs:///models/none"),)),
            None,
            "model",
            "directory above the version numbers",
        ),
        (
            replace(SPEC, models=(ModelSpec("digits", "hdfs:///models/digits/1"),)),
            None,
            "model",
            "yarnserve models publish",
        ),
    ],
    ids=["home", "queue", "memory", "vcores", "gpu", "label", "hosts", "no model", "empty model"],
)
def test_what_the_sandbox_does_not_have_is_found(
    sandbox: Sandbox, spec: ServiceSpec, user: str | None, name: str, fix: str
) -> None:
    """A service that wants more than there is: the one check that fails says what to change."""
    found = sandbox_checks(sandbox, spec=spec, user=user)
    assert [each for each, check in found.items() if check.outcome is Outcome.FAILED] == [name], found
    assert fix in found[name].fix


@pytest.mark.parametrize(
    ("seed", "name", "fix"),
    [
        (standby, "resource-manager", "wait"),
        (not_hadoop, "resource-manager", "check that the address"),
        (too_old, "version", "upgrade"),
        (no_version, "version", "--hadoop-version"),
        (no_native_executor, "docker", "container-executor.class to org.apache.hadoop.yarn.server.nodemanager.Linux"),
        (no_docker, "docker", "allowed-runtimes to default,docker in"),
        (no_bridge, "docker", "allowed-container-networks to host,bridge in"),
        (beyond_every_node, "resources", "yarn.nodemanager.resource.memory-mb"),
        (gpu_unknown, "gpu", "resource-types.xml"),
        (gpu_on_no_node, "gpu", "yarn.nodemanager.resource-plugins"),
    ],
)
def test_a_seeded_fault_is_found(sandbox: Sandbox, seed: Callable[[Fake], None], name: str, fix: str) -> None:
    """The fault's own check fails and says what to change; of the others only those that see it too."""
    fake = Fake()
    seed(fake)
    found = checks(sandbox, fake)
    assert found[name].outcome is Outcome.FAILED, found
    assert fix in found[name].fix
    assert [each for each, check in found.items() if check.outcome is Outcome.FAILED] == [name]


def test_what_hangs_on_a_dead_resource_manager_is_skipped(sandbox: Sandbox) -> None:
    """One failure, not ten of the same cause; HDFS is looked at all the same."""
    fake = Fake()
    standby(fake)
    found = checks(sandbox, fake)
    assert [name for name, check in found.items() if check.outcome is Outcome.FAILED] == ["resource-manager"]
    assert found["queue"] == Check("queue", Outcome.SKIPPED, "resource-manager comes first")
    assert found["hdfs"].outcome is Outcome.OK


@pytest.mark.parametrize(
    ("seed", "name", "told"),
    [
        (logs_come_at_the_end, "log-aggregation", "roll-monitoring-interval-seconds"),
        (secret_configuration, "placement", "ask the admin"),
    ],
)
def test_a_seeded_doubt_is_a_warning(sandbox: Sandbox, seed: Callable[[Fake], None], name: str, told: str) -> None:
    """What only may become a trouble, or cannot be seen, warns and does not fail."""
    fake = Fake()
    seed(fake)
    found = checks(sandbox, fake)
    assert found[name].outcome is Outcome.WARNING, found
    assert told in found[name].why + found[name].fix
    assert not [check for check in found.values() if check.outcome is Outcome.FAILED]


def test_only_nodes_of_the_partition_count(sandbox: Sandbox) -> None:
    """A node outside the wanted partition is no room for a replica."""
    fake = Fake(spec=replace(SPEC, placement=Placement(node_label="gpu")))
    outside = copy.deepcopy(fake.nodes[0])
    fake.nodes[0] |= {"nodeLabels": ["gpu"], "usedMemoryMB": 100, "availMemoryMB": 100}
    fake.nodes.append({**outside, "id": "other:1"})
    found = checks(sandbox, fake)
    assert found["label"].what == "1 nodes belong to gpu"
    assert found["resources"].outcome is Outcome.FAILED


def test_nobody(sandbox: Sandbox) -> None:
    """Whoever is dr.who is told why launching will end in 403."""
    found = checks(sandbox, Fake(user="dr.who"))
    assert found["user"].outcome is Outcome.WARNING
    assert "HADOOP_USER_NAME" in found["user"].fix


def test_safe_mode() -> None:
    """A NameNode in safe mode is named as the reason why the home directory takes no file."""
    with serving(Fake()) as manager, serving(in_safe_mode) as hdfs:
        flags = Flags(resource_manager=manager.url, namenode=hdfs.url, user="alice")
        settings = resolve(flags, {}, default_conf_dir=Path("/none"), directory=Path("/"))
        with connect(settings) as connection:
            (check,) = examine(connection, only=["hdfs"])
    assert check.outcome is Outcome.FAILED
    assert "safe mode" in check.why
    assert "at x" not in check.why


def test_a_check_that_never_ends(sandbox: Sandbox) -> None:
    """A server that takes the request and is silent costs the deadline, and becomes a failed check."""
    fake = Fake()

    def silent(asked: Asked) -> bytes | None:
        return None if asked.path == "/ws/v1/cluster/scheduler" else fake(asked)

    with serving(silent) as wire:
        settings = resolve(Flags(resource_manager=wire.url), sandbox.environment, directory=Path("/"))
        with connect(settings) as connection:
            (check,) = examine(connection, only=["queue"], deadline=1.0)
    assert (check.outcome, check.what) == (Outcome.FAILED, "no answer in time")


def test_the_page_for_admins_names_every_check_and_setting(sandbox: Sandbox) -> None:
    """docs/admin.md has each check in its table, and shows each setting of yarn-site.xml that a failure names."""
    page = (REPOSITORY / "docs" / "admin.md").read_text()
    listed = re.findall(r"^\| ([a-z-]+)(?: \(FILE\))? \|", page.partition("## Every check")[2], flags=re.M)
    assert listed == ["check", *CHECKS]
    for name in ("yarn.webapp.api-service.enable", "hadoop.registry.zk.quorum", "yarn.resource-types", *PROPERTIES):
        assert f"<name>{name}</name>" in page


def test_the_sandbox_shows_its_configuration_as_xml(sandbox: Sandbox) -> None:
    """Whoever does not ask for JSON gets /conf in the form that a real ResourceManager sent."""
    real = next(exchange for exchange in golden("ha-3.3.6") if exchange.get("path") == "/conf")
    with urllib.request.urlopen(f"{sandbox.resource_manager_url}/conf") as reply:
        assert reply.headers["Content-Type"] == real["content_type"]
        text = reply.read().decode()
    start, _, _ = str(real["body"]).partition("\n")
    assert text.startswith(start)
    assert "<property><name>fs.defaultFS</name><value>hdfs://" in text
    assert "</value><final>false</final><source>yarn-site.xml</source></property>" in text
