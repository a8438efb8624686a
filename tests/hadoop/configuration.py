"""The configuration directory of a single-node Hadoop whose every port is given (real-hadoop.md 3)."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, fields
from pathlib import Path
from xml.sax.saxutils import escape

from tests.support import REPOSITORY

#: Directories that the daemons look for and only Hadoop's tarball has; empty is enough.
_WEB_APPLICATIONS = ("hdfs", "datanode", "journal")

_LOG4J = """log4j.rootLogger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
"""


#: Options of every JVM: most of the life of one in a test is its start, of which checking Hadoop's byte code, and
#: compiling it well, takes half (real-hadoop.md 4.4 has the first two).
QUICK_START = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xverify:none")
#: Those of every ApplicationMaster.
APPLICATION_MASTER = " ".join(("-Xmx192m", *QUICK_START))


@dataclass(frozen=True)
class Ports:
    """The port of each server; those of the second ResourceManager of a pair begin with ``rm2``."""

    zookeeper: int
    namenode: int
    namenode_http: int
    datanode: int
    datanode_http: int
    datanode_ipc: int
    httpfs: int
    nodemanager: int
    nodemanager_http: int
    localizer: int
    collector: int
    resourcemanager_http: int
    resourcemanager: int
    scheduler: int
    tracker: int
    admin: int
    rm2_http: int
    rm2: int
    rm2_scheduler: int
    rm2_tracker: int
    rm2_admin: int

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """Number them from *base* on."""
        return cls(*range(base, base + len(fields(cls))))


def write_configuration(
    directory: Path,
    data: Path,
    ports: Ports,
    *,
    path: str,
    pair: bool = False,
    changes: dict[str, dict[str, str]] | None = None,
) -> None:
    """Write what all daemons and clients read.

    Args:
        directory: becomes HADOOP_CONF_DIR, and the head of every class path.
        data: where the daemons keep what is theirs.
        ports: of every server, on localhost.
        path: PATH of the containers.
        pair: with two ResourceManagers.
        changes: further properties by file name, such as ``{"yarn-site.xml": {"yarn.acl.enable": "true"}}``; an empty
            value takes a property away.
    """
    for each in _WEB_APPLICATIONS:
        (directory / "webapps" / each / "WEB-INF").mkdir(parents=True)
    (directory / "webapps" / "static").mkdir()
    files = {
        "core-site.xml": _core(data, ports),
        "hdfs-site.xml": _hdfs(data, ports),
        "yarn-site.xml": {**_yarn(data, ports, path), **(_pair(ports) if pair else _single(ports))},
        "capacity-scheduler.xml": _SCHEDULER,
        "httpfs-site.xml": _httpfs(directory, ports),
    }
    for name, properties in files.items():
        changed = {**properties, **(changes or {}).get(name, {})}
        (directory / name).write_text(_xml({key: value for key, value in changed.items() if value}), encoding="utf-8")
    (directory / "httpfs-signature.secret").write_text("for tests only")
    for name in ("log4j.properties", "httpfs-log4j.properties"):
        (directory / name).write_text(_LOG4J)
    (directory / "zoo.cfg").write_text(
        f"tickTime=1000\ndataDir={data / 'zookeeper'}\nclientPort={ports.zookeeper}\n"
        "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
    )


def _core(data: Path, ports: Ports) -> dict[str, str]:
    user = getpass.getuser()
    return {
        "fs.defaultFS": f"hdfs://localhost:{ports.namenode}",
        "hadoop.tmp.dir": str(data / "tmp"),
        "hadoop.registry.zk.quorum": f"localhost:{ports.zookeeper}",
        "hadoop.zk.address": f"localhost:{ports.zookeeper}",
        f"hadoop.proxyuser.{user}.hosts": "*",
        f"hadoop.proxyuser.{user}.groups": "*",
    }


def _hdfs(data: Path, ports: Ports) -> dict[str, str]:
    return {
        "dfs.replication": "1",
        "dfs.namenode.name.dir": f"file://{data / 'namenode'}",
        "dfs.datanode.data.dir": f"file://{data / 'datanode'}",
        "dfs.namenode.rpc-address": f"localhost:{ports.namenode}",
        "dfs.namenode.http-address": f"localhost:{ports.namenode_http}",
        "dfs.datanode.address": f"localhost:{ports.datanode}",
        "dfs.datanode.http.address": f"localhost:{ports.datanode_http}",
        "dfs.datanode.ipc.address": f"localhost:{ports.datanode_ipc}",
        "dfs.datanode.hostname": "localhost",
        "dfs.namenode.safemode.extension": "0",
        "dfs.namenode.safemode.min.datanodes": "1",
        "dfs.namenode.edits.noeditlogchannelflush": "true",
        # The pause before the second try to close a new file; by default each takes 0.4 s.
        "dfs.client.block.write.locateFollowingBlock.initial.delay.ms": "10",
    }


def _yarn(data: Path, ports: Ports, path: str) -> dict[str, str]:
    return {
        "yarn.webapp.api-service.enable": "true",
        # The ApplicationMaster gets the ResourceManager's class path, and nothing is uploaded.
        "yarn.is.minicluster": "true",
        "yarn.nodemanager.hostname": "localhost",
        "yarn.nodemanager.address": f"localhost:{ports.nodemanager}",
        "yarn.nodemanager.localizer.address": f"localhost:{ports.localizer}",
        "yarn.nodemanager.webapp.address": f"localhost:{ports.nodemanager_http}",
        "yarn.nodemanager.collector-service.address": f"localhost:{ports.collector}",
        "yarn.nodemanager.local-dirs": str(data / "nm-local"),
        "yarn.nodemanager.log-dirs": str(data / "nm-logs"),
        # The stand-in of TensorFlow Serving is on this PATH; by itself a container has bash's own.
        "yarn.nodemanager.admin-env": f"PATH={path},PYTHONPATH={REPOSITORY}",
        "yarn.nodemanager.resource.memory-mb": "8192",
        "yarn.nodemanager.resource.cpu-vcores": "16",
        "yarn.scheduler.minimum-allocation-mb": "64",
        "yarn.nodemanager.vmem-check-enabled": "false",
        "yarn.nodemanager.pmem-check-enabled": "true",
        # By default from 3.3 on the kernel's cgroups are trusted to do it, even where there are none.
        "yarn.nodemanager.resource.memory.enforced": "false",
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "100",
        "yarn.nodemanager.disk-health-checker.min-healthy-disks": "0",
        "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": "200",
        "yarn.nodemanager.container-retry-minimum-interval-ms": "100",
        # Its heap, and as much again beside it: a container that takes more than it has asked for is killed.
        "yarn.service.am-resource.memory": "512",
        "yarn.service.am.java.opts": APPLICATION_MASTER,
        "yarn.service.readiness-check-interval.seconds": "1",
        "yarn.service.client-am.retry.max-wait-ms": "20000",
        "yarn.node-labels.fs-store.root-dir": f"file://{data / 'node-labels'}",
        "yarn.node-attribute.fs-store.root-dir": f"file://{data / 'node-attributes'}",
        "yarn.service.upgrade.enabled": "true",
        "yarn.resourcemanager.connect.retry-interval.ms": "500",
        "yarn.resourcemanager.recovery.enabled": "true",
        "yarn.resourcemanager.store.class": "org.apache.hadoop.yarn.server.resourcemanager.recovery.ZKRMStateStore",
        "yarn.resourcemanager.zk-address": f"localhost:{ports.zookeeper}",
    }


def _single(ports: Ports) -> dict[str, str]:
    servers = _resource_manager(
        ports.resourcemanager, ports.scheduler, ports.tracker, ports.admin, ports.resourcemanager_http
    )
    return {
        "yarn.resourcemanager.hostname": "localhost",
        **{f"yarn.resourcemanager.{k}": v for k, v in servers.items()},
    }


def _pair(ports: Ports) -> dict[str, str]:
    found = {
        "yarn.resourcemanager.ha.enabled": "true",
        "yarn.resourcemanager.cluster-id": "pair",
        "yarn.resourcemanager.ha.rm-ids": "rm1,rm2",
    }
    servers = {
        "rm1": _resource_manager(
            ports.resourcemanager, ports.scheduler, ports.tracker, ports.admin, ports.resourcemanager_http
        ),
        "rm2": _resource_manager(ports.rm2, ports.rm2_scheduler, ports.rm2_tracker, ports.rm2_admin, ports.rm2_http),
    }
    for name, addresses in servers.items():
        found[f"yarn.resourcemanager.hostname.{name}"] = "localhost"
        found.update({f"yarn.resourcemanager.{key}.{name}": value for key, value in addresses.items()})
    return found


def _resource_manager(rpc: int, scheduler: int, tracker: int, admin: int, http: int) -> dict[str, str]:
    return {
        "address": f"localhost:{rpc}",
        "scheduler.address": f"localhost:{scheduler}",
        "resource-tracker.address": f"localhost:{tracker}",
        "admin.address": f"localhost:{admin}",
        "webapp.address": f"localhost:{http}",
    }


_SCHEDULER = {
    "yarn.scheduler.capacity.root.queues": "default",
    "yarn.scheduler.capacity.root.default.capacity": "100",
    "yarn.scheduler.capacity.maximum-am-resource-percent": "0.8",
    "yarn.scheduler.capacity.resource-calculator": "org.apache.hadoop.yarn.util.resource.DominantResourceCalculator",
}


def _httpfs(directory: Path, ports: Ports) -> dict[str, str]:
    user = getpass.getuser()
    return {
        "httpfs.http.hostname": "localhost",
        "httpfs.http.port": str(ports.httpfs),
        "httpfs.hadoop.config.dir": str(directory),
        f"httpfs.proxyuser.{user}.hosts": "*",
        f"httpfs.proxyuser.{user}.groups": "*",
    }


def _xml(properties: dict[str, str]) -> str:
    lines = [
        f"  <property><name>{escape(name)}</name><value>{escape(value)}</value></property>"
        for name, value in properties.items()
    ]
    return "\n".join(["<?xml version='1.0'?>", "<configuration>", *lines, "</configuration>", ""])
