"""Where replicas may run, as YARN's placement policy (yarn-services.md 2)."""

from __future__ import annotations

from typing import Any

from yarnserve.spec.model import COMPONENT, Network, ServiceSpec

#: More replicas than any host takes: a constraint that only names a partition must not limit anything else.
_ANY_NUMBER = 1_000_000


def placement_policy(spec: ServiceSpec) -> dict[str, Any] | None:
    """Return the policy, or None when replicas may run anywhere: then no placement handler is needed.

    Before 3.4 every constraint has to name the component itself (yarn-services.md 3, item 16). A partition without
    spreading is therefore asked for as "any number beside each other", in the one constraint that says so.
    """
    constraint: dict[str, Any] = {"scope": "NODE", "target_tags": [COMPONENT]}
    if spec.placement.node_label is not None:
        constraint["node_partitions"] = [spec.placement.node_label]
    if one_a_node(spec):
        constraint["type"] = "ANTI_AFFINITY"
    elif spec.placement.node_label is not None:
        constraint |= {"type": "AFFINITY_WITH_CARDINALITY", "min_cardinality": 0, "max_cardinality": _ANY_NUMBER}
    else:
        return None
    return {"constraints": [constraint]}


def one_a_node(spec: ServiceSpec) -> bool:
    """Whether two replicas must not share a node: they were asked to spread, or would share a port."""
    return spec.placement.spread or not spec.ports.per_replica or spec.network is Network.BRIDGE
