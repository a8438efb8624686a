"""Storage against the sandbox's WebHDFS and HttpFS: every operation, and every way it is refused."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sandbox.hdfs_support import put_file
from tests.sandbox.storage_support import HOME, Hdfs, Relay, connected
from yarnserve.errors import (
    AccessError,
    ConflictError,
    NotFoundError,
    RefusedError,
    RequestTimeoutError,
    UsageError,
    YarnserveError,
)
from yarnserve.storage.client import Storage
from yarnserve.storage.webhdfs import Data


def test_home(storage: Storage) -> None:
    """The home directory is the cluster's word, not ours."""
    assert storage.home() == HOME


def test_status_of_file_directory_and_nothing(hdfs: Hdfs, storage: Storage) -> None:
    """A file has its length and the NameNode's time in seconds; what is not there is None."""
    put_file(hdfs.namespace, f"{HOME}/a.txt", b"abc", "alice")
    file = storage.status(f"{HOME}/a.txt")
    assert file is not None
    assert (file.name, file.is_directory, file.length, file.owner) == ("a.txt", False, 3, "alice")
    assert file.modified_at == hdfs.clock.now
    assert file.permission == "644"
    directory = storage.status(HOME + "/")
    assert directory is not None
    assert directory.is_directory
    assert directory.name == "alice"
    assert storage.status(f"{HOME}/nope") is None


@pytest.mark.parametrize("names", [[], ["only"], ["a", "b", "c"]], ids=len)
def test_list(hdfs: Hdfs, storage: Storage, names: list[str]) -> None:
    """A listing names every entry; one entry alone is not mistaken for a listed file."""
    for name in names:
        put_file(hdfs.namespace, f"{HOME}/{name}", b"x", "alice")
    assert [status.name for status in storage.list(HOME)] == names


def test_list_refuses_what_is_no_directory(hdfs: Hdfs, storage: Storage) -> None:
    """A missing path and a file are told apart."""
    put_file(hdfs.namespace, f"{HOME}/file", b"x", "alice")
    with pytest.raises(NotFoundError):
        storage.list(f"{HOME}/nope")
    with pytest.raises(RefusedError, match="cannot list"):
        storage.list(f"{HOME}/file")


BIG = bytes(range(256)) * 10_000  # more than two chunks


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"",
        lambda: b"abc",
        lambda: BIG,
        lambda: io.BytesIO(BIG),
        io.BytesIO,
        lambda: [b"a", b"", b"c"],
        lambda: iter([BIG, BIG]),
    ],
    ids=["empty", "bytes", "big", "file", "empty file", "list", "iterator"],
)
def test_create_and_read(hdfs: Hdfs, storage: Storage, make: Callable[[], Data]) -> None:
    """Whatever kind of data, the file holds its bytes, and its parents are made."""
    data = make()
    path = f"{HOME}/new/er/file"
    storage.create(path, data)
    stored = hdfs.content(path)
    assert storage.read(path) == stored
    assert len(stored) in (len(b""), 2, 3, len(BIG), 2 * len(BIG))
    if isinstance(data, bytes):
        assert stored == data
    if isinstance(data, io.BytesIO):
        assert stored == data.getvalue()


@pytest.mark.parametrize("name", ["naïve ü+%.txt", "a#b?c;d&e=f", "#LATEST", "%41", "sp ace", "'\"<>|"])
def test_names_are_names(hdfs: Hdfs, storage: Storage, name: str) -> None:
    """No character of a path is read as anything but itself."""
    storage.create(f"{HOME}/{name}", b"x")
    assert hdfs.names(HOME) == [name]
    assert [status.name for status in storage.list(HOME)] == [name]
    storage.rename(f"{HOME}/{name}", f"{HOME}/2{name}")
    assert storage.read(f"{HOME}/2{name}") == b"x"
    assert storage.delete(f"{HOME}/2{name}")


def test_create_never_overwrites(hdfs: Hdfs, storage: Storage) -> None:
    """A file or directory that exists is a conflict, and stays as it is."""
    put_file(hdfs.namespace, f"{HOME}/a", b"old", "alice")
    hdfs.namespace.make_directories(f"{HOME}/d", user="alice")
    for path in (f"{HOME}/a", f"{HOME}/d"):
        with pytest.raises(ConflictError) as caught:
            storage.create(path, b"new")
        assert "already exists" in caught.value.why
        assert "\tat " not in caught.value.why
    assert hdfs.content(f"{HOME}/a") == b"old"


def test_create_below_a_file(hdfs: Hdfs, storage: Storage) -> None:
    """HDFS's refusal is passed on in its own words."""
    put_file(hdfs.namespace, f"{HOME}/a", b"old", "alice")
    with pytest.raises(RefusedError) as caught:
        storage.create(f"{HOME}/a/b", b"new")
    assert "not a directory" in caught.value.why


def test_data_that_cannot_be_read(storage: Storage) -> None:
    """A local read error is not taken for a broken connection."""

    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(YarnserveError, match="cannot be read") as caught:
        storage.create(f"{HOME}/a", Broken())  # type: ignore[arg-type]
    assert type(caught.value) is YarnserveError
    assert caught.value.why == "Input/output error"


@pytest.mark.parametrize(("offset", "rest"), [(0, b"0123456789"), (3, b"3456789"), (10, b"")])
def test_open_from_an_offset(hdfs: Hdfs, storage: Storage, offset: int, rest: bytes) -> None:
    """The rest of the file comes, also where there is none, which HDFS itself refuses."""
    put_file(hdfs.namespace, f"{HOME}/a", b"0123456789", "alice")
    assert b"".join(storage.open(f"{HOME}/a", offset=offset)) == rest


def test_open_refuses_at_once(hdfs: Hdfs, storage: Storage) -> None:
    """Missing file, directory, impossible offset: said by the call, not by the first chunk."""
    put_file(hdfs.namespace, f"{HOME}/a", b"0123456789", "alice")
    with pytest.raises(NotFoundError):
        storage.open(f"{HOME}/nope")
    with pytest.raises(RefusedError, match="cannot read"):
        storage.open(HOME)
    for offset in (-1, 11):
        with pytest.raises(RefusedError) as caught:
            storage.open(f"{HOME}/a", offset=offset)
        assert caught.value.why == f"byte {offset} of 10 does not exist"


def test_open_comes_in_chunks(hdfs: Hdfs, storage: Storage) -> None:
    """A file of any size passes through memory 1 MiB at a time."""
    put_file(hdfs.namespace, f"{HOME}/a", BIG, "alice")
    sizes = [len(chunk) for chunk in storage.open(f"{HOME}/a")]
    assert sum(sizes) == len(BIG)
    assert max(sizes) == 1 << 20


def test_make_directories(hdfs: Hdfs, storage: Storage) -> None:
    """Parents come with it, and a second time does no harm; a file in the way is a conflict."""
    for _ in range(2):
        storage.make_directories(f"{HOME}/a/b")
    assert hdfs.names(f"{HOME}/a") == ["b"]
    storage.create(f"{HOME}/file", b"")
    with pytest.raises(ConflictError):
        storage.make_directories(f"{HOME}/file")


def test_delete(hdfs: Hdfs, storage: Storage) -> None:
    """Says whether there was something; a full directory needs *recursive*."""
    put_file(hdfs.namespace, f"{HOME}/d/a", b"x", "alice")
    with pytest.raises(RefusedError) as caught:
        storage.delete(f"{HOME}/d")
    assert "not empty" in caught.value.why
    assert storage.delete(f"{HOME}/d/a")
    assert not storage.delete(f"{HOME}/d/a")
    put_file(hdfs.namespace, f"{HOME}/d/a", b"x", "alice")
    assert storage.delete(f"{HOME}/d", recursive=True)
    assert hdfs.names(HOME) == []


DENIED: dict[str, Callable[[Storage], object]] = {
    "status": lambda storage: storage.status(f"{HOME}/private/a"),
    "list": lambda storage: storage.list(f"{HOME}/private"),
    "read": lambda storage: storage.read(f"{HOME}/secret"),
    "create": lambda storage: storage.create(f"{HOME}/new", b""),
    "make_directories": lambda storage: storage.make_directories(f"{HOME}/new"),
    "rename": lambda storage: storage.rename(f"{HOME}/secret", "/tmp/bob"),
    "delete": lambda storage: storage.delete(f"{HOME}/secret"),
}


@pytest.mark.parametrize("act", DENIED.values(), ids=DENIED)
def test_permission_denied(hdfs: Hdfs, act: Callable[[Storage], object]) -> None:
    """Denied is an AccessError in HDFS's words, and never "not there"."""
    hdfs.namespace.make_directories("/tmp", user="hdfs", permission=0o777)
    hdfs.namespace.set_permission("/tmp", 0o777, user="hdfs")
    put_file(hdfs.namespace, f"{HOME}/private/a", b"x", "alice")
    put_file(hdfs.namespace, f"{HOME}/secret", b"x", "alice")
    hdfs.namespace.set_permission(f"{HOME}/private", 0o700, user="alice")
    hdfs.namespace.set_permission(f"{HOME}/secret", 0o600, user="alice")
    with connected(hdfs.url, user="bob") as storage, pytest.raises(AccessError) as caught:
        act(storage)
    assert "Permission denied: user=bob" in caught.value.why
    assert hdfs.url in caught.value.where or "127.0.0.1" in caught.value.where
    assert "?" not in caught.value.where


@pytest.mark.parametrize("path", ["", "a", "hdfs://nn/a"])
def test_paths_are_absolute(storage: Storage, path: str) -> None:
    """A relative path is refused before anything is sent."""
    with pytest.raises(UsageError):
        storage.status(path)


def test_paths_are_normalised(hdfs: Hdfs, storage: Storage) -> None:
    """Doubled slashes and dots, which NameNode and HttpFS treat differently, never reach them."""
    put_file(hdfs.namespace, f"{HOME}/a", b"x", "alice")
    assert storage.read("//user/./alice//x/../a/") == b"x"
    assert storage.status("//") is not None


def test_rename_file_and_directory(hdfs: Hdfs, storage: Storage) -> None:
    """The source becomes the destination, also a directory that holds one of its own name."""
    put_file(hdfs.namespace, f"{HOME}/a", b"x", "alice")
    storage.rename(f"{HOME}/a", f"{HOME}/b")
    assert hdfs.names(HOME) == ["b"]
    for inner in ("d/d/d/file", "e/e"):
        put_file(hdfs.namespace, f"{HOME}/{inner}", b"x", "alice")
    storage.rename(f"{HOME}/d", f"{HOME}/d2")
    storage.rename(f"{HOME}/e", f"{HOME}/e2")
    assert hdfs.names(HOME) == ["b", "d2", "e2"]
    assert hdfs.names(f"{HOME}/d2/d/d") == ["file"]
    assert hdfs.names(f"{HOME}/e2") == ["e"]


def test_rename_refuses(hdfs: Hdfs, storage: Storage) -> None:
    """Never onto, never into, and HDFS's bare ``false`` gets its reason."""
    put_file(hdfs.namespace, f"{HOME}/a", b"x", "alice")
    put_file(hdfs.namespace, f"{HOME}/b", b"y", "alice")
    hdfs.namespace.make_directories(f"{HOME}/d", user="alice")
    for taken in ("b", "d", "a"):
        with pytest.raises(ConflictError) as conflict:
            storage.rename(f"{HOME}/a", f"{HOME}/{taken}")
        assert conflict.value.where == f"{HOME}/{taken}"
    with pytest.raises(NotFoundError):
        storage.rename(f"{HOME}/nope", f"{HOME}/c")
    with pytest.raises(NotFoundError) as no_parent:
        storage.rename(f"{HOME}/a", f"{HOME}/no/dir/a")
    assert no_parent.value.where == f"{HOME}/no/dir"
    with pytest.raises(RefusedError):
        storage.rename(f"{HOME}/d", f"{HOME}/d/sub")
    assert hdfs.names(HOME) == ["a", "b", "d"]
    assert hdfs.names(f"{HOME}/d") == []


@pytest.mark.parametrize("source", ["file", "dir", "dir/dir"])
def test_rename_takes_back_a_move_into(hdfs: Hdfs, relay: Relay, source: str) -> None:
    """A directory that appears at the last moment swallows the source; it is fetched out again."""
    put_file(hdfs.namespace, f"{HOME}/file", b"x", "alice")
    put_file(hdfs.namespace, f"{HOME}/dir/dir/dir", b"x", "alice")

    def appear(operation: str) -> None:
        if operation == "RENAME" and relay.asked.count("RENAME") == 1:
            hdfs.namespace.make_directories(f"{HOME}/target", user="alice")

    relay.before = appear
    with connected(relay.url) as storage, pytest.raises(ConflictError) as caught:
        storage.rename(f"{HOME}/{source}", f"{HOME}/target")
    assert caught.value.why == "it exists already"
    assert hdfs.names(f"{HOME}/target") == []
    assert hdfs.names(HOME) == ["dir", "file", "target"]
    assert hdfs.names(f"{HOME}/dir/dir") == ["dir"]


def test_rename_that_cannot_be_taken_back(hdfs: Hdfs, relay: Relay) -> None:
    """Where a directory took the source's place, it is not moved into that one either; it is said where it lies."""
    put_file(hdfs.namespace, f"{HOME}/a", b"x", "alice")

    def appear(operation: str) -> None:
        if operation == "RENAME":
            hdfs.namespace.make_directories(f"{HOME}/target", user="alice")
        elif "RENAME" in relay.asked and hdfs.names(HOME) == ["target"]:
            hdfs.namespace.make_directories(f"{HOME}/a", user="alice")

    relay.before = appear
    with connected(relay.url) as storage, pytest.raises(ConflictError) as caught:
        storage.rename(f"{HOME}/a", f"{HOME}/target")
    assert caught.value.where == f"{HOME}/target/a"
    assert hdfs.content(f"{HOME}/target/a") == b"x"
    assert hdfs.names(f"{HOME}/a") == []


def test_rename_taken_back_with_nobody_there(hdfs: Hdfs, relay: Relay) -> None:
    """When the way back is cut off, the error says where the source lies now."""
    put_file(hdfs.namespace, f"{HOME}/a", b"x", "alice")

    def appear(operation: str) -> None:
        if operation == "RENAME":
            hdfs.namespace.make_directories(f"{HOME}/target", user="alice")
            relay.ignored = {"RENAME"}

    relay.before = appear
    with connected(relay.url) as storage, pytest.raises(ConflictError) as caught:
        storage.rename(f"{HOME}/a", f"{HOME}/target")
    assert caught.value.where == f"{HOME}/target/a"
    assert "taken again" not in caught.value.why


def test_rename_whose_destination_is_taken_meanwhile(hdfs: Hdfs, relay: Relay) -> None:
    """A file that appears at the last moment is a conflict, a source that vanishes is not there."""
    put_file(hdfs.namespace, f"{HOME}/a", b"x", "alice")

    def take(operation: str) -> None:
        if operation == "RENAME":
            put_file(hdfs.namespace, f"{HOME}/target", b"z", "alice")
            hdfs.namespace.delete(f"{HOME}/b", user="alice")

    with connected(relay.url) as storage:
        relay.before = take
        with pytest.raises(ConflictError):
            storage.rename(f"{HOME}/a", f"{HOME}/target")
        put_file(hdfs.namespace, f"{HOME}/b", b"y", "alice")
        with pytest.raises(NotFoundError) as caught:
            storage.rename(f"{HOME}/b", f"{HOME}/c")
    assert caught.value.where == f"{HOME}/b"
    assert hdfs.content(f"{HOME}/target") == b"z"


def test_rename_whose_answer_is_lost(hdfs: Hdfs, relay: Relay) -> None:
    """Looking settles it: done is done, and it is sent once."""
    put_file(hdfs.namespace, f"{HOME}/a", b"x", "alice")
    relay.lost = {"RENAME"}
    with connected(relay.url) as storage:
        storage.rename(f"{HOME}/a", f"{HOME}/b")
    assert hdfs.names(HOME) == ["b"]
    assert relay.asked.count("RENAME") == 1


def test_rename_whose_answer_is_lost_moved_inside(hdfs: Hdfs, relay: Relay) -> None:
    """A lost answer does not hide a move into a directory."""
    put_file(hdfs.namespace, f"{HOME}/a", b"x", "alice")
    relay.lost = {"RENAME"}

    def appear(operation: str) -> None:
        if operation == "RENAME" and relay.asked.count("RENAME") == 1:
            hdfs.namespace.make_directories(f"{HOME}/target", user="alice")

    relay.before = appear
    with connected(relay.url) as storage, pytest.raises(ConflictError):
        storage.rename(f"{HOME}/a", f"{HOME}/target")
    assert hdfs.names(HOME) == ["a", "target"]


def test_rename_that_never_arrived(hdfs: Hdfs, relay: Relay) -> None:
    """While the source is still there the outcome is unknown, and is said to be."""
    put_file(hdfs.namespace, f"{HOME}/a", b"x", "alice")
    relay.ignored = {"RENAME"}
    with connected(relay.url) as storage, pytest.raises(RequestTimeoutError):
        storage.rename(f"{HOME}/a", f"{HOME}/b")
    assert relay.asked.count("RENAME") == 1


def test_rename_with_nobody_left_to_look(hdfs: Hdfs, relay: Relay) -> None:
    """When HDFS goes away after the rename, the error does not read as "nothing happened"."""
    put_file(hdfs.namespace, f"{HOME}/a", b"x", "alice")

    def leave(operation: str) -> None:
        if operation == "RENAME":
            relay.ignored = {"GETFILESTATUS"}

    relay.before = leave
    with connected(relay.url) as storage, pytest.raises(RequestTimeoutError, match="was renamed"):
        storage.rename(f"{HOME}/a", f"{HOME}/b")
    relay.ignored, relay.lost = set(), {"RENAME"}
    with connected(relay.url) as storage, pytest.raises(RequestTimeoutError, match="may have been carried out"):
        storage.rename(f"{HOME}/b", f"{HOME}/c")
    assert hdfs.names(HOME) == ["c"]


def test_several_threads_share_one_storage(storage: Storage) -> None:
    """Concurrent use mixes nothing up."""

    def roundtrip(number: int) -> bool:
        path = f"{HOME}/{number}"
        storage.create(path, path.encode() * 1000)
        return storage.read(path) == path.encode() * 1000

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(roundtrip, range(24)))
    assert len(storage.list(HOME)) == 24


def test_importing_is_cheap() -> None:
    """The hdfs library is imported with the first request, not with the module."""
    code = "import sys, yarnserve.storage.series, yarnserve.storage.upload; print('hdfs' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
