"""Complete a version that a training job wrote to HDFS itself: every byte read once, and a manifest put beside it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from yarnserve.errors import ConflictError, NotFoundError, UnhealthyError, UsageError
from yarnserve.records.repository import MANIFEST, Manifest, ManifestFile
from yarnserve.records.storage import FileStatus
from yarnserve.repository import catalog, layout
from yarnserve.repository.claims import Claim, claimed
from yarnserve.repository.hashing import FileHasher
from yarnserve.repository.publish import AT_ONCE, Published, Publishing, remove_quietly, write_manifest
from yarnserve.repository.versions import MODEL_FILES
from yarnserve.storage.client import Storage

#: What Hadoop, Spark and others call a file that they have not finished.
_UNFINISHED = re.compile(r"(^|/)(_temporary|\.spark-staging[^/]*)(/|$)|\._COPYING_$|\.(tmp|part|inprogress)$")

#: Files in the format of md5sum.
_MD5_FILE = re.compile(r"(^|/)(md5sums?(\.txt)?|[^/]+\.md5)$", re.IGNORECASE)
_MD5_LINE = re.compile(r"\\?([0-9a-fA-F]{32})[ \t]+\*?(.+)")

#: Largest file of md5 sums that is read, in bytes.
_MAX_MD5_FILE = 16 * 1024 * 1024


def publish_in_place(
    storage: Storage, directory: str, base_path: str, version: int | None, how: Publishing | None = None
) -> Published:
    """Give the model in *directory* on HDFS a manifest, and its place as ``<base_path>/<version>``.

    A directory that is a version of *base_path* stays where it is; any other is renamed to *version*, None for the
    next free number. Sums that lie beside the files in md5sum's format are compared.

    Raises:
        NotFoundError: there is no such directory.
        UsageError: it holds no model, or files that are being written.
        ConflictError: it is complete already, it changed while it was read, or the version exists.
        UnhealthyError: a file does not have the md5 that lies beside it.
    """
    how = how or Publishing()
    base, directory = layout.base(base_path), directory.rstrip("/")
    number = _number_in(base, directory)
    if number is None:
        with claimed(storage, base, version, how.claimant) as claim:
            target = layout.version_directory(base, claim.version)
            manifest = _complete(storage, directory, how, claim)
            claim.check()
            storage.rename(directory, target)
            return Published(target, claim.version, manifest)
    if version not in (None, number):
        raise UsageError(f"{directory} is version {number}, not {version}", fix="leave --version out")
    with claimed(storage, base, number, how.claimant, is_new=False) as claim:
        return Published(directory, number, _complete(storage, directory, how, claim))


def _number_in(base: str, directory: str) -> int | None:
    parent, name = posixpath.split(directory)
    return int(name) if parent == base and name.isdecimal() else None


def _complete(storage: Storage, directory: str, how: Publishing, claim: Claim) -> Manifest:
    before = _surveyed(storage, directory)
    how.on_step(f"reading {len(before)} files")
    files = _hash_all(storage, directory, before, how, claim)
    _compare_sums(storage, directory, {file.path: file for file in files})
    if catalog.tree(storage, directory) != before:
        raise ConflictError(
            "the version changed while it was read", where=directory, fix="wait until whoever writes it has finished"
        )
    identity = how.new_id()
    manifest = Manifest(identity, how.now(), how.claimant.holder, files)
    claim.check()
    # Whole or not at all, and never onto another's: as every shared file here.
    aside = f"{posixpath.dirname(directory)}/.manifest-{identity}"
    try:
        write_manifest(storage, aside, manifest)
        storage.rename(f"{aside}/{MANIFEST}", f"{directory}/{MANIFEST}")
    finally:
        remove_quietly(storage, aside)
    return manifest


def _surveyed(storage: Storage, directory: str) -> dict[str, FileStatus]:
    status = storage.status(directory)
    if status is None or not status.is_directory:
        raise NotFoundError("there is no such directory on HDFS", where=directory)
    if storage.status(f"{directory}/{MANIFEST}") is not None:
        raise ConflictError("this version is complete already", where=directory, why="it has a manifest")
    found = catalog.tree(storage, directory)
    unfinished = sorted(path for path in found if _UNFINISHED.search(path))
    if unfinished:
        raise UsageError(
            "the directory holds files that somebody is still writing, or never finished",
            where=directory,
            why=", ".join(unfinished[:5]),
            fix="wait for the job, or remove what it left",
        )
    if not any(name in found for name in MODEL_FILES):
        raise UsageError(
            "the directory holds no model", where=directory, why=f"none of {', '.join(MODEL_FILES)} is in it"
        )
    return dict(sorted(found.items()))


def _hash_all(
    storage: Storage, directory: str, found: Mapping[str, FileStatus], how: Publishing, claim: Claim
) -> tuple[ManifestFile, ...]:
    reader = storage.bulk()

    def hash_one(item: tuple[str, FileStatus]) -> ManifestFile:
        path, status = item
        hasher = FileHasher()

        def take(data: bytes) -> None:
            how.rate.take(len(data))
            hasher.update(data)
            how.on_bytes(len(data))

        reader.read(f"{directory}/{path}", 0, status.length, take, check=claim.check)
        how.on_file(path, status.length)
        return hasher.finish(path)

    try:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hash") as pool:
            return tuple(pool.map(hash_one, found.items()))
    finally:
        reader.close()


def _compare_sums(storage: Storage, directory: str, files: Mapping[str, ManifestFile]) -> None:
    wrong: list[str] = []
    for path, file in files.items():
        if not _MD5_FILE.search(path) or file.size > _MAX_MD5_FILE:
            continue
        text = storage.read(f"{directory}/{path}").decode("utf-8", errors="replace")
        for named, md5 in md5_sums(text).items():
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), named))
            if target not in files:
                wrong.append(f"{path} names {named}, which is not there")
            elif files[target].md5 != md5:
                wrong.append(f"{target} is not what {path} says")
    if wrong:
        raise UnhealthyError(
            "the model is not what the sums beside it say",
            where=directory,
            why="; ".join(wrong[:5]),
            fix="have it written again; it was copied in part, or changed after the sums were made",
        )


def md5_sums(text: str) -> dict[str, str]:
    """The sums in a file of md5sum's format: path as written there to md5; other lines are passed over."""
    matches = (_MD5_LINE.fullmatch(line.rstrip("\r")) for line in text.splitlines())
    return {match[2].strip(): match[1].lower() for match in matches if match}
