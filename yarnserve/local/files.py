"""The ends of log files, and what comes to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

#: Bytes of a file that are read at most at a time.
MOST_BYTES = 16 * 1024 * 1024

#: Seconds between two looks for news.
PAUSE = 0.2


def tail_of(path: Path, lines: int) -> str:
    """Return the last *lines* lines of a file; nothing where there is none."""
    return _tail(path, lines)[1]


def follow_files(paths: Mapping[str, Path], lines: int, *, pause: Callable[[float], None]) -> Iterator[tuple[str, str]]:
    """Yield the last *lines* lines of each file and then what comes to it, by name; without end.

    A file that was begun anew is read from its beginning.
    """
    marks = {}
    for name, path in paths.items():
        marks[name], text = _tail(path, lines)
        if text:
            yield name, text
    while True:
        for name, path in paths.items():
            marks[name], text = _news(path, marks[name])
            if text:
                yield name, text
        pause(PAUSE)


@dataclass(frozen=True)
class _Mark:
    """How far which file was read."""

    file: int = 0
    offset: int = 0


def _tail(path: Path, lines: int) -> tuple[_Mark, str]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            file.seek(max(0, status.st_size - MOST_BYTES))
            body = file.read(MOST_BYTES)
            mark = _Mark(status.st_ino, file.tell())
    except FileNotFoundError:
        return _Mark(), ""
    kept = body.splitlines(keepends=True)[-lines:] if lines else []
    return mark, b"".join(kept).decode("utf-8", errors="replace")


def _news(path: Path, mark: _Mark) -> tuple[_Mark, str]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            is_same = status.st_ino == mark.file and status.st_size >= mark.offset
            file.seek(mark.offset if is_same else 0)
            body = file.read(MOST_BYTES)
            return _Mark(status.st_ino, file.tell()), body.decode("utf-8", errors="replace")
    except FileNotFoundError:
        return _Mark(), ""
