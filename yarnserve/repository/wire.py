"""Just enough of protocol buffers' and TFRecord's wire formats to look into a model's files without TensorFlow.

Nothing is copied and nothing recursive: what is walked may be gigabytes, and broken.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Protocol


class Bytes(Protocol):
    """Bytes in memory, or a map of a file."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: slice, /) -> bytes: ...


#: Wire types: a number, eight bytes, a length and as many bytes, four bytes. Groups (3 and 4) are not written any more.
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

#: A number has seven bits in each byte.
_MAX_VARINT = 10


class WireError(ValueError):
    """The bytes are not what they should be."""


def messages(data: Bytes, path: Sequence[int], start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield where the fields at *path*, field numbers from the outside in, begin and end in *data*.

    Raises:
        WireError: *data* is no message down to there.
    """
    waiting = [(start, len(data) if end is None else end, 0)]
    while waiting:
        begin, stop, depth = waiting.pop()
        if depth == len(path):
            yield begin, stop
            continue
        found = _fields(data, begin, stop)
        inner = [(first, last, depth + 1) for number, first, last in found if number == path[depth]]
        waiting.extend(reversed(inner))


def _fields(data: Bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Every field's number, and where its content lies; that of numbers is left out."""
    while position < end:
        key, position = _varint(data, position, end)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise WireError("a field without a number")
        if kind == _VARINT:
            _, position = _varint(data, position, end)
            continue
        if kind == _LENGTH:
            length, position = _varint(data, position, end)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise WireError(f"a field of the unknown kind {kind}")
        if length > end - position:
            raise WireError("a field that is longer than its message")
        if kind == _LENGTH:
            yield number, position, position + length
        position += length


def _varint(data: Bytes, position: int, end: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[position : min(position + _MAX_VARINT, end)]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, position + index + 1
    raise WireError("a number without an end")


def records(data: Bytes, *, checked: bool) -> Iterator[int]:
    """Yield the length of each record of a TFRecord file; *checked* compares the sum of its bytes, too.

    Raises:
        WireError: a record is cut, or not what its sums say.
    """
    position, number = 0, 0
    while position < len(data):
        number += 1
        head = data[position : position + 12]
        if len(head) < 12:
            raise WireError(f"record {number} is cut in its head")
        length, length_sum = struct.unpack("<QI", head)
        if _masked(crc32c(head[:8])) != length_sum:
            raise WireError(f"the length of record {number} is not what its checksum says")
        begin, stop = position + 12, position + 12 + length
        if stop + 4 > len(data):
            raise WireError(f"record {number} is cut: it has {length} bytes, {len(data) - begin} are there")
        if checked and _masked(crc32c(data[begin:stop])) != struct.unpack("<I", data[stop : stop + 4])[0]:
            raise WireError(f"record {number} is not what its checksum says")
        yield length
        position = stop + 4


def crc32c(data: bytes) -> int:
    """The CRC-32C (Castagnoli) of *data*."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _CRC_TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _masked(crc: int) -> int:
    """TFRecord does not store a sum as it is, lest a sum of sums come out the same."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC_TABLE = tuple(map(_crc_of, range(256)))
