"""Services and their verbs, as the services API carries them out for a user.

Definitions belong to a user and outlive their applications; only :meth:`Services.destroy` removes one
(yarn-services.md 1.5 to 1.7). What is refused is refused with the status and the words of the cluster's Hadoop.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from yarnserve.sandbox import definition
from yarnserve.sandbox.answers import Refusal, refuse
from yarnserve.sandbox.application import Application
from yarnserve.sandbox.cluster import Cluster, Struck
from yarnserve.sandbox.config_files import FileStore
from yarnserve.sandbox.definition import Document, component_of
from yarnserve.sandbox.faults import Fault
from yarnserve.sandbox.master import ApplicationMaster
from yarnserve.sandbox.node import Resource
from yarnserve.sandbox.states import AppState, ServiceState
from yarnserve.sandbox.validation import Files, validate, validate_name

#: ``code`` of a GET that finds nothing.
NOT_FOUND = 404004
#: What the services API says of an ApplicationMaster that is not up yet.
NO_PORT = "port out of range:-1"
_ENDED = ("SUCCEEDED", "FAILED")
_JAVA_OPTIONS = "yarn.service.am.java.opts"
_FORBIDDEN_IN_JAVA_OPTIONS = frozenset('!~#?@*&%${}()<>[]|",;`/\\')


class Home(Files, FileStore, Protocol):
    """What the services API needs of HDFS."""

    def denial(self, user: str, service: str) -> tuple[int, str] | None:
        """Return status and the NameNode's words if *user* cannot write the definition of a service."""

    def forget(self, user: str, service: str) -> None:
        """Remove the directory of a service that is destroyed."""


@dataclass
class Definition:
    """A stored service; *application_id* is empty while it was never started."""

    document: Document
    application_id: str = ""


@dataclass(frozen=True)
class Instances:
    """The live containers of a service by component, and the service's version."""

    version: str
    containers: dict[str, list[Document]]


class Services:
    """The services of all users on one cluster."""

    def __init__(self, cluster: Cluster, home: Home) -> None:
        self.cluster = cluster
        self.home = home
        self._definitions: dict[tuple[str, str], Definition] = {}

    def create(self, user: str, document: Document, now: float) -> Document:
        """Store *document* and start it, unless its state is STOPPED; return ServiceStatus."""
        validate(document, self.home, self.cluster.profile)
        name = document["name"]
        denial = self.home.denial(user, name)
        if denial is not None:
            raise refuse(*denial)
        if (user, name) in self._definitions:
            raise refuse(500, f"Service name {name} is already taken.")
        is_saved_only = document.pop("state", "") == "STOPPED"
        stored = self._definitions[user, name] = Definition(document)
        diagnostics = f"Service {name} version {document['version']} saved."
        if not is_saved_only:
            if self.cluster.strikes_saved():
                raise Struck
            try:
                diagnostics = f"Application ID: {self._submit(user, stored, now, refusal=500).id}"
            except _RefusedByYarn:
                if self.cluster.profile.clears_refused:
                    del self._definitions[user, name]
                raise
        return {"uri": f"/v1/services/{name}", "diagnostics": diagnostics, "state": "ACCEPTED"}

    def get(self, user: str, name: str, now: float) -> Document:
        """Return the whole service while its ApplicationMaster answers, else the little that YARN still tells."""
        self._check_name(name, 404, code=NOT_FOUND)
        stored = self._definitions.get((user, name))
        if stored is None:
            raise refuse(404, f"Service {name} not found", code=NOT_FOUND)
        application = self._application(stored)
        if application is not None and application.is_between_attempts:
            # its port is not known yet (real-hadoop.md 7, item 7)
            raise refuse(404, NO_PORT, code=NOT_FOUND)
        return (application and application.document(now)) or self._minimal(name, application, now)

    def stop(self, user: str, name: str, now: float) -> Document:
        """End the service's application; the definition stays."""
        application = self._application(self._stored(user, name))
        if application is None or application.state.ended:
            raise refuse(400, f"Service {name} is already stopped")
        application.stop(now)
        return {"diagnostics": f"Successfully stopped service {name}"}

    def start(self, user: str, name: str, now: float) -> Document:
        """Start a stored service again, as a new application."""
        stored = self._stored(user, name)
        application = self._application(stored)
        if application is not None and not application.state.ended:
            raise refuse(400, f"Failed to start service {name}, because it already exists.")
        started = self._submit(user, stored, now, refusal=400).id
        diagnostics = f"Service {name} is successfully started with ApplicationId: {started}"
        return {"diagnostics": diagnostics, "state": "ACCEPTED"}

    def flex(self, user: str, name: str, counts: dict[str, int | None], now: float) -> Document:
        """Change numbers of instances.

        They are stored even when the service has ended (yarn-services.md 1.5), but not when it never started (golden
        3.1.4, section saved).
        """
        stored = self._stored(user, name)
        self._require_started(name, stored)
        wanted = {}
        for component, count in counts.items():
            spec = component_of(stored.document, component)
            if spec is None:
                raise refuse(500, f"{component} does not exist !")
            if count is None:
                raise refuse(500, 'Cannot invoke "java.lang.Long.toString()" because the count is null')
            wanted[component] = spec["number_of_containers"] = count
        self._running(name, stored).flex(wanted, now)
        return {"diagnostics": f"Service {name} is successfully flexed.", "state": "ACCEPTED"}

    def resize(self, user: str, name: str, component: str, count: int, now: float) -> Document:
        """Change the number of instances of one component: the other, stricter form of flex."""
        stored = self._definitions.get((user, name))
        if stored is None:
            raise refuse(500, _missing_file(user, name))
        spec = component_of(stored.document, component)
        if spec is None:
            raise refuse(500, f"Components [{component}] do not exist in app definition.")
        self._require_started(name, stored, status=500)
        before, spec["number_of_containers"] = spec["number_of_containers"], count
        try:
            self._running(name, stored).flex({component: count}, now)
        except Refusal as refusal:
            raise Refusal(500, refusal.body) from refusal
        return {"diagnostics": f"Updating component ({component}) size from {before} to {count}"}

    def decommission(self, user: str, name: str, instances: dict[str, list[str]], now: float) -> Document:
        """Remove named instances for good, one off the count each; their indexes are never used again."""
        stored = self._stored(user, name)
        for component, names in instances.items():
            spec = component_of(stored.document, component)
            if spec is None:
                raise refuse(500, f"{names[0]} does not exist !")
            fresh = [each for each in names if each not in spec["decommissioned_instances"]]
            spec["decommissioned_instances"] += fresh
            # each lowers the stored count, whether there is such an instance or not (real-hadoop.md 7, item 11)
            spec["number_of_containers"] -= len(fresh)
        self._running(name, stored).decommission(instances, now)
        return {"diagnostics": f"Service {name} has successfully decommissioned instances.", "state": "ACCEPTED"}

    def set_lifetime(self, user: str, name: str, seconds: int, now: float) -> Document:
        """Let the service be killed *seconds* from now."""
        application = self._application(self._stored(user, name))
        if application is None:
            raise refuse(400, f"Application ID not found for {name}")
        application.set_lifetime(seconds, now)
        expiry = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now + seconds))
        updated = f"lifeTime is updated to {expiry}.{int(now * 1000) % 1000:03d}+0000, {seconds} seconds remaining"
        return {"diagnostics": f"Service ({name})'s {updated}"}

    def destroy(self, user: str, name: str, now: float) -> Document | None:
        """Remove a service. While it lives it is told to stop and None is returned: ask again a little later."""
        self._check_name(name, 400)
        stored = self._definitions.get((user, name))
        if stored is None:
            raise refuse(400, f"Service {name} doesn't exist")
        application = self._application(stored)
        if application is not None and not application.state.ended:
            if application.master is None or application.master.exit is None:
                application.stop(now)
            if not application.state.ended:
                return None
        del self._definitions[user, name]
        self.home.forget(user, name)
        if Fault.ZOOKEEPER_DOWN in self.cluster.faults:
            raise refuse(500, f"Could not delete zk node for {name}")
        return {"diagnostics": f"Successfully destroyed service {name}"}

    def instances(self, user: str, name: str, now: float) -> Instances:
        """Return the containers of a service that runs, by component, those of the sorted names first."""
        stored = self._definitions.get((user, name))
        if stored is None:
            raise refuse(500, _missing_file(user, name))
        application = self._application(stored)
        if application is None:
            raise refuse(500, "Invalid application id: null")
        document = application.document(now)
        if document is None:
            raise no_answer()
        components = sorted(document["components"], key=lambda component: str(component["name"]))
        live = {
            component["name"]: [each for each in component["containers"] if each["state"] not in _ENDED]
            for component in components
        }
        return Instances(document["version"], live)

    @property
    def is_off(self) -> bool:
        """Whether the ResourceManager was started without the services API."""
        return Fault.API_OFF in self.cluster.faults

    def awaits_master(self, user: str, name: str) -> bool:
        """Whether a call that needs the service's ApplicationMaster has to wait, because it is up and silent."""
        stored = self._definitions.get((user, name))
        application = self._application(stored) if stored is not None else None
        if application is None or application.master is None:
            return False
        return application.is_cut_off or Fault.MASTERS_SILENT in self.cluster.faults

    def _minimal(self, name: str, application: Application | None, now: float) -> Document:
        """Return what GET still tells of a service without a running master."""
        profile = self.cluster.profile
        document: Document = {"name": name}
        if application is not None:
            document["lifetime"] = application.remaining(now)
            if profile.shows_stopped_id:
                document["id"] = application.id
        if profile.has_dependencies:
            document["dependencies"] = []
        state = ServiceState.STOPPED if application is None else _shown(application.state)
        return {
            **document,
            "components": [],
            "configuration": {"properties": {}, "env": {}, "files": []},
            "state": state.value,
            "quicklinks": {},
            "kerberos_principal": {},
        }

    def _submit(self, user: str, stored: Definition, now: float, *, refusal: int) -> Application:
        self._check_submission(stored.document, refusal)
        application = self.cluster.submit(user, stored.document, now)
        reason = self._rejection(application)
        if reason:
            application.reject(reason, now)
            raise _refused_by_yarn(refusal, f"Failed to submit {application.id} to YARN : {reason}")
        stored.application_id = application.id
        return application

    def _rejection(self, application: Application) -> str:
        """Return why the scheduler does not take *application*, empty when it does."""
        if application.queue != "default":
            user, queue = application.user, application.queue
            return f"Application {application.id} submitted by user {user} to unknown queue: {queue}"
        if Fault.QUEUE_STOPPED in self.cluster.faults:
            words = f"Queue root.default is STOPPED. Cannot accept submission of application: {application.id}"
            return f"org.apache.hadoop.security.AccessControlException: {words}"
        return ""

    def _check_submission(self, document: Document, refusal: int) -> None:
        # carried out after the definition was stored: the name stays taken (yarn-services.md 1.7)
        if _FORBIDDEN_IN_JAVA_OPTIONS & set(definition.properties(document).get(_JAVA_OPTIONS, "")):
            raise refuse(400, f"Invalid character in {_JAVA_OPTIONS}.")
        try:
            definition.am_resource(document, self.cluster.profile)
        except ValueError as error:
            raise refuse(400, str(error)) from None
        most = self.cluster.largest
        for component in document["components"]:
            try:
                wanted = definition.resource(component)
            except ValueError:
                raise refuse(400, f'For input string: "{component["resource"]["memory"]}"') from None
            excess = _excess(wanted, most)
            if excess:
                raise _refused_by_yarn(refusal, f"Component {component['name']}: {excess}")

    def _stored(self, user: str, name: str) -> Definition:
        stored = self._definitions.get((user, name))
        if stored is None:
            raise refuse(404, _missing_file(user, name))
        return stored

    def _running(self, name: str, stored: Definition) -> ApplicationMaster:
        self._require_started(name, stored)
        application = self.cluster.applications[stored.application_id]
        if application.is_between_attempts:
            raise refuse(500, NO_PORT)
        if application.master is None:
            state = application.state.value
            raise refuse(400, f"{name} is at {state} state, flex can only be invoked when service is running")
        return application.master

    def _require_started(self, name: str, stored: Definition, status: int = 400) -> None:
        if self._application(stored) is None:
            raise refuse(status, f"{name} appId is null, may be not submitted to YARN yet")

    def _application(self, stored: Definition) -> Application | None:
        return self.cluster.applications.get(stored.application_id)

    @staticmethod
    def _check_name(name: str, status: int, **more: int) -> None:
        try:
            validate_name(name)
        except Refusal as refusal:
            raise refuse(status, refusal.body["diagnostics"], **more) from refusal


class _RefusedByYarn(Refusal):
    """YARN refused the submission: from 3.3.1 on a POST leaves no definition then (yarn-services.md 1.7)."""


def _refused_by_yarn(status: int, words: str) -> _RefusedByYarn:
    refusal = refuse(status, words)
    return _RefusedByYarn(refusal.status, refusal.body, refusal.content_type)


def no_answer() -> Refusal:
    """Build what the services API says once it has waited for an ApplicationMaster in vain."""
    words = "failed on connection exception: java.net.ConnectException: Connection refused"
    return refuse(500, f"Call From localhost/127.0.0.1 to localhost:0 {words}")


def _missing_file(user: str, name: str) -> str:
    return f"File does not exist: /user/{user}/.yarn/services/{name}/{name}.json"


def _shown(state: AppState) -> ServiceState:
    """Return the service state that GET makes of an application's (ServiceClient.convertState)."""
    if state is AppState.FAILED:
        return ServiceState.FAILED
    return ServiceState.STOPPED if state.ended else ServiceState.ACCEPTED


def _excess(wanted: Resource, most: Resource) -> str:
    if wanted.memory_mb > most.memory_mb:
        size, limit = wanted.memory_mb, most.memory_mb
        return f"specified memory size ({size}) is larger than configured max container memory size ({limit})"
    if wanted.vcores > most.vcores:
        size, limit = wanted.vcores, most.vcores
        return f"specified number of virtual core ({size}) is larger than configured max virtual core size ({limit})"
    return ""
