"""``/conf`` of a daemon, and the scheduler's limits that follow from its configuration.

``/conf`` is written as Hadoop's servlet does: JSON for whoever accepts it, else XML (golden ha-3.3.6, ``/conf``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from aiohttp import web

from yarnserve.sandbox import shapes
from yarnserve.sandbox.cluster import Cluster
from yarnserve.sandbox.faults import Fault
from yarnserve.sandbox.node import Node
from yarnserve.sandbox.web_answers import answer, text

_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>'


def resource_manager(cluster: Cluster) -> dict[str, str]:
    """Return the properties of *cluster*'s ResourceManager that matter to clients."""
    most = cluster.largest
    # Nobody listens on the port of a ZooKeeper that is down; otherwise there is none, and nothing names one.
    registry = {"hadoop.registry.zk.quorum": "localhost:1"} if Fault.ZOOKEEPER_DOWN in cluster.faults else {}
    return {
        **registry,
        "fs.defaultFS": cluster.filesystem,
        "yarn.webapp.api-service.enable": str(Fault.API_OFF not in cluster.faults).lower(),
        "yarn.resourcemanager.placement-constraints.handler": cluster.profile.placement_handler,
        "yarn.log-aggregation-enable": "false",
        "yarn.scheduler.maximum-allocation-mb": str(most.memory_mb),
        "yarn.scheduler.maximum-allocation-vcores": str(most.vcores),
        "yarn.service.am-resource.memory": str(cluster.profile.am_memory_mb),
    }


def node_manager(node: Node) -> dict[str, str]:
    """Return the properties of *node*'s NodeManager that matter to clients."""
    runtimes = "default" if Fault.DOCKER_OFF in node.faults else "default,docker"
    return {
        "yarn.nodemanager.container-executor.class": (
            "org.apache.hadoop.yarn.server.nodemanager.LinuxContainerExecutor"
        ),
        "yarn.nodemanager.runtime.linux.allowed-runtimes": runtimes,
        "yarn.nodemanager.runtime.linux.docker.allowed-container-networks": "host,none,bridge",
    }


def configuration(request: web.Request, properties: Mapping[str, str]) -> web.Response:
    """Answer ``/conf``."""
    source = "yarn-site.xml"
    if "json" in request.headers.get("Accept", ""):
        listed = [
            {"key": key, "value": value, "isFinal": False, "resource": source} for key, value in properties.items()
        ]
        return answer({"properties": listed}, content_type="application/json;charset=utf-8")
    root = ElementTree.Element("configuration")
    for key, value in properties.items():
        entry = ElementTree.SubElement(root, "property")
        for name, content in (("name", key), ("value", value), ("final", "false"), ("source", source)):
            ElementTree.SubElement(entry, name).text = content
    return text(_DECLARATION + ElementTree.tostring(root, encoding="unicode"), content_type="text/xml;charset=utf-8")


def scheduler(cluster: Cluster) -> dict[str, Any]:
    """Return ``/scheduler`` with the limits of containers and ApplicationMasters (golden 3.1.4)."""
    document = shapes.scheduler(cluster)
    info = document["schedulerInfo"]
    largest = shapes.resource(cluster.largest, cluster)
    info["maximumAllocation"] = largest
    for queue in info["queues"]["queue"]:
        queue["maximumAllocation"] = largest
        queue["configuredMaxAMResourceLimit"] = cluster.profile.am_share
        queue["AMResourceLimit"] = shapes.resource(cluster.am_limit, cluster)
        queue["usedAMResource"] = shapes.resource(cluster.am_used, cluster)
    return document
