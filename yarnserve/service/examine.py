"""Looking at a cluster for ``doctor``: every read in the background, each failure a failed check and no exception.

What the findings mean is decided in :mod:`yarnserve.judge.doctor`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from contextlib import suppress
from dataclasses import dataclass

from yarnserve.config import Settings
from yarnserve.errors import YarnserveError
from yarnserve.hadoop import zookeeper
from yarnserve.hadoop.configuration import HadoopConfiguration
from yarnserve.judge import doctor as judge
from yarnserve.records.doctor import Check, Needs, Outcome
from yarnserve.records.scheduler import Scheduler
from yarnserve.records.yarn import Node
from yarnserve.render.placement import one_a_node, placement_policy
from yarnserve.service.background import in_background
from yarnserve.service.connection import Connection
from yarnserve.service.pinning import served_version
from yarnserve.spec.model import ServiceSpec

#: Seconds after which a check that has no answer yet counts as failed.
DEADLINE = 20.0

#: Seconds for one NodeManager, and how many are asked at the same time.
_NODE_TIMEOUT = 5.0
_NODES_AT_ONCE = 16

#: NodeManagers whose configuration is read; they share one, as a rule, and it is long.
_NODES_TOLD = 8


@dataclass(frozen=True)
class _Step:
    """One check: what makes it, and the checks that it stands on."""

    make: Callable[[_Look], Check]
    after: tuple[str, ...] = ()


def examine(
    connection: Connection,
    spec: ServiceSpec | None = None,
    *,
    only: Sequence[str] = (),
    deadline: float = DEADLINE,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Check]:
    """Yield the checks in their order, each as soon as it and those before it are known.

    Args:
        connection: the cluster.
        spec: the service that is to run there; without it, what depends on one is left out.
        only: names of CHECKS; empty means all. What they stand on is yielded too when it has failed.
        deadline: seconds for everything together.
        clock: monotonic seconds.
    """
    wanted = [name for name in CHECKS if _applies(name, spec) and (not only or name in only)]
    needed = {name for each in wanted for name in CHECKS[each].after if _applies(name, spec)}
    running = [name for name in CHECKS if name in wanted or name in needed]
    look = _Look(connection, spec)
    started = {name: in_background(_maker(name, look)) for name in running}
    end = clock() + deadline
    bad: set[str] = set()
    for name in running:
        broken = next((each for each in CHECKS[name].after if each in bad), None)
        check = judge.skipped(name, f"{broken} comes first") if broken else _result(name, started[name], end - clock())
        if check.outcome is Outcome.FAILED:
            bad.add(name)
        if name in wanted or check.outcome is Outcome.FAILED:
            yield check


def needs_of(spec: ServiceSpec) -> Needs:
    """Return what *spec* wants of a cluster."""
    return Needs(
        queue=spec.queue or "default",
        replicas=spec.replicas,
        memory_mb=spec.resources.memory_mb,
        vcores=spec.resources.cpus,
        gpus=spec.resources.gpus,
        one_per_host=one_a_node(spec),
        constrained=placement_policy(spec) is not None,
        node_label=spec.placement.node_label or "",
    )


def _maker(name: str, look: _Look) -> Callable[[], Check]:
    def make() -> Check:
        try:
            return CHECKS[name].make(look)
        except YarnserveError as error:
            return judge.from_error(name, error)

    return make


def _result(name: str, future: Future[Check], seconds: float) -> Check:
    try:
        return future.result(max(0.0, seconds))
    except TimeoutError:
        return judge.failed(name, "no answer in time", fix="look at the server's load and log, and repeat")


class _Look:
    """What the checks of one examination share; every read that several of them want is under way at once."""

    def __init__(self, connection: Connection, spec: ServiceSpec | None) -> None:
        self.connection = connection
        self.spec = spec
        self.needs = needs_of(spec) if spec else None
        self._scheduler = in_background(connection.cluster.scheduler)
        self._nodes = in_background(connection.cluster.nodes)
        self._properties = in_background(connection.cluster.configuration)
        self._home = in_background(connection.eyes.home)

    @property
    def settings(self) -> Settings:
        """The cluster, as we know it."""
        return self.connection.settings

    def scheduler(self) -> Scheduler:
        """Return the scheduler's queues and limits."""
        return self._scheduler.result()

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes in use."""
        return self._nodes.result()

    def candidates(self) -> tuple[Node, ...]:
        """Return the nodes in use on which replicas may run."""
        wanted = self.needs.node_label if self.needs else ""
        return tuple(node for node in self.nodes() if not wanted or wanted in node.labels)

    def home(self) -> str:
        """Return our home directory."""
        return self._home.result()

    def properties(self) -> Mapping[str, str] | None:
        """Return the ResourceManager's configuration, or None where it is not shown."""
        try:
            return self._properties.result()
        except YarnserveError:
            return None

    def property(self, name: str) -> tuple[str, str]:
        """Return a property's value, empty when nothing names it, and where it was read."""
        properties = self.properties()
        if properties and properties.get(name):
            return properties[name], "by the ResourceManager's /conf"
        directory = self.settings.conf_dir
        found = HadoopConfiguration.load(directory).get(name) if directory else None
        return (found.value, f"by {found.source}") if found else ("", "")


def _configuration(look: _Look) -> Check:
    settings = look.settings
    origins = settings.origins
    return judge.configuration(str(settings.conf_dir or ""), origins.get("conf_dir", ""), origins["resource_managers"])


def _resource_manager(look: _Look) -> Check:
    active = look.connection.cluster.active()
    return judge.ok("resource-manager", f"{active} is the active one of {len(look.settings.resource_managers)}")


def _services_api(look: _Look) -> Check:
    look.connection.services.version()
    return judge.ok("services-api", "the services API answers")


def _version(look: _Look) -> Check:
    return judge.version(look.connection.cluster.info().hadoop_version, look.settings.hadoop_version)


def _user(look: _Look) -> Check:
    home = ""
    # That HDFS does not answer is told by the check of HDFS.
    with suppress(YarnserveError):
        home = look.home()
    return judge.user(look.settings.user, look.settings.origins["user"], home)


def _hdfs(look: _Look) -> Check:
    home, storage = look.home(), look.connection.eyes
    status = storage.status(home)
    if status is None or not status.is_directory:
        return judge.failed(
            "hdfs",
            f"{home} does not exist",
            why="YARN keeps a service's definition and yarnserve its state there",
            fix=f"as HDFS's superuser: hdfs dfs -mkdir -p {home} && hdfs dfs -chown {look.settings.user} {home}",
        )
    probe = f"{home}/.yarnserve-doctor-{secrets.token_hex(6)}"
    try:
        storage.create(probe, b"written by yarnserve doctor\n")
    except YarnserveError:
        # A write whose answer was lost may have left the file; why it failed matters more than that.
        with suppress(YarnserveError):
            storage.delete(probe)
        raise
    storage.delete(probe)
    return judge.ok("hdfs", f"{home} takes a file and lets go of it")


def _queue(look: _Look) -> Check:
    return judge.queue(look.scheduler(), look.needs.queue if look.needs else "default")


def _am_room(look: _Look) -> Check:
    written, _ = look.property(judge.AM_MEMORY)
    wanted = int(written) if written.isdecimal() and len(written) < 10 else judge.AM_MEMORY_MB
    return judge.am_room(look.scheduler().queue(look.needs.queue if look.needs else "default"), wanted)


def _label(look: _Look) -> Check:
    assert look.needs is not None
    return judge.label(look.needs.node_label, look.nodes())


def _resources(look: _Look) -> Check:
    assert look.needs is not None
    return judge.resources(look.needs, look.scheduler(), look.candidates())


def _gpu(look: _Look) -> Check:
    return judge.gpu(look.needs.gpus if look.needs else 0, look.scheduler(), look.candidates())


def _placement(look: _Look) -> Check:
    return judge.placement(look.needs, look.properties())


def _hosts(look: _Look) -> Check:
    assert look.needs is not None
    return judge.hosts(look.needs, look.candidates())


def _nodes(look: _Look) -> Check:
    found = look.nodes()
    with ThreadPoolExecutor(_NODES_AT_ONCE) as pool:
        errors = list(pool.map(lambda node: _node_trouble(look, node), found))
    unreachable = {node.id: error for node, error in zip(found, errors, strict=True) if error is not None}
    return judge.nodes(found, unreachable)


def _node_trouble(look: _Look, node: Node) -> YarnserveError | None:
    try:
        look.connection.nodes.ping(node.http_address, timeout=_NODE_TIMEOUT)
    except YarnserveError as error:
        return error
    return None


def _docker(look: _Look) -> Check:
    assert look.spec is not None
    if look.spec.image is None:
        return judge.skipped("docker", "the service runs without an image")
    asked = look.candidates()[:_NODES_TOLD]
    with ThreadPoolExecutor(_NODES_TOLD) as pool:
        seen = pool.map(lambda node: _node_properties(look, node), asked)
        found = {node.id: properties for node, properties in zip(asked, seen, strict=True)}
    return judge.docker(look.spec.network.value, found)


def _node_properties(look: _Look, node: Node) -> Mapping[str, str] | None:
    try:
        return look.connection.nodes.configuration(node.http_address, timeout=_NODE_TIMEOUT)
    except YarnserveError:
        return None


def _zookeeper(look: _Look) -> Check:
    quorum, source = look.property(judge.ZOOKEEPER)
    servers = zookeeper.members(quorum)
    if not servers:
        return judge.skipped("zookeeper", f"nothing names one ({judge.ZOOKEEPER})")
    with ThreadPoolExecutor(len(servers)) as pool:
        troubles = list(pool.map(zookeeper.trouble, servers))
    return judge.zookeeper(dict(zip(servers, troubles, strict=True)), source)


def _log_aggregation(look: _Look) -> Check:
    return judge.log_aggregation(look.properties())


def _model(look: _Look) -> Check:
    assert look.spec is not None
    found = []
    for model in look.spec.models:
        found.append(f"{model.name} version {served_version(look.connection, model)}")
    return judge.ok("model", ", ".join(found))


#: Every check by its name, in the order in which they are told; what it stands on comes before it.
CHECKS: Mapping[str, _Step] = {
    "configuration": _Step(_configuration),
    "resource-manager": _Step(_resource_manager),
    "services-api": _Step(_services_api, ("resource-manager",)),
    "version": _Step(_version, ("resource-manager",)),
    "user": _Step(_user),
    "hdfs": _Step(_hdfs),
    "queue": _Step(_queue, ("resource-manager",)),
    "am-room": _Step(_am_room, ("resource-manager", "queue")),
    "nodes": _Step(_nodes, ("resource-manager",)),
    "label": _Step(_label, ("resource-manager",)),
    "docker": _Step(_docker, ("resource-manager", "label")),
    "resources": _Step(_resources, ("resource-manager", "label")),
    "gpu": _Step(_gpu, ("resource-manager", "label")),
    "placement": _Step(_placement, ("resource-manager",)),
    "hosts": _Step(_hosts, ("resource-manager", "label")),
    "zookeeper": _Step(_zookeeper),
    "log-aggregation": _Step(_log_aggregation, ("resource-manager",)),
    "model": _Step(_model),
}

#: Checks that only a service gives sense to.
OF_A_SERVICE = ("label", "docker", "resources", "placement", "hosts", "model")


def _applies(name: str, spec: ServiceSpec | None) -> bool:
    return spec is not None or name not in OF_A_SERVICE
