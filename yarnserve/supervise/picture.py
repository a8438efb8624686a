"""How a service stands, for whoever looks at its supervisor: a snapshot, what is remembered, and what is decided."""

from __future__ import annotations

from collections.abc import Mapping

from yarnserve.judge.decisions import Decision
from yarnserve.judge.one_replica import floor
from yarnserve.judge.trouble import recent_deaths
from yarnserve.records.ledger import Ledger, ReplicaRecord
from yarnserve.records.policy import SupervisePolicy
from yarnserve.records.replica import Replica
from yarnserve.records.supervision import Mode, ReplicaState, ServiceState
from yarnserve.service.look import Snapshot
from yarnserve.service.state import Wanted


def picture(
    snapshot: Snapshot, ledger: Ledger, said: Mapping[str, Decision], *, mode: Mode, hold: str, now: float
) -> ServiceState:
    """Put together what was seen in *snapshot* with *ledger*, what is *said* of replicas, and why nothing is done."""
    desired, revision = snapshot.desired, snapshot.revision
    wanted = desired.replicas if desired is not None and desired.state is Wanted.RUNNING else 0
    policy = revision.record.spec.supervise if revision is not None else SupervisePolicy()
    replicas = tuple(_replica(each, ledger, said, policy, now) for each in snapshot.replicas)
    return ServiceState(snapshot.name, now, mode, wanted, floor(policy, max(wanted, 1)), replicas, hold, seen=True)


def _replica(
    replica: Replica, ledger: Ledger, said: Mapping[str, Decision], policy: SupervisePolicy, now: float
) -> ReplicaState:
    record = ledger.replicas.get(replica.instance, ReplicaRecord())
    decision = said.get(replica.instance)
    return ReplicaState(
        replica.instance,
        replica.verdict.health,
        replica.verdict.reason,
        replica.container_id,
        replica.node,
        replica.versions or {},
        record.live_since,
        record.failing_since,
        sum(now - at < policy.restart_window for at in record.restarts),
        len(recent_deaths(record, policy, now)),
        record.open_until,
        "" if decision is None else f"{decision.do.value}: {decision.why}",
    )
