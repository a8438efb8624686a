"""What WebHDFS and HttpFS have to answer for yarnserve to work (real-hadoop.md 8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest

from tests.contract.clusters import Cluster
from tests.sandbox.cluster_support import HttpAnswer, send


@dataclass(frozen=True)
class FileSystem:
    """One of the two doors to the same HDFS, and a directory of alice's that is empty at the beginning."""

    url: str
    home: str
    is_httpfs: bool

    def __call__(
        self, method: str, path: str, op: str, *, body: bytes | None = None, user: str = "alice", **query: str
    ) -> HttpAnswer:
        """Ask for an operation; a body goes to where the answer sends it, a read is followed."""
        url = f"{self.url}/webhdfs/v1{self.home}{path}"
        answer = send(method, url, headers={}, op=op, **{"user.name": user, **query})
        if answer.status != 307:
            return answer
        sent = {"Content-Type": "application/octet-stream"} if body is not None else {}
        return send(method, answer.location, body, headers=sent)

    def write(self, path: str, body: bytes, **query: str) -> HttpAnswer:
        """CREATE."""
        return self("PUT", path, "CREATE", body=body, **query)

    def status(self, path: str) -> dict[str, Any]:
        """GETFILESTATUS."""
        return dict(self("GET", path, "GETFILESTATUS").document()["FileStatus"])


@pytest.fixture(params=["webhdfs", "httpfs"])
def files(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[FileSystem]:
    """An empty directory of alice's."""
    url = cluster.namenode_url if request.param == "webhdfs" else cluster.httpfs_url
    opened = FileSystem(url, f"/user/alice/contract-{request.param}", request.param == "httpfs")
    assert opened("PUT", "", "MKDIRS").document() == {"boolean": True}
    yield opened
    opened("DELETE", "", "DELETE", recursive="true")


def refusal(answer: HttpAnswer) -> str:
    """The name of the exception."""
    return str(answer.document()["RemoteException"]["exception"])


def test_home(files: FileSystem) -> None:
    """GETHOMEDIRECTORY of the root tells it; HttpFS refuses any other path."""
    root = replace(files, home="/")
    assert root("GET", "", "GETHOMEDIRECTORY").document() == {"Path": "/user/alice"}
    elsewhere = files("GET", "", "GETHOMEDIRECTORY")
    assert elsewhere.status == (400 if files.is_httpfs else 200)


def test_write_and_read(files: FileSystem) -> None:
    """What is written is read, whole and in part; its status tells owner, length and mode, which HttpFS makes 755."""
    assert files.write("/a", b"0123456789").status == 201
    assert files("GET", "/a", "OPEN").body == b"0123456789"
    assert files("GET", "/a", "OPEN", offset="2", length="3").body == b"234"
    status = files.status("/a")
    assert (status["type"], status["length"], status["owner"]) == ("FILE", 10, "alice")
    assert status["permission"] == ("755" if files.is_httpfs else "644")
    assert isinstance(status["modificationTime"], int)


def test_exclusive_and_overwriting_create(files: FileSystem) -> None:
    """CREATE without overwrite is refused where a file is, and leaves it; with overwrite it replaces it."""
    assert files.write("/a", b"first", overwrite="false").status == 201
    refused = files.write("/a", b"second", overwrite="false")
    assert refused.status in (403, 500)
    assert refusal(refused) == "FileAlreadyExistsException"
    assert files("GET", "/a", "OPEN").body == b"first"
    assert files.write("/a", b"third", overwrite="true").status == 201
    assert files("GET", "/a", "OPEN").body == b"third"


def test_parents_are_made(files: FileSystem) -> None:
    """CREATE makes the directories above."""
    assert files.write("/x/y/z", b"deep").status == 201
    assert files.status("/x/y")["type"] == "DIRECTORY"


def test_missing(files: FileSystem) -> None:
    """Reading what is not there is 404 FileNotFoundException, for status, list, open and summary."""
    for op in ("GETFILESTATUS", "LISTSTATUS", "OPEN", "GETCONTENTSUMMARY"):
        answer = files("GET", "/nothing", op)
        assert (op, answer.status, refusal(answer)) == (op, 404, "FileNotFoundException")


def test_list(files: FileSystem) -> None:
    """LISTSTATUS tells names in order; of a file it tells the file itself with an empty name."""
    for name in ("b", "a", "c"):
        assert files.write(f"/{name}", b"").status == 201
    listed = files("GET", "", "LISTSTATUS").document()["FileStatuses"]["FileStatus"]
    assert [each["pathSuffix"] for each in listed] == ["a", "b", "c"]
    (alone,) = files("GET", "/a", "LISTSTATUS").document()["FileStatuses"]["FileStatus"]
    assert (alone["pathSuffix"], alone["type"]) == ("", "FILE")


def test_rename(files: FileSystem) -> None:
    """RENAME is true; onto a file, or of what is not there, false or refused, and nothing has moved."""
    files.write("/a", b"a")
    files.write("/b", b"b")
    assert files("PUT", "/a", "RENAME", destination=f"{files.home}/c").document() == {"boolean": True}
    onto = files("PUT", "/b", "RENAME", destination=f"{files.home}/c")
    assert onto.status == 200
    assert onto.document() == {"boolean": False}
    assert files("GET", "/c", "OPEN").body == b"a"
    gone = files("PUT", "/nothing", "RENAME", destination=f"{files.home}/d")
    assert gone.document() == {"boolean": False} if gone.status == 200 else gone.status in (404, 500)
    files("PUT", "/dir", "MKDIRS")
    assert files("PUT", "/b", "RENAME", destination=f"{files.home}/dir").document() == {"boolean": True}
    assert files.status("/dir/b")["length"] == 1


def test_delete(files: FileSystem) -> None:
    """DELETE is true, of what is not there false; a directory that is not empty wants recursive."""
    files.write("/x/y", b"")
    refused = files("DELETE", "/x", "DELETE")
    assert refused.status in (403, 500)
    assert refusal(refused) == "PathIsNotEmptyDirectoryException"
    assert files("DELETE", "/x", "DELETE", recursive="true").document() == {"boolean": True}
    assert files("DELETE", "/x", "DELETE").document() == {"boolean": False}


def test_permissions(files: FileSystem) -> None:
    """Who may not write or read is refused with AccessControlException; SETPERMISSION changes it."""
    files.write("/a", b"a")
    for refused in (
        files("PUT", "/bobs", "MKDIRS", user="bob"),
        files("DELETE", "/a", "DELETE", user="bob"),
        files.write("/bobs", b"", user="bob"),
    ):
        assert refused.status in (403, 500)
        assert refusal(refused) == "AccessControlException"
    assert files("GET", "/a", "OPEN", user="bob").body == b"a"
    assert files("PUT", "/a", "SETPERMISSION", permission="600").status == 200
    closed = files("GET", "/a", "OPEN", user="bob")
    assert closed.status in (403, 500)
    assert refusal(closed) == "AccessControlException"


def test_summary(files: FileSystem) -> None:
    """GETCONTENTSUMMARY counts files, directories and bytes."""
    files.write("/x/a", b"123")
    files.write("/b", b"4567")
    summary = files("GET", "", "GETCONTENTSUMMARY").document()["ContentSummary"]
    assert (summary["fileCount"], summary["directoryCount"], summary["length"]) == (2, 2, 7)


def test_a_file_where_a_directory_should_be(files: FileSystem) -> None:
    """CREATE and MKDIRS below a file are refused, and CREATE in a directory's place, too."""
    files.write("/a", b"a")
    assert files.write("/a/b", b"").status in (403, 500)
    assert files("PUT", "/a/b", "MKDIRS").status in (403, 500)
    files("PUT", "/dir", "MKDIRS")
    refused = files.write("/dir", b"", overwrite="true")
    assert refused.status in (403, 500)
    assert refusal(refused) == "FileAlreadyExistsException"


def test_odd_names(files: FileSystem) -> None:
    """Names with blanks, percent signs and letters beyond ASCII come back as they were sent."""
    name = "a b%c ä+"
    assert files.write(f"/{quote(name)}", b"odd").status == 201
    (listed,) = files("GET", "", "LISTSTATUS").document()["FileStatuses"]["FileStatus"]
    assert listed["pathSuffix"] == name
    assert files("GET", f"/{quote(name)}", "OPEN").body == b"odd"


def test_unknown_operation(files: FileSystem) -> None:
    """An operation that nobody knows is 400, of HttpFS 500."""
    assert files("GET", "", "NOSUCHOP").status == (500 if files.is_httpfs else 400)
