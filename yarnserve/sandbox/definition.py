"""What the ApplicationMaster reads out of a service's stored definition.

A definition is the canonical JSON document that :mod:`binding` makes of a POST; these functions give names to the
parts of it that the state machine decides by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yarnserve.sandbox.node import Resource, RetryPolicy
from yarnserve.sandbox.profile import Profile
from yarnserve.sandbox.runtime import Check

GPU = "yarn.io/gpu"
Document = dict[str, Any]

_FAILURE = "yarn.service.container-failure"


def properties(document: Document) -> Mapping[str, str]:
    """Return configuration.properties of a service or a component."""
    found: Mapping[str, str] = document["configuration"]["properties"]
    return found


def resource(component: Document) -> Resource:
    """Return what one instance of *component* asks for."""
    wanted = component["resource"]
    gpus = wanted["additional"].get(GPU, {}).get("value", 0)
    return Resource(int(wanted["memory"]), int(wanted["cpus"]), int(gpus))


def retry_policy(component: Document, profile: Profile) -> RetryPolicy:
    """Return how the NodeManager retries *component*; NEVER is not retried (YARN-8360)."""
    if component["restart_policy"] == "NEVER":
        return RetryPolicy()
    found = properties(component)
    interval = _seconds(found, f"{_FAILURE}.retry-interval-ms", profile.retry_interval)
    validity = _seconds(found, f"{_FAILURE}.validity-interval-ms", profile.retry_validity)
    return RetryPolicy(int(found.get(f"{_FAILURE}.retry.max", profile.retry_max)), interval, validity)


def failure_threshold(component: Document, profile: Profile) -> int:
    """Return how many failures of *component* the ApplicationMaster bears; one more ends the service."""
    return int(properties(component).get(f"{_FAILURE}-per-component.threshold", profile.failure_threshold))


def blacklist_threshold(component: Document, profile: Profile) -> int:
    """Return how many failures of *component* on one node are borne; after one more the service avoids the node."""
    return int(properties(component).get("yarn.service.node-blacklist.threshold", profile.blacklist_threshold))


def readiness_interval(service: Document, profile: Profile) -> float:
    """Return the seconds between two readiness ticks."""
    return float(properties(service).get("yarn.service.readiness-check-interval.seconds", profile.readiness_interval))


def am_resource(service: Document, profile: Profile) -> Resource:
    """Return what the ApplicationMaster itself asks for."""
    return Resource(int(properties(service).get("yarn.service.am-resource.memory", profile.am_memory_mb)), 1)


def check(component: Document) -> Check | None:
    """Return the readiness check that looks from outside, None for DEFAULT and none at all."""
    found = component.get("readiness_check")
    if not found or found.get("type") not in ("HTTP", "PORT"):
        return None
    return Check(found["type"], found["properties"])


def is_constrained(service: Document) -> bool:
    """Whether any component has placement constraints.

    Where no placement handler is configured, as by default, the ApplicationMaster's requests are then refused and
    nothing but its log says so (yarn-services.md 8, item 10).
    """
    return any(constraints(component) for component in service["components"])


def constraints(component: Document) -> list[Document]:
    """Return the placement constraints of *component*."""
    found: list[Document] = component.get("placement_policy", {}).get("constraints", [])
    return found


def component_of(service: Document, name: str) -> Document | None:
    """Return the component called *name*."""
    return next((component for component in service["components"] if component["name"] == name), None)


def place_of(file: Document) -> str:
    """Return where a configuration file goes: an absolute path as it is, a relative one below the work directory."""
    destination: str = file["dest_file"]
    if destination.startswith("/") or file["type"] in ("STATIC", "ARCHIVE"):
        return destination
    return f"conf/{destination}"


def local_place_of(file: Document) -> str:
    """Return where a configuration file lies below the work directory; Docker mounts an absolute one from there."""
    destination = place_of(file)
    if not destination.startswith("/"):
        return destination
    name = destination.rpartition("/")[2]
    return name if file["type"] in ("STATIC", "ARCHIVE") else f"conf/{name}"


def _seconds(found: Mapping[str, str], name: str, default: float) -> float:
    return int(found[name]) / 1000 if name in found else default
