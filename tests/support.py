"""What every tier of tests shares: the one way to wait, and the recorded transcripts of real clusters."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

REPOSITORY = Path(__file__).resolve().parent.parent


def wait_until(condition: Callable[[], T], deadline: float = 20.0, what: str = "") -> T:
    """Ask *condition* again and again until it is true, for at most *deadline* seconds; return its value.

    Raises:
        AssertionError: it stayed false; *what* says what was awaited.
    """
    ends = time.monotonic() + deadline
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < ends, f"not within {deadline} s: {what or condition}"
        pause.wait(0.02)


def golden(name: str) -> Iterator[dict[str, Any]]:
    """Yield the recorded exchanges of ``tests/golden/<name>.jsonl.gz``, in order."""
    with gzip.open(REPOSITORY / "tests" / "golden" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
