"""The ResourceManager's view of the cluster: applications, attempts, containers, nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from yarnserve.errors import NotFoundError, RefusedError, first_line
from yarnserve.hadoop.session import HadoopSession, Params
from yarnserve.records.scheduler import Scheduler
from yarnserve.records.yarn import Application, ApplicationState, Attempt, ClusterInfo, Node, PlacedContainer
from yarnserve.yarn import parsing
from yarnserve.yarn.answers import reply_error, require_success
from yarnserve.yarn.resource_managers import INFO, ResourceManagers

_APPLICATIONS = "/ws/v1/cluster/apps"


class ClusterApi:
    """Typed reads below ``/ws/v1/cluster`` (yarn-services.md 6).

    Every method raises UnreachableError when no active ResourceManager answers usably, AccessError when it does
    not let us ask.
    """

    def __init__(self, session: HadoopSession, resource_managers: ResourceManagers) -> None:
        self._session = session
        self._resource_managers = resource_managers

    def active(self) -> str:
        """Return the base URL of the active ResourceManager.

        Raises:
            StandbyError: none is active, or more than one claims to be.
        """
        return self._resource_managers.active()

    def info(self) -> ClusterInfo:
        """Return what the active ResourceManager says about itself."""
        document, url = self._get(INFO, "cannot read the cluster's version")
        return parsing.parse_cluster_info(document, url)

    def applications(
        self, *, user: str = "", name: str = "", states: Sequence[ApplicationState] = (), type: str = "yarn-service"
    ) -> tuple[Application, ...]:
        """Return the applications of *user* called *name* in one of *states*; empty means any."""
        params = {"applicationTypes": type, "user": user, "states": ",".join(state.value for state in states)}
        document, url = self._get(
            _APPLICATIONS, "cannot list the applications", {key: value for key, value in params.items() if value}
        )
        found = parsing.parse_applications(document, url)
        # The server's own filter by name came with 3.3, and older ones ignore what they do not know.
        return tuple(each for each in found if name in ("", each.name))

    def application(self, application_id: str) -> Application:
        """Return one application.

        Raises:
            NotFoundError: the ResourceManager does not know it (any more).
        """
        document, url = self._get(_application_path(application_id), f"cannot read application {application_id}")
        return parsing.parse_application(document, url)

    def attempts(self, application_id: str) -> tuple[Attempt, ...]:
        """Return the attempts of an application's ApplicationMaster, first one first.

        Raises:
            NotFoundError: the ResourceManager does not know the application (any more).
        """
        path = f"{_application_path(application_id)}/appattempts"
        document, url = self._get(path, f"cannot read the attempts of {application_id}")
        return parsing.parse_attempts(document, url)

    def placed_containers(self, application_id: str) -> tuple[PlacedContainer, ...]:
        """Return the live containers of an application's latest attempt, the ApplicationMaster's included.

        Raises:
            NotFoundError: the ResourceManager does not know the application (any more).
        """
        attempts = self.attempts(application_id)
        if not attempts:
            return ()
        path = f"{_application_path(application_id)}/appattempts/{quote(attempts[-1].id, safe='')}/containers"
        document, url = self._get(path, f"cannot read the containers of {application_id}")
        return parsing.parse_placed_containers(document, url)

    def nodes(self) -> tuple[Node, ...]:
        """Return the NodeManagers that are in use (running, unhealthy, or being decommissioned)."""
        document, url = self._get("/ws/v1/cluster/nodes", "cannot list the nodes")
        return parsing.parse_nodes(document, url)

    def scheduler(self) -> Scheduler:
        """Return the scheduler's queues and limits."""
        document, url = self._get("/ws/v1/cluster/scheduler", "cannot read the scheduler's queues")
        return parsing.parse_scheduler(document, url)

    def configuration(self) -> dict[str, str]:
        """Return the properties that the ResourceManager runs with, by name.

        Raises:
            AccessError: the admin keeps them to himself.
        """
        document, url = self._get("/conf", "cannot read the ResourceManager's configuration")
        return parsing.parse_configuration(document, url)

    def kill_container(self, container_id: str) -> None:
        """Send FORCEFUL_SHUTDOWN to a container (3.3 and later); that it was sent does not prove an end.

        Raises:
            NotFoundError: the ResourceManager does not know the container (any more).
            RefusedError: this Hadoop cannot signal a container.
            UnreachableError: as for ``ResourceManagers.write``.
        """
        path = f"/ws/v1/cluster/containers/{quote(container_id, safe='')}/signal/FORCEFUL_SHUTDOWN"
        what = f"cannot signal {container_id}"
        reply = self._resource_managers.write(lambda base: self._session.request("POST", base + path))
        if reply.status == 200:
            return
        # 3.1 and 3.2 have no such path and answer with a page (real-hadoop.md 7, item 15).
        if reply.status == 404:
            raise RefusedError(
                what,
                where=reply.url,
                why="this Hadoop has no API for signals to containers",
                fix="say which Hadoop this is with --hadoop-version, e.g. 3.1.4: other means are used then",
            )
        if "absent container" in reply.text:
            raise NotFoundError(
                what,
                where=reply.url,
                why=first_line(reply.text),
                fix="nothing: the container has ended, and YARN replaces it by itself",
            )
        raise reply_error(reply, what)

    def _get(self, path: str, what: str, params: Params | None = None) -> tuple[Any, str]:
        reply = self._resource_managers.read(lambda base: self._session.get(base + path, params=params))
        return require_success(reply, what), reply.url


def _application_path(application_id: str) -> str:
    return f"{_APPLICATIONS}/{quote(application_id, safe='')}"
