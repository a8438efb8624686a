"""Containers that are state only: for clocks driven by hand, and for more replicas than a machine has processes."""

from __future__ import annotations

import signal
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from yarnserve.sandbox.runtime import Check, Launch

_DEADLY = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_NOWHERE = Path("/nonexistent")


@dataclass
class Simulated:
    """One container that runs until it is told to end."""

    exit_code: int | None = None
    is_docker: bool = False


class SimulatedRuntime:
    """Starts nothing: a container runs until it is killed or :meth:`exit` ends it.

    It answers on no port, has no logs, and passes every readiness check.
    """

    def __init__(self) -> None:
        self._running: dict[str, Simulated] = {}

    def start(self, launch: Launch) -> Simulated:
        """Call the container running."""
        handle = self._running[launch.container_id] = Simulated(is_docker=bool(launch.image))
        return handle

    def poll(self, handle: Simulated) -> int | None:
        """Return the exit code, or None while it runs."""
        return handle.exit_code

    def kill(self, handle: Simulated, number: int) -> None:
        """End it as a process without handlers ends, in Docker by KILL alone; other signals change nothing."""
        deadly = (signal.SIGKILL,) if handle.is_docker else _DEADLY
        if handle.exit_code is None and number in deadly:
            handle.exit_code = 128 + number

    def exit(self, container_id: str, code: int) -> None:
        """End a container by itself, with *code*.

        Raises:
            KeyError: no such container was started.
        """
        handle = self._running[container_id]
        if handle.exit_code is None:
            handle.exit_code = code

    def address(self, handle: Simulated) -> tuple[str, str]:
        """Return the loopback address and its name."""
        return "127.0.0.1", "localhost"

    def probe(self, check: Check, ip: str) -> Future[bool]:
        """Pass."""
        passed: Future[bool] = Future()
        passed.set_result(True)
        return passed

    def logs(self, container_id: str) -> Path:
        """Return a place where nothing is."""
        return _NOWHERE / container_id

    def forget(self, launch: Launch) -> None:
        """Drop what is known of an ended container."""
        self._running.pop(launch.container_id, None)

    def close(self) -> None:
        """Nothing is left to end."""
