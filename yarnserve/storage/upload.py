"""Upload a local directory, a SavedModel above all, to a new directory on HDFS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from yarnserve.errors import ConflictError, NotFoundError, UsageError, YarnserveError
from yarnserve.storage.client import Storage

#: Bytes that are read, and shown to whoever watches, at a time.
CHUNK = 1024 * 1024

#: Told the bytes of one file, in order.
Watcher = Callable[[bytes], None]


@dataclass(frozen=True)
class Uploaded:
    """What was uploaded: number of files, and their bytes together."""

    files: int
    bytes: int


@dataclass
class _Tree:
    """What there is to upload, as paths relative to the root, parents before children."""

    root: Path
    directories: list[Path]
    files: list[Path]


def upload_directory(
    storage: Storage,
    local: Path,
    remote: str,
    *,
    on_file: Callable[[str, int], None] = lambda name, size: None,
    watch: Callable[[str], Watcher] = lambda name: lambda data: None,
    replication: int | None = None,
    at_once: int = 1,
) -> Uploaded:
    """Copy *local* to *remote*, which must not exist; empty directories too (SavedModel has some).

    The whole tree is looked at before anything is sent. A symbolic link to a file inside the tree is followed.
    After a failure what was sent so far stays, so upload to a name that nobody reads yet and rename.

    Args:
        storage: where *remote* lies.
        local: the directory.
        remote: absolute path.
        on_file: called after each file with its path relative to *local* and its size in bytes.
        watch: gives, for the path of a file, what is told its bytes before they are sent.
        replication: copies of each file; None for HDFS's default.
        at_once: files on their way at a time.

    Raises:
        NotFoundError: *local* does not exist.
        UsageError: *local* is no directory or has no files; a link in it leads out of it or to a directory; or
            something in it is neither file nor directory.
        ConflictError: *remote* exists.
        YarnserveError: *local* cannot be read; else what Storage raises.
    """
    tree = _survey(local)
    if storage.status(remote) is not None:
        raise ConflictError(f"cannot upload to {remote}", where=remote, why="it exists already")
    for directory in (Path(), *tree.directories):
        storage.make_directories(_remote(remote, directory))

    def upload(file: Path) -> int:
        return _upload_file(storage, local / file, _remote(remote, file), watch(file.as_posix()), replication)

    total = 0
    with ThreadPoolExecutor(at_once, thread_name_prefix="upload") as pool:
        sizes = pool.map(upload, tree.files)
        try:
            for file, size in zip(tree.files, sizes, strict=True):
                on_file(file.as_posix(), size)
                total += size
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Uploaded(len(tree.files), total)


def _upload_file(storage: Storage, local: Path, remote: str, watcher: Watcher, replication: int | None) -> int:
    try:
        with local.open("rb") as stream:
            storage.create(remote, _watched(stream, watcher), replication=replication)
            return stream.tell()
    except OSError as error:
        raise _unreadable(error) from error


def _watched(stream: BinaryIO, watcher: Watcher) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        watcher(chunk)
        yield chunk


def _survey(local: Path) -> _Tree:
    try:
        if not local.is_dir():
            raise _not_a_directory(local)
        tree = _Tree(local.resolve(), [], [])
        _walk(tree, local, Path())
    except (OSError, RuntimeError) as error:
        # Before Python 3.13 pathlib says RuntimeError for a loop of links.
        raise _unreadable(error) from error
    if not tree.files:
        raise _cannot_upload(local, "it holds no files")
    return tree


def _walk(tree: _Tree, local: Path, relative: Path) -> None:
    for name in sorted(entry.name for entry in (local / relative).iterdir()):
        path = relative / name
        _refuse_link(tree.root, local / path)
        if (local / path).is_file():
            tree.files.append(path)
        elif (local / path).is_dir():
            tree.directories.append(path)
            _walk(tree, local, path)
        else:
            raise _cannot_upload(local / path, "it is neither file nor directory")


def _refuse_link(root: Path, path: Path) -> None:
    if not path.is_symlink():
        return
    target = path.resolve()
    if root not in target.parents:
        raise _cannot_upload(path, f"it is a link out of the directory, to {target}")
    if not target.is_file():
        raise _cannot_upload(path, f"it is a link to something that is no file, {target}")


def _cannot_upload(path: Path, why: str) -> UsageError:
    return UsageError(f"cannot upload {path}", where=str(path), why=why)


def _remote(remote: str, relative: Path) -> str:
    return f"{remote}/{relative.as_posix()}"


def _not_a_directory(local: Path) -> YarnserveError:
    if local.exists():
        return _cannot_upload(local, "it is not a directory")
    return NotFoundError(f"cannot upload {local}", where=str(local), why="there is no such directory")


def _unreadable(error: OSError | RuntimeError) -> YarnserveError:
    return YarnserveError("cannot read what is to be uploaded", why=str(error))
