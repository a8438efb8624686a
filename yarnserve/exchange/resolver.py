"""Addresses of hosts, each looked up once, in daemon threads.

The threads of asyncio's own resolver are waited for at the end of asyncio.run, however long a name server takes.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

#: So many host names are looked up at a time, each in a thread.
_LOOKUPS = 64


@dataclass(frozen=True)
class Address:
    """Where a socket connects to: the family, and what its connect takes."""

    family: int
    place: tuple[Any, ...]


class Resolver:
    """Looks hosts up for one event loop."""

    def __init__(self) -> None:
        self._lookups: dict[str, asyncio.Future[list[Address] | OSError]] = {}
        self._slots = asyncio.Semaphore(_LOOKUPS)

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Return where *port* of *host* may be, in the order in which to try.

        Raises:
            OSError: nobody knows the host.
        """
        if host not in self._lookups:
            self._lookups[host] = asyncio.ensure_future(self._look_up(host))
        # Whoever runs out of time leaves the look-up to the others who wait for it.
        found = await asyncio.shield(self._lookups[host])
        if isinstance(found, OSError):
            raise OSError(found.errno, found.strerror)
        return [Address(each.family, (each.place[0], port, *each.place[2:])) for each in found]

    async def _look_up(self, host: str) -> list[Address] | OSError:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[Address] | OSError] = loop.create_future()

        def deliver(result: list[Address] | OSError) -> None:
            if not found.done():
                found.set_result(result)

        def look_up() -> None:
            result: list[Address] | OSError
            try:
                told = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
                result = [Address(family, place) for family, _, _, _, place in told]
            except OSError as error:
                result = error
            except ValueError as error:  # what cannot even be asked for, such as an empty part between two dots
                result = OSError(socket.EAI_NONAME, f"no name of a host: {error}")
            with suppress(RuntimeError):  # the event loop has ended, nobody waits any more
                loop.call_soon_threadsafe(deliver, result)

        async with self._slots:
            threading.Thread(target=look_up, daemon=True).start()
            return await found


def known(host: str, port: int) -> list[Address]:
    """Return where *port* of *host* is without a look-up: nowhere, unless it is an address already."""
    try:
        socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        return []
    return [Address(socket.AF_INET, (host, port))]
