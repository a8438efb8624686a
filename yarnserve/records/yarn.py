"""What YARN reports: services API, cluster API and NodeManager, as plain records.

Times are seconds since the epoch (YARN sends milliseconds), memory is MiB. State names are YARN's own
(yarn-services.md 2 and 6); a name that a later Hadoop invents becomes ``UNKNOWN`` and never an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class _Reported(str, Enum):
    """A state name as a server sends it; names unknown to us read as UNKNOWN."""

    @classmethod
    def _missing_(cls, value: object) -> _Reported:
        return cls["UNKNOWN"]


class ServiceState(_Reported):
    """State of a whole service in the services API."""

    ACCEPTED = "ACCEPTED"
    STARTED = "STARTED"
    STABLE = "STABLE"
    STOPPED = "STOPPED"
    FAILED = "FAILED"
    FLEX = "FLEX"
    UPGRADING = "UPGRADING"
    UPGRADING_AUTO_FINALIZE = "UPGRADING_AUTO_FINALIZE"
    EXPRESS_UPGRADING = "EXPRESS_UPGRADING"
    CANCEL_UPGRADING = "CANCEL_UPGRADING"
    SUCCEEDED = "SUCCEEDED"
    UNKNOWN = "UNKNOWN"


class ComponentState(_Reported):
    """State of a component in the services API."""

    FLEXING = "FLEXING"
    STABLE = "STABLE"
    NEEDS_UPGRADE = "NEEDS_UPGRADE"
    UPGRADING = "UPGRADING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class ContainerState(_Reported):
    """State of a component instance's container in the services API."""

    RUNNING_BUT_UNREADY = "RUNNING_BUT_UNREADY"
    READY = "READY"
    STOPPED = "STOPPED"
    NEEDS_UPGRADE = "NEEDS_UPGRADE"
    UPGRADING = "UPGRADING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    FAILED_UPGRADE = "FAILED_UPGRADE"
    UNKNOWN = "UNKNOWN"

    @property
    def ended(self) -> bool:
        """Whether no process of the container runs any more."""
        return self in (
            ContainerState.STOPPED,
            ContainerState.SUCCEEDED,
            ContainerState.FAILED,
            ContainerState.FAILED_UPGRADE,
        )


class ApplicationState(_Reported):
    """State of an application in the ResourceManager."""

    NEW = "NEW"
    NEW_SAVING = "NEW_SAVING"
    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"
    UNKNOWN = "UNKNOWN"

    @property
    def ended(self) -> bool:
        """Whether no process of the application runs any more."""
        return self in (ApplicationState.FINISHED, ApplicationState.FAILED, ApplicationState.KILLED)


#: The states of an application that has not ended, by which the ResourceManager can be asked.
NOT_ENDED = tuple(state for state in ApplicationState if not state.ended and state is not ApplicationState.UNKNOWN)

#: NodeManager's exit code of a container that has not ended once yet (docker-on-yarn-observed.md).
NOT_EXITED = -1000

#: States of a NodeManager in which a container that has no exit code will never have one.
_OVER = ("LOCALIZATION_FAILED", "DONE")


@dataclass(frozen=True)
class Container:
    """One container of a component, as the services API reports it.

    *instance* is the component instance name, ``serve-0``; addresses are empty until the NodeManager reports them.
    """

    id: str
    instance: str
    state: ContainerState
    launched_at: float | None = None
    ip: str = ""
    hostname: str = ""
    bare_host: str = ""


@dataclass(frozen=True)
class Component:
    """One component; *desired* is number_of_containers."""

    name: str
    state: ComponentState
    desired: int
    containers: tuple[Container, ...] = ()


@dataclass(frozen=True)
class Service:
    """A service as GET /app/v1/services/{name} reports it.

    A service that is not running is reported without components, version and (on 3.1.4) application id
    (real-hadoop.md 7, item 6): empty here means "not told", not "none".
    """

    name: str
    state: ServiceState
    application_id: str = ""
    version: str = ""
    components: tuple[Component, ...] = ()
    diagnostics: str = ""

    def component(self, name: str) -> Component | None:
        """Return the component called *name*, or None when YARN does not report it."""
        return next((component for component in self.components if component.name == name), None)


@dataclass(frozen=True)
class Accepted:
    """YARN's answer to a write: *application_id* where it named one, *diagnostics* its own words."""

    diagnostics: str
    application_id: str = ""


@dataclass(frozen=True)
class Application:
    """One application in the ResourceManager's list; *finished_at* is None while it runs."""

    id: str
    name: str
    user: str
    queue: str
    state: ApplicationState
    final_status: str
    diagnostics: str
    started_at: float
    finished_at: float | None = None


@dataclass(frozen=True)
class Attempt:
    """One attempt of an application's ApplicationMaster; *avoided* are the nodes (hosts or ids) it asks nothing of."""

    id: str
    am_container_id: str
    node_http_address: str
    avoided: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlacedContainer:
    """A live container and the NodeManager web address (``host:port``) that runs it."""

    id: str
    node_id: str
    node_http_address: str


@dataclass(frozen=True)
class NodeContainer:
    """A container as its NodeManager sees it.

    ``exit_code != NOT_EXITED`` on a RUNNING container means that it has died before and was relaunched in
    place, which the services API never shows.
    """

    id: str
    state: str
    exit_code: int
    diagnostics: str

    @property
    def runs(self) -> bool:
        """Whether its process runs now."""
        return self.state == "RUNNING"

    @property
    def has_exited(self) -> bool:
        """Whether ``exit_code`` tells of an end, the last one or the one before a relaunch.

        Of a container that is over NOT_EXITED does, too: its files never came, and there was no process.
        """
        return self.exit_code != NOT_EXITED or self.state in _OVER


@dataclass(frozen=True)
class LogFile:
    """Name and size (bytes) of one log file of a container."""

    name: str
    size: int


@dataclass(frozen=True)
class Node:
    """A NodeManager: *memory_mb*, *vcores* and *gpus* are totals, used and available together.

    *labels* are the partitions it belongs to, none for the default one.
    """

    id: str
    host: str
    http_address: str
    state: str
    memory_mb: int
    vcores: int
    gpus: int
    health_report: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClusterInfo:
    """A ResourceManager about itself; *ha_state* is ACTIVE or STANDBY, *started_at* is told apart from other starts."""

    id: str
    ha_state: str
    hadoop_version: str
    started_at: float | None = None
