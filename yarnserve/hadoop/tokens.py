"""Hadoop's file of tokens, such as YARN puts beside every container: Credentials.java and Token.java of Hadoop.

It begins with ``HDTS`` and the number of its format. Format 0 is what every Hadoop writes (``Writable``: lengths of
variable size); format 1, which Hadoop reads since 2.9 and 3.0 and ``hadoop dtutil -format protobuf`` writes, is a
message of Protocol Buffers. Secret keys may come after the tokens and are not read.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field

from yarnserve.errors import ConfigurationError

_MAGIC = b"HDTS"
_WRITABLE, _PROTOBUF = 0, 1

#: Tokens that are read of one file; YARN's has a handful.
_MOST = 10_000


@dataclass(frozen=True)
class Token:
    """One token; whoever has *password* is its owner.

    Attributes:
        identifier: what it says, in the format of its kind.
        password: proves that its server gave it.
        kind: such as ``HDFS_DELEGATION_TOKEN``.
        service: whose it is: ``ha-hdfs:nameservice``, ``ip:port`` or ``host:port``; may be empty.
    """

    identifier: bytes = field(repr=False)
    password: bytes = field(repr=False)
    kind: str
    service: str

    def to_url(self) -> str:
        """Return it as a query's ``delegation=`` has it (Token.encodeToUrlString)."""
        parts = (self.identifier, self.password, self.kind.encode(), self.service.encode())
        raw = b"".join(_length(len(part)) + part for part in parts)
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    @property
    def owner(self) -> str:
        """The short name of whoever it makes us; empty where that cannot be read."""
        told = self._told()
        return told[0] if told else ""

    @property
    def ends_at(self) -> float | None:
        """When nobody can renew it any more, in seconds since the epoch; None where that cannot be read."""
        told = self._told()
        return told[1] if told else None

    def _told(self) -> tuple[str, float] | None:
        """Owner and end, of a delegation token's identifier (AbstractDelegationTokenIdentifier.java)."""
        reader = _Reader(self.identifier)
        try:
            if reader.byte() != 0:
                return None
            owner = reader.text()
            reader.blob()  # who renews it
            reader.blob()  # who asked for it in the owner's name
            reader.long()  # when it was given
            return owner.partition("@")[0].partition("/")[0], reader.long() / 1000
        except ValueError:
            return None


def read_tokens(content: bytes, where: str) -> tuple[Token, ...]:
    """Return the tokens of a file's *content*, in its order; *where* is its path, for errors.

    Raises:
        ConfigurationError: it is no such file, or not a whole one.
    """
    try:
        reader = _Reader(content)
        if reader.take(len(_MAGIC)) != _MAGIC:
            raise ValueError("it does not begin with HDTS")
        number = reader.byte()
        if number == _WRITABLE:
            return tuple(_writable(reader))
        if number == _PROTOBUF:
            return tuple(_protobuf(_Reader(reader.take(reader.varint()))))
        raise ValueError(f"its format is {number}, known are {_WRITABLE} and {_PROTOBUF}")
    except ValueError as error:
        raise ConfigurationError(
            "the file of Hadoop's tokens cannot be understood",
            where=where,
            why=str(error),
            fix="look whether it is the file that YARN wrote for this container (HADOOP_TOKEN_FILE_LOCATION)",
        ) from error


def _writable(reader: _Reader) -> Iterator[Token]:
    for _ in range(_count(reader.long())):
        reader.blob()  # the name by which Java finds it
        yield Token(reader.blob(), reader.blob(), reader.text(), reader.text())


def _count(number: int) -> int:
    if not 0 <= number <= _MOST:
        raise ValueError(f"it claims to hold {number} tokens")
    return number


def _protobuf(credentials: _Reader) -> Iterator[Token]:
    """CredentialsProto: ``repeated CredentialsKVProto tokens = 1``, in each of which ``TokenProto token = 2``."""
    for number, entry in credentials.fields():
        if number == 1:
            for inner, token in _Reader(entry).fields():
                if inner == 2:
                    yield _token(dict(_Reader(token).fields()))


def _token(fields: dict[int, bytes]) -> Token:
    missing = {1, 2, 3, 4} - fields.keys()
    if missing:
        raise ValueError(f"a token lacks field {min(missing)}")
    return Token(fields[1], fields[2], _decoded(fields[3]), _decoded(fields[4]))


class _Reader:
    """Takes bytes apart from the front; ValueError where there are too few, or they say what cannot be."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._content) - self._at:
            raise ValueError(f"byte {self._at} asks for {count} more, of {len(self._content)} in all")
        self._at += count
        return self._content[self._at - count : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def long(self) -> int:
        """Hadoop's own number (WritableUtils.readVLong): small ones are the byte itself.

        Else the first byte says how many follow: -113 to -120 one to eight of a positive number, -121 to -128 as many
        of a negative one, whose bits are flipped.
        """
        first = int.from_bytes(self.take(1), "big", signed=True)
        if first >= -112:
            return first
        is_negative = first < -120
        number = int.from_bytes(self.take((-120 if is_negative else -112) - first), "big")
        return ~number if is_negative else number

    def blob(self) -> bytes:
        return self.take(self.long())

    def text(self) -> str:
        return _decoded(self.blob())

    def varint(self) -> int:
        """Protocol Buffers' number: seven bits a byte, the lowest first."""
        number = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise ValueError("a number has more than ten bytes")

    def fields(self) -> Iterator[tuple[int, bytes]]:
        """A message's fields that have a length; others, which none of ours has, are passed over."""
        while self._at < len(self._content):
            key = self.varint()
            number, form = key >> 3, key & 7
            if form == 2:
                yield number, self.take(self.varint())
            elif form == 0:
                self.varint()
            elif form in (1, 5):
                self.take(8 if form == 1 else 4)
            else:
                raise ValueError(f"field {number} has the unknown form {form}")


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8")


def _length(number: int) -> bytes:
    """A length as Hadoop writes it (WritableUtils.writeVLong)."""
    if number <= 127:
        return bytes([number])
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return (-112 - len(raw)).to_bytes(1, "big", signed=True) + raw
