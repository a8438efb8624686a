"""The journal beside a service on HDFS: few files, none lost, damaged ones told, and HDFS away in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.sandbox.hdfs_support import put_file
from tests.sandbox.storage_support import HOME, Clock, Hdfs, Relay, connected
from yarnserve.errors import NotFoundError
from yarnserve.records.journal import JournalEntry, What
from yarnserve.service.journal import JournalSeries
from yarnserve.service.store import ServiceStore
from yarnserve.storage.client import Storage
from yarnserve.storage.series import Series
from yarnserve.supervise.journal import MOST_WAITING, RETRY_AFTER, SEEN_WAITS, Journal, SharedJournal

STATE = f"{HOME}/.yarnserve/digits"
JOURNAL = f"{STATE}/journal"


def entry(number: int, what: What = What.SEEN, service: str = "digits") -> JournalEntry:
    """An entry that is told from others by its time."""
    return JournalEntry(1_700_000_000.0 + number, service, what, f"look {number}")


@pytest.fixture
def told() -> list[str]:
    """What was said of troubles, or of what was left out."""
    return []


@pytest.fixture(autouse=True)
def state(hdfs: Hdfs) -> None:
    """The state directory of a service that was launched."""
    hdfs.namespace.make_directories(f"{STATE}/revisions", user="alice")


def series(storage: Storage, *, full: int = 10, keep: int = 3) -> JournalSeries:
    """A journal with small files."""
    return JournalSeries(
        Series(storage, JOURNAL), is_kept=lambda: storage.status(f"{STATE}/revisions") is not None, full=full, keep=keep
    )


def test_files_are_joined_until_they_are_full(hdfs: Hdfs, storage: Storage, told: list[str]) -> None:
    """Twenty-five entries, each written for itself, are three files, and are read in their order."""
    journal = series(storage)
    for number in range(25):
        hdfs.clock.now += 1
        journal.append([entry(number)])
    assert len(hdfs.names(JOURNAL)) == 3
    chapter = journal.read(told.append)
    assert chapter.entries == tuple(entry(number) for number in range(25))
    assert (chapter.newest, chapter.lost, told) == (25, 0, [])


def test_it_is_bounded(hdfs: Hdfs, storage: Storage, told: list[str]) -> None:
    """The oldest files go."""
    journal = series(storage, full=2, keep=3)
    for number in range(20):
        hdfs.clock.now += 1
        journal.append([entry(number)])
    assert journal.read(told.append).entries == tuple(entry(number) for number in range(14, 20))


def test_the_next_supervisor_goes_on_with_the_file(hdfs: Hdfs, storage: Storage, told: list[str]) -> None:
    """A supervisor that is started again and again does not push the story out."""
    for number in range(8):
        hdfs.clock.now += 1
        series(storage).append([entry(number)])
    assert len(hdfs.names(JOURNAL)) == 1
    assert len(series(storage).read(told.append).entries) == 8


def test_two_writers_lose_nothing(hdfs: Hdfs, storage: Storage, told: list[str]) -> None:
    """Whoever comes second looks at what the first has written, and goes on with that."""
    first, second = series(storage), series(storage)
    for number in range(0, 6, 2):
        hdfs.clock.now += 1
        first.append([entry(number)])
        hdfs.clock.now += 1
        second.append([entry(number + 1)])
    assert series(storage).read(told.append).entries == tuple(entry(number) for number in range(6))


def test_reading_on_gives_what_is_new(hdfs: Hdfs, storage: Storage, told: list[str]) -> None:
    """A file that holds old entries beside the new one is read, the ones before it are not."""
    journal = series(storage)
    journal.append([entry(1)])
    newest = journal.read(told.append).newest
    assert journal.read(told.append, after=newest).entries == ()
    journal.append([entry(2)])
    assert entry(2) in journal.read(told.append, after=newest).entries


def test_reading_on_gives_what_a_service_of_the_same_name_tells(hdfs: Hdfs, storage: Storage, told: list[str]) -> None:
    """Destroyed and launched anew between two looks: its journal begins with number 1 again."""
    for number in range(3):
        hdfs.clock.now += 1
        series(storage).append([entry(number)])
    newest = series(storage).read(told.append).newest
    storage.delete(JOURNAL, recursive=True)
    series(storage).append([entry(7)])
    chapter = series(storage).read(told.append, after=newest)
    assert chapter.entries == (entry(7),)
    assert series(storage).read(told.append, after=chapter.newest).entries == ()


def test_since_leaves_out_what_is_older(hdfs: Hdfs, storage: Storage, told: list[str]) -> None:
    """By the time of the entry, not of its file."""
    series(storage).append([entry(1), entry(100)])
    assert series(storage).read(told.append, since=entry(50).at).entries == (entry(100),)


def test_a_destroyed_service_has_no_journal(hdfs: Hdfs, storage: Storage) -> None:
    """Its state directory does not rise again, whether the writer has written before or not."""
    journal = series(storage)
    journal.append([entry(1)])
    storage.delete(STATE, recursive=True)
    for each in (journal, series(storage)):
        with pytest.raises(NotFoundError, match="not there any more"):
            each.append([entry(2)])
    assert not hdfs.exists(STATE)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[:-20],
    "empty": lambda content: b"",
    "newer format": lambda content: content.replace(b'"format": 1', b'"format": 2'),
    "deep": lambda content: b"[" * 100_000,
    "too large": lambda content: b" " * (16 * 2**20 + 1),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_left_out_and_told(
    hdfs: Hdfs, storage: Storage, told: list[str], damage: Callable[[bytes], bytes]
) -> None:
    """The files around it are read."""
    journal = series(storage, full=1)
    for number in range(3):
        hdfs.clock.now += 1
        journal.append([entry(number)])
    put_file(hdfs.namespace, f"{JOURNAL}/2.json", damage(hdfs.content(f"{JOURNAL}/2.json")), "alice")
    assert series(storage).read(told.append).entries == (entry(0), entry(2))
    assert len(told) == 1
    assert "2.json is left out" in told[0]


def test_entries_of_a_newer_yarnserve_are_told_and_kept(hdfs: Hdfs, storage: Storage, told: list[str]) -> None:
    """An older supervisor does not write them anew: it would lose what it does not know."""
    documents = [{"version": 2, "new": "words"}, {"version": 1, "at": 5.0, "service": "d", "what": "seen", "text": "t"}]
    Series(storage, JOURNAL).append({"entries": documents}, after=0)
    hdfs.clock.now += 1
    series(storage).append([entry(1)])
    chapter = series(storage).read(told.append)
    assert [each.at for each in chapter.entries] == [5.0, entry(1).at]
    assert "1 of 2 entries are left out" in told[0]
    assert "newer yarnserve" in told[0]
    assert json.loads(hdfs.content(f"{JOURNAL}/1.json"))["body"]["entries"] == documents


@pytest.mark.parametrize("body", [{}, {"entries": 7}, {"entries": [None, []]}, {"entries": [], "lost": "many"}])
def test_a_file_that_holds_something_else(storage: Storage, told: list[str], body: dict[str, object]) -> None:
    """It is no journal, and in nobody's way."""
    Series(storage, JOURNAL).append(body, after=0)
    series(storage).append([entry(1)])
    assert series(storage).read(told.append).entries == (entry(1),)


@dataclass
class Way:
    """A journal on its way to HDFS, through a relay that can be cut."""

    relay: Relay
    clock: Clock
    shared: SharedJournal
    told: list[str]

    def cut(self) -> None:
        """Nobody answers any more."""
        self.relay.ignored = {"CREATE", "LISTSTATUS", "GETFILESTATUS", "OPEN", "GETHOMEDIRECTORY"}

    def mend(self) -> None:
        """HDFS is back."""
        self.relay.ignored = set()


@pytest.fixture
def way(relay: Relay, told: list[str]) -> Iterator[Way]:
    """One, with a clock that is moved by hand."""
    clock = Clock(1000.0)
    with connected(relay.url) as storage:
        store = ServiceStore(storage, storage, "digits")
        yield Way(
            relay, clock, SharedJournal("digits", lambda: store.journal, clock=clock, on_trouble=told.append), told
        )


def test_what_is_decided_goes_at_once_what_is_seen_waits(way: Way) -> None:
    """For SEEN_WAITS at most, or until something is done: then both go together."""
    assert not way.shared.is_due()
    way.shared.write(entry(1))
    assert not way.shared.is_due()
    way.clock.now += SEEN_WAITS
    assert way.shared.is_due()
    way.shared.flush()
    assert not way.shared.is_due()
    way.shared.write(entry(2))
    way.shared.write(entry(3, What.ACTED))
    assert way.shared.is_due()


def test_hdfs_away_is_told_once_and_nothing_done_is_lost(way: Way, storage: Storage) -> None:
    """Of too many entries the oldest looks go; the end is told; whoever reads hears how many are missing."""
    way.cut()
    acted = [entry(0, What.ACTED), entry(7, What.DECIDED)]
    for each in (acted[0], *(entry(number) for number in range(1, 7)), acted[1]):
        way.shared.write(each)
    way.shared.flush()
    assert not way.shared.is_due()
    for number in range(8, MOST_WAITING + 50):
        way.shared.write(entry(number))
    way.clock.now += RETRY_AFTER
    assert way.shared.is_due()
    way.shared.flush()
    assert len(way.told) == 1
    assert "cannot be written" in way.told[0]
    way.mend()
    way.shared.flush()
    assert "written again" in way.told[1]
    chapter = ServiceStore(storage, storage, "digits").journal.read(way.told.append)
    assert (len(chapter.entries), chapter.lost) == (MOST_WAITING, 50)
    assert [each for each in chapter.entries if each.what is not What.SEEN] == acted
    assert chapter.entries[-1] == entry(MOST_WAITING + 49)


def test_a_lost_answer_does_not_double_an_entry(way: Way, storage: Storage, told: list[str]) -> None:
    """What was written although nobody said so, and is written again, is read once."""
    way.relay.lost = {"RENAME"}
    way.shared.write(entry(1, What.ACTED))
    way.shared.flush()
    way.relay.lost = set()
    way.shared.write(entry(2, What.ACTED))
    way.shared.flush()
    chapter = ServiceStore(storage, storage, "digits").journal.read(told.append)
    assert chapter.entries == (entry(1, What.ACTED), entry(2, What.ACTED))


def test_a_process_writes_each_service_beside_itself(hdfs: Hdfs, storage: Storage, told: list[str]) -> None:
    """One that was never launched, or whose name is none, is told, and the others are written."""
    journal = Journal(None, lambda name: ServiceStore(storage, storage, name).journal, on_trouble=told.append)
    for service in ("no/name", "unknown", "digits"):
        journal.write(entry(1, What.ACTED, service))
    journal.pump()
    assert ServiceStore(storage, storage, "digits").journal.read(told.append).entries == (entry(1, What.ACTED),)
    assert len(told) == 2
    assert not hdfs.exists(f"{HOME}/.yarnserve/unknown")
    journal.write(entry(2))
    journal.close(10.0)
    assert len(ServiceStore(storage, storage, "digits").journal.read(told.append).entries) == 2
