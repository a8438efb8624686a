"""The host name that YARN gives a Docker replica, and its limit.

The NodeManager refuses a host name of more than 64 characters, with host networking too; the services API does not
check it (yarn-services.md 5.1), so the containers of such a service fail one after another.
"""

from __future__ import annotations

from yarnserve.spec.model import COMPONENT

MAX_HOSTNAME = 64


def longest_hostname(name: str, replicas: int, *, user: str, domain: str = "") -> str:
    """Return the longest ``<component>-<n>.<service>.<user>[.<domain>]`` among the *replicas* of service *name*.

    Args:
        name: the service's.
        replicas: how many; the last has the longest number.
        user: who launches it.
        domain: the cluster's ``hadoop.registry.dns.domain-name``, empty where it is not set.
    """
    return ".".join(filter(None, (f"{COMPONENT}-{max(replicas, 1) - 1}", name, user, domain)))
