"""The services API below ``/app/v1/services``: its calls, and what each of its refusals means.

The API's statuses mislead: 500 for a name that is taken, 400 for a service that does not exist, 404 for a field
that it does not know (yarn-services.md 1.4, 1.5; real-hadoop.md 7). Its texts decide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from yarnserve.errors import (
    AccessError,
    ConflictError,
    MalformedAnswerError,
    NotFoundError,
    RefusedError,
    StandbyError,
    UnreachableError,
    YarnserveError,
    first_line,
)
from yarnserve.hadoop.remote import RemoteException, error_for, find
from yarnserve.hadoop.session import HadoopSession, Reply
from yarnserve.records.version import Version
from yarnserve.records.yarn import Accepted, Service, ServiceState
from yarnserve.yarn import parsing
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
    """

    def __init__(
        self,
        session: HadoopSession,
        resource_managers: ResourceManagers,
        *,
        read_timeout: float = READ_TIMEOUT,
        write_timeout: float = WRITE_TIMEOUT,
    ) -> None:
        self._session = session
        self._resource_managers = resource_managers
        self._read_timeout = read_timeout
        self._write_timeout = write_timeout

    def version(self) -> Version:
        """Return the Hadoop version that the services API states."""
        reply = self._read("/version")
        if reply.status != 200:
            raise _refusal("GET", reply, "the services API does not answer")
        return parsing.parse_hadoop_version(reply.document(), reply.url)

    def create(self, document: Mapping[str, Any]) -> Accepted:
        """Launch the service that *document* describes.

        Raises:
            ConflictError: the name is taken, if only by the definition of a service that does not run any more.
        """
        return self._write("POST", "", f"cannot create service {document.get('name')}", document)

    def get(self, name: str) -> Service:
        """Return service *name* as YARN sees it.

        Raises:
            NotFoundError: there is no such service of this user.
        """
        reply = self._read(_path(name))
        if reply.status == 200:
            return parsing.parse_service(reply.document(), reply.url)
        diagnostics = _diagnostics(_document(reply))
        if reply.status == 500 and re.match(r"Application with id .* doesn't exist in RM", diagnostics):
            # Before 3.3.0, when the ResourceManager has forgotten the application; later ones say STOPPED.
            return Service(name, ServiceState.STOPPED, diagnostics=first_line(diagnostics))
        raise _refusal("GET", reply, f"cannot read service {name}")

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
        raise _refusal(method, reply, what)


@dataclass(frozen=True)
class _Meaning:
    """What a refusal means: the first row whose *method* (empty: any), *status* and *text* fit decides."""

    method: str
    status: int
    text: str
    error: type[YarnserveError]
    fix: str = ""

    def fits(self, method: str, status: int, diagnostics: str) -> bool:
        return self.method in ("", method) and self.status == status and bool(re.search(self.text, diagnostics))


_AM_RESTARTS = "ask again in a few seconds: its ApplicationMaster is starting or ending"

_MEANINGS = (
    _Meaning("", 500, "safe mode", StandbyError, "wait until HDFS leaves safe mode"),
    _Meaning("POST", 403, 'inode="/user"', AccessError, "give the user a home directory on HDFS"),
    _Meaning("", 403, "", AccessError, "act as the user who owns it: --user, HADOOP_USER_NAME"),
    _Meaning("POST", 500, "is already taken|already exists", ConflictError, "start or destroy that one first"),
    _Meaning("GET", 404, r"Service \S+ not found|File does not exist: \S+\.json", NotFoundError),
    _Meaning("GET", 404, "^Invalid ", RefusedError),
    _Meaning("GET", 404, "", UnreachableError, _AM_RESTARTS),
    _Meaning("GET", 500, "^Call From |^No content to map", UnreachableError, _AM_RESTARTS),
    _Meaning("PUT", 404, "", NotFoundError),
    _Meaning("PUT", 500, "does not exist !", NotFoundError),
    _Meaning("PUT", 400, "is already stopped|already exists", ConflictError),
    _Meaning(
        "PUT",
        400,
        "flex can (only|not) be invoked|appId is null",
        ConflictError,
        "look at its state; YARN has stored the new number for its next start all the same",
    ),
    _Meaning("DELETE", 400, "doesn't exist", NotFoundError),
    _Meaning("DELETE", 404, "", NotFoundError),
    _Meaning(
        "DELETE",
        500,
        "cleaning up registry|delete zk node",
        RefusedError,
        "its definition is gone; repeat once ZooKeeper answers, to clean the registry",
    ),
)


def _refusal(method: str, reply: Reply, what: str) -> YarnserveError:
    document = _document(reply)
    remote = find(document)
    if remote and ".jackson." in remote.java_class:
        return _not_understood(remote, what, reply.url)
    if remote:
        return error_for(reply.status, remote, what=what, url=reply.url)
    diagnostics = _diagnostics(document)
    if not diagnostics:
        return _without_words(reply, document, what)
    why = first_line(diagnostics)
    for meaning in _MEANINGS:
        if meaning.fits(method, reply.status, diagnostics):
            return meaning.error(what, where=reply.url, why=why, fix=meaning.fix)
    return error_for(reply.status, None, what=what, url=reply.url, text=diagnostics)


def _not_understood(remote: RemoteException, what: str, url: str) -> RefusedError:
    """The cluster cannot read our JSON; Jackson's exceptions come as 404 (yarn-services.md 1.4)."""
    field = re.match(r'Unrecognized field "([^"]*)"', remote.message)
    why = f"this Hadoop does not know the field {field[1]!r}" if field else first_line(remote.message)
    return RefusedError(what, where=url, why=why, fix="say which Hadoop this is with --hadoop-version" if field else "")


def _without_words(reply: Reply, document: Any, what: str) -> YarnserveError:
    # The API's own answers have words, or are {}. A web server's page in their place means that the API is not
    # there (real-hadoop.md 7, item 4), and never that the service is not.
    if (document == {} and reply.status == 500) or reply.status not in (404, 500, 503):
        return error_for(reply.status, None, what=what, url=reply.url, text=reply.text)
    return UnreachableError(
        what,
        where=reply.url,
        why=f"the ResourceManager has no services API there (HTTP {reply.status})",
        fix="set yarn.webapp.api-service.enable=true in the ResourceManager's yarn-site.xml and restart it",
    )


def _document(reply: Reply) -> Any:
    try:
        return reply.document()
    except MalformedAnswerError:
        return None


def _diagnostics(document: Any) -> str:
    text = document.get("diagnostics") if isinstance(document, dict) else None
    return text if isinstance(text, str) else ""


def _path(name: str) -> str:
    return f"/{quote(name, safe='')}"
