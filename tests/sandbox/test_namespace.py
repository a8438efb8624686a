"""HDFS's semantics in the sandbox's namespace, where the recorded conversation does not reach."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sandbox.hdfs_support import put_file
from yarnserve.sandbox.inodes import NamespaceError
from yarnserve.sandbox.namespace import Namespace

HOME = "/user/alice"


@dataclass
class Clock:
    """Seconds since the epoch, moved by hand."""

    now: float = 1000.0


@pytest.fixture
def clock() -> Clock:
    """A clock at 1000 s."""
    return Clock()


@pytest.fixture
def tree(tmp_path: Path, clock: Clock) -> Namespace:
    """A namespace with alice's home."""
    tree = Namespace(tmp_path / "blobs", clock=lambda: clock.now, superuser="root")
    tree.make_directories(HOME, user="root")
    tree.set_owner(HOME, user="root", owner="alice")
    return tree


def names(tree: Namespace, path: str) -> list[str]:
    """Names in a directory."""
    return [entry.name for entry in tree.list(path, user="root")]


def read(tree: Namespace, path: str) -> bytes:
    """A file's contents."""
    with tree.open(path, user="root") as blob:
        return blob.read()


def test_file_being_written(tree: Namespace) -> None:
    """It is visible with length 0, its bytes can be read, and only finishing gives it its length."""
    writer = tree.create(f"{HOME}/a", user="alice")
    writer.write(b"half")
    assert tree.status(f"{HOME}/a", user="alice").length == 0
    assert read(tree, f"{HOME}/a") == b"half"
    writer.write(b" whole")
    writer.finish()
    assert tree.status(f"{HOME}/a", user="alice").length == 10


def test_second_writer(tree: Namespace) -> None:
    """While somebody writes, an exclusive creation says so; afterwards, that the file exists."""
    writer = tree.create(f"{HOME}/a", user="alice")
    with pytest.raises(NamespaceError, match="lease is currently owned") as refused:
        tree.create(f"{HOME}/a", user="alice")
    assert refused.value.exception == "AlreadyBeingCreatedException"
    writer.finish()
    with pytest.raises(NamespaceError) as refused:
        tree.create(f"{HOME}/a", user="alice")
    assert refused.value.exception == "FileAlreadyExistsException"


@pytest.mark.parametrize("how", ["deleted", "overwritten"])
def test_writer_whose_file_is_gone(tree: Namespace, how: str) -> None:
    """Finishing a file that was deleted or overwritten meanwhile fails and changes nothing."""
    writer = tree.create(f"{HOME}/a", user="alice")
    if how == "deleted":
        tree.delete(f"{HOME}/a", user="alice")
    else:
        put_file(tree, f"{HOME}/a", b"new", "alice")
    writer.write(b"old")
    with pytest.raises(NamespaceError, match=f"File does not exist: {HOME}/a"):
        writer.finish()
    assert names(tree, HOME) == ([] if how == "deleted" else ["a"])


def test_writer_that_fails(tree: Namespace) -> None:
    """A writer that leaves with an error leaves what it had written, as a DataNode's does."""
    with suppress(RuntimeError), tree.create(f"{HOME}/a", user="alice") as writer:
        writer.write(b"half")
        raise RuntimeError
    assert tree.status(f"{HOME}/a", user="alice").length == 4


def test_open_file_survives_deletion(tree: Namespace, tmp_path: Path) -> None:
    """Who has a file open reads it to its end; its blob is gone from the disk all the same."""
    put_file(tree, f"{HOME}/a", b"bytes", "alice")
    with tree.open(f"{HOME}/a", user="alice") as blob:
        tree.delete(HOME, user="root", recursive=True)
        assert blob.read() == b"bytes"
    assert list((tmp_path / "blobs").iterdir()) == []


def test_renamed_directory(tree: Namespace) -> None:
    """A directory moves with everything in it, at once."""
    put_file(tree, f"{HOME}/tmp/x/f", b"1", "alice")
    assert tree.rename(f"{HOME}/tmp", f"{HOME}/5", user="alice") is True
    assert names(tree, HOME) == ["5"]
    assert read(tree, f"{HOME}/5/x/f") == b"1"


@pytest.mark.parametrize(
    ("source", "destination", "renamed", "left"),
    [
        ("file", "other", False, ["dir", "file", "other"]),
        ("file", "file", True, ["dir", "file", "other"]),
        ("file", "dir", True, ["dir", "other"]),
        ("dir", "dir", False, ["dir", "file", "other"]),
        ("dir", "dir/below", False, ["dir", "file", "other"]),
        ("dir", "file", False, ["dir", "file", "other"]),
        ("file", "no/where", False, ["dir", "file", "other"]),
        ("nothing", "new", False, ["dir", "file", "other"]),
        ("file", "new", True, ["dir", "new", "other"]),
    ],
)
def test_rename(tree: Namespace, source: str, destination: str, renamed: bool, left: list[str]) -> None:
    """Never onto a file, never below a missing parent, into a directory that exists."""
    tree.make_directories(f"{HOME}/dir", user="alice")
    put_file(tree, f"{HOME}/file", b"1", "alice")
    put_file(tree, f"{HOME}/other", b"2", "alice")
    assert tree.rename(f"{HOME}/{source}", f"{HOME}/{destination}", user="alice") is renamed
    assert names(tree, HOME) == left


def test_times(tree: Namespace, clock: Clock) -> None:
    """A file has the time at which it was finished, a directory that of its last new, renamed or lost child."""
    clock.now = 2000.5
    writer = tree.create(f"{HOME}/a", user="alice")
    clock.now = 3000
    writer.finish()
    assert tree.status(f"{HOME}/a", user="alice").modified_at == 3_000_000
    assert tree.status(HOME, user="alice").modified_at == 2_000_500
    clock.now = 4000
    tree.delete(f"{HOME}/a", user="alice")
    assert tree.status(HOME, user="alice").modified_at == 4_000_000


def test_permissions_of_what_is_made(tree: Namespace) -> None:
    """The last directory gets the permission asked for, those above it stay passable; group is the parent's."""
    tree.make_directories(f"{HOME}/a/b", user="alice", permission=0o500)
    assert tree.status(f"{HOME}/a", user="alice").permission == 0o700
    assert tree.status(f"{HOME}/a/b", user="alice").permission == 0o500
    assert tree.status(f"{HOME}/a/b", user="alice").owner == "alice"
    assert tree.status(f"{HOME}/a/b", user="alice").group == "supergroup"


def test_group_permission(tree: Namespace) -> None:
    """The group's bits count for a user of that name, and the owner's bits for the owner alone."""
    put_file(tree, f"{HOME}/a", b"1", "alice")
    tree.set_owner(f"{HOME}/a", user="root", group="bob")
    tree.set_permission(f"{HOME}/a", 0o040, user="alice")
    tree.open(f"{HOME}/a", user="bob").close()
    tree.open(f"{HOME}/a", user="root").close()
    for user in ("alice", "carol"):
        with pytest.raises(NamespaceError, match=f"user={user}, access=READ, inode="):
            tree.open(f"{HOME}/a", user=user)


def test_recursive_delete_needs_every_directory(tree: Namespace) -> None:
    """A non-empty directory below that the user may not write stops the whole deletion."""
    tree.make_directories(f"{HOME}/a/roots", user="alice")
    tree.set_owner(f"{HOME}/a/roots", user="root", owner="root")
    assert tree.delete(f"{HOME}/a", user="alice", recursive=True) is True
    put_file(tree, f"{HOME}/a/roots/f", b"1", "root")
    with pytest.raises(NamespaceError, match="access=ALL"):
        tree.delete(f"{HOME}/a", user="alice", recursive=True)


@pytest.mark.parametrize("path", ["/user/alice/../bob", "/user/alice/a:b", "relative"])
def test_invalid_paths(tree: Namespace, path: str) -> None:
    """Paths that HDFS does not allow cannot be made or renamed to."""
    with pytest.raises(NamespaceError, match="Invalid path name"):
        tree.make_directories(path, user="root")
    with pytest.raises(NamespaceError, match="Invalid path name"):
        tree.create(path, user="root")
    with pytest.raises(NamespaceError, match="Invalid name"):
        tree.rename(HOME, path, user="root")


def test_listing_below_a_file(tree: Namespace) -> None:
    """A path below a file is no missing path."""
    put_file(tree, f"{HOME}/a", b"1", "alice")
    with pytest.raises(NamespaceError) as refused:
        tree.status(f"{HOME}/a/b", user="alice")
    assert refused.value.exception == "ParentNotDirectoryException"
