"""The numbers that YARN is told about failures, always explicitly: its own defaults differ from version to version."""

from __future__ import annotations

from dataclasses import dataclass

from yarnserve.records.policy import SupervisePolicy

_PREFIX = "yarn.service."


@dataclass(frozen=True)
class Setting:
    """One property of a component, with its values when a supervisor owns the restarts and when nobody does."""

    name: str
    supervised: int
    unsupervised: int
    reason: str

    def value(self, policy: SupervisePolicy) -> int:
        """Return the value under *policy*."""
        return self.supervised if policy.enabled else self.unsupervised


RETRIES = Setting(
    f"{_PREFIX}container-failure.retry.max",
    supervised=2,
    unsupervised=3,
    reason="the NodeManager restarts in place and tells nobody (yarn-services.md 4.1): seldom enough to be noticed; "
    "before 3.3.0 the default is for ever",
)
RETRY_INTERVAL_MS = Setting(
    f"{_PREFIX}container-failure.retry-interval-ms",
    supervised=10_000,
    unsupervised=10_000,
    reason="time for a port to come free, and a third of YARN's default: every second of it is an outage",
)
VALIDITY_INTERVAL_MS = Setting(
    f"{_PREFIX}container-failure.validity-interval-ms",
    supervised=600_000,
    unsupervised=600_000,
    reason="retries count over ten minutes, as 3.3 does; before it, a long life did not clear old failures",
)
COMPONENT_THRESHOLD = Setting(
    f"{_PREFIX}container-failure-per-component.threshold",
    supervised=1_000_000,
    unsupervised=100,
    reason="above it YARN ends the whole service, healthy replicas included (4.2); a supervisor's own kills count",
)
NODE_THRESHOLD = Setting(
    f"{_PREFIX}node-blacklist.threshold",
    supervised=1_000_000,
    unsupervised=3,
    reason="above it YARN avoids the node for up to six hours; a supervisor decides that by itself",
)

#: Properties of the component, as yarn-services.md 4.3 names them.
COMPONENT_SETTINGS = (RETRIES, RETRY_INTERVAL_MS, VALIDITY_INTERVAL_MS, COMPONENT_THRESHOLD, NODE_THRESHOLD)

#: Matches files that were rolled (``stdout.txt.1``) and never one that is still written to: the NodeManager deletes
#: what it has aggregated, and a server whose log file is gone from under it writes into nothing. Without a pattern,
#: nothing of a service is aggregated before the whole service ends, not even the logs of replicas that died long
#: ago; with one, those are as soon as their container has ended, where the administrator has set
#: ``yarn.nodemanager.log-aggregation.roll-monitoring-interval-seconds`` (off by default).
ROLLED_LOGS = r"\.[0-9]+\Z"

#: Properties of the service (yarn-services.md 4.3). YARN's 30 s between readiness checks delay every change.
SERVICE_PROPERTIES = {
    f"{_PREFIX}readiness-check-interval.seconds": "2",
    f"{_PREFIX}rolling-log.include-pattern": ROLLED_LOGS,
}


def component_properties(policy: SupervisePolicy) -> dict[str, str]:
    """Return the component's properties under *policy*; YARN wants every value as a string."""
    return {setting.name: str(setting.value(policy)) for setting in COMPONENT_SETTINGS}


def describe(policy: SupervisePolicy) -> str:
    """Say in one line what YARN itself will do about failures under *policy*."""
    retries, pause = RETRIES.value(policy), RETRY_INTERVAL_MS.value(policy) // 1000
    window = VALIDITY_INTERVAL_MS.value(policy) // 60_000
    local = f"a NodeManager restarts a failed replica up to {retries} times in {window} minutes, {pause} s apart"
    if policy.enabled:
        return f"supervised: {local}; YARN never ends the service nor avoids a node by itself"
    component, node = COMPONENT_THRESHOLD.value(policy), NODE_THRESHOLD.value(policy)
    return (
        f"unsupervised: {local}; beyond that YARN replaces it, avoids a node after more than {node} failures there, "
        f"and ends the service after more than {component}"
    )
