"""The story of a service: what its supervisor wrote down, and between it what YARN tells now, in the order of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from yarnserve.errors import NotFoundError, YarnserveError
from yarnserve.records.journal import JournalEntry
from yarnserve.service.connection import Connection
from yarnserve.service.events import Event, read_events
from yarnserve.service.finding import require_known
from yarnserve.service.journal import Chapter
from yarnserve.service.reading import Reader

#: Seconds between two looks for new entries of the journal.
JOURNAL_PAUSE = 2.0

#: Seconds between two questions to YARN, and that where each of them costs the ResourceManager memory for good.
YARN_PAUSE = 30.0
SPARING_YARN_PAUSE = 300.0


@dataclass(frozen=True)
class Moment:
    """One thing that happened.

    Attributes:
        at: seconds since the epoch; None where YARN gives no time: it is so now.
        subject: the replica, where it is known, else what it is about: an id, or the service.
        text: what, in words.
        entry: of the supervisor's journal; None for what YARN tells.
        event: what YARN tells; None for an entry of the journal.
    """

    at: float | None
    subject: str
    text: str
    entry: JournalEntry | None = None
    event: Event | None = None


@dataclass(frozen=True)
class Story:
    """All that is known by now.

    Attributes:
        moments: in the order of time, and after them what is so now.
        notes: what could not be read, in words.
        newest: how far the journal was read.
    """

    moments: tuple[Moment, ...]
    notes: tuple[str, ...] = ()
    newest: int = 0

    @property
    def has_journal(self) -> bool:
        """Whether a supervisor has written anything of it."""
        return any(each.entry for each in self.moments)


def read_story(connection: Connection, name: str, *, since: float = 0.0) -> Story:
    """Return what is known of service *name* from the time *since* (epoch) on, and what is so now.

    Raises:
        NotFoundError: neither YARN nor the saved state knows it.
        YarnserveError: YARN cannot be asked, and there is no journal to tell instead.
    """
    require_known(connection, name)
    notes: list[str] = []
    chapter = _read_journal(connection, name, notes, since=since)
    try:
        told = read_events(connection, name)
    except NotFoundError:
        raise
    except YarnserveError as error:
        if not chapter.entries:
            raise
        notes.append(f"YARN tells nothing now: {error.in_a_line}")
        told = ()
    replicas = _replicas(chapter.entries, told)
    timely = [each for each in told if each.at is None or each.at >= since]
    moments = [*map(_of_entry, chapter.entries), *(_of_event(each, replicas) for each in timely)]
    # Without a journal it is in YARN's own order: from the service to its containers.
    if chapter.entries:
        moments.sort(key=lambda moment: (moment.at is None, moment.at or 0.0))
    return Story(tuple(moments), tuple(notes), chapter.newest)


def follow_story(
    connection: Connection,
    name: str,
    story: Story,
    *,
    on_trouble: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], float] = time.time,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Moment]:
    """Yield for ever what happens after *story*; what YARN gives no time for has that of its first sight.

    Args:
        connection: the cluster.
        name: the service.
        story: what is known already.
        on_trouble: told in a line what cannot be read; it is tried again.
        clock: monotonic seconds.
        now: seconds since the epoch.
        pause: waits that many seconds.

    Raises:
        NotFoundError: the service is not there any more.
    """
    entries = {each.entry for each in story.moments if each.entry}
    events = {each.event for each in story.moments if each.event}
    newest = story.newest
    yarn_pause = SPARING_YARN_PAUSE if Reader(connection, name).sparing else YARN_PAUSE
    next_question = clock() + yarn_pause
    say = _Once(on_trouble)
    while True:
        pause(JOURNAL_PAUSE)
        notes: list[str] = []
        chapter = _read_journal(connection, name, notes, after=newest)
        newest = chapter.newest
        news = [each for each in chapter.entries if each not in entries]
        entries.update(news)
        yield from map(_of_entry, news)
        if clock() >= next_question:
            next_question = clock() + yarn_pause
            told = _ask_yarn(connection, name, notes)
            yield from _new(told, events, _replicas(entries, told), now())
            events.update(told)
        say(notes)


def _ask_yarn(connection: Connection, name: str, notes: list[str]) -> tuple[Event, ...]:
    try:
        return read_events(connection, name)
    except NotFoundError:
        raise
    except YarnserveError as error:
        notes.append(f"YARN cannot be asked: {error.what}")
        return ()


def _new(told: Iterable[Event], known: set[Event], replicas: dict[str, str], now: float) -> Iterator[Moment]:
    for event in told:
        if event not in known:
            moment = _of_event(event, replicas)
            yield replace(moment, at=now) if moment.at is None else moment


class _Once:
    """Tells a note when it was not among those of the time before."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._before: list[str] = []

    def __call__(self, notes: list[str]) -> None:
        for note in notes:
            if note not in self._before:
                self._say(note)
        self._before = notes


def _read_journal(
    connection: Connection, name: str, notes: list[str], *, after: int = 0, since: float = 0.0
) -> Chapter:
    try:
        chapter = connection.glance(name).journal.read(notes.append, after=after, since=since)
    except YarnserveError as error:
        notes.append(f"the journal cannot be read: {error.in_a_line}")
        return Chapter((), after)
    if chapter.lost:
        notes.append(f"{chapter.lost} entries of the journal were never written: HDFS was away for too long")
    return chapter


def _replicas(entries: Iterable[JournalEntry], told: Iterable[Event]) -> dict[str, str]:
    """Which replica a container was."""
    replicas = {each.container: each.instance for each in entries if each.container and each.instance}
    replicas.update({each.subject: each.instance for each in told if each.instance})
    return replicas


def _of_entry(entry: JournalEntry) -> Moment:
    return Moment(entry.at, entry.instance or entry.service, entry.text, entry=entry)


def _of_event(event: Event, replicas: dict[str, str]) -> Moment:
    return Moment(event.at, replicas.get(event.subject, event.subject), event.text, event=event)
