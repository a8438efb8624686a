"""The room that all answers of one call share: whoever needs more than there is waits for its turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Room:
    """*size* bytes, claimed in whole and in turn, so that nobody waits for what others who wait hold."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._waiting: deque[Claim] = deque()

    def claim(self, size: int, granted: Callable[[], None]) -> Claim:
        """Claim *size* bytes, no more than the room has; *granted* is called when they are free, maybe at once."""
        claim = Claim(self, size, granted)
        self._waiting.append(claim)
        self._grant()
        return claim

    def give_back(self, claim: Claim) -> None:
        """End *claim*, granted or not."""
        if claim.is_granted:
            self._left += claim.size
        else:
            self._waiting.remove(claim)
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self._waiting[0].size <= self._left:
            claim = self._waiting.popleft()
            self._left -= claim.size
            claim.is_granted = True
            claim.granted()


class Claim:
    """One claim to a part of a room."""

    def __init__(self, room: Room, size: int, granted: Callable[[], None]) -> None:
        self.size = size
        self.granted = granted
        self.is_granted = False
        self._room = room

    def end(self) -> None:
        """Give it back; nothing is granted any more."""
        self._room.give_back(self)
