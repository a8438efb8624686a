"""What the model repository on HDFS says of itself: a version's manifest, and which version is to be served."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from yarnserve.records.document import from_document, to_document

#: Version of the manifest's format; a higher one was written by a newer yarnserve.
MANIFEST_FORMAT = 1

#: The manifest's name in a version's directory. TF Serving does not look at it.
MANIFEST = ".manifest.json"

#: Bytes of a block that is hashed, and fetched, on its own.
BLOCK_SIZE = 64 * 1024 * 1024


@dataclass(frozen=True)
class ManifestFile:
    """One file: its path relative to the version, its bytes, the md5 of all of it and of each block, in hex."""

    path: str
    size: int
    md5: str
    blocks: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """Every file of a complete version. A version without a manifest may be half a version.

    *id* is the publisher's: of two versions that stood under one number it tells which. *created_at* is in seconds
    since the epoch by the publisher's clock.
    """

    id: str
    created_at: float
    created_by: str
    files: tuple[ManifestFile, ...]
    block_size: int = BLOCK_SIZE
    format: int = MANIFEST_FORMAT

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(file.size for file in self.files)

    def by_path(self) -> Mapping[str, ManifestFile]:
        """The files by their path."""
        return {file.path: file for file in self.files}

    def to_document(self) -> dict[str, Any]:
        """What stands in the file."""
        return dict(to_document(self))

    @classmethod
    def from_document(cls, document: object) -> Manifest:
        """Read what stands in the file, and make sure that nothing in it can lead out of the version's directory.

        Raises:
            ValueError: it is no manifest, a newer one, or names a file that a version cannot have.
        """
        number = document.get("format") if isinstance(document, dict) else None
        if isinstance(number, int) and number > MANIFEST_FORMAT:
            raise ValueError(f"a newer yarnserve wrote it: its format is {number}, this one knows {MANIFEST_FORMAT}")
        manifest = from_document(cls, document)
        if manifest.block_size <= 0 or not manifest.files or not _is_md5_like(manifest.id):
            raise ValueError("it names no files, no usable block size or no usable id")
        for file in manifest.files:
            _check_file(file, manifest.block_size)
        _check_paths([file.path for file in manifest.files])
        return manifest


def count_blocks(size: int, block_size: int) -> int:
    """How many blocks a file of *size* bytes has; an empty one has none."""
    return -(-size // block_size)


def _check_file(file: ManifestFile, block_size: int) -> None:
    parts = file.path.split("/")
    if file.path == MANIFEST or any(part in ("", ".", "..") for part in parts) or not file.path.isprintable():
        raise ValueError(f"{file.path!r} is no path inside the version")
    if file.size < 0 or len(file.blocks) != count_blocks(file.size, block_size):
        raise ValueError(f"{file.path!r} has {len(file.blocks)} blocks, which do not make {file.size} bytes")
    if not all(map(_is_md5_like, (file.md5, *file.blocks))):
        raise ValueError(f"{file.path!r} has something that is no md5")


def _check_paths(paths: Iterable[str]) -> None:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise ValueError(f"{path!r} stands in it twice")
        seen.add(path)
    for path in seen:
        parent = posixpath.dirname(path)
        while parent:
            if parent in seen:
                raise ValueError(f"{parent!r} is a file and a directory")
            parent = posixpath.dirname(parent)


def _is_md5_like(text: str) -> bool:
    return len(text) == 32 and set(text) <= set("0123456789abcdef")


@dataclass(frozen=True)
class Canary:
    """A version that only the named *instances* serve, such as ``serve-0``, before all do."""

    version: int
    instances: tuple[str, ...]


@dataclass(frozen=True)
class Channel:
    """Which version is to be served: one entry of the channels' history.

    *at* is in seconds since the epoch by the clock of whoever made it; *why* is theirs, too.
    """

    stable: int
    who: str
    at: float
    why: str = ""
    canary: Canary | None = None

    def version_for(self, instance: str) -> int:
        """The version that *instance* is to serve; an instance without a name gets the stable one."""
        if self.canary and instance and instance in self.canary.instances:
            return self.canary.version
        return self.stable

    @property
    def versions(self) -> tuple[int, ...]:
        """Every version it names."""
        return (self.stable, self.canary.version) if self.canary else (self.stable,)


@dataclass(frozen=True)
class Changes:
    """What one version has that another has not: paths in order, and the bytes that have to move."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    bytes: int = 0


def changes(old: Manifest, new: Manifest) -> Changes:
    """What has to move to come from *old* to *new*; a file that was only moved moves no bytes."""
    before, after = old.by_path(), new.by_path()
    known = {(file.size, file.md5) for file in old.files}
    return Changes(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(sorted(path for path in after.keys() & before.keys() if after[path].md5 != before[path].md5)),
        unchanged=tuple(sorted(path for path in after.keys() & before.keys() if after[path].md5 == before[path].md5)),
        bytes=sum(file.size for file in new.files if (file.size, file.md5) not in known),
    )


@dataclass(frozen=True)
class VersionReport:
    """One number under a base path: its manifest, or why it has none that can be used."""

    version: int
    modified_at: float
    manifest: Manifest | None = None
    problem: str = ""
