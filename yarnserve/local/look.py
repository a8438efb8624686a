"""One look at a service of this host: what runs, what its agents say, what the replicas answer."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace

from yarnserve import probe
from yarnserve.local.host import Host
from yarnserve.local.launches import instances
from yarnserve.local.records import Asked, LocalReplica, LocalSnapshot, Seen, Way
from yarnserve.local.verdict import judge_local
from yarnserve.records.replica import Contact, Observation, Replica, Target
from yarnserve.spec.endpoints import endpoint, instance_number
from yarnserve.spec.model import Network

#: Seconds that a replica has to answer status and prediction, and its agent.
PROBE_DEADLINE = 5.0
AGENT_DEADLINE = 2.0

#: Where replicas of this host are asked.
HERE = "127.0.0.1"

#: Lines of the log of one that has ended that are read for its last words.
LAST_LINES = 60


def look(name: str, asked: Asked, hosts: Mapping[Way, Host]) -> LocalSnapshot:
    """Look at every replica that is wanted or there.

    Raises:
        YarnserveError: Docker cannot be asked.
    """
    seen = see(hosts)
    names = sorted({*instances(asked.spec), *seen}, key=instance_number)
    places = {instance: endpoint(asked.spec, instance=instance, bare_host=HERE) for instance in names}
    running = [instance for instance in names if instance in seen and seen[instance].is_running]
    asked_agents = {instance: places[instance] for instance in running}
    reports = probe.agent_reports(asked_agents, asked.spec.name, deadline=AGENT_DEADLINE)
    targets = [Target(instance, places[instance], asked.spec.checks) for instance in running]
    observed = probe.observe(targets, deadline=PROBE_DEADLINE)
    if asked.way is Way.DOCKER and asked.spec.network is Network.BRIDGE:
        observed = tuple(map(_behind_bridge, observed))
    observations = {each.instance: each for each in observed}
    replicas = []
    for instance in names:
        found, observation, report = seen.get(instance), observations.get(instance), reports.get(instance)
        has_ended = found is not None and not found.is_running
        words = hosts[found.way].tail(instance, LAST_LINES) if found is not None and has_ended else ""
        verdict = judge_local(found, observation, report, words, has_agent=asked.spec.has_agent)
        replica = Replica(
            instance,
            verdict,
            container_id=found.id if found else "",
            node=socket.gethostname() if found else "",
            endpoint=places[instance] if found and found.is_running else None,
            versions=observation.available if observation else {},
            restarts=found.restarts if found else 0,
            started_at=found.started_at if found else None,
            agent=report,
        )
        replicas.append(LocalReplica(replica, found, observation))
    return LocalSnapshot(name, asked, tuple(replicas))


def _behind_bridge(observation: Observation) -> Observation:
    """On a bridge Docker takes connections itself, and breaks them off while nobody listens inside."""
    models = tuple(
        replace(model, contact=Contact.REFUSED) if model.contact is Contact.BROKEN and not model.http_status else model
        for model in observation.models
    )
    return replace(observation, models=models)


def see(hosts: Mapping[Way, Host]) -> dict[str, Seen]:
    """Every replica on this host, in whichever way; of two of one name that which runs."""
    found: dict[str, Seen] = {}
    for host in hosts.values():
        for instance, seen in host.seen().items():
            if instance not in found or seen.is_running:
                found[instance] = seen
    return found
