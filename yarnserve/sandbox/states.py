"""State names as YARN sends them (yarn-services.md 2 and 6)."""

from __future__ import annotations

from enum import Enum


class AppState(str, Enum):
    """State of an application in the ResourceManager."""

    ACCEPTED = "ACCEPTED"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    @property
    def ended(self) -> bool:
        """Whether the application is over."""
        return self in (AppState.FINISHED, AppState.FAILED, AppState.KILLED)


class ServiceState(str, Enum):
    """State of a service in the services API."""

    ACCEPTED = "ACCEPTED"
    STARTED = "STARTED"
    STABLE = "STABLE"
    STOPPED = "STOPPED"
    FAILED = "FAILED"
    SUCCEEDED = "SUCCEEDED"


class ComponentState(str, Enum):
    """State of a component in the services API."""

    FLEXING = "FLEXING"
    STABLE = "STABLE"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class InstanceState(str, Enum):
    """State of a component instance's container in the services API."""

    RUNNING_BUT_UNREADY = "RUNNING_BUT_UNREADY"
    READY = "READY"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def ended(self) -> bool:
        """Whether the container is over."""
        return self in (InstanceState.SUCCEEDED, InstanceState.FAILED)


class NodeContainerState(str, Enum):
    """State of a container in its NodeManager."""

    LOCALIZING = "LOCALIZING"
    RUNNING = "RUNNING"
    RELAUNCHING = "RELAUNCHING"
    KILLING = "KILLING"
    EXITED_WITH_SUCCESS = "EXITED_WITH_SUCCESS"
    EXITED_WITH_FAILURE = "EXITED_WITH_FAILURE"
    CLEANED_UP_AFTER_KILL = "CONTAINER_CLEANEDUP_AFTER_KILL"
    DONE = "DONE"
