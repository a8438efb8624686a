"""Is a ZooKeeper there? What real servers answer, silence, rubbish, nobody."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.unit.hadoop.wire import free_port
from yarnserve.hadoop.zookeeper import members, trouble


@contextmanager
def answering(answer: bytes | None) -> Iterator[str]:
    """A server that answers its first caller with *answer* and hangs up; None keeps it waiting."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                if answer is None:
                    done.wait(10)
                else:
                    connection.recv(4)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize("answer", [b"imok", b"", b"ruok is not executed because it is not in the whitelist.\n"])
def test_a_server_that_is_well(answer: bytes) -> None:
    """One that says so, one that may not say so, and one that hangs up on the question: all are there."""
    with answering(answer) as address:
        assert trouble(address) == ""


def test_a_server_that_is_not_zookeeper() -> None:
    """What answers something else is shown with its answer."""
    with answering(b"SSH-2.0-x") as address:
        assert "SSH-2.0-x" in trouble(address)


def test_a_silent_server() -> None:
    """One that takes the connection and says nothing is called so after the time-out."""
    with answering(None) as address:
        assert "says nothing" in trouble(address, timeout=0.05)


@pytest.mark.parametrize("address", ["dead", "h:99999", "a b", "", "x:y"])
def test_nobody_there(address: str) -> None:
    """A dead port and what is no address end in words, never in an exception."""
    assert trouble(f"127.0.0.1:{free_port()}" if address == "dead" else address, timeout=0.5)


def test_members_of_a_quorum() -> None:
    """Hosts with and without port, blanks, and a chroot at the end."""
    assert members("a:1, b ,c:2/yarn") == ("a:1", "b", "c:2")
    assert members("") == ()
