"""The ApplicationMaster of a service: it asks for containers, watches them, and decides when the service is over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from yarnserve.sandbox import definition
from yarnserve.sandbox.component import Component, Instance
from yarnserve.sandbox.config_files import DeliveryError, FileStore
from yarnserve.sandbox.definition import Document
from yarnserve.sandbox.launching import address_tokens, build_launch, instance_tokens, service_tokens, shown_address
from yarnserve.sandbox.node import Node, NodeContainer, Resource
from yarnserve.sandbox.placement import unfit_nodes
from yarnserve.sandbox.states import ComponentState, InstanceState, NodeContainerState, ServiceState
from yarnserve.sandbox.tokens import SubstitutionError

if TYPE_CHECKING:
    from yarnserve.sandbox.application import Application


class Scheduler(Protocol):
    """What an ApplicationMaster needs of the ResourceManager."""

    filesystem: str
    store: FileStore

    @property
    def epoch(self) -> int:
        """How often another ResourceManager has taken over."""

    @property
    def usable_nodes(self) -> tuple[Node, ...]:
        """The nodes that containers may be started on."""

    def allocate(self, resource: Resource, avoided: Collection[str] = ()) -> Node | None:
        """Return a node with room for *resource* whose id is not among *avoided*, or None."""

    def excess(self, resource: Resource) -> str:
        """Return why no node could ever hold *resource*, empty when one could."""

    def knows_gpus(self) -> bool:
        """Whether yarn.io/gpu is a resource type of this cluster."""


@dataclass(frozen=True)
class Exit:
    """When and how the ApplicationMaster goes; without *final_status* it dies with *code*, unregistered."""

    at: float
    final_status: str = ""
    diagnostics: str = ""
    code: int = 0


class ApplicationMaster:
    """One running ApplicationMaster; *kept* are the containers that the attempt before it left running.

    Raises:
        ValueError: a setting of the service is no number, and the ApplicationMaster dies of it.
    """

    def __init__(
        self,
        application: Application,
        scheduler: Scheduler,
        attempt: int,
        kept: list[tuple[str, int, NodeContainer]],
        now: float,
    ) -> None:
        self.application = application
        self.service = application.service
        self.scheduler = scheduler
        self.attempt = attempt
        self.profile = application.profile
        self.components = [Component(spec, now, self.profile) for spec in self.service["components"]]
        self.state = ServiceState.STARTED
        self.exit: Exit | None = None
        self._containers = 1
        self._epoch = scheduler.epoch
        self._interval = definition.readiness_interval(self.service, self.profile)
        self._next_readiness = now + self._interval
        for name, index, container in kept:
            self._recover(name, index, container, now)

    def document(self) -> Document:
        """Return the service as the ApplicationMaster shows it."""
        components = [component.document() for component in self.components]
        return {**self.service, "components": components, "state": self.state.value}

    def component(self, name: str) -> Component | None:
        """Return the component called *name*."""
        return next((component for component in self.components if component.name == name), None)

    def live_containers(self) -> list[tuple[str, int, NodeContainer]]:
        """Return (component, instance index, container) of the containers that run."""
        return [
            (component.name, instance.index, instance.container)
            for component in self.components
            for instance in component.instances
            if instance.container is not None and not instance.container.completed
        ]

    def unrecorded_containers(self) -> list[NodeContainer]:
        """Return the containers that the next attempt will not know of, and release."""
        instances = [instance for component in self.components for instance in component.instances]
        return [instance.launching for instance in instances if instance.launching is not None]

    @property
    def blacklisted(self) -> set[str]:
        """The ids of the nodes that no container of the service is started on any more."""
        return {node for component in self.components for node in component.blacklisted}

    def flex(self, counts: dict[str, int], now: float) -> None:
        """Change the number of instances of components that exist."""
        for component in self.components:
            if component.name in counts:
                component.flex(counts[component.name], now)
        self._judge(now)

    def decommission(self, instances: dict[str, list[str]], now: float) -> None:
        """Remove named instances of components that exist."""
        for component in self.components:
            component.decommission(instances.get(component.name, []), now)
        self._judge(now)

    def stop(self, now: float) -> None:
        """Begin a graceful end; until it comes, everything is shown as it was."""
        diagnostics = f"Stopped by user {self.application.user} (auth:SIMPLE)"
        self.exit = Exit(now + self.profile.stop_delay, "ENDED", diagnostics)

    def advance(self, now: float) -> None:
        """Do what is due by *now*."""
        if self.exit is not None:
            return
        for component in self.components:
            component.notice(now)
        self._check_readiness(now)
        self._judge(now)
        if self.exit is None:
            self._request(now)

    def _recover(self, name: str, index: int, container: NodeContainer, now: float) -> None:
        component = self.component(name)
        instances = component.instances if component is not None else []
        instance = next((each for each in instances if each.index == index), None)
        if instance is None:
            # Fewer are wanted by now: it is released.
            container.kill(now)
        elif not container.completed:
            instance.adopt(container)

    def _judge(self, now: float) -> None:
        for component in self.components:
            component.judge()
        if any(component.exceeded for component in self.components):
            self.state = ServiceState.FAILED
            self.exit = Exit(now + self.profile.failed_linger, code=255)
            return
        if all(component.finished for component in self.components):
            succeeded = all(component.succeeded for component in self.components)
            self.state = ServiceState.SUCCEEDED if succeeded else ServiceState.FAILED
            self.exit = Exit(now + self.profile.finished_linger, self.state.value)
            return
        stable = all(component.state is not ComponentState.FLEXING for component in self.components)
        stable = stable and any(component.reports_stable for component in self.components)
        self.state = ServiceState.STABLE if stable else ServiceState.STARTED

    def _check_readiness(self, now: float) -> None:
        due = now >= self._next_readiness
        if due:
            self._next_readiness = now + self._interval
        for component in self.components:
            for instance in component.instances:
                self._learn_address(component, instance, now)
                if instance.address is not None and not instance.state.ended:
                    self._probe(component, instance, due)

    def _learn_address(self, component: Component, instance: Instance, now: float) -> None:
        container = instance.container
        if instance.address is not None or container is None or container.handle is None or container.completed:
            return
        if container.state is not NodeContainerState.RUNNING:
            # a NodeManager tells no address while it waits to relaunch (golden 3.1.4, section default_crash)
            return
        if container.started_at is not None and now >= container.started_at + self.profile.address_delay:
            instance.address = shown_address(component.spec, instance.name, self.service["name"], container)

    def _probe(self, component: Component, instance: Instance, due: bool) -> None:
        if component.check is None:
            if due:
                instance.state = InstanceState.READY
            return
        if instance.probe is not None and instance.probe.done():
            passed = instance.probe.result()
            instance.state = InstanceState.READY if passed else InstanceState.RUNNING_BUT_UNREADY
            instance.probe = None
        if due and instance.probe is None and instance.container is not None and instance.address is not None:
            instance.probe = instance.container.node.runtime.probe(component.check, instance.address[0])

    def _request(self, now: float) -> None:
        if definition.is_constrained(self.service) and self.profile.placement_handler == "disabled":
            return
        for component in self.components:
            if not self._may_start(component):
                continue
            for instance in component.vacancies(now):
                if not self._launch(component, instance, now):
                    break

    def _may_start(self, component: Component) -> bool:
        needed = [self.component(name) for name in component.spec["dependencies"]]
        return all(other is not None and other.settled for other in needed)

    def _launch(self, component: Component, instance: Instance, now: float) -> bool:
        resource = component.resource
        if resource.gpus and not self.scheduler.knows_gpus():
            # ResourceNotFoundException in the ApplicationMaster (real-hadoop.md 7, item 5)
            self.exit = Exit(now, code=1)
            return False
        self.application.diagnostics = self.scheduler.excess(resource) or self.application.diagnostics
        node = self.scheduler.allocate(resource, self.blacklisted | self._unfit_nodes(component))
        if node is None:
            return False
        if self._epoch != self.scheduler.epoch:
            # a new ResourceManager counts anew: ..._000001 need not be the master (real-hadoop-ha.md 1)
            self._epoch, self._containers = self.scheduler.epoch, 0
        self._containers += 1
        container_id = self.application.container_id(self.attempt, self._containers)
        instance.launching = self._place(component, instance, node, container_id, now)
        return True

    def _unfit_nodes(self, component: Component) -> set[str]:
        """Return the ids of the nodes that *component*'s placement constraints rule out."""
        constraints = definition.constraints(component.spec)
        if not constraints:
            return set()
        standing = [
            (container.node.address.id, each.name)
            for each in self.components
            for instance in each.instances
            for container in (instance.container, instance.launching)
            if container is not None and not container.completed
        ]
        return unfit_nodes(constraints, standing, [node.address.id for node in self.scheduler.usable_nodes])

    def _place(
        self, component: Component, instance: Instance, node: Node, container_id: str, now: float
    ) -> NodeContainer:
        user, application_id = self.application.user, self.application.id
        tokens = service_tokens(self.service, user, self.scheduler.filesystem)
        tokens |= instance_tokens(component.spec, instance.index, container_id)
        tokens |= address_tokens(self._addresses(component.spec["dependencies"]))
        try:
            launch = build_launch(
                component.spec,
                tokens,
                container_id=container_id,
                application_id=application_id,
                user=user,
                node=node.address,
                store=self.scheduler.store,
            )
        except (SubstitutionError, DeliveryError) as error:
            container = node.place_master(container_id, component.resource, user, application_id, now)
            container.complete(1, f"{error}\n", now)
            return container
        return node.place(container_id, component.resource, now, launch, component.retry)

    def _addresses(self, dependencies: list[str]) -> list[tuple[str, tuple[str, str]]]:
        return [
            (instance.name, instance.address)
            for component in self.components
            if component.name in dependencies
            for instance in component.instances
            if instance.address is not None
        ]
