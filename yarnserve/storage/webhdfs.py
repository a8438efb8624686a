"""One NameNode or HttpFS, asked once: the only module that knows the hdfs library.

The library builds the requests and takes the answers apart. What it does around them is replaced, because on
real clusters it would mislead (hdfs 2.7.3, tf-serving.md 9):

- A refused request becomes an HdfsError that has lost the status, or a KeyError where JSON holds no exception.
- ``status(strict=False)`` says "not there" for "permission denied", too.
- A GET follows redirects to anywhere; here exactly one, from the NameNode to a DataNode.
- ``#LATEST`` in a path is expanded; here a path is a path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, BinaryIO

import hdfs

from yarnserve.errors import MalformedAnswerError, RefusedError, UnreachableError, YarnserveError, first_line
from yarnserve.hadoop import remote
from yarnserve.hadoop.session import Timeouts, translated
from yarnserve.records.storage import FileStatus

if TYPE_CHECKING:
    import requests

#: Bytes per chunk when reading and writing.
CHUNK = 1024 * 1024

Data = bytes | BinaryIO | Iterable[bytes]


class Feed:
    """*data* that can be sent once; *begun* says that a part of it may have been."""

    def __init__(self, data: BinaryIO | Iterable[bytes]) -> None:
        self._data = data
        self.begun = False

    def __iter__(self) -> Iterator[bytes]:
        self.begun = True
        data: Any = self._data
        return iter(lambda: data.read(CHUNK), b"") if hasattr(data, "read") else iter(data)


_USABLE = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.TEMPORARY_REDIRECT})

# A Hadoop server explains a refusal in JSON, with these exceptions (real-hadoop.md 8: no user.name, a read-only
# gateway, a wrong Content-Type). In particular a 404 without an explanation is not "no such file".
_MAY_BE_SILENT = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class Endpoint:
    """One server's WebHDFS API; paths are absolute and normalised.

    Every method sends its request once and raises what ``remote.error_for`` makes of a refusal,
    and UnreachableError, RequestTimeoutError or MalformedAnswerError where there is no usable answer.
    """

    def __init__(self, url: str, session: requests.Session, timeouts: Timeouts) -> None:
        self._url = url.rstrip("/")
        self._session = session
        self._timeouts = timeouts

    def home(self) -> str:
        """The user's home directory. A standby answers this one, too (real-hadoop-ha.md 5)."""
        with self._asking("cannot find out the home directory", "/") as client:
            path = _text(client._get_home_directory("/").json(), "Path")
            if not path.startswith("/"):
                raise ValueError(f"Path is {path!r}")
            return path

    def status(self, path: str) -> FileStatus:
        """What lies at *path*; NotFoundError when nothing does."""
        with self._asking(f"cannot look at {path}", path) as client:
            return _file_status(client.status(path), path.rpartition("/")[2])

    def list(self, path: str) -> tuple[FileStatus, ...]:
        """The entries of directory *path*; RefusedError when it is a file."""
        with self._asking(f"cannot list {path}", path) as client:
            return tuple(_file_status(status, name) for name, status in client.list(path, status=True))

    def read(self, path: str, offset: int, length: int) -> Iterator[bytes]:
        """Exactly *length* bytes of a file from *offset* on; UnreachableError after what there was of a short body."""
        failure = f"cannot read {path}"
        left = length
        with (
            self._asking(failure, path) as client,
            translated(self._address(path), sent=False),
            client.read(path, offset=offset, length=length, chunk_size=CHUNK) as chunks,
        ):
            for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    raise MalformedAnswerError(failure, where=self._address(path), why="more bytes than asked for")
                yield chunk
        if left:
            why = f"short body: {length - left} of {length} bytes"
            raise UnreachableError(failure, where=self._address(path), why=why)

    def create(
        self, path: str, data: bytes | Feed, replication: int | None = None, permission: str | None = None
    ) -> None:
        """Write a new file; ConflictError when *path* exists.

        In two steps, which suits NameNode and HttpFS alike: the first asks where to send the data, and is
        answered with a DataNode or with HttpFS itself and ``data=true``.
        """
        # HttpFS overwrites unless it is told not to (real-hadoop.md 8).
        with self._asking(f"cannot create {path}", path) as client:
            body = data if isinstance(data, bytes) else _chunks(data, path)
            client.write(path, body, overwrite="false", replication=replication, permission=permission)

    def make_directories(self, path: str) -> None:
        """Make directory *path* and its parents; nothing happens where it exists."""
        with self._asking(f"cannot make directory {path}", path) as client:
            if not _boolean(client._mkdirs(path)):
                raise RefusedError(f"cannot make directory {path}", where=self._address(path))

    def rename(self, source: str, destination: str) -> bool:
        """HDFS's bare rename, with all its traps; ``Storage.rename`` is the safe one."""
        with self._asking(f"cannot rename {source} to {destination}", source) as client:
            return _boolean(client._rename(source, destination=destination))

    def delete(self, path: str, recursive: bool) -> bool:
        """Delete *path*; False when nothing was there."""
        with self._asking(f"cannot delete {path}", path) as client:
            return _boolean(client._delete(path, recursive=str(recursive).lower()))

    def _address(self, path: str) -> str:
        return f"{self._url}/webhdfs/v1{path}"

    @contextmanager
    def _asking(self, failure: str, path: str) -> Iterator[_Client]:
        try:
            yield _Client(self._url, self._session, self._timeouts, failure)
        except hdfs.HdfsError as error:
            raise RefusedError(failure, where=self._address(path), why=first_line(str(error))) from error
        except (LookupError, TypeError, ValueError, RecursionError) as error:
            raise MalformedAnswerError(
                failure,
                where=self._address(path),
                why=f"the answer is not what WebHDFS says: {first_line(str(error), 120)}",
                fix="check that the address is that of a NameNode or HttpFS, and not of a proxy or a login page",
            ) from error


class _Client(hdfs.Client):  # type: ignore[misc]
    """The library's client with our manners; *failure* is what its errors say has gone wrong."""

    def __init__(self, url: str, session: requests.Session, timeouts: Timeouts, failure: str) -> None:
        super().__init__(url, session=session, timeout=(timeouts.connect, timeouts.read))
        self._failure = failure

    def resolve(self, hdfs_path: str) -> str:
        return hdfs_path

    def _request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        response = self._send(method, url, **kwargs)
        if method == "GET" and response.status_code == HTTPStatus.TEMPORARY_REDIRECT:
            response.close()
            return self._send(method, response.headers["Location"], stream=True)
        return response

    def _send(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        # The query may hold a delegation token, which must not be shown.
        where = url.partition("?")[0]
        kwargs["allow_redirects"] = False
        with translated(where, sent=method != "GET" and not _only_asks_where(kwargs)):
            response: requests.Response = super()._request(method, url, **kwargs)
            if response.status_code not in _USABLE:
                raise self._error(response, where)
        return response

    def _error(self, response: requests.Response, where: str) -> YarnserveError:
        try:
            exception = remote.find(response.json())
        except (ValueError, RecursionError):
            exception = None
        if exception is None and response.status_code not in _MAY_BE_SILENT:
            return MalformedAnswerError(
                self._failure,
                where=where,
                why=f"HTTP {response.status_code} without Hadoop's explanation",
                fix="check that the address is that of a NameNode or HttpFS, and that nothing stands in between",
            )
        return remote.error_for(response.status_code, exception, what=self._failure, url=where, text=response.text)


def _only_asks_where(request: Mapping[str, Any]) -> bool:
    """Whether it is the first step of a CREATE, which is answered with an address and changes nothing."""
    return bool((request.get("params") or {}).get("op") == "CREATE") and not request.get("data")


def _chunks(data: Feed, path: str) -> Iterator[bytes]:
    try:
        yield from data
    except OSError as error:
        # requests would take it for a broken connection.
        raise YarnserveError(
            f"what should become {path} cannot be read",
            where=str(error.filename or ""),
            why=error.strerror or str(error),
        ) from error


def _file_status(document: Mapping[str, Any], name: str) -> FileStatus:
    return FileStatus(
        name=name,
        is_directory=_text(document, "type") == "DIRECTORY",
        length=_number(document, "length"),
        modified_at=_number(document, "modificationTime") / 1000,
        owner=_text(document, "owner"),
        permission=_text(document, "permission"),
    )


def _boolean(response: requests.Response) -> bool:
    value = response.json()["boolean"]
    if not isinstance(value, bool):
        raise TypeError(f"boolean is {value!r}")
    return value


def _text(document: Mapping[str, Any], field: str) -> str:
    value = document[field]
    if not isinstance(value, str):
        raise TypeError(f"{field} is {value!r}")
    return value


def _number(document: Mapping[str, Any], field: str) -> int:
    value = document[field]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{field} is {value!r}")
    return value
