"""Files of Hadoop tokens, written byte by byte by Credentials.java and Token.java; shares nothing with the reader."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable
from dataclasses import dataclass

HDFS = "HDFS_DELEGATION_TOKEN"


@dataclass(frozen=True)
class Given:
    """A token as a server gave it."""

    identifier: bytes = b"who"
    password: bytes = b"secret"
    kind: str = HDFS
    service: str = "127.0.0.1:8020"
    alias: str = "alias"

    @property
    def fields(self) -> bytes:
        """Token.write."""
        return b"".join(map(blob, (self.identifier, self.password, self.kind.encode(), self.service.encode())))

    @property
    def in_url(self) -> str:
        """Token.encodeToUrlString."""
        return base64.b64encode(self.fields, b"-_").decode().rstrip("=")


def number(value: int) -> bytes:
    """WritableUtils.writeVLong."""
    if -112 <= value <= 127:
        return struct.pack("b", value)
    sign, magnitude = (-112, value) if value >= 0 else (-120, ~value)
    raw = struct.pack(">Q", magnitude).lstrip(b"\0")
    return struct.pack("b", sign - len(raw)) + raw


def blob(raw: bytes) -> bytes:
    """A length and its bytes."""
    return number(len(raw)) + raw


def identifier(*, owner: str = "alice", ends_at: float = 2e9) -> bytes:
    """AbstractDelegationTokenIdentifier.writeImpl."""
    names = b"".join(blob(name.encode()) for name in (owner, "yarn", "yarn/localhost@KRB.TEST"))
    numbers = map(number, (1_700_000_000_000, round(ends_at * 1000), 3, 2))
    return b"\0" + names + b"".join(numbers)


def writable(tokens: Iterable[Given], secrets: Iterable[tuple[str, bytes]] = ()) -> bytes:
    """Format 0."""
    tokens, secrets = list(tokens), list(secrets)
    written = [blob(token.alias.encode()) + token.fields for token in tokens]
    kept = [blob(name.encode()) + blob(key) for name, key in secrets]
    return b"".join([b"HDTS\0", number(len(tokens)), *written, number(len(kept)), *kept])


def protobuf(tokens: Iterable[Given], secrets: Iterable[tuple[str, bytes]] = ()) -> bytes:
    """Format 1: CredentialsProto with its length before it (Security.proto)."""
    entries = []
    for token in tokens:
        values = (token.identifier, token.password, token.kind.encode(), token.service.encode())
        inner = b"".join(_field(place, value) for place, value in enumerate(values, 1))
        entries.append(_field(1, _field(1, token.alias.encode()) + _field(2, inner)))
    entries += [_field(2, _field(1, name.encode()) + _field(3, key)) for name, key in secrets]
    message = b"".join(entries)
    return b"HDTS\1" + _varint(len(message)) + message


def _field(place: int, value: bytes) -> bytes:
    return _varint(place << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F)
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])
