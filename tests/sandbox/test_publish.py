"""Publishing: a version appears whole or not at all, and a failed one leaves nothing behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.models import write_model
from tests.sandbox.storage_support import HOME, Hdfs, Relay, connected
from yarnserve.errors import ConflictError, NotFoundError, UnreachableError, UsageError, YarnserveError
from yarnserve.records.repository import MANIFEST
from yarnserve.repository.layout import incoming
from yarnserve.repository.publish import Publishing, publish
from yarnserve.repository.versions import require_version, versions
from yarnserve.storage.client import Storage

BASE = f"{HOME}/models/digits"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A version directory as a training job exports it."""
    return write_model(tmp_path / "export", index=b"index", data=b"data")


def staged(hdfs: Hdfs) -> list[str]:
    """What lies in staging."""
    return hdfs.names(incoming(BASE)) if hdfs.exists(incoming(BASE)) else []


def about_to_appear(hdfs: Hdfs) -> bool:
    """Whether everything is staged, so that a RENAME is the one to the number and not one of the claim's."""
    return any(MANIFEST in hdfs.names(f"{incoming(BASE)}/{name}") for name in staged(hdfs))


def test_a_published_version_is_the_directory_that_was_given(hdfs: Hdfs, storage: Storage, model: Path) -> None:
    """Files and subdirectories stand under the number, and staging is empty."""
    sent = [path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()]
    published = publish(storage, model, BASE, 3)
    assert published.path == f"{BASE}/3"
    assert (published.version, [file.path for file in published.manifest.files]) == (3, sorted(sent))
    assert hdfs.content(f"{BASE}/3/variables/variables.index") == b"index"
    assert staged(hdfs) == []


def test_no_number_appears_before_everything_is_there(hdfs: Hdfs, relay: Relay, model: Path) -> None:
    """While files are uploaded, TF Serving would see no version; the one rename shows all of it."""
    seen: list[tuple[str, ...]] = []

    def look(operation: str) -> None:
        seen.append(tuple(hdfs.names(f"{BASE}/1")) if hdfs.exists(f"{BASE}/1") else ())

    relay.before = look
    with connected(relay.url) as storage:
        publish(storage, model, BASE, 1)
    assert relay.asked.count("CREATE") > 2
    assert set(seen) == {(), (MANIFEST, "saved_model.pb", "variables")}
    assert versions(storage, BASE) == (1,)


def test_a_version_that_exists_is_refused_before_anything_is_sent(relay: Relay, storage: Storage, model: Path) -> None:
    """Servers that loaded it would not notice a change."""
    publish(storage, model, BASE, 1)
    with connected(relay.url) as watched, pytest.raises(ConflictError):
        publish(watched, model, BASE, 1)
    assert "CREATE" not in relay.asked


def test_of_two_publishers_of_one_number_one_wins(hdfs: Hdfs, model: Path) -> None:
    """The loser is told, nothing of its own is left, and the winner's version holds no stranger."""

    def race(number: int) -> bool:
        with connected(hdfs.url) as storage:
            try:
                publish(storage, model, BASE, 7)
            except ConflictError:
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(race, range(4))) == [False, False, False, True]
    assert staged(hdfs) == []
    assert hdfs.names(f"{BASE}/7") == [MANIFEST, "saved_model.pb", "variables"]


def test_a_failed_upload_is_cleaned_up(hdfs: Hdfs, relay: Relay, model: Path) -> None:
    """A file that cannot be sent: no number, no staging, and the next attempt succeeds."""

    def lose(operation: str) -> None:
        relay.lost = {"CREATE"} if staged(hdfs) else set()

    relay.before = lose
    with connected(relay.url) as storage, pytest.raises(YarnserveError):
        publish(storage, model, BASE, 1)
    assert staged(hdfs) == []
    relay.before, relay.lost = lambda operation: None, set()
    with connected(relay.url) as storage:
        publish(storage, model, BASE, 1)


def test_ctrl_c_is_cleaned_up(hdfs: Hdfs, storage: Storage, model: Path) -> None:
    """Whoever interrupts a long upload leaves no gigabytes in staging."""

    def interrupt(path: str, size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(storage, model, BASE, 1, Publishing(on_file=interrupt))
    assert staged(hdfs) == []


def test_a_lost_answer_to_the_rename_is_settled_by_looking(hdfs: Hdfs, relay: Relay, model: Path) -> None:
    """The version stands there: that is success, whatever the connection did."""
    relay.lost = {"RENAME"}
    with connected(relay.url) as storage:
        publish(storage, model, BASE, 1)
    assert hdfs.names(f"{BASE}/1") == [MANIFEST, "saved_model.pb", "variables"]


def test_an_upload_that_somebody_elses_version_swallowed_is_told(hdfs: Hdfs, relay: Relay, model: Path) -> None:
    """A version appears at the last moment and the way back is cut off: the error names where the upload lies."""

    def appear(operation: str) -> None:
        if operation == "RENAME" and about_to_appear(hdfs):
            hdfs.namespace.make_directories(f"{BASE}/7", user="alice")
            relay.ignored = {"RENAME"}

    relay.before = appear
    with connected(relay.url) as storage, pytest.raises(ConflictError, match="was moved into") as caught:
        publish(storage, model, BASE, 7, Publishing(new_id=lambda: "upload"))
    assert caught.value.where == f"{BASE}/7/upload"
    assert hdfs.names(f"{BASE}/7") == ["upload"]


def test_an_upload_that_came_back_is_a_version_that_exists(hdfs: Hdfs, relay: Relay, model: Path) -> None:
    """The move into somebody else's version was taken back: nothing of ours is anywhere, and the fix is named."""

    def appear(operation: str) -> None:
        if operation == "RENAME" and about_to_appear(hdfs) and not hdfs.exists(f"{BASE}/7"):
            hdfs.namespace.make_directories(f"{BASE}/7", user="alice")

    relay.before = appear
    with connected(relay.url) as storage, pytest.raises(ConflictError, match="exists already") as caught:
        publish(storage, model, BASE, 7)
    assert "next number" in caught.value.fix
    assert hdfs.names(f"{BASE}/7") == []
    assert staged(hdfs) == []


def test_where_the_upload_lies_is_told_when_nobody_can_look(hdfs: Hdfs, relay: Relay, model: Path) -> None:
    """After the move HDFS is gone: what rename knows is not replaced by a guess."""

    def appear(operation: str) -> None:
        if operation == "RENAME" and about_to_appear(hdfs):
            hdfs.namespace.make_directories(f"{BASE}/7", user="alice")
            relay.ignored = {"RENAME"}
        elif relay.ignored and operation == "RENAME":
            relay.ignored = {"GETFILESTATUS", "DELETE"}

    relay.before = appear
    with connected(relay.url) as storage, pytest.raises(ConflictError, match="was moved into"):
        publish(storage, model, BASE, 7)


def test_only_numbered_directories_are_versions(hdfs: Hdfs, storage: Storage) -> None:
    """What TF Serving ignores is no version."""
    for name in ("2", "10", "v3", ".yarnserve", "5.tmp", str(2**63)):
        storage.make_directories(f"{BASE}/{name}")
    storage.create(f"{BASE}/7", b"a file")
    assert versions(storage, BASE) == (2, 10)
    with pytest.raises(NotFoundError, match="holds no model"):
        require_version(storage, BASE)
    storage.create(f"{BASE}/10/saved_model.pb", b"graph")
    assert require_version(storage, BASE) == 10


@pytest.mark.parametrize("version", [0, -1, 2**63])
def test_what_tf_serving_takes_for_no_version_is_refused(relay: Relay, model: Path, version: int) -> None:
    """It would lie there unseen, and above every number to come; nothing is sent."""
    with connected(relay.url) as storage, pytest.raises(UsageError, match="is no version"):
        publish(storage, model, BASE, version)
    assert relay.asked == []


def test_a_base_path_that_is_a_version_is_refused(relay: Relay, model: Path) -> None:
    """It would put a version without a model where servers look; nothing is sent."""
    with connected(relay.url) as storage, pytest.raises(UsageError, match="looks like a version"):
        publish(storage, model, f"{BASE}/2", 2)
    assert relay.asked == []


def test_a_base_path_that_is_missing_empty_or_a_file(storage: Storage) -> None:
    """Each is told in its own words."""
    with pytest.raises(NotFoundError, match="does not exist"):
        versions(storage, BASE)
    storage.make_directories(BASE)
    with pytest.raises(NotFoundError, match="no version"):
        require_version(storage, BASE)
    storage.create(f"{BASE}/file", b"")
    with pytest.raises(NotFoundError, match="is a file"):
        versions(storage, f"{BASE}/file")


@pytest.mark.parametrize("content", ["nothing", "a parent of versions"])
def test_what_holds_no_model_is_refused(storage: Storage, tmp_path: Path, content: str) -> None:
    """The directory above the versions is the usual slip; the right one is named."""
    directory = tmp_path / "export"
    directory.mkdir()
    if content != "nothing":
        write_model(directory / "4")
    with pytest.raises(UsageError) as caught:
        publish(storage, directory, BASE, 1)
    assert ("export/4" in caught.value.fix) is (content != "nothing")


def test_without_hdfs_the_error_is_hdfss(model: Path) -> None:
    """Cleaning up must not hide why it failed."""
    with connected("http://127.0.0.1:9") as storage, pytest.raises(UnreachableError):
        publish(storage, model, BASE, 1)
