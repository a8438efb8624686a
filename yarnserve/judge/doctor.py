"""What ``doctor`` thinks of a cluster: records of what was seen -> one check each, with the setting to change.

Facts: yarn-services.md 1.3, 5.5, 6, 8; docker-on-yarn-observed.md. docs/admin.md shows the same settings in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yarnserve.errors import YarnserveError, first_line
from yarnserve.records.doctor import Check, Needs, Outcome
from yarnserve.records.scheduler import Queue, Scheduler
from yarnserve.records.version import Version
from yarnserve.records.yarn import Node

GPU = "yarn.io/gpu"

#: Who the web servers take a request for that brings no name.
NOBODY = "dr.who"

#: Default of yarn.service.am-resource.memory, in MiB.
AM_MEMORY_MB = 1024

AM_MEMORY = "yarn.service.am-resource.memory"
PLACEMENT_HANDLER = "yarn.resourcemanager.placement-constraints.handler"
LOG_AGGREGATION = "yarn.log-aggregation-enable"
ROLLING_LOGS = "yarn.nodemanager.log-aggregation.roll-monitoring-interval-seconds"
ZOOKEEPER = "hadoop.registry.zk.quorum"
CONTAINER_EXECUTOR = "yarn.nodemanager.container-executor.class"
ALLOWED_RUNTIMES = "yarn.nodemanager.runtime.linux.allowed-runtimes"
ALLOWED_NETWORKS = "yarn.nodemanager.runtime.linux.docker.allowed-container-networks"

_LINUX_EXECUTOR = "org.apache.hadoop.yarn.server.nodemanager.LinuxContainerExecutor"

_USABLE = ("RUNNING", "UNHEALTHY")


def ok(name: str, what: str) -> Check:
    """Return a check that is well."""
    return Check(name, Outcome.OK, what)


def warning(name: str, what: str, *, why: str = "", fix: str = "") -> Check:
    """Return a check that may become a trouble."""
    return Check(name, Outcome.WARNING, what, why, fix)


def failed(name: str, what: str, *, why: str = "", fix: str = "") -> Check:
    """Return a check that found a trouble."""
    return Check(name, Outcome.FAILED, what, why, fix)


def skipped(name: str, what: str) -> Check:
    """Return a check that was not made."""
    return Check(name, Outcome.SKIPPED, what)


def from_error(name: str, error: YarnserveError) -> Check:
    """Return the failed check of a look that could not be made."""
    where = f" ({error.where})" if error.where else ""
    return failed(name, f"{error.what}{where}", why=error.why, fix=error.fix or error.next)


def configuration(directory: str, origin: str, resource_managers: str) -> Check:
    """Where Hadoop's configuration was found."""
    if directory:
        return ok("configuration", f"{directory} ({origin}); ResourceManager by {resource_managers}")
    return warning(
        "configuration",
        f"no Hadoop configuration was read; ResourceManager by {resource_managers}",
        why="nameservices and further ResourceManagers are known to Hadoop's own files only",
        fix="set HADOOP_CONF_DIR to the directory with core-site.xml, hdfs-site.xml and yarn-site.xml",
    )


def version(told: str, assumed: Version | None) -> Check:
    """Which Hadoop answers, and whose."""
    try:
        found = Version.parse(told)
    except ValueError:
        if assumed:
            return ok("version", f"Hadoop {told}, treated as {assumed}")
        return failed(
            "version",
            f"the cluster calls its Hadoop {told!r}, which is no version",
            fix="say what it can do: --hadoop-version 3.1.4, or hadoop-version in .yarnserve.yaml",
        )
    shown = f"Hadoop {found.major}.{found.minor}.{found.patch}" + (f", build {told} of a vendor" * bool(found.vendor))
    if not found.at_least(3, 1):
        return failed("version", shown, why="YARN Services came with 3.1", fix="upgrade the cluster to 3.1.1 or later")
    if assumed and assumed.at_least(found.major, found.minor, found.patch) and str(assumed) != str(found):
        return warning(
            "version",
            f"{shown}, told to treat it as {assumed}",
            why="a field that this Hadoop does not know makes it refuse the whole service",
            fix="leave --hadoop-version out",
        )
    return ok("version", shown)


def user(name: str, origin: str, home: str) -> Check:
    """Who we are; *home* is the home directory that HDFS says is ours, empty where it does not answer."""
    seen = home.rstrip("/").rpartition("/")[2]
    if NOBODY in (name, seen):
        return warning(
            "user",
            f"the cluster takes us for {NOBODY}",
            why=f"nobody told it who asks; {NOBODY} has no home directory, and launching ends in 403",
            fix="set HADOOP_USER_NAME, or --user",
        )
    if home and seen != name:
        return warning(
            "user",
            f"we ask as {name} ({origin}), and HDFS calls {home} our home",
            why="the server in between may put another user in our place",
            fix="ask who is behind the NameNode's or HttpFS's address; see hadoop.proxyuser.* in core-site.xml",
        )
    return ok("user", f"{name} ({origin})")


def queue(scheduler: Scheduler, name: str) -> Check:
    """Whether *name* is a leaf queue that takes applications."""
    found = scheduler.queue(name)
    if found is None:
        if not scheduler.queues:
            return skipped("queue", f"{scheduler.kind or 'the scheduler'} has no queues")
        known = ", ".join(sorted(queue.path.removeprefix("root.") for queue in scheduler.queues)[:10])
        return failed(
            "queue",
            f"there is no leaf queue {name}",
            why=f"YARN takes applications in leaf queues only; there are {known}",
            fix="name one of them as queue in service.yaml, or add it in capacity-scheduler.xml "
            "(yarn.scheduler.capacity.<parent>.queues) and run yarn rmadmin -refreshQueues",
        )
    if found.state != "RUNNING":
        return failed(
            "queue",
            f"queue {found.path} is {found.state}",
            why="a stopped queue refuses applications",
            fix=f"set yarn.scheduler.capacity.{found.path}.state to RUNNING in capacity-scheduler.xml "
            "and run yarn rmadmin -refreshQueues",
        )
    return ok("queue", f"{found.path} is running")


def am_room(found: Queue | None, wanted_mb: int = AM_MEMORY_MB) -> Check:
    """Whether one more ApplicationMaster of *wanted_mb* fits under the queue's limit for them."""
    if found is None or found.am_limit_mb is None:
        return skipped("am-room", "the scheduler does not tell a limit for ApplicationMasters")
    free = found.am_limit_mb - found.am_used_mb
    seen = f"ApplicationMasters in {found.path} take {found.am_used_mb} of {found.am_limit_mb} MiB"
    if free >= wanted_mb or (found.am_used_mb == 0 and found.am_limit_mb > 0):
        # CapacityScheduler lets the first one through, whatever it takes.
        return ok("am-room", f"{seen}; one takes {wanted_mb}")
    return failed(
        "am-room",
        f"{seen}, and one more takes {wanted_mb}",
        why="each service has an ApplicationMaster; without room for it, it stays ACCEPTED for ever",
        fix=f"raise yarn.scheduler.capacity.{found.path}.maximum-am-resource-percent (default 0.1) in "
        f"capacity-scheduler.xml, or lower {AM_MEMORY} in yarn-site.xml",
    )


def label(name: str, nodes: Sequence[Node]) -> Check:
    """Whether any node belongs to the partition *name*."""
    if not name:
        return skipped("label", "no node label is wanted")
    having = [node for node in _usable(nodes) if name in node.labels]
    if having:
        return ok("label", f"{len(having)} nodes belong to {name}")
    known = ", ".join(sorted({label for node in nodes for label in node.labels})[:10]) or "none"
    return failed(
        "label",
        f"no node has the label {name}",
        why=f"labels in use: {known}; YARN never places a replica",
        fix=f"correct placement.node_label in service.yaml, or run yarn rmadmin -replaceLabelsOnNode <node>={name}; "
        "yarn.node-labels.enabled in the ResourceManager's yarn-site.xml must be true",
    )


def resources(needs: Needs, scheduler: Scheduler, nodes: Sequence[Node]) -> Check:
    """Whether a container as large as *needs* may be asked for, and fits on a node."""
    for label, wanted, most, setting in (
        ("MiB of memory", needs.memory_mb, scheduler.maximum_memory_mb, "maximum-allocation-mb"),
        ("vcores", needs.vcores, scheduler.maximum_vcores, "maximum-allocation-vcores"),
    ):
        if most is not None and wanted > most:
            return failed(
                "resources",
                f"a replica wants {wanted} {label}, and a container may have {most}",
                why="YARN refuses the service",
                fix=f"lower resources in service.yaml, or raise yarn.scheduler.{setting} in yarn-site.xml",
            )
    usable = _usable(nodes)
    fitting = [node for node in usable if node.memory_mb >= needs.memory_mb and node.vcores >= needs.vcores]
    asked = f"{needs.memory_mb} MiB and {needs.vcores} vcores"
    if not fitting:
        most_memory = max((node.memory_mb for node in usable), default=0)
        most_vcores = max((node.vcores for node in usable), default=0)
        return failed(
            "resources",
            f"no node has {asked} for a replica; the most are {most_memory} MiB and {most_vcores} vcores",
            why="YARN accepts such a request and leaves it pending for ever",
            fix="lower resources in service.yaml, or raise yarn.nodemanager.resource.memory-mb and cpu-vcores in "
            "yarn-site.xml",
        )
    return ok("resources", f"{asked} fit on {len(fitting)} of {len(usable)} nodes")


def gpu(wanted: int, scheduler: Scheduler, nodes: Sequence[Node]) -> Check:
    """Whether ResourceManager and nodes know GPUs, as many as a replica wants."""
    usable = _usable(nodes)
    having = [node for node in usable if node.gpus > 0]
    if not wanted:
        total = sum(node.gpus for node in having)
        return ok("gpu", f"{total} GPUs on {len(having)} nodes" if having else "no node has GPUs, and none is wanted")
    if not having and scheduler.resource_types is not None and GPU not in scheduler.resource_types:
        return failed(
            "gpu",
            f"the ResourceManager does not know {GPU}",
            why="YARN accepts the service, which then stays STARTED for ever without a container",
            fix=f"set yarn.resource-types to {GPU} in resource-types.xml of ResourceManager and NodeManagers",
        )
    most = max((node.gpus for node in usable), default=0)
    if most < wanted:
        return failed(
            "gpu",
            f"a replica wants {wanted} GPUs, and the best node has {most}",
            why="YARN accepts the service and never places a replica",
            fix="lower resources.gpus in service.yaml"
            if most
            else f"set yarn.nodemanager.resource-plugins to {GPU} in the NodeManagers' yarn-site.xml, and [gpu] "
            "module.enabled=true in container-executor.cfg",
        )
    enough = [node for node in having if node.gpus >= wanted]
    return ok("gpu", f"{wanted} for a replica: {len(enough)} of {len(usable)} nodes have that many")


def placement(needs: Needs | None, properties: Mapping[str, str] | None) -> Check:
    """Whether YARN obeys placement constraints; *properties* are the ResourceManager's, None where not told."""
    if needs is None or not needs.constrained:
        return skipped("placement", "no placement constraint is wanted")
    if properties is None:
        return warning(
            "placement",
            "unknown: the ResourceManager does not show its configuration",
            why="without a handler the service stays STARTED for ever, and nobody is told",
            fix=f"ask the admin whether {PLACEMENT_HANDLER} in yarn-site.xml is scheduler or placement-processor",
        )
    handler = properties.get(PLACEMENT_HANDLER, "disabled")
    if handler == "disabled":
        return failed(
            "placement",
            "YARN's placement constraints are switched off",
            why="the ApplicationMaster's requests are refused and nobody is told: STARTED for ever, no container",
            fix=f"set {PLACEMENT_HANDLER} to scheduler in the ResourceManager's yarn-site.xml, or remove "
            "placement, bridge network and ports without per_replica from service.yaml",
        )
    return ok("placement", f"constraints are obeyed by the {handler}")


def hosts(needs: Needs, nodes: Sequence[Node]) -> Check:
    """Whether there are as many nodes as replicas, where a node takes one of them."""
    count = len({node.host for node in _usable(nodes) if node.state == "RUNNING"})
    if not needs.one_per_host:
        return ok("hosts", f"replicas may share a host; there are {count}")
    if needs.replicas > count:
        return failed(
            "hosts",
            f"{needs.replicas} replicas want a host each, and there are {count}",
            why="the rest stays pending, or dies of a port that is taken",
            fix="lower replicas in service.yaml, or let ports differ per replica (ports.per_replica)",
        )
    return ok("hosts", f"a host for each of {needs.replicas} replicas; there are {count}")


def nodes(found: Sequence[Node], unreachable: Mapping[str, YarnserveError]) -> Check:
    """Whether the NodeManagers are healthy and their web servers answer; *unreachable* by node id."""
    if not found:
        return failed(
            "nodes",
            "the cluster has no NodeManager",
            fix="start the NodeManagers; yarn.resourcemanager.hostname in their yarn-site.xml names the "
            "ResourceManager",
        )
    ill = [node for node in found if node.state == "UNHEALTHY"]
    if unreachable:
        names = ", ".join(sorted(unreachable)[:5])
        error = next(iter(unreachable.values()))
        return failed(
            "nodes",
            f"{len(unreachable)} of {len(found)} NodeManagers' web servers do not answer: {names}",
            why=f"logs and restarts cannot be seen there: {error.why or error.what}",
            fix="open yarn.nodemanager.webapp.address (yarn-site.xml, default port 8042) to this host",
        )
    if ill:
        return warning(
            "nodes",
            f"{len(ill)} of {len(found)} nodes are unhealthy: {', '.join(node.id for node in ill[:5])}",
            why=first_line(ill[0].health_report),
            fix="free their disks; see yarn.nodemanager.disk-health-checker.* in yarn-site.xml",
        )
    return ok("nodes", f"{len(found)} NodeManagers, and their web servers answer")


def docker(network: str, seen: Mapping[str, Mapping[str, str] | None]) -> Check:
    """Whether nodes start Docker containers; *seen* holds the configuration of each that was asked, None where hidden.

    *network* is the one that a replica wants. A property that is not shown has its default.
    """
    shown = {node: properties for node, properties in seen.items() if properties is not None}
    if not shown:
        return skipped("docker", "unknown: no NodeManager shows its configuration")
    for node, properties in shown.items():
        setting, value, wanted = _docker_lack(network, properties)
        if setting:
            return failed(
                "docker",
                f"{node} starts no such container: {setting} is {value}",
                why="each replica placed there ends before its image is looked at",
                fix=f"set {setting} to {wanted} in the NodeManagers' yarn-site.xml (docs/admin.md has it whole)",
            )
    return ok("docker", f"allowed with network {network} on the {len(shown)} NodeManagers that were asked")


def _docker_lack(network: str, properties: Mapping[str, str]) -> tuple[str, str, str]:
    """Return the setting that is in the way, its value, and what it has to be; empty when nothing is."""
    executor = properties.get(CONTAINER_EXECUTOR, "DefaultContainerExecutor")
    if not executor.endswith(".LinuxContainerExecutor"):
        return CONTAINER_EXECUTOR, executor, _LINUX_EXECUTOR
    lists = ((ALLOWED_RUNTIMES, "default", "docker"), (ALLOWED_NETWORKS, "host,none,bridge", network))
    for setting, default, wanted in lists:
        value = properties.get(setting, default)
        listed = [each.strip().lower() for each in value.split(",") if each.strip()]
        if wanted not in listed:
            return setting, value or "empty", ",".join([*listed, wanted])
    return "", "", ""


def zookeeper(quorum: Mapping[str, str], source: str) -> Check:
    """Whether the registry's ZooKeeper answers: *quorum* holds the trouble of each address, empty for none."""
    down = {address: trouble for address, trouble in quorum.items() if trouble}
    if not down:
        return ok("zookeeper", f"{', '.join(quorum)} ({source})")
    why = "; ".join(f"{address}: {trouble}" for address, trouble in down.items())
    fix = f"start ZooKeeper, or set {ZOOKEEPER} in the ResourceManager's yarn-site.xml ({source})"
    if len(down) == len(quorum):
        return failed("zookeeper", "ZooKeeper does not answer", why=why, fix=fix)
    return warning("zookeeper", f"{len(down)} of {len(quorum)} ZooKeeper servers do not answer", why=why, fix=fix)


def log_aggregation(properties: Mapping[str, str] | None) -> Check:
    """Whether logs survive their container."""
    if properties is None:
        return skipped("log-aggregation", "unknown: the ResourceManager does not show its configuration")
    if properties.get(LOG_AGGREGATION, "false") != "true":
        return warning(
            "log-aggregation",
            "logs are not collected",
            why="they vanish with a container's directory, minutes after it ended",
            fix=f"set {LOG_AGGREGATION} to true in yarn-site.xml",
        )
    if int(_number(properties.get(ROLLING_LOGS, "-1"))) <= 0:
        return warning(
            "log-aggregation",
            "logs are collected when an application ends, and a service does not end",
            fix=f"set {ROLLING_LOGS} to 3600 or more in the NodeManagers' yarn-site.xml",
        )
    return ok("log-aggregation", "logs are collected while a service runs")


def _usable(nodes: Sequence[Node]) -> list[Node]:
    return [node for node in nodes if node.state in _USABLE]


def _number(text: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        return -1
