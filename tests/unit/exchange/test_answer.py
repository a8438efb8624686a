"""HTTP answers read piece by piece, beside the reader of Python's own library."""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.errors import MalformedAnswerError
from yarnserve.exchange.answer import MAX_AROUND, AnswerReader

LIMIT = 1000
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def read(pieces: list[bytes], limit: int = LIMIT) -> AnswerReader:
    """Read an answer that comes in *pieces*, to the end of the connection."""
    reader = AnswerReader(limit)
    for piece in pieces:
        if not reader.is_complete:
            reader.feed(piece)
    if not reader.is_complete:
        reader.finish()
    return reader


class _Sent(socket.socket):
    """What Python's reader takes for a socket: *data*, and then the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object, **__: object) -> io.BytesIO:  # type: ignore[override]
        return io.BytesIO(self._data)


def as_python_reads(data: bytes) -> tuple[int, bytes]:
    """Status and body of an answer by http.client."""
    response = http.client.HTTPResponse(_Sent(data))
    response.begin()
    return response.status, response.read()


def chunked(parts: list[bytes]) -> bytes:
    """A body in chunks."""
    return b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in [*filter(None, parts)]) + b"0\r\nA: b\r\n\r\n"


FORMS = ("length", "chunks", "end")


@st.composite
def answers(draw: st.DrawFn, forms: Sequence[str] = FORMS) -> bytes:
    """Sound answers whose length is told in one of *forms*."""
    parts = draw(st.lists(st.binary(max_size=50), max_size=5))
    form, status = draw(st.sampled_from(forms)), draw(st.sampled_from([200, 204, 302, 304, 404, 503]))
    head = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Go on\r\nA: b\r\n\r\n"]))
    head += b"HTTP/1.%d %d Whatever\r\nX-Any: thing\r\n" % (draw(st.sampled_from([0, 1])), status)
    if status in (204, 304) and form != "end":
        return head + b"\r\n"
    if form == "length":
        return head + b"CONTENT-length:  %d \r\n\r\n" % sum(map(len, parts)) + b"".join(parts)
    if form == "chunks":
        return head.replace(b"HTTP/1.0", b"HTTP/1.1") + b"Transfer-Encoding: Chunked\r\n\r\n" + chunked(parts)
    return head.replace(b"204", b"201").replace(b"304", b"303") + b"\r\n" + b"".join(parts)


def cuts(data: bytes, draw: st.DataObject) -> list[bytes]:
    """*data* in pieces of any lengths."""
    places = sorted(draw.draw(st.sets(st.integers(0, len(data)), max_size=10)))
    return [data[begin:end] for begin, end in zip([0, *places], [*places, len(data)], strict=True)]


@given(answers(), st.data())
def test_however_it_is_cut_it_is_read_as_python_reads_it(answer: bytes, data: st.DataObject) -> None:
    """Lengths, chunks, or the end of the connection; interim answers before it; cut anywhere."""
    reader = read(cuts(answer, data))
    assert (reader.status, reader.body) == as_python_reads(answer)


@given(answers(("length", "chunks")), st.data())
def test_an_answer_that_breaks_off_is_never_taken_for_whole(answer: bytes, data: st.DataObject) -> None:
    """Wherever the connection ends before the answer does."""
    with pytest.raises(MalformedAnswerError, match="the connection was closed"):
        read([answer[: data.draw(st.integers(0, len(answer) - 1))]])


@given(st.binary(max_size=300), st.data())
def test_rubbish_is_an_error_of_ours(rubbish: bytes, data: st.DataObject) -> None:
    """Whatever comes, with or without a sound beginning; what is taken for an answer is whole and within its limit."""
    begin = data.draw(st.sampled_from([b"", OK, OK + CHUNKED]))
    with suppress(MalformedAnswerError):
        answer = read(cuts(begin + rubbish, data))
        assert answer.is_complete
        assert 100 <= answer.status <= 999
        assert len(answer.body) <= LIMIT


@pytest.mark.parametrize(
    "answer",
    [
        b"hello there\n",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 000 OK\r\n\r\n",
        OK + b"no header\r\n\r\n",
        OK + b"Content-Length : 2\r\n\r\n{}",
        OK + b"Content-Length: -2\r\n\r\n{}",
        OK + b"Content-Length: +2\r\n\r\n{}",
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\n{}",
        OK + CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
        OK + CHUNKED + b"2\r\n{} \r\n0\r\n\r\n",
        OK + CHUNKED + b"2\r\n{}aa\r\n0\r\n\r\n",
        OK + b"Content-Length: 000000000000000000000000000002\r\n\r\n{}",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"",
    ],
)
def test_what_can_be_read_in_two_ways_or_none_is_refused(answer: bytes) -> None:
    """Another protocol, lengths that contradict each other, chunks that do not fit."""
    with pytest.raises(MalformedAnswerError):
        read([answer])


def endless(begin: bytes, piece: bytes) -> Iterator[bytes]:
    """An answer that never ends."""
    yield begin
    yield from repeat(piece)


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"HTTP/1.1 200 ", b"x" * 900),
        (OK, b"A: " + b"x" * 100 + b"\r\n"),
        (OK + b"A: ", b"x" * 900),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (OK + b"\r\n", b"x" * 900),
        (OK + CHUNKED, b"1\r\nx\r\n"),
        (OK + CHUNKED, b"0" * 900),
        (OK + CHUNKED + b"1;", b"x" * 900),
        (OK + CHUNKED + b"0\r\n", b"A: b\r\n"),
    ],
)
def test_whatever_never_ends_is_cut(begin: bytes, piece: bytes) -> None:
    """A status line, headers, interim answers, a body, chunks, their lengths, trailers: none is kept beyond a limit."""
    reader, taken = AnswerReader(LIMIT), 0
    with suppress(MalformedAnswerError):
        for part in endless(begin, piece):
            reader.feed(part)
            taken += len(part)
            assert max(reader.held, taken / 2) <= MAX_AROUND + LIMIT


@pytest.mark.parametrize("told", [b"Content-Length: 1001\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n"])
def test_a_length_beyond_the_limit_is_refused_before_it_is_sent(told: bytes) -> None:
    """Who announces a gigabyte need not be listened to."""
    with pytest.raises(MalformedAnswerError, match="longer than 1000 bytes"):
        AnswerReader(LIMIT).feed(OK + b"" + told)


def test_the_room_that_a_body_needs_is_told() -> None:
    """As much as it says, else as much as it may."""
    reader = AnswerReader(LIMIT)
    assert reader.room == LIMIT
    reader.feed(OK + b"Content-Length: 12\r\n\r\n")
    assert (reader.room, reader.is_complete) == (12, False)


def test_tls_is_told_by_its_name() -> None:
    """The admin has put a proxy before it, or has taken another port."""
    with pytest.raises(MalformedAnswerError, match="TLS"):
        AnswerReader(LIMIT).feed(b"\x15\x03\x03\x00\x02\x02\x46")
