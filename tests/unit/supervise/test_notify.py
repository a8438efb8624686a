"""What systemd is told, and what it is not told while a service is stuck."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.supervise.states import service
from yarnserve.supervise.board import Board
from yarnserve.supervise.notify import Heart, Notifier, in_words


@pytest.fixture(params=["file", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Systemd's end: its address, and what it was told since the last time."""
    name = f"@yarnserve-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.bind("\0" + name[1:] if name.startswith("@") else name)
        wire.setblocking(False)

        def told() -> list[str]:
            messages = []
            while True:
                try:
                    messages.append(wire.recv(4096).decode())
                except BlockingIOError:
                    return messages

        yield name, told


def test_a_heart_beats_while_every_service_is_stepped(systemd: tuple[str, Callable[[], list[str]]]) -> None:
    """While one is stuck there is no sign of life, and the status says who; when it goes on there is again."""
    address, told = systemd
    clock = [0.0]
    board = Board(patience=30.0, clock=lambda: clock[0])
    board(service())
    heart = Heart(Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"}), board)
    heart.beat()
    assert told() == ["WATCHDOG=1", "STATUS=1 service, 1 of 2 replicas live"]
    heart.beat()
    assert told() == ["WATCHDOG=1"]
    clock[0] += 31
    heart.beat()
    assert told() == ["STATUS=stuck: digits"]
    board(service(hold="its budget is spent"))
    heart.beat()
    assert told() == ["WATCHDOG=1", "STATUS=1 service, 1 of 2 replicas live; in trouble or held: digits"]


def test_it_is_ready_and_stops(systemd: tuple[str, Callable[[], list[str]]]) -> None:
    """Ready before anything else, and stopping last."""
    address, told = systemd
    heart = Heart(Notifier({"NOTIFY_SOCKET": address}), Board())
    heart.start()
    heart.close()
    messages = told()
    assert (messages[0], "STOPPING=1" in messages, "WATCHDOG=1" in messages) == ("READY=1", True, False)


def test_a_status_is_one_line(systemd: tuple[str, Callable[[], list[str]]]) -> None:
    """An error's text may have several, and a second line would be another assignment."""
    address, told = systemd
    Notifier({"NOTIFY_SOCKET": address}).status("it fails\nSTOPPING=1 " + "x" * 1000)
    (message,) = told()
    assert message.startswith("STATUS=it fails STOPPING=1 xxx")
    assert len(message) < 250


@pytest.mark.parametrize(
    ("environ", "every"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({}, None),
        ({"WATCHDOG_USEC": ""}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "x"}, None),
    ],
)
def test_when_systemd_wants_a_sign(environ: dict[str, str], every: float | None) -> None:
    """Twice in the time that it waits; what it says of another process is not for us."""
    assert Notifier(environ, pid=7).watchdog_every == every


@pytest.mark.parametrize("address", ["/no/such/socket", "@nobody-listens-here", "vsock:2:1", "x" * 200, "a\0b"])
def test_a_systemd_that_cannot_be_told_is_said_once(address: str) -> None:
    """And never in the way."""
    troubles: list[str] = []
    notifier = Notifier({"NOTIFY_SOCKET": address}, on_trouble=troubles.append)
    notifier.ready()
    notifier.status("fine")
    assert len(troubles) == 1
    assert "systemd cannot be told" in troubles[0]


def test_without_systemd_nothing_is_said() -> None:
    """On a terminal nobody listens."""
    troubles: list[str] = []
    Notifier({}, on_trouble=troubles.append).ready()
    assert troubles == []
    assert in_words([]) == "0 services, 0 of 0 replicas live"
