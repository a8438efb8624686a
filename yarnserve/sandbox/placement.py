"""Placement constraints, as the scheduler with the handler ``scheduler`` obeys them (yarn-services.md 2).

All nodes are in one rack, and none belongs to a partition or has attributes: who asks for those is placed nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

_UNLIMITED = 2**31 - 1


def unfit_nodes(
    constraints: Iterable[Mapping[str, Any]], standing: Iterable[tuple[str, str]], nodes: Iterable[str]
) -> set[str]:
    """Return the ids among *nodes* that *constraints* rule out.

    Args:
        constraints: of the component that is to be placed; each has to hold.
        standing: (node id, component name) of the service's containers.
        nodes: ids.
    """
    on_nodes = Counter(standing)
    in_rack = Counter(component for _, component in on_nodes.elements())
    listed = list(constraints)
    return {node for node in nodes if not all(_holds(each, node, on_nodes, in_rack) for each in listed)}


def _holds(
    constraint: Mapping[str, Any], node: str, on_nodes: Mapping[tuple[str, str], int], in_rack: Mapping[str, int]
) -> bool:
    if constraint.get("node_partitions") or constraint.get("node_attributes"):
        return False
    least, most = _cardinality(constraint)
    for tag in constraint.get("target_tags", []):
        found = on_nodes[node, tag] if constraint["scope"] == "NODE" else in_rack[tag]
        if not least <= found <= most:
            return False
    return True


def _cardinality(constraint: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many containers with the target's tag may stand there already, at least and at most."""
    if constraint["type"] == "ANTI_AFFINITY":
        return 0, 0
    if constraint["type"] == "AFFINITY":
        return 1, _UNLIMITED
    return constraint.get("min_cardinality", 0), constraint.get("max_cardinality", _UNLIMITED)
