"""What stands in the repository: manifests read, versions listed, bytes compared with what they should be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from yarnserve.errors import NotFoundError, RefusedError
from yarnserve.records.repository import MANIFEST, Manifest, ManifestFile, VersionReport
from yarnserve.records.storage import FileStatus
from yarnserve.repository import layout
from yarnserve.storage.client import Storage
from yarnserve.storage.rate import RateLimit

#: Blocks read at a time when contents are compared.
AT_ONCE = 4

#: Largest manifest that is read, in bytes: some 200,000 files.
MAX_MANIFEST = 64 * 1024 * 1024


@dataclass(frozen=True)
class Block:
    """A piece of a file that is fetched and hashed on its own; *offset* and *length* in bytes."""

    file: ManifestFile
    index: int
    offset: int
    length: int

    @property
    def md5(self) -> str:
        """What it has to hash to."""
        return self.file.blocks[self.index]


def blocks(file: ManifestFile, block_size: int) -> Iterator[Block]:
    """The blocks of *file*, in order."""
    for index in range(len(file.blocks)):
        offset = index * block_size
        yield Block(file, index, offset, min(block_size, file.size - offset))


def read_manifest(storage: Storage, base_path: str, version: int) -> Manifest:
    """Return the manifest of a version.

    Raises:
        NotFoundError: there is no such version, or it has no manifest.
        RefusedError: the manifest cannot be trusted.
    """
    path = layout.manifest(base_path, version)
    status = storage.status(path)
    if status is None:
        raise _without_manifest(storage, base_path, version)
    if status.length > MAX_MANIFEST:
        raise _damaged(path, f"it has {status.length} bytes")
    try:
        return Manifest.from_document(json.loads(storage.read(path)))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error


def reports(storage: Storage, base_path: str, versions: tuple[int, ...]) -> tuple[VersionReport, ...]:
    """Look at each of *versions*; one that cannot be used is told, not an error."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(pool.map(lambda version: _report(storage, base_path, version), versions))


def _report(storage: Storage, base_path: str, version: int) -> VersionReport:
    status = storage.status(layout.version_directory(base_path, version))
    modified_at = status.modified_at if status else 0.0
    try:
        return VersionReport(version, modified_at, read_manifest(storage, base_path, version))
    except NotFoundError:
        return VersionReport(version, modified_at, problem="no manifest: perhaps half a version")
    except RefusedError as error:
        return VersionReport(version, modified_at, problem=error.why or error.what)


def tree(storage: Storage, directory: str) -> dict[str, FileStatus]:
    """Every file below *directory* by its relative path, the manifest left out."""
    found: dict[str, FileStatus] = {}
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        for entry in storage.list(f"{directory}/{relative}".rstrip("/")):
            path = f"{relative}/{entry.name}".lstrip("/")
            if entry.is_directory:
                waiting.append(path)
            elif path != MANIFEST:
                found[path] = entry
    return found


def differences(manifest: Manifest, found: dict[str, FileStatus]) -> tuple[str, ...]:
    """What is missing, too much or of another size, in words."""
    wanted = manifest.by_path()
    missing = [f"{path} is missing" for path in sorted(wanted.keys() - found.keys())]
    extra = [f"{path} is not in the manifest" for path in sorted(found.keys() - wanted.keys())]
    sizes = [
        f"{path} has {found[path].length} bytes instead of {wanted[path].size}"
        for path in sorted(wanted.keys() & found.keys())
        if found[path].length != wanted[path].size
    ]
    return (*missing, *extra, *sizes)


def verify(
    storage: Storage,
    directory: str,
    manifest: Manifest,
    *,
    rate: RateLimit,
    on_bytes: Callable[[int], None] = lambda count: None,
    check: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """Compare what lies in *directory* on HDFS with *manifest*, every byte of it; return what is wrong, in words.

    Args:
        storage: where it lies.
        directory: of the version.
        manifest: what should be there.
        rate: limits the bytes read a second.
        on_bytes: told how many bytes were compared more.
        check: raises what shall end the work.
    """
    wrong = differences(manifest, tree(storage, directory))
    if wrong:
        return wrong
    reader = storage.bulk()

    def compare(block: Block) -> str:
        digest = hashlib.md5(usedforsecurity=False)

        def take(data: bytes) -> None:
            rate.take(len(data))
            digest.update(data)
            on_bytes(len(data))

        reader.read(f"{directory}/{block.file.path}", block.offset, block.length, take, check=check)
        same = digest.hexdigest() == block.md5
        return "" if same else f"{block.file.path} differs in the {block.length} bytes from {block.offset} on"

    everything = [block for file in manifest.files for block in blocks(file, manifest.block_size)]
    try:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="verify") as pool:
            return tuple(filter(None, pool.map(compare, everything)))
    finally:
        reader.close()


def _without_manifest(storage: Storage, base_path: str, version: int) -> NotFoundError:
    directory = layout.version_directory(base_path, version)
    if storage.status(directory) is None:
        return NotFoundError(
            f"there is no version {version}", where=directory, next=f"yarnserve models list {base_path}"
        )
    return NotFoundError(
        f"version {version} is not complete",
        where=directory,
        why="it has no manifest: whoever wrote it may not have finished",
        fix="complete it once it is whole",
        next=f"yarnserve models publish {directory} {base_path} --in-place",
    )


def _damaged(path: str, why: str) -> RefusedError:
    return RefusedError("the manifest cannot be used", where=path, why=why, fix="publish the model as another version")
