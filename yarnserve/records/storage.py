"""What HDFS reports about a path."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileStatus:
    """One entry of a directory, or one path.

    *name* is the last path component; *length* is in bytes (0 for a directory); *modified_at* is in seconds since
    the epoch by the NameNode's clock.
    """

    name: str
    is_directory: bool
    length: int
    modified_at: float
    owner: str = ""
    permission: str = ""
