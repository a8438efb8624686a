"""The sandbox's WebHDFS where the recorded conversation does not reach: streams, broken connections, refusals."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.sandbox.hdfs_support import put_file, send, serving
from tests.support import wait_until
from yarnserve.errors import YarnserveError
from yarnserve.sandbox.namespace import Namespace
from yarnserve.sandbox.webhdfs import HdfsServers

HOME = "/user/alice"


@pytest.fixture
def tree(tmp_path: Path) -> Namespace:
    """A namespace with alice's home."""
    tree = Namespace(tmp_path, superuser="root")
    tree.make_directories(HOME, user="root")
    tree.set_owner(HOME, user="root", owner="alice")
    return tree


@pytest.fixture
def url(tree: Namespace) -> Iterator[str]:
    """WebHDFS URL of alice's home."""
    with serving(tree) as servers:
        yield f"{servers.namenode_url}/webhdfs/v1{HOME}"


def test_large_file(tree: Namespace, url: str) -> None:
    """Megabytes go in and come out unchanged, from any offset."""
    data = bytes(range(256)) * 20_000
    location = send("PUT", f"{url}/big?op=CREATE&user.name=alice").headers["location"]
    assert send("PUT", location, data).status == 201
    assert tree.status(f"{HOME}/big", user="alice").length == len(data)
    location = send("GET", f"{url}/big?op=OPEN&user.name=alice&offset=1000001").headers["location"]
    answer = send("GET", location)
    assert answer.body == data[1_000_001:]
    assert answer.headers["content-length"] == str(len(data) - 1_000_001)
    assert answer.headers["connection"] == "close"


def test_writer_goes_away(tree: Namespace, url: str) -> None:
    """A file is there, empty, while it comes in; of a broken upload what has come stays, as a short file."""
    location = send("PUT", f"{url}/part?op=CREATE&user.name=alice").headers["location"]
    parts = urlsplit(location)
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 1000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 100)
        wait_until(lambda: [entry.name for entry in tree.list(HOME, user="alice")] == ["part"])
        assert tree.status(f"{HOME}/part", user="alice").length == 0
    wait_until(lambda: tree.status(f"{HOME}/part", user="alice").length == 100)


def test_reader_goes_away(tree: Namespace, url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A client that leaves in the middle of a file is no error, and the server answers the next."""
    put_file(tree, f"{HOME}/big", bytes(20_000_000), "alice")
    parts = urlsplit(send("GET", f"{url}/big?op=OPEN&user.name=alice").headers["location"])
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert send("GET", f"{url}/big?op=OPEN&user.name=alice&length=5&noredirect=true").status == 200
    assert caplog.records == []


def test_continue(url: str) -> None:
    """A client that asks for 100 Continue gets it before it sends."""
    location = urlsplit(send("PUT", f"{url}/a?op=CREATE&user.name=alice").headers["location"])
    with socket.create_connection((location.hostname or "", location.port or 0), timeout=10) as connection:
        head = f"PUT {location.path}?{location.query} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"ab")
        assert connection.recv(100).startswith(b"HTTP/1.1 201 Created")


@pytest.mark.parametrize(
    ("method", "query", "message"),
    [
        ("PUT", "op=RENAME&destination=/x&renameoptions=OVERWRITE", "renameoptions is not supported by the sandbox"),
        ("GET", "op=GETHOMEDIRECTORY&doas=bob", "doas is not supported by the sandbox"),
        ("GET", "op=GETHOMEDIRECTORY&delegation=x", "delegation is not supported by the sandbox"),
        ("POST", "op=APPEND", "APPEND is not a valid POST operation."),
        ("PUT", "op=MKDIRS&permission=7777", "Invalid parameter range: permission = 7777 > 1777"),
        ("DELETE", "op=DELETE&recursive=yes", 'Failed to parse "yes" to Boolean.'),
        ("PUT", "op=CREATE&overwrite=1", 'Failed to parse "1" to Boolean.'),
    ],
)
def test_refused(url: str, method: str, query: str, message: str) -> None:
    """What is not understood, or not here, is a 400 and never half obeyed."""
    answer = send(method, f"{url}?{query}&user.name=alice")
    assert answer.status == 400
    assert message in answer.document()["RemoteException"]["message"]


def test_errors_of_a_datanode_have_stacks(tree: Namespace, url: str) -> None:
    """The DataNode's message is followed by the NameNode's stack, the NameNode's own is not."""
    put_file(tree, f"{HOME}/a", b"1", "alice")
    location = send("PUT", f"{url}/a?op=CREATE&user.name=alice").headers["location"]
    message = send("PUT", location, b"2").document()["RemoteException"]["message"]
    assert message.startswith(f"{HOME}/a for client 127.0.0.1 already exists\n\tat org.apache.hadoop")


def test_redirect_of_nobody(url: str) -> None:
    """Without user.name the redirect has none either, and both ends take the request for dr.who's."""
    location = send("PUT", f"{url}/a?op=CREATE").headers["location"]
    assert "user.name" not in location
    assert "user=dr.who" in send("PUT", location, b"1").document()["RemoteException"]["message"]


async def refused_start(tree: Namespace) -> None:
    """Start on an address that is not this machine's."""
    await HdfsServers(tree, host="192.0.2.1").start()


def test_host_of_another_machine(tree: Namespace) -> None:
    """An address that cannot be bound is our own error."""
    with pytest.raises(YarnserveError) as refused:
        asyncio.run(refused_start(tree))
    assert refused.value.where == "192.0.2.1"
