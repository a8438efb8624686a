"""How the agents of a service reach HDFS, and the secret by which they know who may give them orders."""

from __future__ import annotations

from contextlib import suppress

from yarnserve.config import Settings, hdfs_path
from yarnserve.errors import ConflictError
from yarnserve.orders import new_secret
from yarnserve.service.connection import Connection
from yarnserve.service.store import STATE_DIRECTORY
from yarnserve.spec.assignment import HdfsAccess
from yarnserve.spec.model import ServiceSpec
from yarnserve.storage.client import Storage

#: The secret's name in the directory of its service.
SECRET_FILE = "orders.secret"  # noqa: S105  a name


def hdfs_access(settings: Settings, spec: ServiceSpec, home: str) -> HdfsAccess:
    """Return how agents of *spec* reach HDFS.

    Raises:
        ConfigurationError: no NameNode is known for a model.
    """
    return HdfsAccess(
        settings.user,
        {model.name: settings.namenodes_for(model.base_path) for model in spec.models},
        has_kerberos=settings.has_kerberos,
        secret=secret_path(home, spec.name),
        secret_endpoints=settings.namenodes_for(home),
        default_file_system=settings.default_authority,
    )


def secret_path(home: str, name: str) -> str:
    """Where the secret of service *name* lies, below its owner's *home*."""
    return f"{hdfs_path(home)}/{STATE_DIRECTORY}/{name}/{SECRET_FILE}"


def ensure_secret(storage: Storage, path: str) -> None:
    """Have a secret at *path*, readable for its owner alone; one that is there stays, for agents may have it."""
    if storage.status(path) is None:
        with suppress(ConflictError):
            storage.create(path, new_secret().encode() + b"\n", permission="600")


def read_secret(connection: Connection, name: str) -> str:
    """Return the secret of service *name*.

    Raises:
        NotFoundError: there is none.
    """
    path = secret_path(connection.storage.home(), name)
    return connection.storage.read(path).decode("ascii", "replace").strip()
