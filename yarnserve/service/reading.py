"""Reads of one service for somebody who looks at it again and again, as often as its ResourceManager can bear."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property

from yarnserve.errors import ConfigurationError, YarnserveError
from yarnserve.records.yarn import Application, Service
from yarnserve.service.connection import Connection
from yarnserve.service.store import ServiceStore
from yarnserve.yarn.polling import leaks_per_call

#: Seconds between two GETs where each costs memory: after a change that the cluster's own API shows, and at most.
FIRST_INTERVAL = 15.0
LONGEST_INTERVAL = 180.0


class Reader:
    """Asks for service *name*; on versions that leak per call, only after a change and every few minutes.

    What changes is seen without the services API: the application's state, and which containers it has.

    Args:
        connection: the cluster.
        name: the service.
        clock: monotonic seconds.
    """

    def __init__(self, connection: Connection, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._name = name
        self._clock = clock
        self._known: Service | None = None
        self._key: object = None
        self._interval = FIRST_INTERVAL
        self._due = 0.0

    @cached_property
    def store(self) -> ServiceStore:
        """What is saved of the service; what was read of it once is not read again."""
        return self._connection.glance(self._name)

    @cached_property
    def sparing(self) -> bool:
        """Whether this cluster is asked sparingly; one whose version nobody knows is not."""
        try:
            return leaks_per_call(self._connection.hadoop_version())
        except ConfigurationError:
            return False

    def read(self, application: Application | None) -> Service:
        """Return the service, as it is or as it was last read; *application* is its newest.

        Raises:
            YarnserveError: as :meth:`yarnserve.yarn.services.ServicesApi.get`.
        """
        key = self._change_key(application)
        if self._known is not None and key == self._key and self._clock() < self._due:
            return self._known
        service = self._connection.services.get(self._name)
        self._interval = min(LONGEST_INTERVAL, self._interval * 2) if key == self._key else FIRST_INTERVAL
        self._known, self._key, self._due = service, key, self._clock() + self._interval
        return service

    def _change_key(self, application: Application | None) -> object:
        if application is None:
            return None
        containers: frozenset[str] = frozenset()
        if not application.state.ended:
            with suppress(YarnserveError):
                placed = self._connection.cluster.placed_containers(application.id)
                containers = frozenset(container.id for container in placed)
        return application.id, application.state, containers
