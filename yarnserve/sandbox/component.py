"""A component and its instances, as the ApplicationMaster keeps them."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future
from itertools import count
from typing import Any

from yarnserve.sandbox import definition
from yarnserve.sandbox.definition import Document
from yarnserve.sandbox.node import KILLED_BY_MASTER, NODE_LOST, NodeContainer
from yarnserve.sandbox.profile import Profile
from yarnserve.sandbox.states import ComponentState, InstanceState

#: Ends that count neither against the component nor against the node (yarn-services.md 4.2).
_NOT_COUNTED = (KILLED_BY_MASTER, NODE_LOST)


class Instance:
    """One component instance, ``serve-0``: the container that is shown for it, and the one on its way.

    A container that has ended is shown until its replacement runs (yarn-services.md 2, state dynamics). A lost one
    runs and is never shown: the component did not listen when it started.
    """

    def __init__(self, component: str, index: int, now: float) -> None:
        self.index = index
        self.name = f"{component}-{index}"
        self.container: NodeContainer | None = None
        self.launching: NodeContainer | None = None
        self.is_lost = False
        self.state = InstanceState.RUNNING_BUT_UNREADY
        self.address: tuple[str, str] | None = None
        self.requested_at = now
        self.probe: Future[bool] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether its container is READY."""
        return self.container is not None and self.state is InstanceState.READY

    @property
    def is_vacant(self) -> bool:
        """Whether nothing runs for it and nothing is on its way."""
        return self.launching is None and (self.container is None or self.state.ended)

    def adopt(self, container: NodeContainer) -> None:
        """Show *container*, which has started, as this instance's."""
        self.container, self.launching = container, None
        self.state, self.address, self.probe = InstanceState.RUNNING_BUT_UNREADY, None, None

    def notice(self, now: float, profile: Profile, *, hears: bool = True) -> bool:
        """Take in what the node reports; return whether the container is now known to have ended.

        Without *hears* the start of a container is not taken in, and it is lost.
        """
        launching = self.launching
        if launching is not None and not self.is_lost and (launching.started_at is not None or launching.completed):
            if hears:
                self.adopt(launching)
            else:
                self.is_lost = True
        container = self.container
        if container is None or self.state.ended or container.completed_at is None:
            return False
        if now < container.completed_at + profile.heartbeat:
            return False
        self.state = InstanceState.FAILED if container.exit_code else InstanceState.SUCCEEDED
        self.requested_at, self.probe = now, None
        return True

    def document(self, localized: list[Document]) -> Document | None:
        """Return it as the services API shows it, None while it has no container; *localized* are its files."""
        container = self.container
        if container is None:
            return None
        shown: dict[str, Any] = {"id": container.id}
        if self.address is not None:
            shown["ip"], shown["hostname"] = self.address
        started_at = container.started_at or container.allocated_at
        shown["state"] = self.state.value
        shown["launch_time"] = int(started_at * 1000)
        shown["bare_host"] = container.node.address.host
        shown["component_instance_name"] = self.name
        if localized:
            shown["localization_statuses"] = localized
        return shown


class Component:
    """One component: how many instances are wanted, and those there are.

    Raises:
        ValueError: one of its settings is no number.
    """

    def __init__(self, spec: Document, now: float, profile: Profile) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.profile = profile
        self.state = ComponentState.FLEXING
        self.desired: int = spec["number_of_containers"]
        self.resource = definition.resource(spec)
        self.retry = definition.retry_policy(spec, profile)
        self.check = definition.check(spec)
        self.failures = 0
        self._threshold = definition.failure_threshold(spec, profile)
        self._blacklist_threshold = definition.blacklist_threshold(spec, profile)
        self._node_failures: Counter[str] = Counter()
        self._hears = True
        self._was_flexed = False
        self.instances: list[Instance] = []
        self._add_missing(now)

    @property
    def blacklisted(self) -> set[str]:
        """The ids of nodes where this component failed too often: the whole service avoids them."""
        return {node for node, failures in self._node_failures.items() if failures > self._blacklist_threshold}

    @property
    def restart_policy(self) -> str:
        """ALWAYS, ON_FAILURE or NEVER."""
        policy: str = self.spec["restart_policy"]
        return policy

    @property
    def settled(self) -> bool:
        """Whether those who depend on this component may start: all READY, or accounted for."""
        settled = [instance for instance in self.instances if instance.is_ready or self._is_over(instance)]
        return len(settled) >= self.desired

    @property
    def reports_stable(self) -> bool:
        """Whether its being STABLE makes the service STABLE: without ALWAYS only after a flex (item 14)."""
        return self.restart_policy == "ALWAYS" or self._was_flexed

    @property
    def finished(self) -> bool:
        """Whether every instance has ended and none will be restarted."""
        return self.desired > 0 and all(self._is_over(instance) for instance in self.instances)

    @property
    def succeeded(self) -> bool:
        """Whether every instance ended with success."""
        return all(instance.state is InstanceState.SUCCEEDED for instance in self.instances)

    @property
    def exceeded(self) -> bool:
        """Whether there were more failures than the ApplicationMaster bears."""
        return self.failures > self._threshold

    def notice(self, now: float) -> None:
        """Take in what the nodes report."""
        for instance in self.instances:
            if instance.notice(now, self.profile, hears=self._hears) and instance.state is InstanceState.FAILED:
                container = instance.container
                if container is not None and container.exit_code not in _NOT_COUNTED:
                    self.failures += self.restart_policy != "NEVER"
                    self._node_failures[container.node.address.id] += 1

    def judge(self) -> None:
        """Set the state by what is known of the instances."""
        if self.exceeded:
            self.state = ComponentState.FAILED
        elif self.finished:
            self.state = ComponentState.SUCCEEDED if self.succeeded else ComponentState.FAILED
        else:
            self.state = ComponentState.STABLE if self.settled else ComponentState.FLEXING

    def vacancies(self, now: float) -> list[Instance]:
        """Return the instances that a container is due for."""
        return [
            instance
            for instance in self.instances
            if instance.is_vacant
            and not self._is_over(instance)
            and now >= instance.requested_at + self.profile.heartbeat
        ]

    def flex(self, wanted: int, now: float) -> None:
        """Change the number of instances; the highest go first, and a new one takes the lowest free index.

        A negative count leaves one (real-hadoop.md 7, item 11). The count it has already is "ignored", and breaks a
        component that is FLEXING: it takes itself for STABLE and no longer hears of containers that start, so that
        they run, are never shown, and it stays FLEXING short of its count (item 10). After another count it hears
        of new ones again; the lost stay lost.
        """
        if wanted == self.desired:
            self._hears = self._hears and self.state is not ComponentState.FLEXING
            return
        self._hears, self._was_flexed = True, True
        self.desired = wanted if wanted >= 0 else 1
        for instance in self.instances[self.desired :]:
            self._stop(instance, now)
        del self.instances[self.desired :]
        self._add_missing(now)
        self.judge()

    def document(self) -> Document:
        """Return it as the services API shows it."""
        localized = self._localized() if self.profile.tells_localization else []
        shown = [instance.document(localized) for instance in self.instances]
        containers = [each for each in shown if each is not None]
        hidden = () if self.profile.has_decommission else ("decommissioned_instances",)
        return {
            **{name: value for name, value in self.spec.items() if name not in hidden},
            "state": self.state.value,
            "number_of_containers": self.desired,
            "containers": containers,
        }

    def _localized(self) -> list[Document]:
        files = self.spec["configuration"]["files"]
        return [{"dest_file": definition.place_of(file), "state": "COMPLETED"} for file in files]

    def decommission(self, names: list[str], now: float) -> None:
        """Remove the instances called *names*, and one each from the number wanted."""
        for instance in [instance for instance in self.instances if instance.name in names]:
            self._stop(instance, now)
            self.instances.remove(instance)
            self.desired -= 1
        self.judge()

    def _add_missing(self, now: float) -> None:
        excluded = set(self.spec["decommissioned_instances"])
        while len(self.instances) < self.desired:
            taken = excluded | {instance.name for instance in self.instances}
            index = next(index for index in count() if f"{self.name}-{index}" not in taken)
            self.instances.append(Instance(self.name, index, now))
        self.instances.sort(key=lambda instance: instance.index)

    def _is_over(self, instance: Instance) -> bool:
        if instance.launching is not None or instance.container is None or not instance.state.ended:
            return False
        if self.restart_policy == "NEVER":
            return True
        return self.restart_policy == "ON_FAILURE" and instance.state is InstanceState.SUCCEEDED

    @staticmethod
    def _stop(instance: Instance, now: float) -> None:
        for container in (instance.container, instance.launching):
            if container is not None:
                container.kill(now)
