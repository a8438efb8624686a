"""From the containers that YARN reports, and all that is known of them, to the replicas of a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from yarnserve.judge.explain import Explanation
from yarnserve.judge.verdict import judge_replica
from yarnserve.records.agent import AgentReport
from yarnserve.records.replica import Observation, Replica, Verdict
from yarnserve.records.yarn import Container, NodeContainer
from yarnserve.service.finding import endpoint_of
from yarnserve.service.state import Revision, Sightings
from yarnserve.service.store import Saved
from yarnserve.spec.model import COMPONENT


@dataclass(frozen=True)
class Evidence:
    """What makes a replica of a container.

    Attributes:
        observations: what each instance answered, in the order in which they were asked.
        processes: what the NodeManagers say, by container id.
        sightings: what was ever seen of the containers.
        is_counted: whether these are all; False where what was seen before is not known.
        revision: what was launched; None for a service that yarnserve did not launch.
        unobserved: why a replica was not asked, in words.
        silence: why YARN may place nothing more.
        agents: what the agents of our replicas say.
        strangers: agents of others, at the addresses of our replicas.
    """

    observations: Mapping[str, Observation]
    processes: Mapping[str, NodeContainer]
    sightings: Sightings
    is_counted: bool
    revision: Saved[Revision] | None
    unobserved: str
    silence: Explanation | None
    agents: Mapping[str, AgentReport]
    strangers: Mapping[str, AgentReport]

    def replica(self, container: Container) -> Replica:
        """The replica in *container*."""
        observation = self.observations.get(container.instance)
        agent = self.agents.get(container.instance)
        process = self.processes.get(container.id)
        verdict = judge_replica(
            container,
            observation,
            process,
            unobserved=self.unobserved,
            silence=self.silence,
            agent=agent,
            stranger=self.strangers.get(container.instance),
        )
        return Replica(
            container.instance,
            verdict,
            container_id=container.id,
            node=container.bare_host,
            endpoint=endpoint_of(container, self.revision),
            versions=observation.available if observation else {},
            restarts=self.sightings.restarts(container.instance),
            last_exit=self.sightings.last_exit(container.instance),
            started_at=container.launched_at,
            agent=agent,
            was_ordered=self.sightings.was_ordered(container.instance),
            node_answers=agent is not None or process is not None,
            runs=agent is not None or (process is not None and process.runs),
        )

    def missing(self, instance: str, verdict: Verdict) -> Replica:
        """A replica that is wanted and has no container."""
        return Replica(
            instance,
            verdict,
            restarts=self.sightings.restarts(instance),
            last_exit=self.sightings.last_exit(instance),
        )


def unplaced(containers: Mapping[str, Container], wanted: int) -> list[str]:
    """Names for the wanted instances that YARN does not report: the lowest numbers it does not use."""
    unused = (name for number in range(wanted + len(containers)) if (name := f"{COMPONENT}-{number}") not in containers)
    return [next(unused) for _ in range(wanted - len(containers))]
