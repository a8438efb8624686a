"""The network of a simulation: the sandbox's web applications answer requests in the process that sends them.

No sockets, no event loop that runs, and no time that passes: what would be waited for is counted in :class:`Waits`,
and whoever moves the clock lets it pass.
"""

from __future__ import annotations

import asyncio
import io
import threading
from asyncio import events
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import RemoteDisconnected
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import requests
from aiohttp import HttpVersion11, web
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError
from yarl import URL

T = TypeVar("T")

_FIRST_PORT = 8000


class Killed(BaseException):
    """The process that sent this request was killed: nothing of it may go on, not even what cleans up."""


@dataclass(frozen=True)
class Call:
    """One request: *address* is ``host:port``, *target* the path with its query."""

    method: str
    address: str
    target: str
    body: bytes

    @property
    def path(self) -> str:
        """The path alone."""
        return self.target.partition("?")[0]

    @property
    def writes(self) -> bool:
        """Whether it is an order to YARN."""
        return self.method in ("PUT", "POST", "DELETE") and not self.target.startswith("/webhdfs/")


class Waits:
    """Seconds that were waited for; what is waited for at the same time passes only once."""

    def __init__(self) -> None:
        self._own = self._beside = 0.0

    def add(self, seconds: float) -> None:
        """Count a wait."""
        self._own += seconds

    def beside(self, read: Callable[[], T]) -> Future[T]:
        """Carry out *read* at once, and count what it waits for as beside everything else until the next take."""
        own, beside, self._own, self._beside = self._own, self._beside, 0.0, 0.0
        future: Future[T] = Future()
        try:
            future.set_result(read())
        except BaseException as error:  # noqa: BLE001  it belongs to whoever asks for the result
            future.set_exception(error)
        self._own, self._beside = own, max(beside, self._own, self._beside)
        return future

    def take(self) -> float:
        """Return how long was waited since this was asked last."""
        longest = max(self._own, self._beside)
        self._own = self._beside = 0.0
        return longest


class Doorway:
    """A web application at an address of a :class:`Network`; a door of the sandbox."""

    def __init__(self, host: str, port: int, application: web.Application) -> None:
        self.application = application
        self.host = host
        self.port = port
        self.is_alive = False
        self.server: web.Server | None = None
        self._runner = web.AppRunner(application, access_log=None)

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"

    async def start(self) -> None:
        """Begin to answer."""
        await self._runner.setup()
        self.server = self._runner.server
        self.is_alive = True

    async def die(self) -> None:
        """Refuse everybody; a request that is being carried out gets no answer."""
        self.is_alive = False

    async def revive(self) -> None:
        """Answer again."""
        self.is_alive = True

    async def stop(self) -> None:
        """Close everything."""
        self.is_alive = False
        await self._runner.cleanup()


class Network:
    """Every door of a simulation.

    Attributes:
        silent: hosts that are cut off: who asks one waits in vain for a connection.
        refusing: hosts on which nothing listens.
        waits: how long was waited for answers that did not come.
        before: told of each request to a door that is alive, before it is carried out.
        after: told of each afterwards, with the answer's status; None where none came.
    """

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.refusing: set[str] = set()
        self.waits = Waits()
        self.before: Callable[[Call], None] = lambda call: None
        self.after: Callable[[Call, int | None], None] = lambda call, status: None
        self.requests = 0
        self._doors: dict[str, Doorway] = {}
        self._lock = threading.RLock()
        # Handlers ask for the loop that runs; it never does, for none of them really waits.
        self._loop = asyncio.new_event_loop()

    def open(self, host: str, application: web.Application) -> Doorway:
        """Return a new door, on a port of its own."""
        door = Doorway(host, _FIRST_PORT + len(self._doors), application)
        self._doors[door.address] = door
        return door

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out *work*, which does not wait."""
        with self._lock:
            return _finished(work, self._loop)

    def close(self) -> None:
        """Give back what the loop holds."""
        self._loop.close()

    def carry(self, request: requests.PreparedRequest, timeout: tuple[float, float]) -> requests.Response:
        """Have the door that *request* is for answer it."""
        call = _call_of(request)
        with self._lock:
            self.requests += 1
            door = self._doors.get(call.address)
            host = call.address.partition(":")[0]
            if host in self.silent:
                self.waits.add(timeout[0])
                _never_connected(request, ConnectTimeoutError("the host is silent"), requests.ConnectTimeout)
            if door is None or door.server is None or not door.is_alive or host in self.refusing:
                refused = NewConnectionError(None, "Connection refused")  # type: ignore[arg-type]
                refused.__cause__ = ConnectionRefusedError(111, "Connection refused")
                _never_connected(request, refused, requests.ConnectionError)
            self.before(call)
            response = self._answered(door, door.server, call, request, timeout)
            self.after(call, response.status_code)
            return response

    def _answered(
        self,
        door: Doorway,
        server: web.Server,
        call: Call,
        request: requests.PreparedRequest,
        timeout: tuple[float, float],
    ) -> requests.Response:
        line = _Line()
        try:
            answer: Any = _finished(server.request_handler(_server_request(server, call, request, line)), self._loop)
        except web.HTTPException as refused:
            answer = refused
        except _Waiting:
            self.waits.add(timeout[1])
            self.after(call, None)
            cause = ReadTimeoutError(None, request.url or "", "Read timed out.")  # type: ignore[arg-type]
            raise requests.ReadTimeout(cause, request=request) from cause
        if line.is_closed or not door.is_alive:
            self.after(call, None)
            broken = ProtocolError("Connection aborted.", RemoteDisconnected("Remote end closed connection"))
            raise requests.ConnectionError(broken, request=request) from broken
        return _response(answer, line, request)


class Plug(BaseAdapter):
    """One process's connection to a :class:`Network`: the transport of its session.

    Attributes:
        fuse: how many more requests of the thread that made it are carried out until the process is killed, right
            after the last of them; None: it lives on.
        is_cut: whether it was killed.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.fuse: int | None = None
        self.is_cut = False
        self._network = network
        self._thread = threading.get_ident()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Carry *request*; Killed once the process is dead."""
        if self.is_cut:
            raise Killed
        try:
            return self._network.carry(request, timeout if isinstance(timeout, tuple) else (3.0, 30.0))
        finally:
            self._burn()

    def cut(self) -> None:
        """Kill the process."""
        self.is_cut = True

    def close(self) -> None:
        """Nothing is held."""

    def _burn(self) -> None:
        if self.fuse is None or threading.get_ident() != self._thread:
            return
        self.fuse -= 1
        if self.fuse <= 0:
            self.is_cut = True
            raise Killed


class _Waiting(Exception):  # noqa: N818  it is no error of the handler's
    """A handler waits for something that only time brings."""


def _finished(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Carry out *work* in one go."""
    outer = events._get_running_loop()
    events._set_running_loop(loop)
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        work.close()
        events._set_running_loop(outer)
    raise _Waiting


class _Line:
    """What a handler sees of its connection: protocol, transport and writer in one."""

    ssl_context = peername = sockname = None

    def __init__(self) -> None:
        self.is_closed = False
        self.written: list[bytes] = []
        self.length: int | None = None

    @property
    def transport(self) -> _Line:
        return self

    def close(self) -> None:
        self.is_closed = True

    async def write_headers(self, status_line: str, headers: Any) -> None:
        """They are read from the answer itself."""

    def send_headers(self) -> None:
        """Likewise."""

    async def write(self, chunk: bytes) -> None:
        self.written.append(bytes(chunk))

    async def write_eof(self, chunk: bytes = b"") -> None:
        self.written.append(chunk)

    async def drain(self) -> None:
        """Nothing is held back."""


class _Body:
    """A request's body, as handlers read it."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def set_read_chunk_size(self, size: int) -> None:
        """It comes in one piece."""

    async def readany(self) -> bytes:
        data, self._data = self._data, b""
        return data

    async def iter_any(self) -> AsyncIterator[bytes]:
        if self._data:
            yield await self.readany()


def _call_of(request: requests.PreparedRequest) -> Call:
    parts = urlsplit(request.url or "")
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    body: Any = request.body
    if body is None:
        body = b""
    elif isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = b"".join(body)
    return Call(request.method or "GET", parts.netloc, target, body)


def _server_request(server: web.Server, call: Call, request: requests.PreparedRequest, line: _Line) -> Any:
    headers = CIMultiDict(request.headers)
    headers["Host"] = call.address
    url = URL(call.target, encoded=True)
    message = RawRequestMessage(
        call.method, call.target, HttpVersion11, CIMultiDictProxy(headers), (), False, None, False, False, url
    )
    pieces: Any = _Body(call.body), line, line, None
    return server.request_factory(message, *pieces)


def _response(answer: Any, line: _Line, request: requests.PreparedRequest) -> requests.Response:
    body = getattr(answer, "body", None)
    content = b"".join(line.written) if line.written or body is None else bytes(body)
    response = requests.Response()
    response.status_code = answer.status
    response.reason = answer.reason
    response.headers = CaseInsensitiveDict(answer.headers)
    response.url = request.url or ""
    response.request = request
    response.encoding = "utf-8"
    response.raw = io.BytesIO(content)
    return response


def _never_connected(
    request: requests.PreparedRequest, reason: Exception, kind: type[requests.RequestException]
) -> NoReturn:
    cause = MaxRetryError(None, request.url or "", reason)  # type: ignore[arg-type]
    raise kind(cause, request=request) from reason
