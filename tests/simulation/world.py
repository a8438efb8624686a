"""A cluster with a service on it, and a clock that only the simulation moves.

What a fault does to the world is here; :mod:`faults` says which there are. Everything follows from the seed and the
times: no fault counts reads, which run in threads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil, inf, log2
from pathlib import Path
from random import Random

from tests.simulation.faults import Fault, Kind
from tests.simulation.replicas import Condition, Process, Servers
from tests.simulation.transport import Network, Plug
from yarnserve.config import Flags, Settings, resolve
from yarnserve.records.repository import Manifest, ManifestFile
from yarnserve.repository import layout
from yarnserve.repository.channels import Channels
from yarnserve.repository.publish import write_manifest
from yarnserve.sandbox.component import Component as YarnComponent
from yarnserve.sandbox.configuration import client_configuration, write_configuration
from yarnserve.sandbox.docker import DockerHost, DockerRefusal
from yarnserve.sandbox.home import NamespaceHome, Uploader
from yarnserve.sandbox.namespace import Namespace
from yarnserve.sandbox.node import NodeContainer, Resource
from yarnserve.sandbox.profile import PROFILES
from yarnserve.sandbox.runtime import Launch
from yarnserve.sandbox.standby import Moment
from yarnserve.sandbox.states import AppState, ComponentState, InstanceState, NodeContainerState
from yarnserve.sandbox.webhdfs import HdfsServers
from yarnserve.sandbox.yarn import YarnServers
from yarnserve.service.actions import Actions
from yarnserve.service.connection import Connection, connect
from yarnserve.spec.loader import parse_spec
from yarnserve.spec.model import COMPONENT, ServiceSpec

NAME = "digits"
USER = "alice"
START = 1_700_000_000.0
#: Seconds between two looks of YARN's at its containers while anything is under way there.
TICK = 1.0
#: A container's share of a node, in MiB.
MEMORY = 1024
_NAMENODE = "namenode.sim"
_IMAGE = "registry.sim/tensorflow-serving:2.6"
_BASE = "/models/digits"
_EXAMPLE = '{"request": {"instances": [[1.0]]}, "expected": {"predictions": [[0.9]]}}'
_SPEC = """
name: {name}
model: {{base_path: {base}, example: example.json{delivery}}}
image: {image}
serving: {{version: "2.6"}}
replicas: {replicas}
resources: {{memory: 1g}}
supervise: {{enabled: {supervised}, check_interval: {interval}s}}
"""
#: Seconds of uptime after which a looping, a flapping and a cleanly exiting server ends.
LOOP_UPTIME = 45.0
FLAP_UPTIME = 240.0
EXIT_UPTIME = 5.0
#: Of every version: nobody reads the bytes of any.
_MANIFEST = Manifest("0" * 32, START, "bob", (ManifestFile("saved_model.pb", 7, "0" * 32, ("0" * 32,)),))
_CRASHES = (1, 134, 139)
#: Seconds for which a bad version answers rightly after it has come: long enough to be proved.
SOUND = (20.0, 60.0)
#: Seconds in which an agent finds out which version is to be served, and has its server load it.
TURN = (1.0, 15.0)


@dataclass(frozen=True)
class Shape:
    """What a world is like before anything goes wrong in it.

    *load* is how long a server takes to load its model, in seconds, at least and at most; *interval* is the policy's
    check_interval.
    """

    replicas: int
    nodes: int
    hadoop: str
    is_pair: bool
    load: tuple[float, float]
    supervised: bool = True
    interval: int = 10
    has_agents: bool = False

    def __str__(self) -> str:
        pair = ", two ResourceManagers" if self.is_pair else ""
        agents = " with agents" if self.has_agents else ""
        return f"{self.replicas} replicas{agents} on {self.nodes} nodes of Hadoop {self.hadoop}{pair}"


def shape_of(random: Random, most_replicas: int) -> Shape:
    """Draw one."""
    replicas = random.choice((1, 2, 3, 4, 6, random.randint(1, most_replicas), most_replicas))
    nodes = min(16, random.randint(3, 4 + replicas // 8))
    load = random.uniform(10, 60)
    hadoop, is_pair, interval = random.choice(tuple(PROFILES)), random.random() < 0.4, random.choice((10, 15, 30))
    return Shape(replicas, nodes, hadoop, is_pair, (load, load * 1.5), interval=interval)


@dataclass
class Tally:
    """Seconds so far: of wanted replicas that did not answer rightly, and with fewer right than are to be."""

    bad: float = 0.0
    short: float = 0.0


@dataclass(frozen=True)
class Images(DockerHost):
    """Docker on the nodes, and what its registry lacks: the image, while *lacks* says so; *refused* is told then."""

    lacks: Callable[[], bool] = lambda: False
    refused: Callable[[Launch], None] = lambda launch: None

    def refusal(
        self, launch: Launch, gpus: int, *, is_off: bool = False, lacks_mount: bool = False
    ) -> DockerRefusal | None:
        """Refuse what is not there."""
        if not self.lacks():
            return None
        self.refused(launch)
        return DockerHost(frozenset({"other"})).refusal(launch, gpus)


@dataclass
class _Active:
    """A fault that goes on, and whom it has hit."""

    fault: Fault
    node: str = ""
    number: int = -1
    hosts: tuple[str, ...] = ()


class World:
    """The cluster of *shape*, with *faults* to come; *directory* keeps what lies on its HDFS.

    Attributes:
        now: seconds since the epoch.
        network: how everything in it is reached.
        tally: how bad it was so far.
        stable: the model version that is to be served.
        history: what happened, with times.
        on_supervisor: told of a fault that concerns the supervisor alone.
    """

    def __init__(self, shape: Shape, faults: Iterable[Fault], directory: Path, seed: int = 0) -> None:
        self.now = START
        self.shape = shape
        self.network = Network()
        self.tally = Tally()
        self.history: list[str] = []
        self.on_supervisor: Callable[[Fault], None] = lambda fault: None
        self._begin = START
        self._random = Random(seed)
        self.stable = self._newest = 1
        self._bad_versions: set[int] = set()
        self._channel = 0
        self._coming: list[Fault] = list(faults)
        self._active: list[_Active] = []
        self._profile = PROFILES[shape.hadoop]
        self.servers = Servers(self.network, lambda: self.now, self._born)
        self._open(directory)
        self.least = _least(shape.replicas)

    # -- building and ending

    def _open(self, directory: Path) -> None:
        shape, profile = self.shape, self._profile
        self._namespace = Namespace(directory / "hdfs", clock=lambda: self.now, superuser="hdfs")
        uploader = Uploader(self._namespace, USER)
        uploader.make_base()
        uploader.make_directories(f"{_BASE}/1")
        (directory / "model").write_bytes(b"weights")
        uploader.put(directory / "model", f"{_BASE}/1/saved_model.pb")
        self._hdfs = HdfsServers(
            self._namespace,
            host=_NAMENODE,
            release=profile.release,
            clock=lambda: self.now,
            opening=self.network.open,
        )
        self.network.run(self._hdfs.start())
        room = -(-2 * (shape.replicas + 2) // shape.nodes) + 2
        self.yarn = YarnServers(
            nodes=shape.nodes,
            capacity=Resource(room * MEMORY, 1024, 0),
            profile=profile,
            faults=set(),
            runtime=self.servers,
            home=NamespaceHome(self._namespace),
            filesystem="hdfs://localhost:8020",
            clock=lambda: self.now,
            on_breakdown=_raise,
            has_pair=shape.is_pair,
            docker=Images(lacks=lambda: any(self._going_on(Kind.NO_IMAGE)), refused=self.servers.refused),
            host_of=lambda index: f"node-{index}.sim",
            opening=self.network.open,
        )
        self.network.run(self.yarn.start())
        files = client_configuration(
            filesystem="hdfs://localhost:8020",
            namenodes=[self._hdfs.namenode_url.removeprefix("http://")],
            resource_managers=self.yarn.managers.addresses,
        )
        write_configuration(directory / "conf", files)
        self.settings: Settings = resolve(
            Flags(), {"HADOOP_CONF_DIR": str(directory / "conf"), "HADOOP_USER_NAME": USER, "HOME": str(directory)}
        )

    def close(self) -> None:
        """Let go of everything."""
        self.network.close()

    def connection(self, plug: Plug) -> Connection:
        """The clients of a process with *plug*."""
        return connect(self.settings, sleep=self.wait, clock=lambda: self.now, transport=plug)

    def spec(self) -> ServiceSpec:
        """The service."""
        shape = self.shape
        supervised = str(shape.supervised).lower()
        text = _SPEC.format(
            name=NAME,
            base=_BASE,
            delivery=", delivery: sync" if shape.has_agents else "",
            image=_IMAGE,
            replicas=shape.replicas,
            supervised=supervised,
            interval=shape.interval,
        )
        return parse_spec(text, file="service.yaml", read_text=lambda path: _EXAMPLE)

    def launch(self) -> None:
        """Launch the service, and wait until every replica answers; the faults come after that."""
        coming, self._coming = self._coming, []
        plug = Plug(self.network)
        with self.connection(plug) as connection:
            if self.shape.has_agents:
                # For each bad one that is to come also one that mends it.
                for version in range(1, 2 + 2 * sum(fault.kind is Kind.BAD_VERSION for fault in coming)):
                    write_manifest(connection.storage, layout.version_directory(_BASE, version), _MANIFEST)
                self._promote(1, connection)
            Actions(connection, clock=lambda: self.now, now=lambda: self.now, pause=self.pause).launch(self.spec())
        patience = self.now + 600
        while self.right() < self.shape.replicas:
            assert self.now < patience, "it does not come up"
            self.advance(self.now + TICK)
        self._begin = self.now
        self._coming = coming
        self.tally = Tally()

    # -- time

    @property
    def elapsed(self) -> float:
        """Seconds since the faults may begin."""
        return self.now - self._begin

    @property
    def last_fault_ends(self) -> float:
        """Seconds from the beginning to the end of the last fault; minus infinity once all are over."""
        until = [each.fault.until for each in self._active] + [fault.until for fault in self._coming]
        return max(until, default=-inf)

    def wait(self, seconds: float) -> None:
        """What who asks waits before asking again: it passes with the next pause.

        Rounded up, because these waits have jitter of nobody's seed.
        """
        self.network.waits.add(2.0 ** ceil(log2(seconds)) if seconds > 0 else 0.0)

    def pause(self, seconds: float) -> None:
        """Let *seconds* pass, and what was waited for before."""
        self.advance(self.now + self.network.waits.take() + seconds)

    def catch_up(self) -> None:
        """Let pass what was waited for."""
        self.pause(0.0)

    def advance(self, until: float) -> None:
        """Let everything happen that happens before *until*."""
        while self.now < until:
            self._follow()
            step = min(until, self._next_event())
            if not self._is_settled():
                step = min(step, self.now + TICK)
            self._pass(step - self.now)
            self._happen()
            self.network.run(self.yarn.advance(self.now))

    def _pass(self, seconds: float) -> None:
        right = self.right()
        self.tally.bad += seconds * max(0, self.shape.replicas - right)
        if right < self.least:
            self.tally.short += seconds
        self.now += seconds

    def _next_event(self) -> float:
        """The next time after now at which anything changes by itself."""
        times = [self._begin + fault.at for fault in self._coming]
        times += [self._begin + each.fault.until for each in self._active]
        for process in self.servers.running():
            times += [process.up_at, process.ends_at, process.turns_at, process.sours_at]
        return min((at for at in times if at > self.now), default=inf)

    def _is_settled(self) -> bool:
        """Whether YARN has nothing to do but to wait for the next event."""
        if self.yarn.managers.active is None or self.yarn.cluster.is_recovering:
            return False
        if not all(listener.is_alive for listener in self.yarn.managers.listeners):
            return False
        quiet = (NodeContainerState.RUNNING, NodeContainerState.DONE)
        if any(each.state not in quiet for each in self.yarn.cluster.containers()):
            return False
        for application in self.yarn.cluster.applications.values():
            if application.state.ended:
                continue
            attempt = application.attempts[-1]
            master, container = attempt.master, attempt.container
            if application.state is not AppState.RUNNING or master is None or application.is_cut_off:
                return False
            if container is None or container.completed:
                return False
            if not all(_is_at_rest(component) for component in master.components):
                return False
        return True

    # -- truth

    @property
    def can_replace(self) -> bool:
        """Whether this Hadoop can replace a single replica that does not end by itself."""
        return self._profile.has_signals or self._profile.has_decommission

    def right(self) -> int:
        """How many replicas answer as they should."""
        return len({each.number for each in self.servers.running() if each.is_right(self.now)})

    def component(self) -> YarnComponent | None:
        """The ApplicationMaster's own view of the replicas, None while there is no ApplicationMaster."""
        for application in self.yarn.cluster.applications.values():
            master = application.master
            if master is not None:
                return master.component(COMPONENT)
        return None

    def container(self, container_id: str) -> NodeContainer | None:
        """The container of an id."""
        return next((each for each in self.yarn.cluster.containers() if each.id == container_id), None)

    def tell(self, text: str) -> None:
        """Write something into the history."""
        self.history.append(f"{self.elapsed:8.1f}  {text}")

    # -- versions, where there are agents

    def _promote(self, version: int, connection: Connection) -> None:
        Channels(connection.storage, _BASE, who="bob", now=lambda: self.now).promote(version)

    def _follow(self) -> None:
        """Have the agents serve what is stable now."""
        if not self.shape.has_agents:
            return
        stable = self._stable()
        if stable != self.stable:
            self.tell(f"version {stable} is stable")
            self.stable = stable
            for process in self.servers.running():
                process.turns_at = self.now + self._random.uniform(*TURN)
        for process in self.servers.running():
            if process.turns_at <= self.now:
                self._serve(process)

    def _stable(self) -> int:
        """What HDFS says, read from its disk."""
        directory = layout.channels(_BASE)
        names = [status.name.partition(".json") for status in self._namespace.list(directory, user=USER)]
        number = max(int(name) for name, ending, _ in names if ending and name.isdecimal())
        if number != self._channel:
            self._channel = number
            with self._namespace.open(f"{directory}/{number}.json", user=USER) as file:
                return int(json.load(file)["body"]["stable"])
        return self.stable

    def _serve(self, process: Process) -> None:
        sours_at = inf
        if self.stable in self._bad_versions:
            sours_at = max(self.now, process.up_at) + self._random.uniform(*SOUND)
        process.serve(self.stable, self.now, sours_at)

    # -- faults

    def _going_on(self, *kinds: Kind) -> list[_Active]:
        return [each for each in self._active if each.fault.kind in kinds]

    def _happen(self) -> None:
        over = [each for each in self._active if self._begin + each.fault.until <= self.now]
        self._active = [each for each in self._active if each not in over]
        for each in over:
            self.tell(f"over: {each.fault}")
            self._end(each)
        while self._coming and self._begin + self._coming[0].at <= self.now:
            fault = self._coming.pop(0)
            self._start(fault)

    def _start(self, fault: Fault) -> None:
        active = self._victims(fault)
        where = active.node or ", ".join(active.hosts) or (f"serve-{active.number}" if active.number >= 0 else "")
        self.tell(f"FAULT {fault} {where}".rstrip())
        if fault.lasts:
            self._active.append(active)
        if handler := _BEGIN.get(fault.kind):
            handler(self, active)
        else:
            self.on_supervisor(fault)

    def _end(self, active: _Active) -> None:
        if handler := _END.get(active.fault.kind):
            handler(self, active)

    def _victims(self, fault: Fault) -> _Active:
        running = sorted((each for each in self.servers.running() if each.ends_at > self.now), key=lambda e: e.number)
        if fault.kind in _OF_ONE and running:
            process = running[int(fault.pick * len(running))]
            return _Active(fault, number=process.number, hosts=(process.host,))
        hosts = [node.address.host for node in self.yarn.cluster.all_nodes]
        start = int(fault.pick * len(hosts))
        if fault.kind is Kind.NODE_LOSS:
            return _Active(fault, node=hosts[start])
        if fault.kind is Kind.REBOOTS:
            chosen = [hosts[(start + index) % len(hosts)] for index in range(max(1, len(hosts) // 2))]
            return _Active(fault, hosts=tuple(chosen))
        return _Active(fault)

    def _process_of(self, active: _Active) -> Process | None:
        return next((each for each in self.servers.running() if each.number == active.number), None)

    def _born(self, process: Process) -> None:
        """Give a process that was started what is in store for it."""
        process.up_at = self.now + self._random.uniform(*self.shape.load)
        for each in self._going_on(Kind.HDFS_DOWN):
            process.up_at = max(process.up_at, self._begin + each.fault.until + 1.0)
        self._serve(process)
        for each in self._active:
            self._afflict(process, each)

    def _afflict(self, process: Process, active: _Active) -> None:
        """Let a fault that goes on, and concerns whoever runs in a place, hit *process*."""
        kind = active.fault.kind
        if kind is Kind.BAD_VERSION and not self.shape.has_agents:
            process.ails(Condition.WRONG, self.now)
        elif active.number == process.number and process.host in active.hosts and kind in _UPTIMES:
            uptime, code = _UPTIMES[kind]
            process.die(code, max(self.now, process.up_at) + uptime)

    def _harm(self, condition: Condition) -> Callable[[_Active], None]:
        def do(active: _Active) -> None:
            process = self._process_of(active)
            if process is not None:
                process.ails(condition, self.now)

        return do

    def _crash(self, active: _Active) -> None:
        process = self._process_of(active)
        if process is not None:
            process.die(_CRASHES[int(active.fault.more * len(_CRASHES))], self.now)

    def _place(self, active: _Active) -> None:
        process = self._process_of(active)
        if process is not None:
            self._afflict(process, active)

    def _heal(self, active: _Active) -> None:
        process = self._process_of(active)
        if process is not None and process.host in active.hosts:
            process.ends_at = inf

    def _new_version(self, active: _Active) -> None:
        if self.shape.has_agents:
            self._say_stable(is_bad=True)
            return
        for process in self.servers.running():
            process.ails(Condition.WRONG, self.now + self._random.uniform(0, 2))

    def _say_stable(self, *, is_bad: bool) -> None:
        """A person promotes the next version, unless HDFS is down."""
        if self._going_on(Kind.HDFS_DOWN):
            return
        self._newest += 1
        if is_bad:
            self._bad_versions.add(self._newest)
        with self.connection(Plug(self.network)) as connection:
            self._promote(self._newest, connection)

    def _old_version(self, active: _Active) -> None:
        if self.shape.has_agents:
            if self.stable in self._bad_versions:
                self._say_stable(is_bad=False)
            return
        if not self._going_on(Kind.BAD_VERSION):
            for process in self.servers.running():
                if process.condition is Condition.WRONG:
                    process.condition = Condition.RIGHT

    def _power_off(self, active: _Active) -> None:
        for node, door in zip(self.yarn.cluster.all_nodes, self.yarn.node_managers, strict=True):
            host = node.address.host
            if host in (active.node, *active.hosts) and node.off_since is None:
                for process in self.servers.running():
                    if process.host == host:
                        process.fell_ill_at = min(process.fell_ill_at, self.now)
                node.power_off(self.now)
                self.network.silent.add(host)
                self.network.run(door.die())

    def _power_on(self, active: _Active) -> None:
        down = {host for each in self._going_on(Kind.NODE_LOSS, Kind.REBOOTS) for host in (each.node, *each.hosts)}
        for node, door in zip(self.yarn.cluster.all_nodes, self.yarn.node_managers, strict=True):
            host = node.address.host
            if host in (active.node, *active.hosts) and host not in down:
                node.power_on(self.now)
                self.network.silent.discard(host)
                self.network.run(door.revive())

    def _lose_hdfs(self, active: _Active) -> None:
        if active.fault.more < 0.5:
            self.network.silent.add(_NAMENODE)
        else:
            self.network.refusing.add(_NAMENODE)

    def _regain_hdfs(self, active: _Active) -> None:
        if not self._going_on(Kind.HDFS_DOWN):
            self.network.silent.discard(_NAMENODE)
            self.network.refusing.discard(_NAMENODE)
            if self.shape.has_agents and not self._going_on(Kind.BAD_VERSION):
                # Whoever was to take a bad version back could not until now.
                self._old_version(active)

    def _arm_failover(self, active: _Active) -> None:
        moments = (Moment.BEFORE, Moment.SAVED, Moment.AFTER)
        self.network.run(self.yarn.fail_over("kill", moments[int(active.fault.more * len(moments))]))

    def _fail_over(self, active: _Active) -> None:
        if self.yarn.is_due_to_fail:
            self.network.run(self.yarn.fail_over("kill"))


def _is_at_rest(component: YarnComponent) -> bool:
    return component.state is ComponentState.STABLE and all(
        instance.launching is None
        and instance.state is InstanceState.READY
        and instance.container is not None
        and not instance.container.completed
        for instance in component.instances
    )


def _least(replicas: int) -> int:
    """What the policy lets stay live by default; from its words in docs/service-yaml.md, not from its code."""
    return max(0, replicas - max(1, replicas // 4))


def _raise(error: Exception) -> None:
    raise error


_OF_ONE = (
    Kind.CRASH,
    Kind.SLOW_LOOP,
    Kind.FLAPPING,
    Kind.HANG,
    Kind.BROKEN,
    Kind.OUT_OF_MEMORY,
    Kind.CLEAN_EXITS,
)
_UPTIMES = {
    Kind.SLOW_LOOP: (LOOP_UPTIME, 1),
    Kind.FLAPPING: (FLAP_UPTIME, 1),
    Kind.CLEAN_EXITS: (EXIT_UPTIME, 0),
}
_BEGIN: dict[Kind, Callable[[World, _Active], None]] = {
    Kind.CRASH: World._crash,
    Kind.SLOW_LOOP: World._place,
    Kind.FLAPPING: World._place,
    Kind.CLEAN_EXITS: World._place,
    Kind.HANG: lambda world, active: world._harm(Condition.HANGS)(active),
    Kind.BROKEN: lambda world, active: world._harm(Condition.WRONG)(active),
    Kind.OUT_OF_MEMORY: lambda world, active: world._harm(Condition.OUT_OF_MEMORY)(active),
    Kind.BAD_VERSION: World._new_version,
    Kind.NO_IMAGE: lambda world, active: None,
    Kind.NODE_LOSS: World._power_off,
    Kind.REBOOTS: World._power_off,
    Kind.HDFS_DOWN: World._lose_hdfs,
    Kind.FAILOVER: World._arm_failover,
}
_END: dict[Kind, Callable[[World, _Active], None]] = {
    Kind.SLOW_LOOP: World._heal,
    Kind.FLAPPING: World._heal,
    Kind.CLEAN_EXITS: World._heal,
    Kind.BAD_VERSION: World._old_version,
    Kind.NODE_LOSS: World._power_on,
    Kind.REBOOTS: World._power_on,
    Kind.HDFS_DOWN: World._regain_hdfs,
    Kind.FAILOVER: World._fail_over,
}
