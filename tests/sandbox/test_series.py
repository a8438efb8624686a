"""Series: one winner per number, whatever dies or gets lost on the way."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from tests.sandbox.hdfs_support import put_file
from tests.sandbox.storage_support import HOME, Answer, Hdfs, Relay, connected, scripted
from yarnserve.errors import ConflictError, RefusedError, RequestTimeoutError, UnreachableError
from yarnserve.storage.client import SWEEPS, Storage
from yarnserve.storage.series import TRIES, Entry, Series

SERIES = f"{HOME}/.yarnserve/digits/desired"


@pytest.fixture
def series(storage: Storage) -> Series:
    """A series that does not exist yet."""
    return Series(storage, SERIES)


def fill(hdfs: Hdfs, series: Series, count: int) -> None:
    """Append *count* entries, a second apart."""
    for number in range(count):
        hdfs.clock.now += 1
        series.append({"n": number + 1}, after=number)


def test_an_empty_series(series: Series) -> None:
    """Without a directory there is nothing, and that is no error."""
    assert series.latest() is None
    assert series.history() == ()
    series.prune(1)


def test_append_and_read(hdfs: Hdfs, series: Series) -> None:
    """What is appended comes back, numbered, with the NameNode's time; nothing temporary is left."""
    body = {"replicas": 3, "text": "naïve \ud800", "nested": {"list": [1, 2.5, None, True]}, 7: "key"}
    entry = series.append(body, after=0)
    assert entry == Entry(1, {**{k: v for k, v in body.items() if k != 7}, "7": "key"}, hdfs.clock.now)
    assert series.latest() == entry
    hdfs.clock.now += 5
    second = series.append({}, after=1)
    assert (second.number, second.modified_at) == (2, hdfs.clock.now)
    assert series.latest() == second
    assert series.history() == (entry, second)
    assert hdfs.names(SERIES) == ["1.json", "2.json"]


def test_the_file_is_what_is_documented(hdfs: Hdfs, storage: Storage) -> None:
    """Format, id, checksum and body: what another yarnserve will read."""
    Series(storage, SERIES, new_id=lambda: "me").append({"b": 1, "a": "ü"}, after=0)
    assert json.loads(hdfs.content(f"{SERIES}/1.json")) == {
        "format": 1,
        "id": "me",
        "checksum": "sha256:" + hashlib.sha256(rb'{"a":"\u00fc","b":1}').hexdigest(),
        "body": {"b": 1, "a": "ü"},
    }


@pytest.mark.parametrize("after", [0, 1, 3, 7])
def test_only_the_newest_can_be_followed(hdfs: Hdfs, series: Series, after: int) -> None:
    """Whoever knows an older entry, or one that is not there, is told so and leaves nothing behind."""
    fill(hdfs, series, 2)
    with pytest.raises(ConflictError):
        series.append({}, after=after)
    assert hdfs.names(SERIES) == ["1.json", "2.json"]


def test_a_series_that_was_removed_does_not_come_back(hdfs: Hdfs, storage: Storage, series: Series) -> None:
    """A renewal after the service was destroyed is a conflict."""
    fill(hdfs, series, 2)
    storage.delete(SERIES, recursive=True)
    with pytest.raises(ConflictError):
        series.append({}, after=2)
    assert series.latest() is None


def test_of_two_writers_one_wins(hdfs: Hdfs) -> None:
    """In every round exactly one of the writers after the same number gets it, the others a conflict."""
    writers, rounds = 3, 25
    together = threading.Barrier(writers)
    won: list[list[int]] = [[] for _ in range(writers)]

    def write(me: int) -> None:
        with connected(hdfs.url) as storage:
            series = Series(storage, SERIES)
            for number in range(rounds):
                together.wait(20)
                with suppress(ConflictError):
                    won[me].append(series.append({"me": me}, after=number).number)
                together.wait(20)

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    assert sorted(number for numbers in won for number in numbers) == list(range(1, rounds + 1))
    with connected(hdfs.url) as storage:
        for entry in Series(storage, SERIES).history():
            assert entry.number in won[entry.body["me"]]
    assert len(hdfs.names(SERIES)) == rounds


def test_an_append_that_says_conflict_has_written_nothing(hdfs: Hdfs) -> None:
    """Writers that retry after every conflict lose no entry and write none twice, also while one prunes."""
    writers, each = 3, 8

    def write(me: int) -> int:
        conflicts = 0
        with connected(hdfs.url) as storage:
            series = Series(storage, SERIES)
            done = 0
            while done < each:
                latest = series.latest()
                try:
                    entry = series.append({"me": me}, after=latest.number if latest else 0)
                    done += 1
                    if me == 0 and entry.number % 3 == 0:
                        series.prune(2)
                except ConflictError:
                    conflicts += 1
        return conflicts

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    with connected(hdfs.url) as storage:
        latest = Series(storage, SERIES).latest()
    assert latest is not None
    assert latest.number == writers * each


def test_a_writer_killed_before_its_rename(hdfs: Hdfs, series: Series) -> None:
    """Its temporary file is not an entry, takes no number, and goes once something newer is there."""
    put_file(hdfs.namespace, f"{SERIES}/.tmp-dead", b"anything", "alice")
    assert series.latest() is None
    hdfs.clock.now += 1
    assert series.append({}, after=0).number == 1
    series.prune(5)
    assert hdfs.names(SERIES) == ["1.json"]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[:-5],
    "not json": lambda data: b"\xff\x00",
    "changed body": lambda data: data.replace(b'"n": 2', b'"n": 9'),
    "no checksum": lambda data: data.replace(b"checksum", b"shecksum"),
    "wrong checksum": lambda data: data.replace(b"sha256:", b"sha512:"),
    "other json": lambda data: b"[1]",
    "no id": lambda data: data.replace(b'"id": "', b'"id": 1, "x": "'),
    "older format": lambda data: data.replace(b'"format": 1', b'"format": 0'),
    "deep": lambda data: b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_entries_are_skipped(hdfs: Hdfs, series: Series, damage: Callable[[bytes], bytes]) -> None:
    """The one before counts again, the damaged one's number stays taken."""
    fill(hdfs, series, 2)
    hdfs.clock.now += 1
    put_file(hdfs.namespace, f"{SERIES}/2.json", damage(hdfs.content(f"{SERIES}/2.json")), "alice")
    latest = series.latest()
    assert latest is not None
    assert latest.number == 1
    assert [entry.number for entry in series.history()] == [1]
    assert series.append({"n": 3}, after=1).number == 3
    assert [entry.number for entry in series.history()] == [1, 3]


def test_an_entry_is_read_once(hdfs: Hdfs, relay: Relay) -> None:
    """Files never change, so whoever looks again only lists; a series begun anew is read, whatever its numbers."""
    with connected(relay.url) as storage:
        watched, other = Series(storage, SERIES), Series(storage, SERIES)
        other.append({"n": 1}, after=0)
        first = watched.latest()
        opened = relay.asked.count("OPEN")
        assert watched.latest() == first
        assert relay.asked.count("OPEN") == opened
        storage.delete(SERIES, recursive=True)
        hdfs.clock.now += 1
        other.append({"n": 2}, after=0)
        again = watched.latest()
        assert again is not None
        assert again.body == {"n": 2}


def test_other_names_are_not_entries(hdfs: Hdfs, series: Series) -> None:
    """Only plain positive numbers count; a directory of such a name holds the number and nothing else."""
    fill(hdfs, series, 1)
    content = hdfs.content(f"{SERIES}/1.json")
    for name in ("02.json", "0.json", "-3.json", "3.json.bak", "x.json", "٣.json", "9" * 19 + ".json", " 4.json"):
        put_file(hdfs.namespace, f"{SERIES}/{name}", content, "alice")
    hdfs.namespace.make_directories(f"{SERIES}/2.json", user="alice")
    latest = series.latest()
    assert latest is not None
    assert latest.number == 1
    assert series.append({}, after=1).number == 3


def test_a_newer_format_is_not_skipped(hdfs: Hdfs, series: Series) -> None:
    """To go back behind a newer yarnserve's entry would undo what it did."""
    fill(hdfs, series, 2)
    newer = hdfs.content(f"{SERIES}/2.json").replace(b'"format": 1', b'"format": 2')
    hdfs.clock.now += 1
    put_file(hdfs.namespace, f"{SERIES}/2.json", newer, "alice")
    acts: list[Callable[[], Any]] = [series.latest, series.history, lambda: series.append({}, after=1)]
    for act in acts:
        with pytest.raises(RefusedError, match="newer yarnserve"):
            act()


def test_the_lost_answer_of_the_rename(hdfs: Hdfs, relay: Relay) -> None:
    """A rename that was done and never answered is a success, sent once."""
    relay.lost = {"RENAME"}
    with connected(relay.url) as storage:
        entry = Series(storage, SERIES).append({"a": 1}, after=0)
    assert entry.number == 1
    assert hdfs.names(SERIES) == ["1.json"]
    assert relay.asked.count("RENAME") == 1


def test_the_lost_answer_with_nobody_to_look(hdfs: Hdfs, relay: Relay) -> None:
    """When the rename's own looks fail too, our id in the file settles it."""

    def leave(operation: str) -> None:
        if operation == "RENAME":
            relay.ignored = {"GETFILESTATUS"}
        if operation == "DELETE":
            relay.ignored = set()

    relay.before = leave
    relay.lost = {"RENAME"}
    with connected(relay.url) as storage:
        assert Series(storage, SERIES).append({"a": 1}, after=0).number == 1
    assert hdfs.names(SERIES) == ["1.json"]


def test_a_rename_that_never_arrived_cannot_arrive_later(hdfs: Hdfs, relay: Relay) -> None:
    """The source is gone, so that a late rename finds nothing: nothing was saved, and that is what is said."""
    relay.ignored = {"RENAME"}
    with connected(relay.url) as storage, pytest.raises(UnreachableError) as caught:
        Series(storage, SERIES).append({"a": 1}, after=0)
    assert not isinstance(caught.value, RequestTimeoutError)
    assert hdfs.names(SERIES) == []
    assert relay.asked.count("RENAME") == TRIES


def test_a_rename_that_died_with_its_namenode_is_written_anew(hdfs: Hdfs, relay: Relay) -> None:
    """Its source is gone for good, so another file takes the number, and one entry is there."""
    relay.ignored = {"RENAME"}

    def recover(operation: str) -> None:
        if operation == "DELETE":
            relay.ignored = set()

    relay.before = recover
    with connected(relay.url) as storage:
        assert Series(storage, SERIES).append({"a": 1}, after=0).number == 1
    assert hdfs.names(SERIES) == ["1.json"]
    assert relay.asked.count("RENAME") == 2


def test_somebody_takes_the_number_at_the_last_moment(hdfs: Hdfs, relay: Relay, series: Series) -> None:
    """Their entry stands, ours is a conflict and leaves nothing."""

    def hurry(operation: str) -> None:
        if operation == "RENAME":
            series.append({"who": "other"}, after=0)

    relay.before = hurry
    with connected(relay.url) as storage, pytest.raises(ConflictError, match="somebody else"):
        Series(storage, SERIES).append({"who": "me"}, after=0)
    assert [entry.body["who"] for entry in series.history()] == ["other"]
    assert hdfs.names(SERIES) == ["1.json"]


def test_a_suspended_writer_cannot_take_a_pruned_number(hdfs: Hdfs, relay: Relay, series: Series) -> None:
    """Somebody who looked, slept, and renames when the number is free again by pruning, has lost all the same."""
    fill(hdfs, series, 1)

    def sleep(operation: str) -> None:
        if operation == "RENAME":
            relay.before = lambda operation: None
            for number in range(1, 5):
                hdfs.clock.now += 1
                series.append({"who": "other"}, after=number)
            series.prune(2)

    relay.before = sleep
    with connected(relay.url) as storage, pytest.raises(ConflictError):
        Series(storage, SERIES).append({"who": "me"}, after=1)
    assert hdfs.names(SERIES) == ["4.json", "5.json"]


def test_a_writer_whose_file_is_pruned_while_it_is_written_has_lost() -> None:
    """Real 3.1.4 says that there is no such file; that is not told as if there were no such series."""
    address: list[str] = []

    def script(operation: str, path: str) -> Answer:
        if operation != "CREATE":
            return Answer(b'{"boolean": false}')
        if "step=2" not in path:
            return Answer(status=307, location=f"{address[0]}{path}&step=2")
        told = {
            "exception": "FileNotFoundException",
            "javaClassName": "java.io.FileNotFoundException",
            "message": "gone",
        }
        return Answer(json.dumps({"RemoteException": told}).encode(), status=404)

    with scripted(script) as url, connected(url) as storage:
        address.append(url)
        with pytest.raises(ConflictError, match="somebody else changed it first"):
            Series(storage, SERIES).append({"who": "me"}, after=1)


def test_no_hdfs_no_entry(hdfs: Hdfs, relay: Relay) -> None:
    """Without an answer to the first write nothing more is tried than to ask for it again."""
    relay.ignored = {"CREATE"}
    with connected(relay.url) as storage, pytest.raises(UnreachableError):
        Series(storage, SERIES).append({}, after=0)
    assert relay.asked == ["CREATE"] * SWEEPS


@pytest.mark.parametrize(
    ("keep", "left"), [(-1, [5]), (0, [5]), (1, [5]), (2, [4, 5]), (5, [1, 2, 3, 4, 5]), (9, None)]
)
def test_prune(hdfs: Hdfs, series: Series, keep: int, left: list[int] | None) -> None:
    """The newest *keep* stay, the newest always."""
    fill(hdfs, series, 5)
    series.prune(keep)
    assert [entry.number for entry in series.history()] == (left or [1, 2, 3, 4, 5])


def test_prune_never_touches_the_highest_readable_nor_what_is_above(hdfs: Hdfs, series: Series) -> None:
    """A damaged newest entry is no reason to lose the last good one, and its number stays taken."""
    fill(hdfs, series, 4)
    put_file(hdfs.namespace, f"{SERIES}/4.json", b"", "alice")
    series.prune(1)
    assert hdfs.names(SERIES) == ["3.json", "4.json"]
    assert series.append({}, after=3).number == 5


def test_prune_spares_a_writer_at_work(hdfs: Hdfs, series: Series) -> None:
    """A temporary file that is not older than the newest entry may yet become its successor."""
    fill(hdfs, series, 2)
    put_file(hdfs.namespace, f"{SERIES}/.tmp-alive", b"", "alice")
    series.prune(1)
    assert hdfs.names(SERIES) == [".tmp-alive", "2.json"]


def test_an_entry_pruned_before_it_is_read(hdfs: Hdfs, relay: Relay, series: Series) -> None:
    """The directory is looked at again and the newer entry found; without end it is a conflict."""
    fill(hdfs, series, 1)

    def overtake(operation: str) -> None:
        if relay.asked.count("LISTSTATUS") == 1 and operation == "GETFILESTATUS":
            relay.before = lambda operation: None
            hdfs.clock.now += 1
            series.append({"who": "newer"}, after=1)
            series.prune(1)

    relay.before = overtake
    with connected(relay.url) as storage:
        latest = Series(storage, SERIES).latest()
    assert latest is not None
    assert latest.number == 2

    def always(operation: str) -> None:
        if operation == "OPEN":
            entry = series.latest()
            assert entry is not None
            hdfs.clock.now += 1
            series.append({}, after=entry.number)
            series.prune(1)

    relay.before = always
    with connected(relay.url) as storage, pytest.raises(ConflictError, match="pruned again and again"):
        Series(storage, SERIES).latest()
