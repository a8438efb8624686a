"""What starts, ends and shows replicas on this host; there are containers and plain processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from yarnserve.local.records import Seen, Start


class Host(Protocol):
    """One of the ways in which replicas run."""

    def seen(self) -> Mapping[str, Seen]:
        """Every replica that runs or has left something, by instance."""
        ...

    def start(self, start: Start) -> None:
        """Start a replica; its files are there."""
        ...

    def stop(self, instances: Sequence[str], patience: float) -> None:
        """End replicas, each by SIGTERM and after *patience* seconds by force; nothing of them is left."""
        ...

    def tail(self, instance: str, lines: int) -> str:
        """The last *lines* lines that a replica has written."""
        ...

    def follow(self, instances: Sequence[str], lines: int) -> Iterator[tuple[str, str]]:
        """Yield what each replica writes from its last *lines* lines on, as (instance, text)."""
        ...

    def run_in_foreground(self, start: Start) -> None:
        """Become the replica; returns never."""
        ...
