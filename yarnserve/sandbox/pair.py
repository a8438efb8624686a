"""Two daemons of which one is active, as doors that die and come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from yarnserve.sandbox.election import Election, Standing, Times
from yarnserve.sandbox.web_answers import Door


class Pair:
    """The daemons behind *listeners*: a single one is always active and never dies.

    Args:
        listeners: one or two.
        times: of a fail-over.
        clock: seconds since the epoch.
    """

    def __init__(self, listeners: Sequence[Door], times: Times, clock: Callable[[], float]) -> None:
        self.listeners = tuple(listeners)
        self._election = Election(times)
        self._clock = clock
        # never in the same millisecond, because ids carry it
        self.started_at = [clock() + 0.01 * index for index, _ in enumerate(listeners)]

    @property
    def addresses(self) -> tuple[str, ...]:
        """``host:port`` of each."""
        return tuple(listener.address for listener in self.listeners)

    @property
    def active(self) -> int | None:
        """The active one, None while there is none."""
        return self._election.active

    @property
    def active_url(self) -> str:
        """The active one's base URL, empty while there is none."""
        return "" if self.active is None else f"http://{self.addresses[self.active]}"

    def standing(self, index: int) -> Standing:
        """Return what one of them is now; DOWN until it answers again, however late that is."""
        if not self.listeners[index].is_alive:
            return Standing.DOWN
        return self._election.standing(index, self._clock())

    def shown(self) -> list[dict[str, Any]]:
        """Return address and standing of each, for the sandbox's own control paths."""
        return [
            {"url": f"http://{address}", "state": self.standing(index).value}
            for index, address in enumerate(self.addresses)
        ]

    async def kill_active(self, takeover: float | None = None) -> bool:
        """End the active one; return whether there was one, and another to take over."""
        index = self.active
        if index is None or len(self.listeners) == 1:
            return False
        self._election.kill(index, self._clock(), takeover=takeover)
        await self.listeners[index].die()
        return True

    async def advance(self, now: float) -> bool:
        """Start who is due again; return whether one has become active."""
        for index, listener in enumerate(self.listeners):
            if not listener.is_alive and self._election.standing(index, now) is not Standing.DOWN:
                self.started_at[index] = now
                await listener.revive()
        return self._election.advance(now)
