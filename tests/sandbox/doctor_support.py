"""A cluster whose answers are a real one's, to be spoilt one by one: what ``doctor`` has to find."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support import golden
from tests.unit.hadoop.wire import Asked, answer
from yarnserve.spec.model import ModelSpec, Network, Placement, Resources, ServiceSpec, ServingSpec

SPEC = ServiceSpec(
    name="digits",
    models=(ModelSpec("digits", "hdfs:///models/digits"),),
    serving=ServingSpec("2.6"),
    replicas=1,
    resources=Resources(cpus=1, memory_mb=512),
)

IMAGE = replace(SPEC, image="registry/serving:2.6")

PATHS = ("/ws/v1/cluster/info", "/ws/v1/cluster/scheduler", "/ws/v1/cluster/nodes", "/app/v1/services/version")


def recorded() -> dict[str, Any]:
    """What the real cluster answered, by path."""
    answers: dict[str, Any] = {}
    for exchange in golden("3.3.6"):
        path = exchange.get("path")
        if path in PATHS and exchange["method"] == "GET" and exchange["status"] == 200:
            answers.setdefault(path, exchange["body"])
    return answers


GOOD = recorded()

PROPERTIES = {
    "yarn.nodemanager.container-executor.class": "org.apache.hadoop.yarn.server.nodemanager.LinuxContainerExecutor",
    "yarn.nodemanager.runtime.linux.allowed-runtimes": "default, Docker",
    "yarn.log-aggregation-enable": "true",
    "yarn.nodemanager.log-aggregation.roll-monitoring-interval-seconds": "3600",
    "yarn.resourcemanager.placement-constraints.handler": "scheduler",
}


@dataclass
class Fake:
    """The answers of a cluster; *raw* overrides any of them with exact bytes."""

    documents: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(GOOD))
    properties: dict[str, str] = field(default_factory=lambda: dict(PROPERTIES))
    raw: dict[str, bytes] = field(default_factory=dict)
    spec: ServiceSpec = SPEC
    user: str | None = None
    node: str = ""

    @property
    def info(self) -> Any:
        """What the ResourceManager says of itself."""
        return self.documents["/ws/v1/cluster/info"]["clusterInfo"]

    @property
    def nodes(self) -> Any:
        """The NodeManagers in its list."""
        return self.documents["/ws/v1/cluster/nodes"]["nodes"]["node"]

    @property
    def queue(self) -> Any:
        """The leaf queue."""
        return self.documents["/ws/v1/cluster/scheduler"]["scheduler"]["schedulerInfo"]["queues"]["queue"][0]

    def __call__(self, asked: Asked) -> bytes:
        """Answer one request."""
        if asked.path in self.raw:
            return self.raw[asked.path]
        if asked.path == "/conf":
            return answer(200, {"properties": [{"key": key, "value": value} for key, value in self.properties.items()]})
        if asked.path == "/ws/v1/node/info":
            return answer(200, {"nodeInfo": {}})
        return answer(200, self.documents[asked.path])


def _html(status: int) -> bytes:
    return answer(status, "<html>HTTP ERROR</html>", "text/html")


def standby(fake: Fake) -> None:
    """The only ResourceManager stands by."""
    fake.info["haState"] = "STANDBY"


def not_hadoop(fake: Fake) -> None:
    """A login page answers in its place."""
    fake.raw["/ws/v1/cluster/info"] = _html(200)


def too_old(fake: Fake) -> None:
    """A Hadoop without services."""
    fake.info["hadoopVersion"] = "2.10.1"


def no_version(fake: Fake) -> None:
    """A build whose name has no number."""
    fake.info["hadoopVersion"] = "nightly"


def beyond_every_node(fake: Fake) -> None:
    """A replica wants more than any node has."""
    for node in fake.nodes:
        node["usedMemoryMB"] = node["availMemoryMB"] = 100


def gpu_unknown(fake: Fake) -> None:
    """The ResourceManager does not count GPUs."""
    fake.spec = replace(SPEC, image="r/i:1", resources=Resources(cpus=1, memory_mb=512, gpus=1))


def gpu_on_no_node(fake: Fake) -> None:
    """It does, and no node has one."""
    gpu_unknown(fake)
    scheduler = fake.documents["/ws/v1/cluster/scheduler"]["scheduler"]["schedulerInfo"]
    kinds = scheduler["maximumAllocation"]["resourceInformations"]["resourceInformation"]
    kinds.append({**kinds[0], "name": "yarn.io/gpu"})


def no_native_executor(fake: Fake) -> None:
    """Nodes that start processes only."""
    fake.spec = IMAGE
    del fake.properties["yarn.nodemanager.container-executor.class"]


def no_docker(fake: Fake) -> None:
    """Nodes whose NodeManager was not told of Docker."""
    fake.spec = IMAGE
    del fake.properties["yarn.nodemanager.runtime.linux.allowed-runtimes"]


def no_bridge(fake: Fake) -> None:
    """Nodes that allow the host's network alone."""
    fake.spec = replace(IMAGE, network=Network.BRIDGE)
    fake.properties["yarn.nodemanager.runtime.linux.docker.allowed-container-networks"] = "host"


def logs_come_at_the_end(fake: Fake) -> None:
    """Logs are aggregated at the end only."""
    fake.properties["yarn.nodemanager.log-aggregation.roll-monitoring-interval-seconds"] = "-1"


def secret_configuration(fake: Fake) -> None:
    """/conf is for admins."""
    fake.spec = replace(SPEC, placement=Placement(spread=True))
    fake.raw["/conf"] = answer(403, "<html>Forbidden</html>", "text/html")


def in_safe_mode(asked: Asked) -> bytes:
    """Answer as a NameNode in safe mode does, whose /user/alice exists."""
    status = {"type": "DIRECTORY", "length": 0, "pathSuffix": "", "permission": "755", "modificationTime": 0}
    safe = {
        "exception": "SafeModeException",
        "javaClassName": "org.apache.hadoop.hdfs.server.namenode.SafeModeException",
        "message": "Cannot create file. Name node is in safe mode.\nat x",
    }

    if "GETHOMEDIRECTORY" in asked.target.upper():
        return answer(200, {"Path": "/user/alice"})
    if asked.method == "GET":
        return answer(200, {"FileStatus": {**status, "owner": "alice", "group": "g", "replication": 0}})
    return answer(403, {"RemoteException": safe})
