"""What a service is beside its replicas: what YARN was told of it, what can be done for it, which model is fresh."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from yarnserve.errors import UnreachableError, YarnserveError
from yarnserve.judge.decisions import Case, FreshModel
from yarnserve.judge.limits import FRESH_MODEL
from yarnserve.records.ledger import Do
from yarnserve.records.version import Version
from yarnserve.records.yarn import ApplicationState, ComponentState
from yarnserve.service.connection import Connection
from yarnserve.service.fresh import newest_change
from yarnserve.service.look import Snapshot
from yarnserve.service.means import all_means
from yarnserve.service.state import Desired, Revision
from yarnserve.spec.model import COMPONENT

#: Seconds between two questions for the cluster's version.
VERSION_EVERY = 600.0


class Circumstances:
    """Those of the services of one connection.

    Args:
        connection: the cluster.
        clock: monotonic seconds.
        now: seconds since the epoch.

    Attributes:
        trouble: why it could not be read which model is fresh; empty when it could.
    """

    def __init__(self, connection: Connection, clock: Callable[[], float], now: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock
        self._now = now
        self._version: tuple[float, Version | None] = (0.0, None)
        self.trouble = ""

    def case(self, snapshot: Snapshot, revision: Revision, desired: Desired) -> Case:
        """The case that is judged: of *snapshot*, launched as *revision*, with the *desired* size."""
        service, application = snapshot.service, snapshot.application
        component = service.component(COMPONENT) if service else None
        settled = component is not None and component.state is ComponentState.STABLE
        return Case(
            revision.spec.supervise,
            self._means(revision),
            desired.replicas,
            component.desired if component is not None and settled else None,
            application=application.id if application is not None else "",
            failed=application is not None and application.state is ApplicationState.FAILED,
            ended=application is not None and application.state.ended,
            is_absent=application is None,
            # Looked up when something is wrong: it costs reads of HDFS for each model.
            fresh=None if snapshot.well else self._fresh(revision),
        )

    def _fresh(self, revision: Revision) -> FreshModel | None:
        """The model version that came last; where that cannot be read, replicas are judged without it."""
        try:
            found = newest_change(self._connection, revision, since=self._now() - FRESH_MODEL.value, now=self._now)
        except UnreachableError:
            raise
        except YarnserveError as error:
            self.trouble = f"which model version is fresh cannot be read: {error.what}"
            return None
        self.trouble = ""
        return found

    def _means(self, revision: Revision) -> Mapping[Do, str]:
        """What can be done for it; the cluster's version is asked for now and then, because clusters are upgraded."""
        asked_at, version = self._version
        if version is None or self._clock() - asked_at > VERSION_EVERY:
            version = self._connection.hadoop_version()
            self._version = (self._clock(), version)
        return all_means(version, has_agents=revision.spec.has_agent)
