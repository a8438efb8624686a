"""Inodes of the sandbox's HDFS, and HDFS's permission check over them. Pure: no I/O, no clock, no lock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

SUPERGROUP = "supergroup"

READ, WRITE, EXECUTE = 4, 2, 1
#: FsAction's names, as they stand in AccessControlException messages.
_ACTION_NAMES = {
    EXECUTE: "EXECUTE",
    WRITE: "WRITE",
    READ: "READ",
    READ | EXECUTE: "READ_EXECUTE",
    READ | WRITE | EXECUTE: "ALL",
}


class NamespaceError(Exception):
    """HDFS refuses: *java_class* and *message* are what a NameNode would throw.

    The messages are those of tests/golden/webhdfs-3.1.4.jsonl.gz.
    """

    def __init__(self, java_class: str, message: str) -> None:
        super().__init__(message)
        self.java_class = java_class
        self.message = message

    @property
    def exception(self) -> str:
        """The class without its package, as in ``RemoteException.exception``."""
        return self.java_class.rpartition(".")[2]


def file_not_found(message: str) -> NamespaceError:
    """A ``java.io.FileNotFoundException``; its wording differs from one operation to the next."""
    return NamespaceError("java.io.FileNotFoundException", message)


def access_denied(message: str) -> NamespaceError:
    """An ``AccessControlException``."""
    return NamespaceError("org.apache.hadoop.security.AccessControlException", message)


@dataclass(eq=False)
class Directory:
    """A directory; *permission* may hold the sticky bit, *modified_at* is in milliseconds since the epoch."""

    file_id: int
    name: str
    owner: str
    group: str
    permission: int
    modified_at: int
    parent: Directory | None = None
    children: dict[str, Inode] = field(default_factory=dict)


@dataclass(eq=False)
class File:
    """A file, whose bytes are in *blob*; *length* stays 0 until whoever writes it has finished."""

    file_id: int
    name: str
    owner: str
    group: str
    permission: int
    modified_at: int
    parent: Directory | None
    blob: Path
    accessed_at: int
    replication: int
    block_size: int
    length: int = 0
    being_written: bool = True


Inode: TypeAlias = Directory | File


def components(path: str) -> list[str]:
    """Split an absolute path; repeated and trailing slashes do not count."""
    return [name for name in path.split("/") if name]


def path_of(inode: Inode) -> str:
    """Return the absolute path of *inode*."""
    names = []
    current: Inode | None = inode
    while current is not None:
        names.append(current.name)
        current = current.parent
    return "/".join(reversed(names)) or "/"


def subtree(inode: Inode) -> Iterator[Inode]:
    """Yield *inode* and everything below it, parents first."""
    yield inode
    if isinstance(inode, Directory):
        for child in inode.children.values():
            yield from subtree(child)


@dataclass(frozen=True)
class Walk:
    """How far a path leads: *found* from the root on, then the names in *missing* that are not there."""

    path: str
    found: tuple[Inode, ...]
    missing: tuple[str, ...]

    @property
    def inode(self) -> Inode | None:
        """What stands at the path."""
        return None if self.missing else self.found[-1]

    @property
    def parent(self) -> Inode | None:
        """What stands one level above the path; None when that is missing or the path is the root."""
        chain = (*self.found, *(None for _ in self.missing))
        return chain[-2] if len(chain) > 1 else None

    @property
    def ancestor(self) -> Inode:
        """The deepest existing directory above the path (the root is above itself)."""
        return self.found[-1] if self.missing or len(self.found) == 1 else self.found[-2]


@dataclass(frozen=True)
class Permissions:
    """HDFS's check of owner, group and other. A user is in the group of their own name; there are no ACLs."""

    superuser: str

    def walk(self, root: Directory, path: str, user: str) -> Walk:
        """Follow *path*, with the EXECUTE permission on every directory passed.

        Raises:
            NamespaceError: AccessControlException, or ParentNotDirectoryException below a file.
        """
        found: list[Inode] = [root]
        names = components(path)
        for name in names:
            current = found[-1]
            if isinstance(current, File):
                raise NamespaceError(
                    "org.apache.hadoop.fs.ParentNotDirectoryException", f"{path_of(current)} (is not a directory)"
                )
            self.require(current, user, EXECUTE)
            if name not in current.children:
                break
            found.append(current.children[name])
        return Walk("/" + "/".join(names), tuple(found), tuple(names[len(found) - 1 :]))

    def require(self, inode: Inode, user: str, action: int) -> None:
        """Raise AccessControlException unless *user* may do *action* on *inode*."""
        if user == self.superuser:
            return
        shift = 6 if user == inode.owner else 3 if user == inode.group else 0
        if inode.permission >> shift & action != action:
            raise access_denied(
                f"Permission denied: user={user}, access={_ACTION_NAMES[action]}, inode={_shown(inode)}"
            )

    def require_subtree(self, inode: Inode, user: str, action: int) -> None:
        """Require *action* on every directory from *inode* down; an empty one is let pass, as DELETE does."""
        for each in subtree(inode):
            if isinstance(each, Directory) and each.children:
                self.require(each, user, action)

    def require_owner(self, inode: Inode, user: str) -> None:
        """Raise AccessControlException unless *user* owns *inode*."""
        if user not in (self.superuser, inode.owner):
            raise access_denied(f"Permission denied. user={user} is not the owner of inode={path_of(inode)}")

    def require_superuser(self, user: str, doing: str) -> None:
        """Raise AccessControlException unless *user* is the superuser."""
        if user != self.superuser:
            raise access_denied(f"User {user} is not a super user (non-super user cannot {doing}).")


def _shown(inode: Inode) -> str:
    kind = "d" if isinstance(inode, Directory) else "-"
    bits = "".join(
        letter if inode.permission >> place & 1 else "-"
        for place, letter in zip(range(8, -1, -1), "rwxrwxrwx", strict=True)
    )
    return f'"{path_of(inode)}":{inode.owner}:{inode.group}:{kind}{bits}'
