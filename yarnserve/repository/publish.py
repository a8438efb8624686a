"""Publish a model version: upload beside the numbers, then one safe rename.

TF Serving loads whatever appears under a number, half-copied directories included (tf-serving.md 5.4), so a
version appears complete or not at all.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from yarnserve.errors import ConflictError, UsageError, YarnserveError
from yarnserve.repository.versions import MODEL_FILES, versions
from yarnserve.storage.client import Storage
from yarnserve.storage.upload import Uploaded, upload_directory

#: Where versions are staged: no number, so TF Serving never looks into it.
STAGING_DIRECTORY = ".yarnserve/incoming"


@dataclass(frozen=True)
class Published:
    """Where the version stands now, and how much was uploaded."""

    path: str
    uploaded: Uploaded


def publish(
    storage: Storage,
    directory: Path,
    base_path: str,
    version: int,
    *,
    on_file: Callable[[str, int], None] = lambda path, size: None,
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
) -> Published:
    """Bring the version directory *directory* to ``<base_path>/<version>`` (a plain HDFS path).

    *on_file* is told each uploaded file and its size in bytes.

    Raises:
        UsageError: *directory* is not a directory that TF Serving could load.
        ConflictError: the version exists already, or somebody else published it first; in the worst case the upload
            now lies inside theirs, and the error says where.
    """
    _require_model(directory)
    base_path = base_path.rstrip("/")
    if base_path.rpartition("/")[2].isdecimal():
        raise UsageError(
            f"{base_path} looks like a version, not like a base path",
            why="servers of the model above it would take it for their newest version",
            fix=f"give the directory above: {base_path.rpartition('/')[0]}",
        )
    target = f"{base_path}/{version}"
    if storage.status(base_path) is not None and version in versions(storage, base_path):
        raise _taken(target)
    staging = f"{base_path}/{STAGING_DIRECTORY}/{new_id()}"
    try:
        uploaded = upload_directory(storage, directory, staging, on_file=on_file)
        _appear(storage, staging, target)
    except (YarnserveError, KeyboardInterrupt):
        _remove_quietly(storage, staging)
        raise
    return Published(target, uploaded)


def _require_model(directory: Path) -> None:
    if not directory.is_dir():
        raise UsageError("there is no such directory", where=str(directory))
    if any((directory / name).is_file() for name in MODEL_FILES):
        return
    inner = sorted(path for path in directory.iterdir() if path.is_dir() and path.name.isdecimal())
    raise UsageError(
        "the directory holds no model",
        where=str(directory),
        why=f"none of {', '.join(MODEL_FILES)} lies in it",
        fix=f"give the version directory itself: {inner[-1]}"
        if inner
        else "give the directory of one exported version",
    )


def _appear(storage: Storage, staging: str, target: str) -> None:
    try:
        storage.rename(staging, target)
    except ConflictError as error:
        if _may_lie_inside(storage, staging, target):
            raise
        raise _taken(target) from error


def _may_lie_inside(storage: Storage, staging: str, target: str) -> bool:
    """Whether rename may have moved *staging* into somebody else's *target* for good."""
    try:
        return storage.status(f"{target}/{posixpath.basename(staging)}") is not None
    except YarnserveError:
        return True


def _taken(target: str) -> ConflictError:
    return ConflictError(
        "this version exists already",
        where=target,
        why="a version that servers may have loaded is never changed; they would not notice",
        fix="publish under the next number",
    )


def _remove_quietly(storage: Storage, staging: str) -> None:
    try:
        storage.delete(staging, recursive=True)
    except YarnserveError:
        # The error being handled says what went wrong; what is left lies where TF Serving never looks.
        return
