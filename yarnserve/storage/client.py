"""HDFS over WebHDFS and HttpFS: which endpoint to ask, when to ask again, and a rename that cannot go astray."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from yarnserve.errors import (
    ConfigurationError,
    ConflictError,
    MalformedAnswerError,
    NotFoundError,
    RefusedError,
    RequestTimeoutError,
    StandbyError,
    UnreachableError,
    UsageError,
    YarnserveError,
)
from yarnserve.hadoop.endpoints import EndpointChoice
from yarnserve.hadoop.session import HadoopSession, Timeouts
from yarnserve.records.storage import FileStatus
from yarnserve.storage.bulk import BulkReader, Patience

if TYPE_CHECKING:
    from yarnserve.storage.webhdfs import Data, Endpoint

T = TypeVar("T")
E = TypeVar("E", bound=YarnserveError)

#: How often every endpoint is asked, and the seconds between two rounds. Together they outlast the 1.4 to 1.9 s
#: that a NameNode's fail-over takes (real-hadoop-ha.md 5).
SWEEPS = 4
PAUSE = 1.0

#: How often in all, while one of several says that it is the standby: when the host of the active one dies, the other
#: waits 10 s for its session to expire, and a NameNode that starts needs longer still (real-hadoop-ha.md 5).
FAILOVER_SWEEPS = 45


class Storage:
    """One HDFS behind one or several equal endpoints; a context manager, safe to use from several threads.

    Reads are repeated on the next endpoint whenever one gives no usable answer. Writes are repeated only when
    the server certainly did nothing: it was never reached, or says that it is not the active one.

    Paths are absolute. Every method raises AccessError where HDFS denies it, RefusedError where HDFS rejects it
    for another reason, and UnreachableError (RequestTimeoutError: outcome unknown) when no endpoint is of use.

    Args:
        session: the shared session.
        urls: base URLs of NameNodes or HttpFS, without ``/webhdfs/v1``.
        timeouts: of every request; the session's by default.
        random: source of the order of endpoints.
        clock: monotonic seconds.
        sleep: how to wait between two rounds over the endpoints.
        sweeps: rounds over the endpoints.
        failover_sweeps: rounds while one of several is a standby.
        on_wait: told, in words for people, that a fail-over takes longer than *sweeps*.
    """

    def __init__(
        self,
        session: HadoopSession,
        urls: Sequence[str],
        *,
        timeouts: Timeouts | None = None,
        random: Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        sweeps: int = SWEEPS,
        failover_sweeps: int = FAILOVER_SWEEPS,
        on_wait: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._session = session
        self._timeouts = timeouts or session.timeouts
        self._choice = EndpointChoice(urls, random=random, clock=clock)
        self._clock = clock
        self._sleep = sleep
        self._sweeps = sweeps
        self._failover_sweeps = max(sweeps, failover_sweeps)
        self._on_wait = on_wait

    def __enter__(self) -> Storage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop the session's pooled connections; whoever else uses the session gets new ones."""
        self._session.close()

    def home(self) -> str:
        """Return the user's home directory, which need not exist."""
        return self._read(lambda endpoint: endpoint.home())

    def status(self, path: str) -> FileStatus | None:
        """Return what lies at *path*, or None when nothing does."""
        path = _absolute(path)
        try:
            return self._read(lambda endpoint: endpoint.status(path))
        except NotFoundError:
            return None

    def list(self, path: str) -> tuple[FileStatus, ...]:
        """Return the entries of directory *path* in the server's order.

        Raises:
            NotFoundError: there is no such path.
            RefusedError: it is a file.
        """
        path = _absolute(path)
        return self._read(lambda endpoint: endpoint.list(path))

    def read(self, path: str) -> bytes:
        """Return a whole file; raises what :meth:`open` raises."""
        return b"".join(self.open(path))

    def open(self, path: str, *, offset: int = 0) -> Iterator[bytes]:
        """Return the bytes of a file from *offset* on, in chunks of up to 1 MiB.

        The length is that of the moment of the call. A body that ends early, broken or not, is continued from
        the byte reached at the next endpoint, within the same number of rounds as any read; over HttpFS a short
        body shows in nothing but its length (tf-serving.md 9.2).

        Raises:
            NotFoundError: there is no such path.
            RefusedError: it is a directory, or *offset* lies beyond its end.
            UnreachableError: also while iterating: no endpoint gave the rest.
        """
        path = _absolute(path)
        file = self._read(lambda endpoint: endpoint.status(path))
        if file.is_directory:
            raise RefusedError(f"cannot read {path}", where=path, why="it is a directory")
        if not 0 <= offset <= file.length:
            raise RefusedError(f"cannot read {path}", where=path, why=f"byte {offset} of {file.length} does not exist")
        # A NameNode answers 403 for an offset at the very end (real-hadoop.md 8).
        return iter(()) if offset == file.length else self._body(path, offset, file.length)

    def bulk(
        self,
        *,
        patience: Patience | None = None,
        on_trouble: Callable[[str, YarnserveError], None] = lambda url, error: None,
    ) -> BulkReader:
        """Return a reader of large files and of many from the same endpoints; to be closed by the caller."""
        return BulkReader(
            self._session,
            self._choice,
            patience=patience,
            clock=self._clock,
            sleep=self._sleep,
            on_trouble=on_trouble,
        )

    def create(self, path: str, data: Data, *, replication: int | None = None, permission: str | None = None) -> None:
        """Write a new file, and the directories above it.

        *data* that is no bytes is read once, in chunks. After a failure the file may exist in part. *replication* is
        the number of copies that HDFS keeps, *permission* its mode in octal digits; None for HDFS's defaults.

        Raises:
            ConflictError: *path* exists; it is left as it is.
            YarnserveError: *data* cannot be read.
        """
        from yarnserve.storage.webhdfs import Feed

        path = _absolute(path)
        if isinstance(data, bytes):
            self._write(lambda endpoint: endpoint.create(path, data, replication, permission))
            return
        feed = Feed(data)
        # A standby's refusal may come from the DataNode, with an iterator half used.
        self._write(lambda endpoint: endpoint.create(path, feed, replication, permission), is_spent=lambda: feed.begun)

    def make_directories(self, path: str) -> None:
        """Make directory *path* and the directories above it; an existing one is left as it is."""
        path = _absolute(path)
        # Twice is as good as once, so a lost answer is no end.
        self._read(lambda endpoint: endpoint.make_directories(path))

    def delete(self, path: str, *, recursive: bool = False) -> bool:
        """Delete a file or directory; return whether there was one.

        Raises:
            RefusedError: a directory that is not empty, without *recursive*.
        """
        path = _absolute(path)
        return self._write(lambda endpoint: endpoint.delete(path, recursive))

    def rename(self, source: str, destination: str) -> None:
        """Rename so that afterwards *source* is *destination*, or nothing has changed.

        HDFS's own rename needs three precautions (real-hadoop.md 8; HttpFS ignores ``renameoptions``):

        - Onto a file, below a missing parent, or without a source it answers 200 ``false``: we look why.
        - Onto a directory it moves *into* it and answers 200 ``true``. So an existing destination is refused
          first; one that appears in between is noticed afterwards, and the move taken back.
        - An answer that never came is settled by looking: source gone and destination there means done.

        Raises:
            NotFoundError: no *source*, or no directory above *destination*.
            ConflictError: *destination* exists.
            RequestTimeoutError: the outcome is unknown; where *source* is still there it may yet be renamed.
        """
        source, destination = _absolute(source), _absolute(destination)
        moved = self.status(source)
        if moved is None:
            raise _cannot_rename(NotFoundError, source, destination, where=source, why="it does not exist")
        if self.status(destination) is not None:
            raise _exists(source, destination)
        depth = self._nesting(source, posixpath.basename(source)) if moved.is_directory else 0
        if not self._renamed(source, destination):
            raise self._refusal(source, destination)
        if self._moved_inside(source, destination, moved.is_directory, depth):
            self._take_back(source, destination)
            raise _exists(source, destination)

    def rename_listed(self, source: str, destination: str) -> None:
        """The same for a file, by a listing of this moment that has *source* and nothing at *destination*.

        That saves two looks, and leaves what happens in between to those afterwards, as :meth:`rename` does.
        """
        source, destination = _absolute(source), _absolute(destination)
        if not self._renamed(source, destination):
            raise self._refusal(source, destination)
        if self._moved_inside(source, destination, is_directory=False, depth=0):
            self._take_back(source, destination)
            raise _exists(source, destination)

    def _renamed(self, source: str, destination: str) -> bool:
        try:
            return self._write(lambda endpoint: endpoint.rename(source, destination))
        except (RequestTimeoutError, MalformedAnswerError):
            if self._has_moved(source, destination):
                return True
            raise

    def _has_moved(self, source: str, destination: str) -> bool:
        with suppress(YarnserveError):
            return self.status(source) is None and self.status(destination) is not None
        return False

    def _refusal(self, source: str, destination: str) -> YarnserveError:
        if self.status(destination) is not None:
            return _exists(source, destination)
        for path in (source, posixpath.dirname(destination)):
            if self.status(path) is None:
                return _cannot_rename(NotFoundError, source, destination, where=path, why="it does not exist")
        return _cannot_rename(RefusedError, source, destination, where=source, why="HDFS answers false")

    def _moved_inside(self, source: str, destination: str, is_directory: bool, depth: int) -> bool:
        try:
            # A file below a file cannot be asked for: HDFS denies access instead of saying that nothing is there.
            if not is_directory:
                landed = self.status(destination)
                return landed is not None and landed.is_directory
            return self._nesting(destination, posixpath.basename(source)) > depth
        except YarnserveError as error:
            # Passed on as it is, it would read as "nothing happened".
            raise RequestTimeoutError(
                f"{source} was renamed, but perhaps into {destination}", where=error.where, why=error.why or error.what
            ) from error

    def _nesting(self, directory: str, name: str) -> int:
        """How many entries called *name* lie one in the other below *directory*.

        A directory may well hold an entry of its own name. Moved into another it lies one level deeper.
        """
        depth = 0
        while (found := self.status(directory := f"{directory}/{name}")) is not None:
            depth += 1
            if not found.is_directory:
                break
        return depth

    def _take_back(self, source: str, destination: str) -> None:
        inside = f"{destination}/{posixpath.basename(source)}"
        why = f"{source} is taken again"
        try:
            if self.status(source) is None and self._renamed(inside, source):
                return
        except YarnserveError as error:
            why = error.why or error.what
        raise ConflictError(
            f"{source} was moved into {destination}, which appeared meanwhile, and cannot be moved back",
            where=inside,
            why=why,
            fix=f"move {inside} where it belongs",
        )

    def _body(self, path: str, reached: int, length: int) -> Iterator[bytes]:
        failures: dict[str, UnreachableError] = {}
        for url in self._tries(failures):
            try:
                for chunk in self._endpoint(url).read(path, reached, length - reached):
                    reached += len(chunk)
                    yield chunk
            except UnreachableError as error:
                self._choice.failed(url)
                failures[url] = error
            if reached == length:
                return
        raise self._nobody(failures)

    def _read(self, act: Callable[[Endpoint], T]) -> T:
        return self._ask(act, is_final=lambda error: False)

    def _write(self, act: Callable[[Endpoint], T], *, is_spent: Callable[[], bool] = lambda: False) -> T:
        # What is left to repeat is StandbyError and UnreachableError itself: never connected.
        unclear = (RequestTimeoutError, MalformedAnswerError)
        return self._ask(act, is_final=lambda error: isinstance(error, unclear) or is_spent())

    def _ask(self, act: Callable[[Endpoint], T], *, is_final: Callable[[UnreachableError], bool]) -> T:
        failures: dict[str, UnreachableError] = {}
        for url in self._tries(failures):
            try:
                answer = act(self._endpoint(url))
            except UnreachableError as error:
                self._choice.failed(url)
                if is_final(error):
                    raise
                failures[url] = error
            else:
                self._choice.succeeded(url)
                return answer
        raise self._nobody(failures)

    def _tries(self, failures: Mapping[str, UnreachableError]) -> Iterator[str]:
        """Yield whom to ask next; *failures* is how each one failed last."""
        for sweep in range(self._failover_sweeps):
            if sweep >= self._sweeps and not _fails_over(failures):
                return
            if sweep == self._sweeps:
                left = (self._failover_sweeps - sweep) * PAUSE
                self._on_wait(f"no NameNode is active: waiting, for {left:.0f} s at most")
            if sweep:
                self._sleep(PAUSE)
            yield from self._choice.order()

    def _endpoint(self, url: str) -> Endpoint:
        # The hdfs library takes 0.05 s to import, which no command without HDFS should pay.
        from yarnserve.storage.webhdfs import Endpoint

        return Endpoint(url, self._session.requests_session, self._timeouts)

    def _nobody(self, failures: dict[str, UnreachableError]) -> YarnserveError:
        if not failures:
            return ConfigurationError(
                "no NameNode is configured",
                fix="set HADOOP_CONF_DIR, or name the NameNode's web address with --namenode",
            )
        errors = list(failures.values())
        if len(errors) == 1:
            return errors[0]
        if _fails_over(failures):
            errors.sort(key=lambda error: not isinstance(error, StandbyError))
        kind = type(errors[0]) if _fails_over(failures) or len({*map(type, errors)}) == 1 else UnreachableError
        return kind(
            errors[0].what,
            where=", ".join(failures),
            why="; ".join(f"{url}: {error.why or error.what}" for url, error in failures.items()),
            fix=errors[0].fix,
        )


def _fails_over(failures: Mapping[str, UnreachableError]) -> bool:
    """Whether one of several endpoints is there and waits to become the active one."""
    return len(failures) > 1 and any(isinstance(error, StandbyError) for error in failures.values())


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise UsageError(f"not an absolute HDFS path: {path!r}", fix="write it with a leading slash")
    # Two leading slashes survive normpath.
    return posixpath.normpath("/" + path.lstrip("/"))


def _exists(source: str, destination: str) -> ConflictError:
    return _cannot_rename(ConflictError, source, destination, where=destination, why="it exists already")


def _cannot_rename(kind: type[E], source: str, destination: str, *, where: str, why: str) -> E:
    return kind(f"cannot rename {source} to {destination}", where=where, why=why)
