"""Where versions come from: the directory above them, on a local disk or on HDFS."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol


class SourceError(Exception):
    """The base path cannot be listed, or a version cannot be read."""


class Source(Protocol):
    """The base path of one model."""

    base_path: str

    def children(self) -> Iterable[str]:
        """Return the names in the base path; raises SourceError."""

    def fetch(self, child: str) -> AbstractContextManager[Path]:
        """Hand out the files of *child* as a local directory, for as long as the context lasts; raises SourceError."""


class LocalSource:
    """A base path on a local disk."""

    def __init__(self, base_path: str) -> None:
        self.base_path = base_path

    def children(self) -> Iterable[str]:
        """Return the names in the base path."""
        try:
            return [child.name for child in Path(self.base_path).iterdir()]
        except OSError as error:
            raise SourceError(str(error)) from error

    def fetch(self, child: str) -> AbstractContextManager[Path]:
        """Hand out the directory itself."""
        return nullcontext(Path(self.base_path, child))


def versions(children: Iterable[str]) -> dict[int, str]:
    """Keep the names that read as 64-bit numbers (tf-serving.md 5.1), by number.

    Nothing else is checked: a file named ``5`` is a version too. Of ``5`` and ``05``, one is ignored.
    """
    found: dict[int, str] = {}
    for name in sorted(children):
        if re.fullmatch(r"\s*[+-]?[0-9]+\s*", name) and -(2**63) <= int(name) < 2**63:
            found.setdefault(int(name), name)
    return found
