"""``logs -f``: what is new in log files that grow, replica after replica, container after container."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from yarnserve.errors import NotFoundError, UnreachableError, YarnserveError
from yarnserve.service.connection import Connection
from yarnserve.service.logs import MOST_BYTES, ReplicaLogs, replica_logs

#: Seconds between two reads of a NodeManager, and how many of them go by before YARN is asked for new containers.
FOLLOW_PAUSE = 1.0
READS_PER_LOOK = 5


@dataclass(frozen=True)
class Piece:
    """*text* that *file* of a replica has got since the piece before."""

    replica: ReplicaLogs
    file: str
    text: str


@dataclass
class _Place:
    """How far a file was read; a character may be cut in two by the end of a read."""

    offset: int
    decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )


def follow_logs(
    connection: Connection,
    name: str,
    replica: str | None,
    file_name: str | None,
    *,
    on_trouble: Callable[[YarnserveError], None],
    pause: Callable[[float], None] = time.sleep,
    seen: dict[tuple[str, str], int],
) -> Iterator[Piece]:
    """Yield what the log files of service *name* get, for ever, those of replacements from their beginning.

    Args:
        connection: the cluster.
        name: the service.
        replica: one replica, ``serve-1`` or ``1``, or all.
        file_name: one file, or the usual ones.
        on_trouble: told when YARN or a NodeManager cannot be asked; the next read tries again.
        pause: waits that many seconds.
        seen: by container and file, how many bytes have been shown already.

    Raises:
        NotFoundError: the service is not there any more.
    """
    places = {key: _Place(offset) for key, offset in seen.items()}
    replicas: tuple[ReplicaLogs, ...] = ()
    reads = 0
    while True:
        try:
            if reads % READS_PER_LOOK == 0:
                replicas = _replicas(connection, name, replica)
            for each in replicas:
                yield from _news(each, file_name, places)
        except UnreachableError as error:
            on_trouble(error)
            reads = -1
        reads += 1
        pause(FOLLOW_PAUSE)


def _replicas(connection: Connection, name: str, replica: str | None) -> tuple[ReplicaLogs, ...]:
    every = replica_logs(connection, name)
    # One that is between two containers is not an error here: its next one is waited for.
    return tuple(each for each in every if replica in (None, each.instance, each.instance.rpartition("-")[2]))


def _news(replica: ReplicaLogs, file_name: str | None, places: dict[tuple[str, str], _Place]) -> Iterator[Piece]:
    try:
        files = replica.files(file_name)
    except NotFoundError:
        # Its container has ended, or is about to start.
        return
    for file in files:
        place = places.setdefault((replica.container_id, file.name), _Place(0))
        if file.size <= place.offset:
            continue
        try:
            length, body = replica.end(file, min(MOST_BYTES, file.size - place.offset))
        except NotFoundError:
            return
        # The file has grown since it was listed: what is missing in front comes with the whole of it.
        if length - len(body) > place.offset:
            length, body = replica.end(file, min(MOST_BYTES, length - place.offset))
        new = body[max(0, place.offset - (length - len(body))) :]
        place.offset = length
        text = place.decoder.decode(new)
        if text:
            yield Piece(replica, file.name, text)
