"""What has to be done on this host: start, replace, remove, or nothing."""

from __future__ import annotations

from yarnserve.local.plan import plan_up
from yarnserve.local.records import Launch, Seen, Start, Way


def wanted(*marks: str) -> list[Start]:
    """Replicas from serve-0 on."""
    return [Start(Launch(f"serve-{number}", ("run",), {}), mark) for number, mark in enumerate(marks)]


def seen(*marks: str, running: bool = True) -> dict[str, Seen]:
    """What there is, from serve-0 on."""
    names = (f"serve-{number}" for number in range(len(marks)))
    return {
        name: Seen(name, Way.PROCESS, "1", mark, is_running=running) for name, mark in zip(names, marks, strict=True)
    }


def test_what_is_as_it_should_be_is_kept() -> None:
    """The whole plan is nothing then."""
    plan = plan_up(wanted("a", "a"), seen("a", "a"))
    assert plan.changes_nothing
    assert plan.keep == ("serve-0", "serve-1")


def test_differences_missing_ones_and_surplus_are_told_apart() -> None:
    """In the order of their numbers, of which 10 is more than 2."""
    plan = plan_up(wanted(*["a"] * 11), seen("a", "b"))
    assert (plan.keep, plan.replace) == (("serve-0",), ("serve-1",))
    assert plan.start == tuple(f"serve-{number}" for number in range(2, 11))
    less = plan_up(wanted("a"), seen("a", "a", "b"))
    assert less.remove == ("serve-1", "serve-2")
    assert less.in_words() == "2 to remove, 1 as it should be"


def test_one_that_has_ended_is_started_whatever_it_was() -> None:
    """Nothing has to be let out of it."""
    assert plan_up(wanted("a", "b"), seen("a", "a", running=False)).start == ("serve-0", "serve-1")
