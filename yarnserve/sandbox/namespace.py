"""The sandbox's HDFS namespace: a tree in memory, contents as blobs on disk, HDFS's semantics.

It behaves as a NameNode 3.1.4 does in tests/golden/webhdfs-3.1.4.jsonl.gz. The tree ends with the process. Left
out: ACLs, quotas, symlinks, snapshots, and the sticky bit, which is kept and shown but not enforced.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from yarnserve.sandbox.inodes import (
    EXECUTE,
    READ,
    SUPERGROUP,
    WRITE,
    Directory,
    File,
    Inode,
    NamespaceError,
    Permissions,
    Walk,
    components,
    file_not_found,
    path_of,
    subtree,
)

BLOCK_SIZE = 128 * 1024 * 1024
_ROOT_ID = 16385  # the first inode number of a freshly formatted NameNode


@dataclass(frozen=True)
class Status:
    """What HDFS says of a path: *length* in bytes, times in milliseconds since the epoch, *permission* as bits."""

    name: str
    is_directory: bool
    length: int
    owner: str
    group: str
    permission: int
    modified_at: int
    accessed_at: int
    replication: int
    block_size: int
    children: int
    file_id: int


@dataclass(frozen=True)
class Summary:
    """What is at and below a path; *length* and *space* (with replicas) in bytes."""

    directories: int
    files: int
    length: int
    space: int


class FileWriter:
    """A file being written: there for everybody, with a length of 0 until `finish`. A context manager.

    Where the disk below takes no more, HDFS finds no DataNode for the next block: NamespaceError (IOException).
    """

    def __init__(self, file: File, finished: Callable[[File, str, int], None]) -> None:
        self._file = file
        self._path = path_of(file)
        self._finished = finished
        with self._as_hdfs():
            self._blob = file.blob.open("wb", buffering=0)

    def write(self, data: bytes) -> None:
        """Append *data*."""
        remaining = memoryview(data)
        with self._as_hdfs():
            while remaining:
                remaining = remaining[self._blob.write(remaining) :]

    def finish(self) -> None:
        """Close the file with what was written.

        Raises:
            NamespaceError: FileNotFoundException, when it was deleted or overwritten meanwhile.
        """
        length = self._blob.tell()
        self._blob.close()
        self._finished(self._file, self._path, length)

    @contextmanager
    def _as_hdfs(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # from BlockManager's source
            words = (
                f"File {self._path} could only be written to 0 of the 1 minReplication nodes."
                " There are 1 datanode(s) running and 1 node(s) are excluded in this operation."
            )
            raise NamespaceError("java.io.IOException", words) from error

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # A DataNode whose client goes away closes the file with what has come.
        self.finish()


class Namespace:
    """The tree. Every call is atomic, and safe from any thread.

    Args:
        directory: where blobs are kept; made when missing.
        clock: seconds since the epoch.
        superuser: whom no permission stops; owns the root.
    """

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.time, superuser: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.superuser = superuser
        #: Whether nobody but the superuser, as whom the sandbox itself writes, may change anything.
        self.is_in_safe_mode: Callable[[], bool] = lambda: False
        self._blobs = directory
        self._clock = clock
        self._lock = threading.RLock()
        self._last_id = _ROOT_ID
        self._permissions = Permissions(superuser)
        self._root = Directory(_ROOT_ID, "", superuser, SUPERGROUP, 0o755, self._now())

    def home(self, user: str) -> str:
        """Return the path of the user's home directory; HDFS does not make it."""
        return f"/user/{user}"

    def status(self, path: str, *, user: str) -> Status:
        """Describe *path*.

        Raises:
            NamespaceError: FileNotFoundException, AccessControlException.
        """
        with self._lock:
            inode = self._walk(path, user).inode
            if inode is None:
                raise file_not_found(f"File does not exist: {path}")
            return _status(inode)

    def list(self, path: str, *, user: str) -> tuple[Status, ...]:
        """Describe what is in a directory, by name; for a file, the file itself under an empty name.

        Raises:
            NamespaceError: FileNotFoundException, AccessControlException.
        """
        with self._lock:
            inode = self._walk(path, user).inode
            if inode is None:
                raise file_not_found(f"File {path} does not exist.")
            if isinstance(inode, File):
                return (_status(inode, name=""),)
            self._permissions.require(inode, user, READ | EXECUTE)
            return tuple(
                _status(child) for _, child in sorted(inode.children.items(), key=lambda item: item[0].encode())
            )

    def summary(self, path: str, *, user: str) -> Summary:
        """Count what is at and below *path*.

        Raises:
            NamespaceError: FileNotFoundException, AccessControlException.
        """
        with self._lock:
            inode = self._walk(path, user).inode
            if inode is None:
                raise file_not_found(f"File does not exist: {path}")
            self._permissions.require_subtree(inode, user, READ | EXECUTE)
            everything = list(subtree(inode))
            files = [each for each in everything if isinstance(each, File)]
            return Summary(
                directories=len(everything) - len(files),
                files=len(files),
                length=sum(file.length for file in files),
                space=sum(file.length * file.replication for file in files),
            )

    def make_directories(self, path: str, *, user: str, permission: int = 0o755) -> None:
        """Make a directory and what is missing above it; one that exists is left as it is.

        Raises:
            NamespaceError: FileAlreadyExistsException (a file stands there), ParentNotDirectoryException,
                InvalidPathException, AccessControlException.
        """
        _require_valid(path)
        self._refuse_in_safe_mode(f"create directory {path}", user)
        with self._lock:
            walk = self._walk(path, user)
            if isinstance(walk.inode, File):
                raise _exists(f"Path is not a directory: {walk.path}")
            if walk.inode is None:
                self._permissions.require(walk.ancestor, user, WRITE)
                parent = self._make_missing(walk, user, permission | 0o300)
                self._attach(parent, self._new_directory(walk.missing[-1], user, parent, permission))

    def create(
        self,
        path: str,
        *,
        user: str,
        overwrite: bool = False,
        permission: int = 0o644,
        create_parents: bool = True,
        replication: int = 1,
        block_size: int = BLOCK_SIZE,
    ) -> FileWriter:
        """Make an empty file and hand out its writer; missing parents take the permission of the one above.

        Raises:
            NamespaceError: FileAlreadyExistsException, AlreadyBeingCreatedException (somebody is writing it),
                FileNotFoundException (no parent, and *create_parents* is false), ParentNotDirectoryException,
                InvalidPathException, AccessControlException.
        """
        _require_valid(path)
        self._refuse_in_safe_mode(f"create file{path}", user)
        with self._lock:
            walk = self._walk(path, user)
            self._permissions.require(walk.ancestor, user, WRITE)
            self._make_way(walk, user, overwrite=overwrite, create_parents=create_parents)
            parent = self._make_missing(walk, user, walk.ancestor.permission | 0o300)
            number, now = self._next_id(), self._now()
            file = File(
                number,
                components(path)[-1],
                user,
                parent.group,
                permission,
                now,
                parent,
                blob=self._blobs / str(number),
                accessed_at=now,
                replication=replication,
                block_size=block_size,
            )
            writer = FileWriter(file, self._finish)
            self._attach(parent, file)
            return writer

    def open(self, path: str, *, user: str) -> BinaryIO:
        """Open a file for reading; of one being written, what has come so far.

        Raises:
            NamespaceError: FileNotFoundException (also for a directory), AccessControlException.
        """
        with self._lock:
            inode = self._walk(path, user).inode
            if inode is None:
                raise file_not_found(f"File does not exist: {path}")
            if isinstance(inode, Directory):
                raise file_not_found(f"Path is not a file: {path}")
            self._permissions.require(inode, user, READ)
            return inode.blob.open("rb")

    def rename(self, source: str, destination: str, *, user: str) -> bool:
        """Rename as ``ClientProtocol.rename`` does; an existing directory as destination is moved *into*.

        Returns:
            False, with nothing changed, when the source is missing, the destination is a file, its parent is
            missing, or it lies below the source.

        Raises:
            NamespaceError: AccessControlException, ParentNotDirectoryException, IOException (invalid name).
        """
        if not _is_valid(destination):
            raise NamespaceError("java.io.IOException", f"Invalid name: {destination}")
        self._refuse_in_safe_mode(f"rename {source}", user)
        with self._lock:
            origin = self._walk(source, user)
            target = self._walk(destination, user)
            if isinstance(target.inode, Directory) and origin.inode is not None:
                target = self._walk(f"{target.path}/{origin.inode.name}", user)
            if origin.parent is not None:
                self._permissions.require(origin.parent, user, WRITE)
            self._permissions.require(target.ancestor, user, WRITE)
            return self._move(origin, target)

    def delete(self, path: str, *, user: str, recursive: bool = False) -> bool:
        """Delete a file or directory; False when there is nothing, and for the root.

        Raises:
            NamespaceError: PathIsNotEmptyDirectoryException, AccessControlException.
        """
        self._refuse_in_safe_mode(f"delete {path}", user)
        with self._lock:
            walk = self._walk(path, user)
            inode = walk.inode
            if inode is None or inode.parent is None:
                return False
            self._permissions.require(inode.parent, user, WRITE)
            self._permissions.require_subtree(inode, user, READ | WRITE | EXECUTE)
            if isinstance(inode, Directory) and inode.children and not recursive:
                raise NamespaceError(
                    "org.apache.hadoop.fs.PathIsNotEmptyDirectoryException",
                    f"`{walk.path} is non empty': Directory is not empty",
                )
            self._remove(inode)
            return True

    def set_permission(self, path: str, permission: int, *, user: str) -> None:
        """Change the permission bits; the owner and the superuser may.

        Raises:
            NamespaceError: FileNotFoundException, AccessControlException.
        """
        self._refuse_in_safe_mode(f"set permission for {path}", user)
        with self._lock:
            inode = self._walk(path, user).inode
            if inode is None:
                raise file_not_found(f"Directory/File does not exist {path}")
            self._permissions.require_owner(inode, user)
            inode.permission = permission

    def set_owner(self, path: str, *, user: str, owner: str = "", group: str = "") -> None:
        """Change owner and group, whichever is not empty; only the superuser may.

        Raises:
            NamespaceError: FileNotFoundException, AccessControlException.
        """
        with self._lock:
            inode = self._walk(path, user).inode
            if inode is None:
                raise file_not_found(f"File does not exist: {path}")
            self._permissions.require_owner(inode, user)
            self._permissions.require_superuser(user, "change owner")
            inode.owner = owner or inode.owner
            inode.group = group or inode.group

    def _refuse_in_safe_mode(self, doing: str, user: str) -> None:
        if user != self.superuser and self.is_in_safe_mode():
            raise NamespaceError(
                "org.apache.hadoop.hdfs.server.namenode.SafeModeException",
                f"Cannot {doing}. Name node is in safe mode.\nIt was turned on manually. Use "
                '"hdfs dfsadmin -safemode leave" to turn safe mode off. NamenodeHostName:localhost',
            )

    def _walk(self, path: str, user: str) -> Walk:
        return self._permissions.walk(self._root, path, user)

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _new_directory(self, name: str, user: str, parent: Directory, permission: int) -> Directory:
        return Directory(self._next_id(), name, user, parent.group, permission, self._now(), parent)

    def _attach(self, parent: Directory, inode: Inode) -> None:
        inode.parent = parent
        parent.children[inode.name] = inode
        parent.modified_at = self._now()

    def _detach(self, inode: Inode) -> None:
        assert inode.parent is not None
        del inode.parent.children[inode.name]
        inode.parent.modified_at = self._now()
        inode.parent = None

    def _remove(self, inode: Inode) -> None:
        self._detach(inode)
        for each in subtree(inode):
            if isinstance(each, File):
                each.blob.unlink()

    def _make_missing(self, walk: Walk, user: str, permission: int) -> Directory:
        """Make the directories that are missing above the path; return the one that is to hold it."""
        parent = walk.ancestor
        assert isinstance(parent, Directory)
        for name in walk.missing[:-1]:
            below = self._new_directory(name, user, parent, permission)
            self._attach(parent, below)
            parent = below
        return parent

    def _make_way(self, walk: Walk, user: str, *, overwrite: bool, create_parents: bool) -> None:
        """Refuse a creation as ``FSNamesystem.startFile`` does, or remove what is to be overwritten."""
        inode = walk.inode
        if isinstance(inode, Directory):
            raise _exists(f"{walk.path} already exists as a directory")
        if inode is None:
            if len(walk.missing) > 1 and not create_parents:
                raise file_not_found(f"Parent directory doesn't exist: {walk.path.rpartition('/')[0]}")
            return
        if overwrite:
            self._permissions.require(inode, user, WRITE)
            self._remove(inode)
        elif inode.being_written:
            raise NamespaceError(
                "org.apache.hadoop.hdfs.protocol.AlreadyBeingCreatedException",
                f"Failed to CREATE_FILE {walk.path} for {user} on 127.0.0.1"
                f" because this file lease is currently owned by {inode.owner} on 127.0.0.1",
            )
        else:
            raise _exists(f"{walk.path} for client 127.0.0.1 already exists")

    def _finish(self, file: File, path: str, length: int) -> None:
        with self._lock:
            if not file.blob.exists():
                raise file_not_found(f"File does not exist: {path} (inode {file.file_id})")
            file.length = length
            file.being_written = False
            file.modified_at = self._now()

    def _move(self, origin: Walk, target: Walk) -> bool:
        inode = origin.inode
        if inode is None or inode.parent is None:
            return False
        if target.inode is inode:
            return True
        if target.inode is not None or not isinstance(target.parent, Directory) or inode in target.found:
            return False
        self._detach(inode)
        inode.name = target.missing[-1]
        self._attach(target.parent, inode)
        return True


def _status(inode: Inode, name: str | None = None) -> Status:
    file = inode if isinstance(inode, File) else None
    return Status(
        name=inode.name if name is None else name,
        is_directory=file is None,
        length=file.length if file else 0,
        owner=inode.owner,
        group=inode.group,
        permission=inode.permission,
        modified_at=inode.modified_at,
        accessed_at=file.accessed_at if file else 0,
        replication=file.replication if file else 0,
        block_size=file.block_size if file else 0,
        children=len(inode.children) if isinstance(inode, Directory) else 0,
        file_id=inode.file_id,
    )


def _exists(message: str) -> NamespaceError:
    return NamespaceError("org.apache.hadoop.fs.FileAlreadyExistsException", message)


def _is_valid(path: str) -> bool:
    """Whether a path may be made, by the rules of ``DFSUtil.isValidName``."""
    return path.startswith("/") and not any(name in (".", "..") or ":" in name for name in components(path))


def _require_valid(path: str) -> None:
    if not _is_valid(path):
        raise NamespaceError("org.apache.hadoop.fs.InvalidPathException", f"Invalid path name {path}")
