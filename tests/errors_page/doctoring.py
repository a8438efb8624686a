"""What ``doctor`` says of each thing that can be wrong with a cluster, or with what a service wants of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.errors_page.runs import masked, run
from tests.sandbox import doctor_support as faulty
from tests.sandbox.cluster_support import send
from tests.sandbox.doctor_support import Fake
from tests.unit.hadoop.wire import Asked, Responder, answer, serving
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_3_6

_SPEC: dict[str, Any] = {
    "name": "digits",
    "model": {"base_path": "hdfs:///models/digits"},
    "serving": {"version": "2.6"},
    "resources": {"cpus": 1, "memory": "512m"},
}
_IMAGE = {"image": "registry.example.org/tfserving-hdfs:2.6"}
_GPU = {**_IMAGE, "resources": {"cpus": 1, "memory": "512m", "gpus": 1}}


@dataclass(frozen=True)
class Case:
    """One thing that *check* finds: what is wrong, and how it is made so.

    Attributes:
        check: its name.
        title: what is wrong, in words.
        fault: a fault of the sandbox.
        seed: what is spoilt in the answers of a real cluster, which then stands in for YARN.
        spec: fields of service.yaml, as they are wanted.
        options: further options of the command.
        namenode: who answers as HDFS, in place of the sandbox.
    """

    check: str
    title: str
    fault: str = ""
    seed: Callable[[Fake], None] | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    namenode: Responder | None = None


def no_zookeeper_answers(fake: Fake) -> None:
    """One server of two is a stranger."""
    fake.properties["hadoop.registry.zk.quorum"] = "127.0.0.1:1,nowhere:x"


def one_label(fake: Fake) -> None:
    """The node has a label."""
    fake.nodes[0]["nodeLabels"] = ["ssd"]


def weak_gpus(fake: Fake) -> None:
    """A node has one GPU."""
    faulty.gpu_on_no_node(fake)
    for node in fake.nodes:
        node["totalResource"] = {
            "resourceInformations": {"resourceInformation": [{"name": "yarn.io/gpu", "units": "", "value": 1}]}
        }


def other_home(asked: Asked) -> bytes:
    """A server that puts another user in our place."""
    return answer(200, {"Path": "/user/proxy"})


def without_home(asked: Asked) -> bytes:
    """HDFS asks who we are."""
    return answer(401, "<html>Authentication required</html>", "text/html")


CASES = (
    Case("configuration", "no Hadoop configuration"),
    Case("resource-manager", "the only ResourceManager is a standby", seed=faulty.standby),
    Case("resource-manager", "a login page in its place", seed=faulty.not_hadoop),
    Case("services-api", "the services API is switched off", fault="api-off"),
    Case("version", "a Hadoop without services", seed=faulty.too_old),
    Case("version", "a build whose name has no number", seed=faulty.no_version),
    Case("version", "treated as a later Hadoop", options=("--hadoop-version", "3.4.2")),
    Case("user", "nobody says who asks", options=("--user", "dr.who")),
    Case("user", "somebody else in our place", namenode=other_home),
    Case("hdfs", "no home directory", options=("--user", "stranger")),
    Case("hdfs", "safe mode", namenode=faulty.in_safe_mode),
    Case("hdfs", "HDFS does not know who we are", namenode=without_home),
    Case("queue", "a queue that does not exist", spec={"queue": "ml"}),
    Case("queue", "a stopped queue", fault="queue-stopped"),
    Case("am-room", "ApplicationMasters fill their share of the queue", fault="queue-full"),
    Case("nodes", "no NodeManager", fault="no-nodes"),
    Case("nodes", "NodeManagers whose web servers do not answer", fault="nodes-silent"),
    Case("nodes", "a node whose disks are full", fault="node-unhealthy"),
    Case("label", "a label that no node has", seed=one_label, spec={"placement": {"node_label": "gpu"}}),
    Case("docker", "nodes without Docker", fault="docker-off", spec=_IMAGE),
    Case("docker", "nodes that start processes only", seed=faulty.no_native_executor, spec=_IMAGE),
    Case(
        "docker",
        "nodes that do not allow the network",
        seed=faulty.no_bridge,
        spec={**_IMAGE, "network": "bridge", "ports": {"per_replica": False}},
    ),
    Case("resources", "more memory than a container may have", spec={"resources": {"cpus": 1, "memory": "9000m"}}),
    Case("resources", "more vcores than a container may have", spec={"resources": {"cpus": 99, "memory": "512m"}}),
    Case("resources", "more than any node has", seed=faulty.beyond_every_node),
    Case("gpu", "GPUs that the ResourceManager does not know", spec=_GPU),
    Case("gpu", "GPUs that no node has", seed=faulty.gpu_on_no_node, spec=_GPU),
    Case(
        "gpu",
        "more GPUs than any node has",
        seed=weak_gpus,
        spec={**_GPU, "resources": {"cpus": 1, "memory": "512m", "gpus": 2}},
    ),
    Case("placement", "constraints without a handler", spec={"placement": {"spread": True}}),
    Case(
        "placement",
        "a configuration that is not shown",
        seed=faulty.secret_configuration,
        spec={"placement": {"spread": True}},
    ),
    Case("hosts", "fewer hosts than replicas", spec={"replicas": 3, "ports": {"per_replica": False}}),
    Case("zookeeper", "ZooKeeper does not answer", fault="zookeeper-down"),
    Case("zookeeper", "names that are no addresses", seed=no_zookeeper_answers),
    Case("log-aggregation", "logs are not collected"),
    Case("log-aggregation", "logs are collected at the end only", seed=faulty.logs_come_at_the_end),
    Case("model", "no such path", spec={"model": {"base_path": "hdfs:///models/none"}}),
    Case("model", "the version in place of the model", spec={"model": {"base_path": "hdfs:///models/digits/1"}}),
)


def samples(directory: Path) -> Iterator[tuple[Case, str]]:
    """Yield each case with what ``doctor --only CHECK`` prints on stdout; *directory* is for files."""
    with _well(directory, placement=True) as sandbox, _well(directory, placement=False) as shipped:
        for case in CASES:
            yield case, _printed(case, shipped if case.check == "placement" else sandbox, directory)


def whole(directory: Path) -> str:
    """Return what ``doctor FILE`` prints of a cluster that is well."""
    with _well(directory, placement=True) as sandbox:
        return _printed(Case("", ""), sandbox, directory)


def _well(directory: Path, *, placement: bool) -> Sandbox:
    model = directory / "model"
    (model / "1").mkdir(parents=True, exist_ok=True)
    (model / "1" / "saved_model.pb").write_bytes(b"")
    profile = replace(HADOOP_3_3_6, placement_handler="scheduler" if placement else "disabled")
    return Sandbox(user="alice", profile=profile, uploads=[(model, "/models/digits")])


def _printed(case: Case, sandbox: Sandbox, directory: Path) -> str:
    file = directory / "service.yaml"
    file.write_text(json.dumps({**_SPEC, **case.spec}))
    only = ("--only", case.check) if case.check else ()
    with _wrong(case, sandbox) as (options, names):
        environment = {} if case.check == "configuration" else sandbox.environment
        ran = run("doctor", str(file), *only, *options, *case.options, environment=environment, directory=directory)
    return masked(ran.stdout, names)


@contextmanager
def _wrong(case: Case, sandbox: Sandbox) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Make *case* so for a while; yield further options, and what stands for each address on the page."""
    options: list[str] = []
    names = {
        sandbox.resource_manager_url: "http://rm:8088",
        sandbox.namenode_url: "http://nn:9870",
        sandbox.environment["HADOOP_CONF_DIR"]: "/etc/hadoop/conf",
    }
    with ExitStack() as stack:
        if case.fault:
            stack.enter_context(_switched_on(sandbox, case.fault))
        if case.seed is not None:
            url = stack.enter_context(_spoilt(case.seed))
            options += ["--resource-manager", url]
            names[url] = "http://rm:8088"
        if case.namenode is not None:
            url = stack.enter_context(serving(case.namenode)).url
            options += ["--namenode", url]
            names[url] = "http://nn:9870"
        if case.check == "configuration":
            options += ["--resource-manager", sandbox.resource_manager_url]
        yield options, names


@contextmanager
def _switched_on(sandbox: Sandbox, fault: str) -> Iterator[None]:
    url = f"{sandbox.environment['YARNSERVE_SANDBOX']}/faults/{fault}"
    assert send("PUT", url).status == 204
    try:
        yield
    finally:
        send("DELETE", url)


@contextmanager
def _spoilt(seed: Callable[[Fake], None]) -> Iterator[str]:
    """Serve the answers of a real ResourceManager and NodeManager, spoilt by *seed*; yield their address."""
    fake = Fake()
    seed(fake)
    with serving(fake) as wire:
        for node in fake.nodes:
            node["nodeHTTPAddress"] = wire.url.removeprefix("http://")
        yield wire.url
