"""The ResourceManager's scheduler: its queues, and the most that one container may ask for.

Memory is MiB. None means "not told": FairScheduler and old releases say less than CapacityScheduler.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Queue:
    """A leaf queue; *path* is ``root.team.serving``, *name* its last part.

    *am_limit_mb* is what all ApplicationMasters of the queue may take together (CapacityScheduler's
    maximum-am-resource-percent of it), *am_used_mb* what they take now.
    """

    name: str
    path: str
    state: str
    am_limit_mb: int | None = None
    am_used_mb: int = 0

    def is_called(self, name: str) -> bool:
        """Whether *name* means this queue: its whole path, with or without ``root.``, or its last part."""
        return name in (self.name, self.path, self.path.removeprefix("root."))


@dataclass(frozen=True)
class Scheduler:
    """Kind (``capacityScheduler``), leaf queues, and maximum allocation of one container.

    *resource_types* are the names the ResourceManager counts in: ``memory-mb``, ``vcores``, ``yarn.io/gpu``; None
    where it does not list them.
    """

    kind: str
    queues: tuple[Queue, ...]
    maximum_memory_mb: int | None = None
    maximum_vcores: int | None = None
    resource_types: frozenset[str] | None = None

    def queue(self, name: str) -> Queue | None:
        """Return the leaf queue that *name* means, or None."""
        return next((queue for queue in self.queues if queue.is_called(name)), None)
