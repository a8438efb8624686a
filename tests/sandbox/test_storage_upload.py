"""Uploading a directory: the same tree arrives, or nothing is sent and it is said why."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.sandbox.storage_support import HOME, Hdfs
from yarnserve.errors import ConflictError, NotFoundError, UsageError, YarnserveError
from yarnserve.storage.client import Storage
from yarnserve.storage.upload import Uploaded, Watcher, upload_directory

REMOTE = f"{HOME}/models/digits/1"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A SavedModel's tree, an empty assets directory included."""
    root = tmp_path / "model"
    for directory in ("assets", "variables", "assets.extra"):
        (root / directory).mkdir(parents=True)
    (root / "saved_model.pb").write_bytes(b"graph")
    (root / "variables" / "variables.index").write_bytes(b"")
    (root / "variables" / "variables.data-00000-of-00001").write_bytes(b"x" * 3_000_000)
    (root / "assets.extra" / "warm up.txt").write_bytes(b"w")
    return root


def test_the_tree_arrives(hdfs: Hdfs, storage: Storage, model: Path) -> None:
    """Every file and empty directory, in a fixed order, with its totals."""
    seen: list[tuple[str, int]] = []
    totals = upload_directory(storage, model, REMOTE, on_file=lambda name, size: seen.append((name, size)))
    assert totals == Uploaded(files=4, bytes=3_000_006)
    assert seen == [
        ("assets.extra/warm up.txt", 1),
        ("saved_model.pb", 5),
        ("variables/variables.data-00000-of-00001", 3_000_000),
        ("variables/variables.index", 0),
    ]
    assert hdfs.names(REMOTE) == ["assets", "assets.extra", "saved_model.pb", "variables"]
    assert hdfs.names(f"{REMOTE}/assets") == []
    assert hdfs.content(f"{REMOTE}/variables/variables.data-00000-of-00001") == b"x" * 3_000_000


def test_links_inside_the_tree_are_followed(hdfs: Hdfs, storage: Storage, model: Path) -> None:
    """A link to a file of the model arrives as that file, also when the model itself is reached by a link."""
    (model / "again.pb").symlink_to("saved_model.pb")
    (model.parent / "link").symlink_to(model)
    upload_directory(storage, model.parent / "link", REMOTE)
    assert hdfs.content(f"{REMOTE}/again.pb") == b"graph"


@pytest.mark.parametrize("target", ["/etc/hostname", "..", "../model2", ".", "variables", "nowhere", "loop"])
def test_other_links_are_refused(hdfs: Hdfs, storage: Storage, model: Path, target: str) -> None:
    """A link out of the tree, to a directory, to nothing or to itself stops the upload before it begins."""
    (model.parent / "model2").mkdir()
    (model / "loop").symlink_to(target)
    with pytest.raises(YarnserveError) as caught:
        upload_directory(storage, model, REMOTE)
    assert "loop" in caught.value.what + caught.value.why
    assert hdfs.names(HOME) == []


def test_what_is_no_directory_of_files_is_refused(hdfs: Hdfs, storage: Storage, model: Path) -> None:
    """Missing, a file, empty, a socket inside: each has its reason, and nothing is sent."""
    with pytest.raises(NotFoundError):
        upload_directory(storage, model / "nope", REMOTE)
    with pytest.raises(UsageError, match="cannot upload"):
        upload_directory(storage, model / "saved_model.pb", REMOTE)
    with pytest.raises(UsageError) as empty:
        upload_directory(storage, model / "assets", REMOTE)
    assert empty.value.why == "it holds no files"
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.path.relpath(model / "socket"))
        with pytest.raises(UsageError) as special:
            upload_directory(storage, model, REMOTE)
    assert special.value.why == "it is neither file nor directory"
    assert hdfs.names(HOME) == []


def test_an_existing_destination_is_a_conflict(hdfs: Hdfs, storage: Storage, model: Path) -> None:
    """A model is never mixed into another."""
    upload_directory(storage, model, REMOTE)
    (model / "saved_model.pb").write_bytes(b"other")
    (model / "another.pb").write_bytes(b"other")
    with pytest.raises(ConflictError):
        upload_directory(storage, model, REMOTE)
    assert hdfs.content(f"{REMOTE}/saved_model.pb") == b"graph"
    assert "another.pb" not in hdfs.names(REMOTE)


def test_a_file_that_vanishes_is_a_local_error(hdfs: Hdfs, storage: Storage, model: Path) -> None:
    """What cannot be read here is not blamed on HDFS."""

    def vanish(name: str) -> Watcher:
        (model / "saved_model.pb").unlink(missing_ok=True)
        return lambda data: None

    with pytest.raises(YarnserveError, match="cannot read") as caught:
        upload_directory(storage, model, REMOTE, watch=vanish)
    assert type(caught.value) is YarnserveError
    assert "saved_model.pb" in caught.value.why
