"""The calls of the services API below ``/app/v1/services``; ``yarn.refusals`` knows what its refusals mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from yarnserve.errors import first_line
from yarnserve.hadoop.session import HadoopSession, Reply
from yarnserve.records.version import Version
from yarnserve.records.yarn import Accepted, Service, ServiceState
from yarnserve.yarn import parsing
from yarnserve.yarn.polling import Turns
from yarnserve.yarn.refusals import diagnostics_of, refusal
from yarnserve.yarn.resource_managers import ResourceManagers

_SERVICES = "/app/v1/services"

#: Seconds. A GET may block for 15 minutes while an ApplicationMaster dies; a DELETE takes 4 to 12 s, and a POST
#: may upload jars before it answers (yarn-services.md 1.5).
READ_TIMEOUT = 10.0
WRITE_TIMEOUT = 120.0


class ServicesApi:
    """Typed calls of the services API, as the session's user.

    Writes are sent once. Every method raises UnreachableError when no active ResourceManager answers usably or
    its services API is switched off, AccessError when the user may not, RefusedError for what is refused for good.
    A RequestTimeoutError or MalformedAnswerError of a write means that it may have been carried out, or still
    will be.

    Args:
        session: how to ask.
        resource_managers: whom to ask.
        read_timeout: seconds to wait for the answer to a GET.
        write_timeout: seconds to wait for the answer to any other request.
        turns: who may ask for a service, and when.
    """

    def __init__(
        self,
        session: HadoopSession,
        resource_managers: ResourceManagers,
        *,
        read_timeout: float = READ_TIMEOUT,
        write_timeout: float = WRITE_TIMEOUT,
        turns: Turns | None = None,
    ) -> None:
        self._session = session
        self._resource_managers = resource_managers
        self._read_timeout = read_timeout
        self._write_timeout = write_timeout
        self._turns = turns or Turns()

    def version(self) -> Version:
        """Return the Hadoop version that the services API states."""
        reply = self._read("/version")
        if reply.status != 200:
            raise refusal("GET", reply, "the services API does not answer")
        return parsing.parse_hadoop_version(reply.document(), reply.url)

    def create(self, document: Mapping[str, Any]) -> Accepted:
        """Launch the service that *document* describes.

        Raises:
            ConflictError: the name is taken, if only by the definition of a service that does not run any more.
        """
        return self._write("POST", "", f"cannot create service {document.get('name')}", document)

    def get(self, name: str) -> Service:
        """Return service *name* as YARN sees it; one GET at a time, and none right after one that timed out.

        Raises:
            NotFoundError: there is no such service of this user.
        """
        with self._turns.turn(name):
            reply = self._read(_path(name))
        if reply.status == 200:
            return parsing.parse_service(reply.document(), reply.url)
        diagnostics = diagnostics_of(reply)
        if reply.status == 500 and re.match(r"Application with id .* doesn't exist in RM", diagnostics):
            # Before 3.3.0, when the ResourceManager has forgotten the application; later ones say STOPPED.
            return Service(name, ServiceState.STOPPED, diagnostics=first_line(diagnostics))
        raise refusal("GET", reply, f"cannot read service {name}")

    def flex(self, name: str, component: str, count: int) -> Accepted:
        """Set the number of *component*'s containers.

        Never repeat it while the component is FLEXING: on every version that breaks the component
        (real-hadoop.md 7, item 10).

        Raises:
            NotFoundError: there is no such service, or no such component in it.
            ConflictError: the service does not run, or is being upgraded.
        """
        body = {"state": "FLEX", "components": [{"name": component, "number_of_containers": count}]}
        return self._write("PUT", _path(name), f"cannot scale service {name}", body)

    def decommission(self, name: str, component: str, instance: str) -> Accepted:
        """Remove *instance* for good, and one from the number of *component*'s containers (3.1.3, 3.2.1 and later).

        YARN takes the name of an instance that does not exist too, and excludes it for ever (real-hadoop.md 7, item
        11): whoever calls has to know that it does.

        Raises:
            NotFoundError: there is no such service, or no such component in it.
            ConflictError: the service does not run.
        """
        body = {"components": [{"name": component, "decommissioned_instances": [instance]}]}
        return self._write("PUT", _path(name), f"cannot decommission {instance} of {name}", body)

    def stop(self, name: str) -> Accepted:
        """Stop the service; YARN keeps its definition. It may still be seen running for some seconds.

        Raises:
            NotFoundError: there is no such service.
            ConflictError: it is stopped already.
        """
        return self._write("PUT", _path(name), f"cannot stop service {name}", {"state": "STOPPED"})

    def start(self, name: str) -> Accepted:
        """Start a stopped service again, as a new application.

        Raises:
            NotFoundError: there is no such service.
            ConflictError: it runs already.
        """
        return self._write("PUT", _path(name), f"cannot start service {name}", {"state": "STARTED"})

    def destroy(self, name: str) -> Accepted:
        """Stop the service and remove its definition; takes 4 to 12 s for one that runs.

        Raises:
            NotFoundError: there is no such service.
        """
        return self._write("DELETE", _path(name), f"cannot destroy service {name}")

    def _read(self, path: str) -> Reply:
        return self._resource_managers.read(
            lambda base: self._session.get(base + _SERVICES + path, read_timeout=self._read_timeout)
        )

    def _write(self, method: str, path: str, what: str, body: Mapping[str, Any] | None = None) -> Accepted:
        reply = self._resource_managers.write(
            lambda base: self._session.request(
                method, base + _SERVICES + path, json=body, read_timeout=self._write_timeout
            )
        )
        if reply.status in (200, 202):
            return parsing.parse_accepted(reply.document(), reply.url)
        raise refusal(method, reply, what)


def _path(name: str) -> str:
    return f"/{quote(name, safe='')}"
