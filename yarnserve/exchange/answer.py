"""An HTTP/1 answer read piece by piece, without any I/O: nothing of it is kept beyond what was allowed.

As much of HTTP as a model server's REST API, an agent and their counters need. What can be read in two ways is refused
rather than guessed. Compressed answers are not asked for: a few bytes of them would be a gigabyte.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from yarnserve.errors import MalformedAnswerError

#: Bytes of an answer beside its body (headers, interim answers, the lengths of chunks), beyond as many as the body has.
MAX_AROUND = 64 * 1024

#: Bytes of one line that tells a chunk's length, or of a trailer.
_MAX_LINE = 8 * 1024

#: More digits than any length has.
_MAX_DIGITS = 20

_VERSION = b"HTTP/1."
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: [^\r\n]*)?")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?")
#: How an alert and a handshake begin.
_TLS = (b"\x15\x03", b"\x16\x03")
_END_OF_LINE, _END_OF_HEAD = b"\r\n", b"\r\n\r\n"


class AnswerReader:
    """Reads one answer with a body of at most *limit* bytes.

    Attributes:
        status: the HTTP status; 0 before it is known.
        room: how many bytes the body may come to have: what the answer says, where it does, else *limit*.
        is_complete: whether all of it was read; what follows is of no interest.
    """

    def __init__(self, limit: int) -> None:
        self.status = 0
        self.room = limit
        self.is_complete = False
        self._limit = limit
        self._unread = bytearray()
        self._body = bytearray()
        self._around = 0
        self._left = 0
        # Of the class, not bound: a reader that refers to itself would keep its body until the next collection.
        self._step: Callable[[AnswerReader], bool] = AnswerReader._read_head

    @property
    def body(self) -> bytes:
        """The body as far as it was read."""
        return bytes(self._body)

    @property
    def held(self) -> int:
        """How many bytes are kept of it now."""
        return len(self._body) + len(self._unread)

    def feed(self, data: bytes | memoryview) -> None:
        """Take in what came.

        Raises:
            MalformedAnswerError: it is no HTTP/1 answer, or too long.
        """
        self._unread += data
        while not self.is_complete and self._step(self):
            pass

    def finish(self) -> None:
        """Take in that nothing more comes: without a length, that is the end of the body.

        Raises:
            MalformedAnswerError: more was to come.
        """
        if self._step is AnswerReader._read_rest:
            self.is_complete = True
        if not self.is_complete:
            begun = self.status or self._around or self._unread
            raise MalformedAnswerError(
                "the connection was closed in the middle of the answer"
                if begun
                else "the connection was closed without an answer"
            )

    def _read_head(self) -> bool:
        if not self._unread.startswith(_VERSION[: len(self._unread)]):
            raise _not_http(bytes(self._unread))
        end = self._unread.find(_END_OF_HEAD)
        self._count_around(len(self._unread) if end < 0 else end + len(_END_OF_HEAD), keep=end < 0)
        if end < 0:
            return False
        status, headers = _parse_head(self._take(end, _END_OF_HEAD))
        if status < 200 and status != 101:
            return True
        self.status = status
        self._begin_body(headers)
        return True

    def _begin_body(self, headers: dict[bytes, list[bytes]]) -> None:
        codings, lengths = headers.get(b"transfer-encoding", []), set(headers.get(b"content-length", []))
        if self.status in (101, 204, 304):
            self.is_complete = True
        elif codings:
            if lengths or [coding.lower() for coding in codings] != [b"chunked"]:
                raise MalformedAnswerError("the answer's length can be read in two ways")
            self._step = AnswerReader._read_chunk_line
        elif lengths:
            self._left = self.room = self._announced(_length(lengths))
            self._step, self.is_complete = AnswerReader._read_part, self._left == 0
        else:
            self._step = AnswerReader._read_rest

    def _read_part(self) -> bool:
        self._left -= self._keep(self._left)
        self.is_complete = self._left == 0
        return False

    def _read_rest(self) -> bool:
        self._announced(len(self._body) + len(self._unread))
        self._keep(len(self._unread))
        return False

    def _read_chunk_line(self) -> bool:
        line = self._line()
        if line is None:
            return False
        found = _CHUNK_LINE.fullmatch(line)
        if not found:
            raise MalformedAnswerError("the answer's chunks cannot be read", why=f"one begins with {line[:40]!r}")
        self._left = int(found[1], 16)
        self._announced(len(self._body) + self._left)
        self._step = AnswerReader._read_chunk if self._left else AnswerReader._read_trailer
        return True

    def _read_chunk(self) -> bool:
        self._left -= self._keep(self._left)
        if self._left or len(self._unread) < len(_END_OF_LINE):
            return False
        if not self._unread.startswith(_END_OF_LINE):
            raise MalformedAnswerError("the answer's chunks cannot be read", why="one is longer than it says")
        self._line()
        self._step = AnswerReader._read_chunk_line
        return True

    def _read_trailer(self) -> bool:
        line = self._line()
        self.is_complete = line == b""
        return line is not None

    def _line(self) -> bytes | None:
        """Take one line from what is unread; None while it is not complete."""
        end = self._unread.find(_END_OF_LINE, 0, _MAX_LINE)
        if end < 0 and len(self._unread) < _MAX_LINE:
            return None
        if end < 0:
            raise MalformedAnswerError(f"the answer has a line of more than {_MAX_LINE} bytes")
        self._count_around(end + len(_END_OF_LINE))
        return self._take(end, _END_OF_LINE)

    def _take(self, end: int, separator: bytes) -> bytes:
        taken = bytes(self._unread[:end])
        del self._unread[: end + len(separator)]
        return taken

    def _keep(self, most: int) -> int:
        """Move at most so many bytes into the body; return how many."""
        kept = min(most, len(self._unread))
        self._body += memoryview(self._unread)[:kept]
        del self._unread[:kept]
        return kept

    def _count_around(self, size: int, *, keep: bool = False) -> None:
        """Count what is no body; with *keep* it is looked at again when more has come."""
        if self._around + size > MAX_AROUND + len(self._body):
            raise MalformedAnswerError(f"the answer has more than {MAX_AROUND} bytes beside its body")
        if not keep:
            self._around += size

    def _announced(self, size: int) -> int:
        if size > self._limit:
            raise MalformedAnswerError(f"the answer is longer than {self._limit} bytes")
        return size


def _parse_head(head: bytes) -> tuple[int, dict[bytes, list[bytes]]]:
    """The status of an answer, and the values of each header by its name in small letters."""
    first, *lines = head.split(_END_OF_LINE)
    found = _STATUS_LINE.fullmatch(first)
    if not found:
        raise _not_http(first)
    headers: dict[bytes, list[bytes]] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():
            raise MalformedAnswerError("the answer's headers cannot be read", why=f"one is {line[:40]!r}")
        headers.setdefault(name.lower(), []).append(value.strip())
    return int(found[1]), headers


def _not_http(found: bytes) -> MalformedAnswerError:
    if found[:2] in _TLS:
        return MalformedAnswerError("the answer is TLS, not plain HTTP")
    return MalformedAnswerError("the answer is not HTTP", why=f"it begins with {found[:40]!r}")


def _length(told: set[bytes]) -> int:
    """The one length that the headers tell."""
    text = told.pop()
    # Bytes are digits only where they are ASCII's.
    if told or not text.isdigit() or len(text) > _MAX_DIGITS:
        raise MalformedAnswerError("the answer's length cannot be read")
    return int(text)
