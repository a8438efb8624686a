"""What is remembered of alerts that last, also from one process to the next."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from yarnserve.errors import first_line
from yarnserve.records.document import from_document, to_document


@dataclass(frozen=True)
class Firing:
    """What is remembered of an alert that lasts; *sent* is when each sink got it, by the sink's place."""

    since: float
    count: int
    severity: str
    sent: Mapping[str, float]
    labels: Mapping[str, str] = field(default_factory=dict)


class StateFile:
    """Keeps what lasts, by the alert's key, in the file *path*; None for nowhere.

    No method raises: *on_failure* is told in a line, once while it lasts.
    """

    def __init__(self, path: Path | None, on_failure: Callable[[str], None]) -> None:
        self._path = path
        self._on_failure = on_failure
        self._is_saved = True

    def load(self) -> dict[str, Firing]:
        """Return what was saved; nothing where it cannot be read."""
        if self._path is None:
            return {}
        try:
            document = json.loads(self._path.read_bytes())
            return {str(key): from_document(Firing, firing) for key, firing in document.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            self._on_failure(f"what was alerted before cannot be read: {first_line(str(error))}")
            return {}

    def save(self, firing: Mapping[str, Firing]) -> None:
        """Put *firing* in place of what was saved."""
        if self._path is None:
            return
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            new.write_text(json.dumps(to_document(firing)) + "\n")
            new.replace(self._path)
        except OSError as error:
            if self._is_saved:
                self._on_failure(f"what is alerted cannot be remembered: {first_line(str(error))}")
            self._is_saved = False
        else:
            self._is_saved = True
