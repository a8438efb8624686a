"""What the state machine needs from whatever runs its containers."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class NodeAddress:
    """Where one NodeManager is: its RPC port only exists in its id, its web port is a real socket."""

    host: str
    port: int
    http_port: int

    @property
    def id(self) -> str:
        """``host:port``, the node's name in the ResourceManager."""
        return f"{self.host}:{self.port}"

    @property
    def http(self) -> str:
        """``host:http_port``."""
        return f"{self.host}:{self.http_port}"


@dataclass(frozen=True)
class Launch:
    """Everything a runtime needs to start one container; tokens in *command* and *environment* are replaced.

    With an *image* it is a Docker container: its first process, as PID 1 of its own, gets no signal but KILL that it
    has no handler for, and the others get none at all. *overrides* says that YARN's launch script replaces the
    image's ENTRYPOINT. *files* lie below its work directory, by their paths.
    """

    container_id: str
    application_id: str
    user: str
    node: NodeAddress
    command: str
    environment: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    overrides: bool = True
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """A readiness check that looks from outside: *kind* is HTTP or PORT (yarn-services.md 2, ReadinessCheck)."""

    kind: str
    properties: Mapping[str, str]


class Runtime(Protocol):
    """Runs containers. No method may block."""

    def start(self, launch: Launch) -> Any:
        """Start the container, for the first time or again in place, and return a handle."""

    def poll(self, handle: Any) -> int | None:
        """Return the exit code as a NodeManager reports it (128 + signal), or None while it runs."""

    def kill(self, handle: Any, signal: int) -> None:
        """Send *signal* to the container (see :class:`Launch`), STOP and CONT to all of it; none left is no error."""

    def address(self, handle: Any) -> tuple[str, str]:
        """Return ip and host name of the container."""

    def probe(self, check: Check, ip: str) -> Future[bool]:
        """Carry out one readiness check, elsewhere."""

    def logs(self, container_id: str) -> Path:
        """Return the container's log directory."""

    def forget(self, launch: Launch) -> None:
        """Remove what an ended container left on disk."""
