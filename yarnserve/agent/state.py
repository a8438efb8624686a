"""What an agent remembers from one run to the next: which version of each model was good, and which were refused."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from yarnserve.judge.steering import Steering, lasting
from yarnserve.records.document import from_document, to_document
from yarnserve.repository.local import take_lock, translated


@dataclass(frozen=True)
class _Remembered:
    models: Mapping[str, Steering]


class AgentDirectory:
    """The directory of one agent; a context manager that keeps a second one out.

    Raises:
        ConflictError: another agent works in it.
        YarnserveError: it cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self._lock = -1

    def __enter__(self) -> AgentDirectory:
        with translated(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = take_lock(self.path / "agent.lock", who="agent", where=self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)

    def write(self, name: str, text: str) -> Path:
        """Write a file, whole or not at all, and return its path."""
        target = self.path / name
        with translated(self.path):
            # Somebody may have removed what lay here; what is served and what was good is in memory.
            self.path.mkdir(parents=True, exist_ok=True)
            new = target.with_name(f"{name}.new")
            new.write_text(text, encoding="utf-8")
            new.replace(target)
        return target

    def remember(self, models: Mapping[str, Steering]) -> None:
        """Save what is good and what was refused; a trial begins anew."""
        remembered = _Remembered({name: lasting(steering) for name, steering in models.items()})
        self.write("steering.json", json.dumps(to_document(remembered)) + "\n")

    def remembered(self) -> Mapping[str, Steering]:
        """What was saved; nothing where it cannot be read: then everything is tried anew."""
        with suppress(OSError, ValueError, RecursionError):
            return from_document(_Remembered, json.loads((self.path / "steering.json").read_bytes())).models
        return {}
