"""md5 of a file and of each of its blocks, in one pass."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

from yarnserve.records.repository import BLOCK_SIZE, ManifestFile

#: What can be hashed without a copy.
Buffer: TypeAlias = bytes | bytearray | memoryview


class FileHasher:
    """Told a file's bytes in order, it says what its manifest has to say."""

    def __init__(self, block_size: int = BLOCK_SIZE) -> None:
        self._block_size = block_size
        self._file = hashlib.md5(usedforsecurity=False)
        self._block = hashlib.md5(usedforsecurity=False)
        self._blocks: list[str] = []
        self._size = 0

    def update(self, data: Buffer) -> None:
        """Take the next bytes."""
        view = memoryview(data)
        self._file.update(view)
        while view:
            room = self._block_size - self._size % self._block_size
            piece, view = view[:room], view[room:]
            self._block.update(piece)
            self._size += len(piece)
            if self._size % self._block_size == 0:
                self._end_block()

    def finish(self, path: str) -> ManifestFile:
        """Say what it was; *path* is the name it goes by."""
        if self._size % self._block_size:
            self._end_block()
        return ManifestFile(path, self._size, self._file.hexdigest(), tuple(self._blocks))

    def _end_block(self) -> None:
        self._blocks.append(self._block.hexdigest())
        self._block = hashlib.md5(usedforsecurity=False)
