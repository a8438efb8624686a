"""The delegation token that YARN puts into a container of a secured cluster (real-hadoop-kerberos.md 9)."""

from __future__ import annotations

import base64
from pathlib import Path

_MAGIC = b"HDTS\0"
_KIND = "HDFS_DELEGATION_TOKEN"


def hdfs_token(file: Path) -> str:
    """Return HDFS's token in *file* as ``delegation=`` takes it; empty where the file has none.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no token file.
    """
    content = file.read_bytes()
    if not content.startswith(_MAGIC):
        raise ValueError(f"{file} is no file of Hadoop tokens")
    reader = _Reader(content, len(_MAGIC))
    for _ in range(reader.number()):
        reader.blob()  # the alias
        start = reader.position
        reader.blob()  # the identifier
        reader.blob()  # the password
        kind = reader.blob().decode(errors="replace")
        reader.blob()  # the service
        if kind == _KIND:
            return base64.urlsafe_b64encode(content[start : reader.position]).rstrip(b"=").decode()
    return ""


class _Reader:
    """Reads Hadoop's variable-length numbers, and byte strings with their length before them."""

    def __init__(self, content: bytes, position: int) -> None:
        self._content = content
        self.position = position

    def number(self) -> int:
        first = int.from_bytes(self._take(1), "big", signed=True)
        # From -113 on down it says how many bytes follow; below -120 they are a negative number's, which no length is.
        return first if first >= -112 else int.from_bytes(self._take(-112 - first), "big")

    def blob(self) -> bytes:
        return self._take(self.number())

    def _take(self, count: int) -> bytes:
        found = self._content[self.position : self.position + count]
        if count < 0 or len(found) < count:
            raise ValueError("the file of Hadoop tokens ends too early")
        self.position += count
        return found
