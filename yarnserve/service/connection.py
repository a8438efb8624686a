"""Everything a command needs to talk to one cluster, built from the settings."""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass
from types import TracebackType

from yarnserve.config import Settings
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.hadoop.session import HadoopSession
from yarnserve.records.version import Version
from yarnserve.service.store import STATE_DIRECTORY, ServiceStore
from yarnserve.storage.client import Storage
from yarnserve.yarn.cluster import ClusterApi
from yarnserve.yarn.nodes import NodeManagerApi
from yarnserve.yarn.resource_managers import ResourceManagers
from yarnserve.yarn.services import ServicesApi


@dataclass(frozen=True)
class Connection:
    """The typed clients of one cluster, sharing one session; a context manager."""

    settings: Settings
    session: HadoopSession
    services: ServicesApi
    cluster: ClusterApi
    nodes: NodeManagerApi
    storage: Storage

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.storage.close()
        self.session.close()

    @property
    def actor(self) -> str:
        """Who acts, for leases and records: ``user@host``, with the local user where it differs."""
        local, host = getpass.getuser(), socket.gethostname()
        user = self.settings.user
        return f"{user}@{host}" if user == local else f"{user}@{host} (as {local})"

    def hadoop_version(self) -> Version:
        """What the admin told (``--hadoop-version``), else what the cluster says."""
        return self.settings.hadoop_version or Version.parse(self.cluster.info().hadoop_version)

    def store(self, name: str) -> ServiceStore:
        """The saved state of service *name*."""
        return ServiceStore(self.storage, self.storage.home(), name)

    def storage_at(self, uri: str) -> Storage:
        """A storage for the file system that *uri* names; ours when it is the default one."""
        namenodes = self.settings.namenodes_for(uri)
        return self.storage if namenodes == self.settings.namenodes else Storage(self.session, namenodes)

    def saved_services(self) -> tuple[str, ...]:
        """Names of the services that yarnserve keeps state of in the user's home."""
        directory = f"{self.storage.home()}/{STATE_DIRECTORY}"
        if self.storage.status(directory) is None:
            return ()
        return tuple(entry.name for entry in self.storage.list(directory) if entry.is_directory)


def connect(settings: Settings) -> Connection:
    """Build the clients; nothing is sent yet."""
    session = HadoopSession(SimpleAuthentication(settings.user))
    resource_managers = ResourceManagers(session, settings.resource_managers)
    return Connection(
        settings,
        session,
        ServicesApi(session, resource_managers),
        ClusterApi(session, resource_managers),
        NodeManagerApi(session),
        Storage(session, settings.namenodes),
    )
