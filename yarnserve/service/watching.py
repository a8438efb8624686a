"""Looks at a service without end, and says for how long nobody has answered.

A look may hang: a ResourceManager that is frozen takes the question and says nothing. Whoever watches is told so while
it lasts, beside what was seen last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass

from yarnserve.errors import StandbyError, UnreachableError
from yarnserve.service.background import in_background
from yarnserve.service.connection import Connection
from yarnserve.service.look import Snapshot, look
from yarnserve.service.reading import Reader

#: Seconds between two looks, and the most of them while the cluster cannot be asked.
WATCH_PAUSE = 2.0
LONGEST_WATCH_PAUSE = 30.0

#: Seconds without an answer before they are spoken of, and between two words on them.
SILENCE = 3.0
TICK = 1.0

_NO_ANSWER = "no answer from the ResourceManager"


@dataclass(frozen=True)
class Sight:
    """What whoever watches has before them.

    Attributes:
        snapshot: the newest look; None before the first.
        seen_at: when that was, in seconds since the epoch.
        trouble: why there is no newer one, in words; empty when it is new.
        lasting: seconds of that.
        fix: what to do about it.
    """

    snapshot: Snapshot | None = None
    seen_at: float | None = None
    trouble: str = ""
    lasting: float = 0.0
    fix: str = ""


def watch(
    connection: Connection,
    name: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], float] = time.time,
    pause: Callable[[float], None] = time.sleep,
    tick: float = TICK,
) -> Iterator[Sight]:
    """Look at service *name* for ever, WATCH_PAUSE apart, and yield every look and, each *tick*, what is in its way.

    The pause grows while the cluster cannot be asked, so that whoever watches does not hurt a ResourceManager that has
    trouble already (design: polling); a standby has none.

    Args:
        connection: the cluster.
        name: the service.
        clock: monotonic seconds.
        now: seconds since the epoch, for people.
        pause: waits that many seconds.
        tick: seconds of the machine between two words on a trouble.

    Raises:
        NotFoundError: the service is not there, or not any more.
    """
    reader = Reader(connection, name)
    newest = Sight()
    delay = WATCH_PAUSE
    since: float | None = None
    while True:
        begun = clock()
        future = in_background(lambda: look(connection, name, reader=reader))
        for lasting in silences(connection, future, clock=clock, tick=tick):
            total = lasting if since is None else clock() - since
            yield Sight(newest.snapshot, newest.seen_at, _NO_ANSWER, total)
        try:
            newest = Sight(future.result(), now())
        except UnreachableError as error:
            since = begun if since is None else since
            delay = WATCH_PAUSE if isinstance(error, StandbyError) else min(LONGEST_WATCH_PAUSE, delay * 2)
            ends = clock() + delay
            while clock() < ends:
                yield Sight(newest.snapshot, newest.seen_at, error.what, clock() - since, error.fix)
                pause(min(TICK, max(0.0, ends - clock())))
        else:
            yield newest
            delay, since = WATCH_PAUSE, None
            pause(delay)


def look_aloud(connection: Connection, name: str, say: Callable[[str], None]) -> Snapshot:
    """Look at service *name* once, and *say* it when nobody answers for a while; raises what ``look`` raises."""
    future = in_background(lambda: look(connection, name))
    for index, lasting in enumerate(silences(connection, future)):
        if index == 0:
            say(f"{_NO_ANSWER} for {lasting:.0f} s: still waiting")
    return future.result()


def silences(
    connection: Connection,
    future: Future[Snapshot],
    *,
    clock: Callable[[], float] = time.monotonic,
    tick: float = TICK,
) -> Iterator[float]:
    """Wait for *future*, which asks; yield each *tick* how long the ResourceManager has not answered, from SILENCE on.

    Nothing is said while a look takes long for other reasons, such as replicas that hang.
    """
    begun, answers = clock(), connection.resource_managers.answers
    while not wait([future], timeout=tick).done:
        lasting = clock() - begun
        if connection.resource_managers.answers == answers and lasting >= SILENCE:
            yield lasting
