"""GET requests whose bodies are read as they come: for the bytes of models, where each copy and each call counts.

On the standard library's own HTTP client: requests takes three times as long for many small files, and with both it
and urllib3 a body cannot be read without waiting for a whole buffer, behind which a server that sends a byte a second
would hide. Manners are those of ``session``: no cookies, no proxies, no redirect followed, always a time-out.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from urllib.parse import urlencode, urlsplit

from yarnserve.errors import (
    ConfigurationError,
    MalformedAnswerError,
    NotListeningError,
    RequestTimeoutError,
    UnreachableError,
    YarnserveError,
    first_line,
)
from yarnserve.hadoop.authentication import Authentication
from yarnserve.hadoop.session import Timeouts

#: Bytes that are asked for at a time; a server gives what has come.
PIECE = 256 * 1024

#: Largest body of a refusal that is read.
_REFUSAL = 64 * 1024

#: Idle connections kept to one server.
_IDLE = 16

_CLOSED_MEANWHILE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class Stream:
    """One answer; a context manager. Its body is read once, from the front."""

    def __init__(self, streams: Streams, connection: http.client.HTTPConnection, url: str) -> None:
        self._streams = streams
        self._connection = connection
        self._response = connection.getresponse()
        self._url = url
        self.status = self._response.status
        #: Where a redirect points, else empty.
        self.location = self._response.headers.get("Location", "")

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._streams.take_back(self._connection, self._response, is_usable=error is None)

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes, never more than PIECE bytes at a time.

        Raises:
            UnreachableError: the connection broke (RequestTimeoutError: nothing came in time).
            MalformedAnswerError: it is not what HTTP allows.
        """
        with _explained(self._url):
            while piece := self._response.read1(PIECE):
                yield piece

    def refusal(self) -> str:
        """The body of an answer that is no success, as text, cut."""
        with _explained(self._url):
            return self._response.read(_REFUSAL).decode("utf-8", errors="replace")


class Streams:
    """Streams from any number of servers as one user, from several threads.

    Args:
        authentication: who asks.
        timeouts: for a connection, and for the next bytes.
    """

    def __init__(self, authentication: Authentication, timeouts: Timeouts) -> None:
        self._authentication = authentication
        self._timeouts = timeouts
        self._idle: dict[tuple[str, str], list[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None

    def open(self, url: str, query: Mapping[str, str | int]) -> Stream:
        """Ask for *url*; whatever the status is, it is a Stream.

        Raises:
            UnreachableError, RequestTimeoutError, MalformedAnswerError: as a session's request.
            AccessError: there is no credential to ask with.
        """
        signed = self._authentication.credentials(url)
        return self._ask(f"{url}?{urlencode({**query, **signed.query})}", signed.headers, url)

    def follow(self, location: str) -> Stream:
        """Ask where a NameNode pointed to: the address holds its own credential."""
        return self._ask(location, {}, location.partition("?")[0])

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def take_back(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse, *, is_usable: bool
    ) -> None:
        """Keep a connection whose answer was read to its end; close any other."""
        key = (type(connection).__name__, f"{connection.host}:{connection.port}")
        if response.length == 0:
            # Read to its end; http.client's read1 does not notice.
            response.close()
        if is_usable and response.isclosed() and connection.sock is not None:
            with self._lock:
                kept = self._idle.setdefault(key, [])
                if len(kept) < _IDLE:
                    kept.append(connection)
                    return
        response.close()
        connection.close()

    def _ask(self, url: str, headers: Mapping[str, str], shown: str) -> Stream:
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}"
        with _explained(shown):
            connection = self._idle_one(parts.scheme, parts.netloc)
            if connection is not None:
                # A server may have ended it just now; a GET can be repeated.
                with suppress(*_CLOSED_MEANWHILE):
                    return self._send(connection, target, headers, shown)
            return self._send(self._connect(parts.scheme, parts.netloc, shown), target, headers, shown)

    def _send(
        self, connection: http.client.HTTPConnection, target: str, headers: Mapping[str, str], shown: str
    ) -> Stream:
        try:
            connection.request("GET", target, headers={"Accept": "*/*", "X-XSRF-HEADER": "yarnserve", **headers})
            return Stream(self, connection, shown)
        except BaseException:
            connection.close()
            raise

    def _idle_one(self, scheme: str, netloc: str) -> http.client.HTTPConnection | None:
        kind = "HTTPSConnection" if scheme == "https" else "HTTPConnection"
        with self._lock:
            kept = self._idle.get((kind, netloc))
            return kept.pop() if kept else None

    def _connect(self, scheme: str, netloc: str, shown: str) -> http.client.HTTPConnection:
        if scheme not in ("http", "https") or not netloc:
            raise ConfigurationError(f"not a usable address: {shown}", fix="write it as http://host:port")
        connection: http.client.HTTPConnection
        if scheme == "https":
            self._tls = self._tls or ssl.create_default_context()
            connection = http.client.HTTPSConnection(netloc, timeout=self._timeouts.connect, context=self._tls)
        else:
            connection = http.client.HTTPConnection(netloc, timeout=self._timeouts.connect)
        try:
            connection.connect()
        except TimeoutError as error:
            raise UnreachableError("cannot connect", where=shown, why="nobody answered in time", fix=_CHECK) from error
        connection.sock.settimeout(self._timeouts.read)
        return connection


_CHECK = "check that the server runs and the address"
_BUSY = "repeat it; if that ends alike, look at the server's load and log"


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn every exception of the standard library inside the block into one of ours."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _translated(error, url) from error


def _translated(error: Exception, url: str) -> YarnserveError:
    why = first_line(str(error)) or type(error).__name__
    if isinstance(error, ConnectionRefusedError):
        return NotListeningError("cannot connect", where=url, why=why, fix=_CHECK)
    if isinstance(error, TimeoutError):
        return RequestTimeoutError("the server did not send the next bytes in time", where=url, why=why, fix=_BUSY)
    if isinstance(error, socket.gaierror):
        fix = "make the host's name known here: WebHDFS sends readers to DataNodes by name; or use HttpFS"
        return UnreachableError("cannot find the host", where=url, why=why, fix=fix)
    if isinstance(error, ssl.SSLError):
        return UnreachableError("no TLS connection comes about", where=url, why=why, fix=_CHECK)
    if isinstance(error, (http.client.IncompleteRead, http.client.RemoteDisconnected, OSError)):
        what = "the connection broke before the answer was complete"
        return UnreachableError(what, where=url, why=why, fix=_BUSY)
    fix = "check that the address is that of a Hadoop web server"
    return MalformedAnswerError("the answer is not usable HTTP", where=url, why=why, fix=fix)
