"""What YARN and the facade do in the sandbox's HDFS."""

from __future__ import annotations

from pathlib import Path

from yarnserve.sandbox.inodes import NamespaceError
from yarnserve.sandbox.namespace import Namespace

_CHUNK = 1 << 20


class NamespaceHome:
    """The services API's view of *namespace*."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def exists(self, path: str) -> bool:
        """Whether *path* is there, whoever may see it; a leading ``hdfs://authority`` is allowed."""
        try:
            self._namespace.status(_local(path), user=self._namespace.superuser)
        except NamespaceError:
            return False
        return True

    def read(self, path: str) -> bytes:
        """Return what is in a file; raises NamespaceError."""
        with self._namespace.open(_local(path), user=self._namespace.superuser) as source:
            return source.read()

    def write(self, path: str, body: bytes, user: str) -> None:
        """Make a file of *user*'s; raises NamespaceError."""
        with self._namespace.create(path, user=user) as writer:
            writer.write(body)

    def forget(self, user: str, service: str) -> None:
        """Remove the directory of a service that is destroyed."""
        directory = f"{self._namespace.home(user)}/.yarn/services/{service}"
        self._namespace.delete(directory, user=self._namespace.superuser, recursive=True)

    def denial(self, user: str, service: str) -> tuple[int, str] | None:
        """Make the directory of a service's definition; return what HDFS says against it with the API's status."""
        try:
            self._namespace.make_directories(f"{self._namespace.home(user)}/.yarn/services/{service}", user=user)
        except NamespaceError as error:
            return (403 if error.exception == "AccessControlException" else 500), error.message
        return None


def _local(path: str) -> str:
    """Return the path of a URI, or the path as it is."""
    _, is_uri, rest = path.partition("://")
    return f"/{rest.partition('/')[2]}" if is_uri else path


class Uploader:
    """Puts local files into *namespace*, owned by *owner*."""

    def __init__(self, namespace: Namespace, owner: str) -> None:
        self._namespace = namespace
        self._owner = owner
        self._home = NamespaceHome(namespace)

    def make_base(self) -> None:
        """Make ``/user``, ``/tmp`` and the owner's home directory."""
        superuser, home = self._namespace.superuser, self._namespace.home(self._owner)
        for path, permission in (("/user", 0o755), ("/tmp", 0o1777), ("/models", 0o1777)):  # noqa: S108  HDFS's, not this machine's
            self._namespace.make_directories(path, user=superuser, permission=permission)
        self.make_directories(home)

    def put(self, local: Path, remote: str) -> None:
        """Copy a file to *remote*, or what is in a directory below it.

        Raises:
            OSError: *local* cannot be read.
            NamespaceError: *remote* is no good.
        """
        if local.is_dir():
            self.make_directories(remote)
            for child in sorted(local.iterdir()):
                self.put(child, f"{remote.rstrip('/')}/{child.name}")
            return
        with local.open("rb") as source:
            self.make_directories(remote.rpartition("/")[0])
            superuser = self._namespace.superuser
            with self._namespace.create(remote, user=superuser, overwrite=True) as writer:
                while chunk := source.read(_CHUNK):
                    writer.write(chunk)
            self._namespace.set_owner(remote, user=superuser, owner=self._owner)

    def make_directories(self, path: str) -> None:
        """Make a directory and what is missing above it, all of it the owner's."""
        superuser, made = self._namespace.superuser, ""
        for part in filter(None, path.split("/")):
            made = f"{made}/{part}"
            if not self._home.exists(made):
                self._namespace.make_directories(made, user=superuser)
                self._namespace.set_owner(made, user=superuser, owner=self._owner)
