"""systemd's protocol for services (sd_notify): ready, stopping, how it stands, and that it is alive (WATCHDOG)."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence

from yarnserve.records.supervision import ServiceState
from yarnserve.supervise.board import Board

#: Seconds between two words to systemd where it has set no watchdog.
IDLE_BEAT = 10.0

#: Characters of a status; systemd shows one line.
_LONGEST = 200


class Notifier:
    """Tells systemd; nothing where systemd has not asked for it. Never raises and never waits.

    Args:
        environ: where systemd says whom to tell: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID.
        pid: of this process.
        on_trouble: told in a line, once, that systemd cannot be told.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        pid: int | None = None,
        on_trouble: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._on_trouble = on_trouble
        self._is_troubled = False
        self.watchdog_every = _watchdog_every(environ, os.getpid() if pid is None else pid)

    def ready(self) -> None:
        """It is started: what waits for it may go on."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Show *text* in ``systemctl status``."""
        line = " ".join(text.split())[:_LONGEST]
        self._send(f"STATUS={line}")

    def alive(self) -> None:
        """Say that it works; without it systemd ends and starts it anew."""
        if self.watchdog_every is not None:
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """It ends, and does so on purpose."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A leading @ is how an address that is no file is written.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
                wire.setblocking(False)
                wire.sendto(message.encode(errors="replace"), address)
        except (OSError, ValueError) as error:
            if not self._is_troubled:
                self._is_troubled = True
                self._on_trouble(f"systemd cannot be told: {self._address}: {error}")


class Heart:
    """Tells systemd in a thread that every service is stepped, and how they stand, as long as that is so."""

    def __init__(self, notifier: Notifier, board: Board) -> None:
        self._notifier = notifier
        self._board = board
        self._is_over = threading.Event()
        self._told = ""

    def start(self) -> None:
        """Begin; the process is ready."""
        self._notifier.ready()
        threading.Thread(target=self._run, daemon=True, name="heart").start()

    def close(self) -> None:
        """The process ends."""
        self._is_over.set()
        self._notifier.stopping()

    def beat(self) -> None:
        """Say it once."""
        stuck = self._board.stuck()
        if not stuck:
            self._notifier.alive()
        told = f"stuck: {', '.join(stuck)}" if stuck else in_words(self._board.states())
        if told != self._told:
            self._told = told
            self._notifier.status(told)

    def _run(self) -> None:
        self.beat()
        while not self._is_over.wait(self._notifier.watchdog_every or IDLE_BEAT):
            self.beat()


def in_words(states: Sequence[ServiceState]) -> str:
    """Return how all services stand, in one line."""
    live, wanted = sum(state.live for state in states), sum(state.wanted for state in states)
    count = "1 service" if len(states) == 1 else f"{len(states)} services"
    troubled = [state.name for state in states if state.trouble or state.hold]
    told = f"; in trouble or held: {', '.join(troubled)}" if troubled else ""
    return f"{count}, {live} of {wanted} replicas live{told}"


def _watchdog_every(environ: Mapping[str, str], pid: int) -> float | None:
    """Half the seconds that systemd waits for a sign of life; None without a watchdog, or with another process's."""
    try:
        micros = int(environ.get("WATCHDOG_USEC", ""))
        is_ours = int(environ.get("WATCHDOG_PID", pid)) == pid
    except ValueError:
        return None
    return micros / 2 / 1e6 if micros > 0 and is_ours else None
