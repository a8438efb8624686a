"""From what a look brings back to what the policy judges by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from yarnserve.judge.deaths import Death as DeathKind
from yarnserve.judge.deaths import classify
from yarnserve.judge.limits import LONG_LIVE
from yarnserve.judge.memory import Sight, in_window
from yarnserve.judge.nodes import node_name
from yarnserve.judge.verdict import judge_answers, told_by_agent
from yarnserve.records.ledger import Death, Ledger, ReplicaRecord
from yarnserve.records.replica import Contact, Health, Observation, Replica, Target, Verdict
from yarnserve.service.look import Snapshot

#: States of an agent in which it works on its server by itself.
_AT_WORK = ("starting", "failing")

#: What a server that is reached can do wrong; one that is not reached may be cut off from us alone.
_TELLING = (Contact.ANSWERED, Contact.TIMED_OUT, Contact.BROKEN)


def sights_of(
    snapshot: Snapshot, ledger: Ledger, *, busy: Collection[str] = (), shunned: Mapping[str, str] | None = None
) -> tuple[Sight, ...]:
    """What *snapshot* says of each replica.

    Args:
        snapshot: the look.
        ledger: what is known; so many replicas as were taken out are not missed.
        busy: instances that serve others while they do not answer us.
        shunned: nodes to avoid, and why.
    """
    taken_out = len(ledger.taken_out)
    observations = {each.instance: each for each in snapshot.observations}
    missing = [each.instance for each in snapshot.replicas if not each.container_id]
    unmissed = set(missing[len(missing) - min(taken_out, len(missing)) :])
    return tuple(
        _sight(
            replica,
            observations.get(replica.instance),
            ledger.replicas.get(replica.instance, ReplicaRecord()),
            ledger.looked_at or 0.0,
            busy=replica.instance in busy,
            is_counted=snapshot.is_counted,
            shunned=(shunned or {}).get(node_name(replica.node), ""),
        )
        for replica in snapshot.replicas
        if replica.instance not in unmissed
    )


def targets_of(snapshot: Snapshot) -> tuple[Target, ...]:
    """Where the replicas of *snapshot* that have an address are to be asked, and what."""
    if snapshot.revision is None:
        return ()
    checks = snapshot.revision.record.spec.checks
    places = [(each.instance, each.endpoint) for each in snapshot.replicas]
    return tuple(Target(instance, place, checks) for instance, place in places if place is not None)


def with_observations(snapshot: Snapshot, observations: Collection[Observation]) -> Snapshot:
    """The same look, with newer answers of the replicas."""
    told = {each.instance: each for each in observations}
    answered = (_answered(each, told.get(each.instance)) for each in snapshot.replicas)
    return replace(snapshot, replicas=tuple(answered), observations=tuple(observations))


def _answered(replica: Replica, observation: Observation | None) -> Replica:
    if observation is None:
        return replica
    verdict: Verdict = judge_answers(observation)
    if replica.agent is not None:
        verdict = told_by_agent(verdict, replica.agent)
    # Its NodeManager was not asked again.
    return replace(replica, verdict=verdict, versions=observation.available, node_answers=False, runs=False)


def _sight(
    replica: Replica,
    observation: Observation | None,
    record: ReplicaRecord,
    looked_at: float,
    *,
    busy: bool,
    is_counted: bool,
    shunned: str,
) -> Sight:
    agent = replica.agent
    return Sight(
        replica.instance,
        replica.container_id,
        replica.node,
        replica.verdict.health,
        f"{replica.verdict.reason}; it answers others meanwhile" if busy else replica.verdict.reason,
        evidence=observation is not None and _is_evidence(replica, observation),
        versions=_in_words(replica),
        busy=busy,
        agent_works=agent is not None and agent.state in _AT_WORK,
        progress="" if agent is None else f"{agent.state} {agent.why} {agent.server_starts}",
        # As many as before where nobody knows: fewer now would be deaths at the next look.
        ends=replica.restarts if is_counted else record.ends_seen,
        death=_death(replica, record, looked_at),
        cut_off=observation is not None and _is_silent(observation) and not replica.node_answers,
        shunned=shunned,
    )


def _is_evidence(replica: Replica, observation: Observation) -> bool:
    """Whether a server was reached that did not answer, answered wrongly, or refuses the example.

    Or none was reached, and its process runs: a server that hangs takes no connection once its queue is full.
    """
    if replica.verdict.health is Health.AVAILABLE:
        return any(model.prediction is not None and model.prediction.status >= 400 for model in observation.models)
    is_deaf = replica.runs and _is_silent(observation)
    return replica.verdict.health is Health.FAILING and (is_deaf or _tells(observation))


def _is_silent(observation: Observation) -> bool:
    return all(each.contact is Contact.UNREACHABLE for each in observation.models)


def _in_words(replica: Replica) -> str:
    """The versions that *replica* serves: ``digits 2``; empty where it tells of none."""
    served = sorted((replica.versions or {}).items())
    return ", ".join(f"{model} {' '.join(map(str, sorted(found)))}" for model, found in served if found)


def _tells(observation: Observation) -> bool:
    """Whether a server was reached, and did not answer as it has to."""
    return any(
        model.contact in _TELLING and (model.prediction is None or model.prediction.contact in _TELLING)
        for model in observation.models
    )


def _death(replica: Replica, record: ReplicaRecord, looked_at: float) -> Death:
    """How the process of *replica* ended last; *record* tells whether it has ended so before."""
    last = replica.last_exit
    if last is None and replica.was_ordered:
        return Death(0.0, DeathKind.FREE.value, "yarnserve ended it")
    if last is None:
        return Death(0.0, DeathKind.UNKNOWN.value, "its container ended, and nobody told how")
    # Within minutes: what happens once an hour is no repetition.
    repeated = sum(death.code == last.code for death in in_window(record, looked_at, LONG_LIVE.value))
    found = classify(last.code, last.text, lived=None, ours=replica.was_ordered, repeated=repeated)
    return Death(0.0, found.death.value, found.cause, found.fix, last.code, found.is_hardware)
