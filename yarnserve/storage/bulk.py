"""The bytes of large files and of many: read as they come, and continued elsewhere when a server fails.

A server is not trusted to say that something went wrong: a body may end early, stand still, or drip. The first shows
in its length, the second in the time-out of a read, the third in a rate that is of no use.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

from yarnserve.errors import MalformedAnswerError, RefusedError, RequestTimeoutError, UnreachableError, YarnserveError
from yarnserve.hadoop import remote
from yarnserve.hadoop.endpoints import EndpointChoice
from yarnserve.hadoop.session import HadoopSession, Timeouts
from yarnserve.hadoop.streams import Stream, Streams


@dataclass(frozen=True)
class Patience:
    """With a server of bytes, which another one may have, too.

    *timeouts* for a connection and for the next bytes; a server that gave less than *slowest* bytes a second over
    *window* seconds of waiting for it is given up.
    """

    timeouts: Timeouts = field(default_factory=lambda: Timeouts(connect=3.05, read=10.0))
    slowest: float = 32 * 1024
    window: float = 10.0


#: Seconds between two rounds over the endpoints, at first and at most.
FIRST_PAUSE = 0.2
MAX_PAUSE = 5.0


class BulkReader:
    """Reads ranges of files; safe to use from several threads.

    Args:
        session: who asks.
        choice: the endpoints, NameNodes or HttpFS.
        patience: with each of them.
        clock: monotonic seconds.
        sleep: how to wait between two rounds over the endpoints.
        on_trouble: told the endpoint and what went wrong with it, whenever another is tried.
    """

    def __init__(
        self,
        session: HadoopSession,
        choice: EndpointChoice,
        *,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        on_trouble: Callable[[str, YarnserveError], None] = lambda url, error: None,
    ) -> None:
        self._patience = patience or Patience()
        self._streams = Streams(session.authentication, self._patience.timeouts)
        self._choice = choice
        self._clock = clock
        self._sleep = sleep
        self._on_trouble = on_trouble

    def close(self) -> None:
        """Close the idle connections."""
        self._streams.close()

    def read(
        self,
        path: str,
        offset: int,
        length: int,
        take: Callable[[bytes], None],
        *,
        check: Callable[[], None],
    ) -> tuple[str, ...]:
        """Give *take* the *length* bytes of file *path* from *offset* on, in order; return which endpoints gave them.

        Goes on at the byte reached, never at the endpoint that failed last where there is another, until *check*
        raises: it is called before each try, and whatever it raises ends the reading.

        Raises:
            NotFoundError, AccessError: what the endpoints agree on.
        """
        reached, gave, pause = 0, [], FIRST_PAUSE
        while reached < length:
            before = reached
            for url in self._choice.order():
                check()
                try:
                    for piece in self._pieces(url, path, offset + reached, length - reached):
                        take(piece)
                        reached += len(piece)
                except (UnreachableError, RefusedError) as error:
                    self.blame(url, error)
                else:
                    self._choice.succeeded(url)
                if reached > before:
                    gave.append(url)
                if reached == length:
                    return tuple(dict.fromkeys(gave))
            pause = FIRST_PAUSE if reached > before else min(pause * 2, MAX_PAUSE)
            self._sleep(pause)
        return ()

    def blame(self, url: str, error: YarnserveError) -> None:
        """Hold *error* against endpoint *url*, so that others are asked first."""
        self._choice.failed(url)
        self._on_trouble(url, error)

    def _pieces(self, url: str, path: str, offset: int, length: int) -> Iterator[bytes]:
        left = length
        with self._opened(url, path, offset, length) as stream:
            for piece in self._paced(stream, url):
                left -= len(piece)
                if left < 0:
                    raise MalformedAnswerError(f"cannot read {path}", where=url, why="more bytes than asked for")
                yield piece
        if left:
            why = f"short body: {length - left} of {length} bytes"
            raise UnreachableError(f"cannot read {path}", where=url, why=why)

    def _opened(self, url: str, path: str, offset: int, length: int) -> Stream:
        address = f"{url.rstrip('/')}/webhdfs/v1{quote(path, safe='/')}"
        stream = self._streams.open(address, {"op": "OPEN", "offset": offset, "length": length})
        if stream.status == HTTPStatus.TEMPORARY_REDIRECT:
            with stream:
                stream.refusal()
            stream = self._streams.follow(stream.location)
        if stream.status == HTTPStatus.OK:
            return stream
        with stream:
            raise _refused(stream, path, address)

    def _paced(self, stream: Stream, url: str) -> Iterator[bytes]:
        """The stream's pieces; RequestTimeoutError when waiting for them has taken too long for what came."""
        waited, came = 0.0, 0
        pieces = stream.pieces()
        while True:
            begun = self._clock()
            piece = next(pieces, None)
            waited += self._clock() - begun
            if piece is None:
                return
            came += len(piece)
            if waited >= self._patience.window:
                if came < self._patience.slowest * waited:
                    why = f"{came} bytes in {waited:.0f} s"
                    raise RequestTimeoutError("the server is too slow to be of use", where=url, why=why)
                waited, came = 0.0, 0
            yield piece


def _refused(stream: Stream, path: str, address: str) -> YarnserveError:
    text = stream.refusal()
    what = f"cannot read {path}"
    try:
        exception = remote.find(json.loads(text))
    except (ValueError, RecursionError):
        exception = None
    if exception is None and stream.status == HTTPStatus.NOT_FOUND:
        # Without Hadoop's explanation it is not HDFS that says so.
        return MalformedAnswerError(what, where=address, why="HTTP 404 without Hadoop's explanation")
    return remote.error_for(stream.status, exception, what=what, url=address, text=text)
