"""Two framings that a version's files come in, read without TensorFlow: protobuf messages and TFRecord.

A file may be larger than memory and its content may be anything: a window of it is read at a time, nothing recurses
as deep as the content says, and every byte is passed a fixed number of times.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO, TypeAlias

#: Bytes in memory at a time.
WINDOW = 64 * 1024

#: Where something begins and where it has ended, in bytes from the file's beginning.
Span: TypeAlias = tuple[int, int]

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT = 10
_LAST_FIELD_NUMBER = (1 << 29) - 1


class Source:
    """The bytes of an open file by position; cheap as long as positions go forward."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._window = b""
        self._window_start = 0
        self.size = os.fstat(stream.fileno()).st_size

    def take(self, start: int, count: int) -> bytes:
        """Return *count* bytes from *start*, fewer where the file ends; for small counts."""
        offset = start - self._window_start
        if offset < 0 or offset + count > len(self._window):
            # Not mmap: a file that is truncated under a mapping ends the process (SIGBUS).
            self._window = os.pread(self._stream.fileno(), max(WINDOW, count), start)
            self._window_start, offset = start, 0
        return self._window[offset : offset + count]

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """Return what lies in between, a window at a time."""
        while start < end and (chunk := self.take(start, min(WINDOW, end - start))):
            yield chunk
            start += len(chunk)


def submessages(source: Source, path: tuple[int, ...], within: Span | None = None) -> Iterator[Span]:
    """Find what the field numbers in *path* lead to in a protobuf message: the one at *within*, None for the file.

    Only fields that have a length (messages, strings, bytes) are found; every other one on the way is passed over.

    Raises:
        ValueError: while iterating: it is no protobuf message, or one of those on the way is none.
    """
    spans: Iterable[Span] = [within or (0, source.size)]
    for number in path:
        spans = _fields(source, spans, number)
    yield from spans


def _fields(source: Source, messages: Iterable[Span], wanted: int) -> Iterator[Span]:
    for start, end in messages:
        while start < end:
            number, first, after = _field(source, start, end)
            if number == wanted:
                yield first, after
            start = after


def _field(source: Source, start: int, end: int) -> tuple[int, int, int]:
    """Return the field's number, 0 for one without a length, and where its content begins and has ended."""
    tag, first = _varint(source, start, end)
    number, kind = tag >> 3, tag & 7
    if not 0 < number <= _LAST_FIELD_NUMBER:
        raise ValueError(f"no field has the number {number}, at byte {start}")
    if kind == _LENGTH_DELIMITED:
        length, first = _varint(source, first, end)
        after = first + length
    elif kind == _VARINT:
        number, after = 0, _varint(source, first, end)[1]
    elif kind in _FIXED_SIZES:
        number, after = 0, first + _FIXED_SIZES[kind]
    else:
        raise ValueError(f"no field is of wire type {kind}, at byte {start}")
    if after > end:
        raise ValueError(f"the field at byte {start} ends {after - end} bytes after the message it is in")
    return number, first, after


def _varint(source: Source, start: int, end: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(source.take(start, min(_LONGEST_VARINT, end - start))):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, start + index + 1
    raise ValueError(f"the number at byte {start} does not end")


def records(source: Source, *, check_data: bool) -> Iterator[str]:
    """Walk a TFRecord file: for each record what is wrong with it, "" when nothing is.

    A record is its length (u64), that one's masked CRC32C, its data, and the data's masked CRC32C; all little-endian.
    Where a length cannot be trusted, or leads out of the file, the walk ends: nobody knows where the next record is.
    *check_data* False leaves the data's checksums out.
    """
    start = 0
    while start < source.size:
        header = source.take(start, 12)
        if len(header) < 12:
            yield f"its header is cut off after {len(header)} of 12 bytes"
            return
        if masked_crc32c([header[:8]]) != header[8:]:
            yield "its length is not what its checksum says"
            return
        data = start + 12
        data_end = data + int.from_bytes(header[:8], "little")
        start = data_end + 4
        if start > source.size:
            yield f"it is cut off, {start - source.size} bytes before its end"
            return
        is_wrong = check_data and masked_crc32c(source.chunks(data, data_end)) != source.take(data_end, 4)
        yield "its data is not what its checksum says" if is_wrong else ""


def _crc_of_byte(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value


_CRC_TABLE = tuple(_crc_of_byte(value) for value in range(256))


def masked_crc32c(chunks: Iterable[bytes]) -> bytes:
    """Return the CRC32C of *chunks* as TFRecord stores it: rotated, shifted by a constant, little-endian."""
    crc = 0xFFFFFFFF
    for chunk in chunks:
        for byte in chunk:
            crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")
