"""Whether a ZooKeeper server is there: one connection, one four-letter word."""

from __future__ import annotations

import re
import socket

#: Seconds for connecting, and again for the answer.
TIMEOUT = 3.0

_DEFAULT_PORT = 2181
_MEMBER = re.compile(r"(?P<host>\[[^\]]+\]|[^:\s]+)(?::(?P<port>[0-9]{1,5}))?")


def trouble(address: str, *, timeout: float = TIMEOUT) -> str:
    """Return what is wrong with the server at ``host:port``, empty when it is well.

    ZooKeeper 3.5 and later answers ``ruok`` only where its whitelist has it: it then says so, or closes the
    connection, and is well all the same.
    """
    match = _MEMBER.fullmatch(address)
    if match is None or int(match["port"] or _DEFAULT_PORT) not in range(1, 65536):
        return "not an address"
    host, port = match["host"].strip("[]"), int(match["port"] or _DEFAULT_PORT)
    try:
        connection = socket.create_connection((host, port), timeout)
    except (OSError, UnicodeError) as error:
        return f"cannot connect: {error}"
    with connection:
        try:
            connection.sendall(b"ruok")
            answer = connection.recv(256)
        except TimeoutError:
            return "it takes the connection and says nothing"
        except OSError as error:
            return str(error)
    well = answer in (b"", b"imok") or b"not in the whitelist" in answer
    return "" if well else f"it answers {answer[:40]!r}, which is not ZooKeeper"


def members(quorum: str) -> tuple[str, ...]:
    """Return the addresses in ``host:port,host:port/chroot``."""
    servers = quorum.partition("/")[0]
    return tuple(member.strip() for member in servers.split(",") if member.strip())
