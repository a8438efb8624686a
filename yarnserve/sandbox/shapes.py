"""The JSON objects of the cluster API: applications, attempts, containers, nodes (yarn-services.md 6; golden 3.1.4)."""

from __future__ import annotations

from typing import Any

from yarnserve.sandbox.application import Application, Attempt
from yarnserve.sandbox.cluster import Cluster
from yarnserve.sandbox.definition import GPU
from yarnserve.sandbox.faults import Fault
from yarnserve.sandbox.node import Node, NodeContainer, Resource, total
from yarnserve.sandbox.states import AppState

Shape = dict[str, Any]
_FULL_DISKS = "1/1 local-dirs have errors: [ /tmp/nm-local-dir : used space above threshold of 90.0% ] "
_LONG_MAX = 9223372036854775807


def milliseconds(moment: float | None) -> int:
    """Return *moment* as YARN sends it, 0 for never."""
    return int((moment or 0) * 1000)


def resource(amount: Resource, cluster: Cluster) -> Shape:
    """Return a resource, in all the types that *cluster* knows."""
    attributes: Shape = {"attributes": {}} if cluster.profile.tells_localization else {}
    kinds = [("memory-mb", "Mi", amount.memory_mb), ("vcores", "", amount.vcores)]
    if cluster.knows_gpus():
        kinds.append((GPU, "", amount.gpus))
    information = [
        {
            **attributes,
            "maximumAllocation": _LONG_MAX,
            "minimumAllocation": 0,
            "name": name,
            "resourceType": "COUNTABLE",
            "units": units,
            "value": value,
        }
        for name, units, value in kinds
    ]
    shown = {"memory": amount.memory_mb, "vCores": amount.vcores}
    return {**shown, "resourceInformations": {"resourceInformation": information}}


def node(one: Node, cluster: Cluster, now: float) -> Shape:
    """Return one entry of ``/nodes``."""
    used, available = one.used, one.available
    live = [container for container in one.containers.values() if not container.completed]
    return {
        "rack": "/default-rack",
        "state": "UNHEALTHY" if cluster.ails(one) else "RUNNING",
        "id": one.address.id,
        "nodeHostName": one.address.host,
        "nodeHTTPAddress": one.address.http,
        "lastHealthUpdate": milliseconds(now),
        "version": cluster.profile.version,
        "healthReport": _FULL_DISKS if cluster.ails(one) else "",
        "numContainers": len(live),
        "usedMemoryMB": used.memory_mb,
        "availMemoryMB": available.memory_mb,
        "usedVirtualCores": used.vcores,
        "availableVirtualCores": available.vcores,
        "usedResource": resource(used, cluster),
        "availableResource": resource(available, cluster),
        **({"totalResource": resource(one.capacity, cluster)} if cluster.profile.tells_localization else {}),
    }


def application(one: Application, cluster: Cluster, base_url: str, now: float) -> Shape:
    """Return one entry of ``/apps``."""
    return {
        "id": one.id,
        "user": one.user,
        "name": one.name,
        "queue": f"root.{one.queue}" if cluster.profile.names_queues_by_path else one.queue,
        "state": one.state.value,
        "finalStatus": one.final_status,
        "progress": 100.0 if one.launched_at else 0.0,
        **_tracking(one, base_url),
        "diagnostics": one.diagnostics,
        "clusterId": cluster.timestamp,
        "applicationType": "yarn-service",
        "applicationTags": f"name: {one.name}",
        "priority": 0,
        "startedTime": milliseconds(one.started_at),
        "launchTime": milliseconds(one.launched_at),
        "finishedTime": milliseconds(one.finished_at),
        "elapsedTime": milliseconds((one.finished_at or now) - one.started_at),
        **_master(one),
        **_allocation(one, cluster),
        "unmanagedApplication": False,
    }


def attempt(one: Application, each: Attempt) -> Shape:
    """Return one entry of ``/appattempts``."""
    container = each.container
    shown: Shape = {
        "id": each.number,
        "startTime": milliseconds(each.started_at),
        "finishedTime": milliseconds(each.finished_at),
    }
    if container is not None:
        shown |= {
            "containerId": container.id,
            "nodeHttpAddress": container.node.address.http,
            "nodeId": container.node.address.id,
            "logsLink": logs_link(container),
        }
    avoided = sorted(each.master.blacklisted) if each.master is not None else []
    more = {"blacklistedNodes": ",".join(avoided), "nodesBlacklistedBySystem": ""}
    return {**shown, **more, "appAttemptId": one.attempt_id(each)}


def placed_container(one: NodeContainer, now: float, cluster: Cluster) -> Shape:
    """Return one container of an attempt; numbers are strings here."""
    address, started_at = one.node.address, one.started_at or one.allocated_at
    entries = [("memory-mb", one.resource.memory_mb), ("vcores", one.resource.vcores)]
    if one.resource.gpus:
        entries.append((GPU, one.resource.gpus))
    return {
        "containerId": one.id,
        "allocatedMB": str(one.resource.memory_mb),
        "allocatedVCores": str(one.resource.vcores),
        "assignedNodeId": address.id,
        "priority": "0",
        "startedTime": str(milliseconds(started_at)),
        "finishedTime": "0",
        "elapsedTime": str(milliseconds(now - started_at)),
        "logUrl": logs_link(one),
        "containerExitStatus": "0",
        "containerState": "RUNNING",
        "nodeHttpAddress": f"http://{address.http}",
        "nodeId": address.id,
        "allocatedResources": {"entry": [{"key": key, "value": str(value)} for key, value in entries]},
        **({"exposedPorts": ""} if cluster.profile.tells_localization else {}),
    }


def metrics(cluster: Cluster) -> Shape:
    """Return ``/metrics``."""
    states = [one.state for one in cluster.applications.values()]
    used, capacity = cluster.used, cluster.capacity
    available = total(node.available for node in cluster.usable_nodes)
    live = [container for container in cluster.containers() if not container.completed]
    return {
        "appsSubmitted": len(states),
        "appsCompleted": states.count(AppState.FINISHED),
        "appsPending": states.count(AppState.ACCEPTED),
        "appsRunning": states.count(AppState.RUNNING),
        "appsFailed": states.count(AppState.FAILED),
        "appsKilled": states.count(AppState.KILLED),
        "availableMB": available.memory_mb,
        "allocatedMB": used.memory_mb,
        "availableVirtualCores": available.vcores,
        "allocatedVirtualCores": used.vcores,
        "containersAllocated": len(live),
        "totalMB": capacity.memory_mb,
        "totalVirtualCores": capacity.vcores,
        "totalNodes": len(cluster.nodes),
        "lostNodes": 0,
        "unhealthyNodes": len(cluster.nodes) - len(cluster.usable_nodes),
        "activeNodes": len(cluster.usable_nodes),
        "totalUsedResourcesAcrossPartition": resource(used, cluster),
        "totalClusterResourcesAcrossPartition": resource(capacity, cluster),
    }


def scheduler(cluster: Cluster) -> Shape:
    """Return ``/scheduler``: a CapacityScheduler with the one queue default."""
    used, capacity = cluster.used, cluster.capacity
    share = 100.0 * used.memory_mb / capacity.memory_mb if capacity.memory_mb else 0.0
    queue = {
        "type": "capacitySchedulerLeafQueueInfo",
        "capacity": 100.0,
        "usedCapacity": share,
        "maxCapacity": 100.0,
        "absoluteCapacity": 100.0,
        "absoluteMaxCapacity": 100.0,
        "absoluteUsedCapacity": share,
        "numApplications": sum(not one.state.ended for one in cluster.applications.values()),
        "queueName": "default",
        "state": "STOPPED" if Fault.QUEUE_STOPPED in cluster.faults else "RUNNING",
        "resourcesUsed": resource(used, cluster),
    }
    root = {"type": "capacityScheduler", "capacity": 100.0, "usedCapacity": share, "maxCapacity": 100.0}
    return {"schedulerInfo": {**root, "queueName": "root", "queues": {"queue": [queue]}}}


def logs_link(container: NodeContainer) -> str:
    """Return where the NodeManager's web page shows the logs."""
    return f"http://{container.node.address.http}/node/containerlogs/{container.id}/{container.user}"


def node_container(one: NodeContainer, files: list[str]) -> Shape:
    """Return a container as its NodeManager shows it."""
    return {
        "id": one.id,
        "state": one.state.value,
        "exitCode": one.exit_code,
        "diagnostics": one.diagnostics,
        "user": one.user,
        "totalMemoryNeededMB": one.resource.memory_mb,
        "totalVCoresNeeded": one.resource.vcores,
        "executionType": "GUARANTEED",
        "containerLogsLink": logs_link(one),
        "nodeId": one.node.address.id,
        "containerLogFiles": files,
    }


def _tracking(one: Application, base_url: str) -> Shape:
    if not one.state.ended and one.state is not AppState.RUNNING:
        return {"trackingUI": "UNASSIGNED"}
    return {
        "trackingUI": "History" if one.state.ended else "ApplicationMaster",
        "trackingUrl": f"{base_url}/proxy/{one.id}/",
    }


def _master(one: Application) -> Shape:
    container = next((each.container for each in reversed(one.attempts) if each.container is not None), None)
    if container is None:
        return {"masterNodeId": ""}
    return {
        "amContainerLogs": logs_link(container),
        "amHostHttpAddress": container.node.address.http,
        "masterNodeId": container.node.address.id,
    }


def _allocation(one: Application, cluster: Cluster) -> Shape:
    if one.state.ended:
        return {"allocatedMB": -1, "allocatedVCores": -1, "runningContainers": -1}
    held = cluster.containers_of(one.id)
    return {
        "allocatedMB": sum(container.resource.memory_mb for container in held),
        "allocatedVCores": sum(container.resource.vcores for container in held),
        "runningContainers": len(held),
    }
