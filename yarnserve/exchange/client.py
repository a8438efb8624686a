"""One request, one answer, one connection; every way that can fail is an answer too.

A connection is never used twice: a kept-alive one would hide a server that accepts nobody new. Redirects are answers
like others. Sockets are used as they are, so that whoever looks once has little to import, and who looks at thousands
every few seconds has little to do for each.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from yarnserve.errors import MalformedAnswerError, first_line
from yarnserve.exchange.answer import AnswerReader
from yarnserve.exchange.resolver import Address, Resolver, known
from yarnserve.exchange.room import Claim, Room
from yarnserve.records.replica import Contact

#: Bytes that all long answers of one call may have together.
ROOM = 128 * 1024 * 1024

#: Bodies are sent and read in pieces of so many bytes; an answer of one piece needs no room.
PIECE = 1 << 16

#: The part of an exchange's time that finding the host and connecting to it may take. Less than the whole, so that
#: a host that cannot be reached is told apart from a server that accepts and is silent.
_CONNECT_SHARE = 0.8

#: What a process or a host may run out of for a moment: open files, ports of its own, memory; then it is tried again
#: after so many seconds.
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)
_SHORTAGE_PAUSE = 0.05


@dataclass(frozen=True)
class Request:
    """What is sent where: a POST with *body* where there is one, unless *method* says otherwise."""

    host: str
    port: int
    path: str
    body: bytes = b""
    method: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def to(cls, url: str, body: bytes = b"", *, method: str = "", headers: Mapping[str, str] | None = None) -> Request:
        """A request to an address that begins with http://; to nowhere, where it is none."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return cls("", 80, "/", body, method, headers or {})
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(host, port, path, body, method, headers or {})

    @property
    def head(self) -> bytes:
        """Everything before the body."""
        method = self.method or ("POST" if self.body else "GET")
        told = {"Host": f"{self.host}:{self.port}", "Accept-Encoding": "identity", "Connection": "close"}
        if self.body or method == "POST":
            told |= {"Content-Length": str(len(self.body))}
        if self.body:
            told |= {"Content-Type": "application/json"}
        lines = [
            f"{method} {self.path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in {**told, **self.headers}.items()),
        ]
        return "\r\n".join([*lines, "\r\n"]).encode()


@dataclass(frozen=True)
class Answer:
    """One HTTP exchange: *text* is the body, or the reason when *contact* is not ANSWERED.

    *status* is 0 where not even that came.
    """

    contact: Contact
    status: int = 0
    text: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether it is an answer of status 200."""
        return self.contact is Contact.ANSWERED and self.status == 200


class Client:
    """Sends the requests of one event loop."""

    def __init__(self) -> None:
        self._resolver = Resolver()
        self._room = Room(ROOM)
        # All conversations read into it: what came is taken out before the next one reads.
        self._buffer = memoryview(bytearray(PIECE))

    async def ask(self, request: Request, *, seconds: float, limit: int) -> Answer:
        """Send *request*; the answer, of at most *limit* bytes (ROOM or fewer), is there within *seconds*."""
        times = _Times.of(asyncio.get_running_loop().time(), seconds)
        try:
            addresses = known(request.host, request.port) or await asyncio.wait_for(
                self._resolver.addresses(request.host, request.port), times.connect
            )
        except asyncio.TimeoutError:  # before Python 3.11 this is not the builtin TimeoutError
            return Answer(Contact.UNREACHABLE, text=f"no connection within {times.connect:.1f} s")
        except OSError as error:
            return Answer(Contact.UNREACHABLE, text=_reason(error))
        conversation = _Conversation(request, AnswerReader(limit), times, self._room, self._buffer)
        try:
            conversation.begin(addresses)
            return await conversation.answer
        finally:
            conversation.end()


@dataclass(frozen=True)
class _Times:
    """How many seconds an exchange and its connecting may take, and when they end (time of the event loop)."""

    seconds: float
    connect: float
    ends: float
    connect_ends: float

    @classmethod
    def of(cls, now: float, seconds: float) -> _Times:
        connect = _CONNECT_SHARE * seconds
        return cls(seconds, connect, now + seconds, now + connect)


class _Conversation:
    """Sends *request* over a connection and fills *reader*; *answer* is what came of it."""

    def __init__(self, request: Request, reader: AnswerReader, times: _Times, room: Room, buffer: memoryview) -> None:
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Answer] = self._loop.create_future()
        self._unsent = [memoryview(part) for part in (request.head, request.body) if part]
        self._reader = reader
        self._times = times
        self._room = room
        self._claim: Claim | None = None
        self._buffer = buffer
        self._addresses: list[Address] = []
        self._failures: list[OSError | None] = []
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, addresses: Sequence[Address]) -> None:
        """Try one address after the other."""
        self._addresses = list(addresses)
        self._try_next()

    def end(self) -> None:
        """Hang up; nothing more is done."""
        if self._claim is not None:
            self._claim.end()
            self._claim = None
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _try_next(self) -> None:
        self.end()
        if not self._addresses:
            self._settle_unconnected()
            return
        # Of several addresses each has its share, so that one that swallows everything does not hide the next.
        now = self._loop.time()
        share = (self._times.connect_ends - now) / len(self._addresses)
        address = self._addresses.pop(0)
        try:
            self._socket = socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            _begin_connecting(self._socket, address)
        except OSError as error:
            if error.errno in _SHORTAGES and share > 0:
                self._begin_anew(address)
            else:
                self._fail(error)
            return
        self._timer = self._loop.call_at(now + share, self._fail, None)
        # By number: asyncio asks for what it does not know yet, and to name a socket takes longer than to open one.
        self._loop.add_writer(self._socket.fileno(), self._connected, self._socket)

    def _begin_anew(self, address: Address) -> None:
        """What this process or its host is short of says nothing of the replica: other exchanges end, and free it."""
        self.end()
        self._addresses.insert(0, address)
        self._timer = self._loop.call_later(_SHORTAGE_PAUSE, self._try_next)

    def _fail(self, error: OSError | None) -> None:
        """Go on to the next address; without an *error*, this one was silent."""
        self._failures.append(error)
        self._try_next()

    def _settle_unconnected(self) -> None:
        for error in self._failures:
            if isinstance(error, ConnectionRefusedError):
                self._settle(Answer(Contact.REFUSED, text=_reason(error)))
                return
        last = self._failures[-1]
        text = _reason(last) if last else f"no connection within {self._times.connect:.1f} s"
        self._settle(Answer(Contact.UNREACHABLE, text=text))

    def _connected(self, connected: socket.socket) -> None:
        code = connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._fail(OSError(code, os.strerror(code)))
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._times.ends, self._expire)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(connected.fileno(), self._receive, connected)
        self._loop.add_writer(connected.fileno(), self._send, connected)
        self._send(connected)

    def _send(self, connected: socket.socket) -> None:
        try:
            sent = connected.sendmsg(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # it listens no more, but may have said why
            self._unsent, sent = [], 0
        while self._unsent and sent >= len(self._unsent[0]):
            sent -= len(self._unsent.pop(0))
        if self._unsent:
            self._unsent[0] = self._unsent[0][sent:]
        else:
            self._loop.remove_writer(connected.fileno())

    def _receive(self, connected: socket.socket) -> None:
        try:
            count = connected.recv_into(self._buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if count:
            self._read(self._buffer[:count], connected)
        else:
            self._lose(None)

    def _read(self, data: memoryview, connected: socket.socket) -> None:
        try:
            self._reader.feed(data)
        except MalformedAnswerError as error:
            self._settle(Answer(Contact.BROKEN, self._reader.status, _reason(error)))
            return
        if self._reader.is_complete:
            self._settle_complete()
        elif self._claim is None and self._reader.held > PIECE:
            self._loop.remove_reader(connected.fileno())
            self._claim = self._room.claim(
                self._reader.room, lambda: self._loop.add_reader(connected.fileno(), self._receive, connected)
            )

    def _lose(self, error: OSError | None) -> None:
        """The other side has ended it."""
        try:
            self._reader.finish()
        except MalformedAnswerError as cut:
            self._settle(Answer(Contact.BROKEN, self._reader.status, _reason(error or cut)))
        else:
            self._settle_complete()

    def _expire(self) -> None:
        text = f"no answer within {self._times.seconds:.1f} s"
        self._settle(Answer(Contact.TIMED_OUT, self._reader.status, text))

    def _settle_complete(self) -> None:
        text = self._reader.body.decode("utf-8", "replace")
        self._settle(Answer(Contact.ANSWERED, self._reader.status, text))

    def _settle(self, answer: Answer) -> None:
        self.end()
        if not self.answer.done():
            self.answer.set_result(answer)


def _begin_connecting(connecting: socket.socket, address: Address) -> None:
    code = connecting.connect_ex(address.place)
    if code not in (0, errno.EINPROGRESS):
        raise OSError(code, os.strerror(code))


def _reason(error: Exception) -> str:
    if isinstance(error, MalformedAnswerError):
        return f"{error.what}: {error.why}" if error.why else error.what
    return first_line(str(error)) or type(error).__name__
