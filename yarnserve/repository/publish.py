"""Publish a model version: claim its number, upload beside the numbers, compare, then one safe rename.

TF Serving loads whatever appears under a number, half-copied directories included (tf-serving.md 5.4), so a
version appears complete or not at all, with a manifest of every byte.
"""

from __future__ import annotations

import json
import posixpath
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from yarnserve.errors import ConflictError, UnhealthyError, UsageError, YarnserveError
from yarnserve.records.repository import MANIFEST, Manifest, ManifestFile
from yarnserve.repository import catalog, layout
from yarnserve.repository.claims import Claim, Claimant, claimed, taken
from yarnserve.repository.hashing import FileHasher
from yarnserve.repository.inspection import inspect_model
from yarnserve.repository.versions import MAX_VERSION, versions_or_none
from yarnserve.storage.client import Storage
from yarnserve.storage.rate import RateLimit
from yarnserve.storage.upload import upload_directory

#: Files uploaded at a time.
AT_ONCE = 4

#: Most problems that an error lists.
_LISTED = 10


@dataclass(frozen=True)
class Published:
    """Where the version stands now, and what it consists of."""

    path: str
    version: int
    manifest: Manifest


@dataclass(frozen=True)
class Publishing:
    """How a version is published.

    *claimant* says who we are; *rate* limits the bytes a second; *replication* is HDFS's number of copies, None for
    its default; *is_inspected* False takes what the look at a model's files would refuse. *on_step* is told each step
    in words, *on_file* each file with its bytes, *on_bytes* how many bytes went by more. *now* is in seconds since the
    epoch, *new_id* makes a unique name of 32 hexadecimal digits.
    """

    claimant: Claimant = field(default_factory=Claimant)
    rate: RateLimit = field(default_factory=lambda: RateLimit(None))
    replication: int | None = None
    is_inspected: bool = True
    on_step: Callable[[str], None] = lambda text: None
    on_file: Callable[[str, int], None] = lambda path, size: None
    on_bytes: Callable[[int], None] = lambda count: None
    now: Callable[[], float] = time.time
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex


def publish(
    storage: Storage, directory: Path, base_path: str, version: int | None, how: Publishing | None = None
) -> Published:
    """Bring the version directory *directory* to ``<base_path>/<version>`` (a plain HDFS path).

    *version* None takes the next free number. Whatever happens, nothing half-published is ever visible under a
    number; what is staged is removed, or left where the next publisher of the number removes it.

    Raises:
        UsageError: *directory* is not a directory that TF Serving could load: it lists all that is wrong; or *version*
            is no number that it knows.
        ConflictError: the version exists already, or somebody else publishes it (LeaseHeldError).
        UnhealthyError: what arrived on HDFS is not what was sent.
    """
    how = how or Publishing()
    if how.is_inspected:
        require_model(directory)
    base = layout.base(base_path)
    if version is not None and not 0 < version <= MAX_VERSION:
        raise UsageError(f"{version} is no version", why=f"TF Serving knows numbers from 1 to {MAX_VERSION} only")
    if version is not None and version in versions_or_none(storage, base):
        raise taken(layout.version_directory(base, version))
    with claimed(storage, base, version, how.claimant) as claim:
        identity = how.new_id()
        staging = f"{layout.incoming(base)}/{identity}"
        claim.begin(identity)
        try:
            manifest = _stage(storage, directory, staging, identity, how, claim)
            _appear(storage, staging, layout.version_directory(base, claim.version), identity, claim)
        except BaseException:
            remove_quietly(storage, staging)
            raise
        with suppress(YarnserveError):
            claim.end()
        return Published(layout.version_directory(base, claim.version), claim.version, manifest)


def require_model(directory: Path) -> None:
    """Refuse what TF Serving could not load, or would load and then fail with; UsageError tells all that is wrong."""
    if not directory.is_dir():
        raise UsageError("there is no such directory", where=str(directory))
    found = inspect_model(directory)
    if not found:
        return
    more = f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    raise UsageError(
        "the directory cannot be served as it is",
        where=str(directory),
        why="; ".join(map(str, found[:_LISTED])) + more,
        fix="; ".join(dict.fromkeys(finding.fix for finding in found[:_LISTED])),
        next="yarnserve models publish --force publishes it all the same",
    )


def _stage(storage: Storage, directory: Path, staging: str, identity: str, how: Publishing, claim: Claim) -> Manifest:
    hashers: dict[str, FileHasher] = {}
    lock = threading.Lock()

    def watch(path: str) -> Callable[[bytes], None]:
        hasher = FileHasher()
        with lock:
            hashers[path] = hasher

        def see(data: bytes) -> None:
            claim.check()
            hasher.update(data)
            how.rate.take(len(data))
            how.on_bytes(len(data))

        return see

    how.on_step("uploading")
    upload_directory(
        storage, directory, staging, on_file=how.on_file, watch=watch, replication=how.replication, at_once=AT_ONCE
    )
    files = tuple(hashers[path].finish(path) for path in sorted(hashers))
    manifest = new_manifest(files, identity, how)
    how.on_step("comparing what arrived")
    require_same(storage, staging, manifest, how, claim)
    write_manifest(storage, staging, manifest)
    return manifest


def new_manifest(files: tuple[ManifestFile, ...], identity: str, how: Publishing) -> Manifest:
    """The manifest of *files*, made now by us."""
    return Manifest(identity, how.now(), how.claimant.holder, files)


def write_manifest(storage: Storage, directory: str, manifest: Manifest) -> None:
    """Put *manifest* into *directory*, where nobody looks for it yet."""
    storage.create(f"{directory}/{MANIFEST}", json.dumps(manifest.to_document(), indent=1).encode() + b"\n")


def require_same(storage: Storage, directory: str, manifest: Manifest, how: Publishing, claim: Claim) -> None:
    """Read everything in *directory* back; UnhealthyError when it is not what *manifest* says."""
    wrong = catalog.verify(storage, directory, manifest, rate=how.rate, on_bytes=how.on_bytes, check=claim.check)
    if wrong:
        raise UnhealthyError(
            "what arrived on HDFS is not what was sent",
            where=directory,
            why="; ".join(wrong[:_LISTED]),
            fix="publish it again; if that ends alike, look at what lies between here and HDFS",
        )


def _appear(storage: Storage, staging: str, target: str, identity: str, claim: Claim) -> None:
    claim.check()
    try:
        storage.rename(staging, target)
    except YarnserveError as error:
        # Without its source a rename that is still on its way can do nothing: what is there now, stays.
        remove_quietly(storage, staging)
        if _is_ours(storage, target, identity):
            return
        if isinstance(error, ConflictError) and not _may_lie_inside(storage, staging, target):
            raise taken(target) from error
        raise


def _is_ours(storage: Storage, target: str, identity: str) -> bool:
    base, _, number = target.rpartition("/")
    with suppress(YarnserveError):
        return catalog.read_manifest(storage, base, int(number)).id == identity
    return False


def _may_lie_inside(storage: Storage, staging: str, target: str) -> bool:
    """Whether rename may have moved *staging* into somebody else's *target* for good."""
    try:
        return storage.status(f"{target}/{posixpath.basename(staging)}") is not None
    except YarnserveError:
        return True


def remove_quietly(storage: Storage, directory: str) -> None:
    """Remove what is staged; a failure leaves it where TF Serving never looks, and the next publisher removes it."""
    with suppress(YarnserveError):
        storage.delete(directory, recursive=True)
