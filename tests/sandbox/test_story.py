"""The story of a service: its journal and YARN's words in one order, whatever of the two cannot be read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice

import pytest

from tests.sandbox.storage_support import closed_port
from tests.sandbox.test_ha_clients import NAME, spec
from tests.sandbox.yarn_support import connection_to
from tests.support import REPOSITORY, wait_until
from yarnserve.errors import NotFoundError, UnreachableError
from yarnserve.records.journal import JournalEntry, What
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_1_4
from yarnserve.service.actions import Actions
from yarnserve.service.connection import Connection
from yarnserve.service.story import YARN_PAUSE, Moment, follow_story, read_story


@pytest.fixture
def cluster() -> Iterator[Sandbox]:
    """A cluster with the service, whose containers are state only; a NodeManager forgets none that has ended."""
    profile = replace(HADOOP_3_1_4, completed_linger=600.0)
    with Sandbox(user="alice", simulated=True, profile=profile) as running:
        running.upload(REPOSITORY / "examples" / "digits" / "model", "/models/digits")
        with connection_to(running) as connection:
            Actions(connection).launch(spec())
        yield running


@pytest.fixture
def connection(cluster: Sandbox) -> Iterator[Connection]:
    """Its clients."""
    with connection_to(cluster) as connected:
        yield connected


def write(connection: Connection, text: str, *, at: float, what: What = What.SEEN, container: str = "") -> JournalEntry:
    """Write an entry as a supervisor does, and return it."""
    entry = JournalEntry(at, NAME, what, text, "serve-0", container)
    connection.store(NAME).journal.append([entry])
    return entry


def test_without_a_journal_it_is_what_yarn_tells(connection: Connection) -> None:
    """In YARN's own order: the service first."""
    story = read_story(connection, NAME)
    assert not story.has_journal
    assert story.moments[0].subject == NAME
    assert "submitted to queue" in story.moments[1].text
    assert story.notes == ()


def test_what_a_supervisor_wrote_stands_between_yarns_words(connection: Connection) -> None:
    """In the order of time; what YARN gives no time for is so now, and comes last."""
    early, late = write(connection, "early", at=1_500_000_000.0), write(connection, "late", at=time.time() + 60)
    moments = read_story(connection, NAME).moments
    timed = [each.at for each in moments if each.at is not None]
    assert timed == sorted(timed)
    assert moments[0].entry == early
    assert moments[len(timed) - 1].entry == late
    assert all(each.event for each in moments[len(timed) :])


def test_since_leaves_out_what_is_older(connection: Connection) -> None:
    """What is so now stays."""
    write(connection, "early", at=1_500_000_000.0)
    late = write(connection, "late", at=time.time() + 60)
    story = read_story(connection, NAME, since=time.time() + 30)
    assert [each.entry for each in story.moments if each.at is not None] == [late]
    assert any(each.event for each in story.moments)


def container_of_the_replica(connection: Connection) -> str:
    """The id of the one that YARN has given it."""

    def containers() -> Iterator[str]:
        return (it.id for part in connection.services.get(NAME).components for it in part.containers)

    return wait_until(lambda: next(containers(), None), what="a container of the replica")


def told_by_its_node(connection: Connection, container: str, words: str) -> Moment:
    """The moment in which the NodeManager says *words* of *container*."""

    def told() -> Iterator[Moment]:
        moments = read_story(connection, NAME).moments
        return (each for each in moments if each.event and each.event.subject == container and words in each.text)

    return wait_until(lambda: next(told(), None), what=words)


def test_a_container_is_called_by_its_replica(connection: Connection) -> None:
    """A NodeManager does not know it, the services API does."""
    moment = told_by_its_node(connection, container_of_the_replica(connection), "RUNNING on")
    assert moment.event is not None
    assert (moment.subject, moment.event.instance) == ("serve-0", "")


def test_a_container_that_has_ended_is_called_by_its_replica(connection: Connection) -> None:
    """The services API has forgotten it then, the journal has not."""
    container = container_of_the_replica(connection)
    write(connection, "it answers", at=1.0, container=container)
    # One that is ended before its node has begun it is never heard of there.
    told_by_its_node(connection, container, "RUNNING on")
    Actions(connection).stop(NAME)
    assert told_by_its_node(connection, container, "DONE on").subject == "serve-0"
    assert not any(each.containers for each in connection.services.get(NAME).components)


def test_yarn_away_leaves_the_journal(cluster: Sandbox, connection: Connection) -> None:
    """At night the ResourceManager may be what is down; without a journal that is an error as ever."""
    with connection_to(cluster, closed_port(), sleep=lambda seconds: None) as cut:
        with pytest.raises(UnreachableError):
            read_story(cut, NAME)
        entry = write(connection, "nobody answers", at=1.0)
        story = read_story(cut, NAME)
    assert [each.entry for each in story.moments] == [entry]
    assert "YARN tells nothing now" in story.notes[0]


def test_a_damaged_journal_is_a_note(connection: Connection) -> None:
    """What is left of it is told."""
    entry = write(connection, "whole", at=1.0)
    journal = f"{connection.store(NAME).directory}/journal"
    connection.storage.create(f"{journal}/9.json", b"{")
    story = read_story(connection, NAME)
    assert entry in [each.entry for each in story.moments]
    assert "9.json is left out: it is damaged" in story.notes[0]


def test_nobody_knows_it(connection: Connection) -> None:
    """A name without a service is not a story."""
    with pytest.raises(NotFoundError):
        read_story(connection, "nobody")


def test_what_happens_afterwards_is_told_once(connection: Connection) -> None:
    """An entry of the journal soon, a word of YARN within YARN_PAUSE, and then the end of the service."""
    first = write(connection, "first", at=time.time())
    story = read_story(connection, NAME)
    clock = [0.0]
    entries = iter([write_later(connection, number) for number in range(3)])

    def pause(seconds: float) -> None:
        clock[0] += seconds
        if (act := next(entries, None)) is not None:
            act()

    told: list[str] = []
    rest: list[Moment] = []
    following = follow_story(
        connection, NAME, story, on_trouble=told.append, clock=lambda: clock[0], now=lambda: 5.0, pause=pause
    )
    with closing(following) as moments:
        assert [each.text for each in islice(moments, 3)] == ["later 0", "later 1", "later 2"]
        Actions(connection).scale(NAME, 3)
        wanted = next(each for each in moments if "3 containers wanted" in each.text)
        assert wanted.at == 5.0
        assert clock[0] >= YARN_PAUSE
        Actions(connection).destroy(NAME)
        with pytest.raises(NotFoundError):
            rest.extend(moments)
    assert first not in [each.entry for each in rest]
    assert told == []


def write_later(connection: Connection, number: int) -> Callable[[], JournalEntry]:
    """What writes an entry when it is called."""
    return lambda: write(connection, f"later {number}", at=time.time())
