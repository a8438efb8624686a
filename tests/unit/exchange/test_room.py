"""The room that long answers share."""

from __future__ import annotations

from yarnserve.exchange.room import Room


def test_who_needs_more_than_is_left_waits_for_its_turn() -> None:
    """In the order of asking: a small claim does not overtake a large one for ever."""
    room, granted = Room(10), list[str]()
    first = room.claim(6, lambda: granted.append("first"))
    second = room.claim(6, lambda: granted.append("second"))
    third = room.claim(2, lambda: granted.append("third"))
    assert granted == ["first"]
    first.end()
    assert granted == ["first", "second", "third"]
    second.end()
    third.end()
    room.claim(10, lambda: granted.append("all"))
    assert granted[-1] == "all"


def test_who_gives_up_waiting_lets_the_next_one_in() -> None:
    """A claim that was never granted takes nothing, and gives nothing back."""
    room, granted = Room(10), list[str]()
    first = room.claim(6, lambda: granted.append("first"))
    second = room.claim(6, lambda: granted.append("second"))
    room.claim(4, lambda: granted.append("third"))
    second.end()
    assert granted == ["first", "third"]
    first.end()
    room.claim(7, lambda: granted.append("too much"))
    assert granted == ["first", "third"]
