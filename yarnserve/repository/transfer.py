"""Fetch a version block by block: each hashed while it streams, and fetched again elsewhere when it is wrong."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from yarnserve.errors import UnhealthyError, YarnserveError
from yarnserve.records.repository import Manifest, ManifestFile
from yarnserve.repository.catalog import Block, blocks
from yarnserve.repository.local import translated
from yarnserve.storage.bulk import BulkReader
from yarnserve.storage.rate import RateLimit

#: Blocks on their way at a time; a small file is one block.
AT_ONCE = 8

#: Seconds before a block that came with wrong bytes is fetched again, at first and at most.
FIRST_PAUSE = 0.1
MAX_PAUSE = 2.0

#: Bytes that are read from the disk at a time.
_READ = 1024 * 1024


@dataclass(frozen=True)
class TransferPlan:
    """What is done to bring a version here: files to *link* to ones that are here, and files to *fetch*."""

    manifest: Manifest
    link: Mapping[str, Path]
    fetch: tuple[ManifestFile, ...]

    @property
    def bytes(self) -> int:
        """What has to come from HDFS."""
        return sum(file.size for file in self.fetch)


def plan_transfer(manifest: Manifest, known: Mapping[tuple[int, str], Path]) -> TransferPlan:
    """Link every file whose size and md5 are among *known*, and fetch the rest, the largest first."""
    link = {file.path: known[file.size, file.md5] for file in manifest.files if (file.size, file.md5) in known}
    fetch = sorted((file for file in manifest.files if file.path not in link), key=lambda file: -file.size)
    return TransferPlan(manifest, link, tuple(fetch))


@dataclass(frozen=True)
class Transfer:
    """Carries a plan out.

    *source* is the version's directory on HDFS, *target* an own directory on this host. *check* raises what shall end
    the work, *on_bytes* is told how many good or perhaps good bytes came more, *on_corrupt* each block that was wrong.
    """

    reader: BulkReader
    source: str
    target: Path
    rate: RateLimit
    check: Callable[[], None]
    on_bytes: Callable[[int], None] = lambda count: None
    on_corrupt: Callable[[YarnserveError], None] = lambda error: None
    _given_up: threading.Event = field(default_factory=threading.Event)

    def run(self, plan: TransferPlan) -> None:
        """Bring everything to *target*; what an earlier try has left there is used where it is good.

        Raises:
            NotFoundError, AccessError: HDFS has it no more, or not for us.
            YarnserveError: the disk refuses; and whatever *check* raises.
        """
        with translated(self.target):
            self._make_directories(plan.manifest)
            for path, known in plan.link.items():
                self._link(known, self.target / path)
            for file in plan.fetch:
                self._make_file(file)
        everything = [block for file in plan.fetch for block in blocks(file, plan.manifest.block_size)]
        self._each(everything, self._bring)

    def _make_directories(self, manifest: Manifest) -> None:
        self.target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for parent in sorted({Path(file.path).parent for file in manifest.files}):
            (self.target / parent).mkdir(parents=True, exist_ok=True)

    def _link(self, known: Path, path: Path) -> None:
        with suppress(FileNotFoundError):
            if path.samefile(known):
                return
            path.unlink()
        os.link(known, path)

    def _make_file(self, file: ManifestFile) -> None:
        path = self.target / file.path
        if path.is_symlink() or (path.exists() and path.stat().st_nlink > 1):
            # Never write through a link: it may be a file of a version that is being served.
            path.unlink()
        with _opened(path) as descriptor:
            os.ftruncate(descriptor, file.size)

    def _each(self, everything: Iterable[Block], act: Callable[[Block], None]) -> None:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch") as pool:
            try:
                for _ in pool.map(act, everything):
                    pass
            except BaseException:
                self._given_up.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _check(self) -> None:
        if self._given_up.is_set():
            raise YarnserveError("given up, because another file failed")
        self.check()

    def _bring(self, block: Block) -> None:
        with translated(self.target), _opened(self.target / block.file.path) as descriptor:
            if _is_here(descriptor, block):
                self.on_bytes(block.length)
                return
            pause = FIRST_PAUSE
            while not self._fetched(block, descriptor):
                # Where every endpoint has the same wrong bytes, asking at full speed would only burden them.
                self._given_up.wait(pause)
                pause = min(pause * 2, MAX_PAUSE)
                self._check()

    def _fetched(self, block: Block, descriptor: int) -> bool:
        digest = hashlib.md5(usedforsecurity=False)
        at = block.offset

        def take(data: bytes) -> None:
            nonlocal at
            self.rate.take(len(data))
            _write(descriptor, data, at)
            digest.update(data)
            at += len(data)
            self.on_bytes(len(data))
            self._check()

        path = f"{self.source}/{block.file.path}"
        gave = self.reader.read(path, block.offset, block.length, take, check=self._check)
        if digest.hexdigest() == block.md5:
            return True
        self.on_bytes(-block.length)
        error = UnhealthyError(
            f"{block.file.path} came with wrong bytes",
            where=", ".join(gave),
            why=f"the md5 of the {block.length} bytes from {block.offset} on is not the manifest's",
            fix="it is fetched again from another endpoint",
        )
        self.on_corrupt(error)
        # Whoever broke off and had to be continued elsewhere is more suspect than whoever finished.
        for url in reversed(gave):
            self.reader.blame(url, error)
        return False


def _is_here(descriptor: int, block: Block) -> bool:
    """Whether an earlier try has brought the block."""
    return _has_data(descriptor, block) and _hash(descriptor, block) == block.md5


def _has_data(descriptor: int, block: Block) -> bool:
    """Whether anything was ever written there: a hole need not be read."""
    try:
        return os.lseek(descriptor, block.offset, os.SEEK_DATA) < block.offset + block.length
    except OSError:
        return False


def _hash(descriptor: int, block: Block) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    at, end = block.offset, block.offset + block.length
    while at < end and (data := os.pread(descriptor, min(_READ, end - at), at)):
        digest.update(data)
        at += len(data)
    return digest.hexdigest()


def _write(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        at += written
        view = view[written:]


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def damaged(directory: Path, manifest: Manifest, *, at_once: int = 2) -> tuple[str, ...]:
    """The files in *directory* on this host that are not what *manifest* says, every byte compared."""

    def is_wrong(block: Block) -> bool:
        try:
            with _opened_to_read(directory / block.file.path) as descriptor:
                return os.fstat(descriptor).st_size != block.file.size or _hash(descriptor, block) != block.md5
        except OSError:
            return True

    everything = [block for file in manifest.files for block in blocks(file, manifest.block_size)]
    with ThreadPoolExecutor(at_once, thread_name_prefix="hash") as pool:
        wrong = {block.file.path for block, bad in zip(everything, pool.map(is_wrong, everything), strict=True) if bad}
    empty = {file.path for file in manifest.files if not file.size and not _is_empty(directory / file.path)}
    return tuple(sorted(wrong | empty))


@contextmanager
def _opened_to_read(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_empty(path: Path) -> bool:
    try:
        return path.lstat().st_size == 0 and not path.is_symlink()
    except OSError:
        return False
