"""Everything a command needs to talk to one cluster, built from the settings."""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from yarnserve.config import Settings
from yarnserve.errors import ConfigurationError
from yarnserve.hadoop.authentication import Authentication, SimpleAuthentication
from yarnserve.hadoop.kerberos import KerberosAuthentication
from yarnserve.hadoop.session import HadoopSession, Timeouts
from yarnserve.records.version import Version
from yarnserve.service.store import STATE_DIRECTORY, ServiceStore
from yarnserve.storage.client import Storage
from yarnserve.yarn.cluster import ClusterApi
from yarnserve.yarn.nodes import NodeManagerApi
from yarnserve.yarn.polling import Turns
from yarnserve.yarn.resource_managers import ResourceManagers
from yarnserve.yarn.services import ServicesApi

if TYPE_CHECKING:
    from requests.adapters import BaseAdapter

#: Patience of looks and leases with HDFS: seconds for one request, and rounds over the NameNodes.
EYES_TIMEOUTS = Timeouts(connect=3.05, read=5.0)
EYES_SWEEPS = 1

#: Rounds over the NameNodes for a lease: what outlasts a fail-over, and not the lease.
LEASE_SWEEPS = 2
LEASE_FAILOVER_SWEEPS = 15


@dataclass(frozen=True)
class Connection:
    """The typed clients of one cluster, sharing one session; a context manager.

    *eyes* and *leases* are the same HDFS as *storage*, for looks and leases, which give up sooner; *resource_managers*
    is whom *services* and *cluster* ask.
    """

    settings: Settings
    session: HadoopSession
    resource_managers: ResourceManagers
    services: ServicesApi
    cluster: ClusterApi
    nodes: NodeManagerApi
    storage: Storage
    eyes: Storage
    leases: Storage
    on_wait: Callable[[str], None]

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
        local, host = _local_user(), socket.gethostname()
        user = self.settings.user
        return f"{user}@{host}" if user == local else f"{user}@{host} (as {local})"

    def hadoop_version(self) -> Version:
        """What the admin told (``--hadoop-version``), else what the cluster says."""
        if self.settings.hadoop_version is not None:
            return self.settings.hadoop_version
        told = self.cluster.info().hadoop_version
        try:
            return Version.parse(told)
        except ValueError as error:
            raise ConfigurationError(
                f"the cluster calls its Hadoop {told!r}, which is no version",
                fix="say what it can do: --hadoop-version 3.1.4",
            ) from error

    def store(self, name: str) -> ServiceStore:
        """The saved state of service *name*.

        Raises:
            UsageError: no service can have this name.
        """
        return ServiceStore(self.storage, self.leases, name)

    def glance(self, name: str) -> ServiceStore:
        """The same for whoever only looks: gives up soon, so that the rest is seen."""
        return ServiceStore(self.eyes, self.eyes, name)

    def storage_at(self, uri: str) -> Storage:
        """A storage for the file system that *uri* names; ours when it is the default one."""
        namenodes = self.settings.namenodes_for(uri)
        if namenodes == self.settings.namenodes:
            return self.storage
        return Storage(self.session, namenodes, on_wait=self.on_wait)

    def saved_services(self) -> tuple[str, ...]:
        """Names of the directories in which yarnserve keeps the state of services.

        What begins with a dot is shared by all of them (:mod:`yarnserve.service.nodes`).
        """
        directory = f"{self.eyes.home()}/{STATE_DIRECTORY}"
        if self.eyes.status(directory) is None:
            return ()
        return tuple(entry.name for entry in self.eyes.list(directory) if entry.is_directory and entry.name[0] != ".")


def connect(
    settings: Settings,
    *,
    on_wait: Callable[[str], None] = lambda text: None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    transport: BaseAdapter | None = None,
) -> Connection:
    """Build the clients; nothing is sent yet.

    Args:
        settings: the cluster.
        on_wait: told, in words for people, that HDFS fails over.
        sleep: how to wait between two tries.
        clock: monotonic seconds.
        transport: what carries the requests; None is the network.

    Raises:
        AccessError, ConfigurationError: there is no usable Kerberos ticket where the cluster wants one.
    """
    authentication, settings = _authenticated(settings)
    session = HadoopSession(authentication, sleep=sleep, transport=transport)
    resource_managers = ResourceManagers(session, settings.resource_managers)
    hdfs = partial(Storage, session, settings.namenodes, clock=clock, sleep=sleep, on_wait=on_wait)
    return Connection(
        settings,
        session,
        resource_managers,
        ServicesApi(session, resource_managers, turns=Turns(clock)),
        ClusterApi(session, resource_managers),
        NodeManagerApi(session),
        hdfs(),
        hdfs(timeouts=EYES_TIMEOUTS, sweeps=EYES_SWEEPS, failover_sweeps=EYES_SWEEPS),
        hdfs(timeouts=EYES_TIMEOUTS, sweeps=LEASE_SWEEPS, failover_sweeps=LEASE_FAILOVER_SWEEPS),
        on_wait,
    )


def _authenticated(settings: Settings) -> tuple[Authentication, Settings]:
    """Return who we are, and the settings with that user: with Kerberos nobody's word counts but the ticket's."""
    if not settings.has_kerberos:
        return SimpleAuthentication(settings.user), settings
    authentication = KerberosAuthentication(principal=settings.principal, keytab=settings.keytab)
    origins = {**settings.origins, "user": "the Kerberos ticket"}
    return authentication, replace(settings, user=authentication.user, origins=origins)


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A uid that the host does not know, as in a container.
        return f"uid {os.getuid()}"
