"""What a supervisor remembers of a service from look to look, and from one supervisor to the next.

All times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Do(str, Enum):
    """What is decided for a service, or for one of its replicas."""

    RESTART = "restart"
    MOVE = "move"
    ROLL_BACK = "roll back"
    TAKE_OUT = "take out"
    READMIT = "readmit"
    RESIZE = "resize"
    START = "start"
    RELAUNCH = "relaunch"
    GIVE_UP = "give up"
    WAIT = "wait"
    HOLD = "hold"
    NOTHING = "nothing"

    @property
    def acts(self) -> bool:
        """Whether anything of the service is changed."""
        return self not in (Do.GIVE_UP, Do.WAIT, Do.HOLD, Do.NOTHING)


@dataclass(frozen=True)
class Death:
    """One end of a replica's process.

    Attributes:
        at: when it was seen.
        kind: its class (docs/supervise.md).
        cause: why, in words, and *fix* what to do about it.
        code: the exit code; None where nobody told.
        is_hardware: a GPU or its driver is broken.
    """

    at: float
    kind: str
    cause: str
    fix: str = ""
    code: int | None = None
    is_hardware: bool = False


@dataclass(frozen=True)
class ReplicaRecord:
    """One component instance.

    Attributes:
        container: the one that was seen last; with another, all that is about the present begins anew.
        node: where that ran.
        seen_since: when it was first seen.
        versions: the model versions that it served when it answered last.
        proved: it has answered its example rightly with them in this container: only from then on failing is news.
        answers: whether each of the last looks found it well, newest last.
        failing_since: when the first failure in a row was; None while it is well.
        live_since: since when it has been live without a break; None while it is not.
        loading_since: since when it has been on its way to serve; None while it is not.
        progress: the last word on its start, and *progress_at* when that changed.
        cut_off: its host did not answer at the last look.
        ends_seen: how many ends of its process were seen in all.
        deaths: those that count, oldest first.
        spared: its newest end is none of them: it was ours, or its host's.
        restarts: when we restarted it, oldest first, as far back as they count.
        last_wait: the pause after the last restart, from which the next one is drawn.
        not_before: no restart before this time.
        rung: how many means have failed since it was last well for long; the next one is tried (docs/supervise.md).
        rerolls: how often it was moved again because YARN had placed it on a quarantined node.
        opened: how often it was given up since then.
        open_until: it is given up until then; None while it is not.
    """

    container: str = ""
    node: str = ""
    seen_since: float = 0.0
    versions: str = ""
    proved: bool = False
    answers: tuple[bool, ...] = ()
    failing_since: float | None = None
    live_since: float | None = None
    loading_since: float | None = None
    progress: str = ""
    progress_at: float = 0.0
    cut_off: bool = False
    ends_seen: int = 0
    deaths: tuple[Death, ...] = ()
    spared: bool = False
    restarts: tuple[float, ...] = ()
    last_wait: float = 0.0
    not_before: float = 0.0
    rung: int = 0
    rerolls: int = 0
    opened: int = 0
    open_until: float | None = None

    @property
    def failures(self) -> int:
        """How many looks in a row, up to now, found evidence against it."""
        count = 0
        for well in reversed(self.answers):
            if well:
                break
            count += 1
        return count


@dataclass(frozen=True)
class Action:
    """Something that was begun and has not been seen to its end.

    *what* was decided; *container* is the one that it ends, and *deadline* when its result has to be there.
    """

    what: Do
    instance: str
    container: str
    at: float
    deadline: float


@dataclass(frozen=True)
class TakenOut:
    """A replica that was given up and taken away from the service's size until *until*.

    *why* says it in words; *record* is what is known of it.
    """

    instance: str
    at: float
    until: float
    record: ReplicaRecord
    why: str = ""


@dataclass(frozen=True)
class Ledger:
    """Everything of one service.

    Attributes:
        replicas: by instance.
        action: the one that is under way; None while there is none.
        taken_out: what is away for a while by our own hand.
        order: time of the newest word of a person on the service's size; a new one ends what *taken_out* says.
        actions: when anything was done to the service, oldest first, as far back as it counts.
        starts: when the service was started again after it had FAILED, oldest first.
        relaunching: the application that is stopped to be started again; empty while none is.
        looked_at: when it was last looked at.
        hold_until: nothing is done until then; None: no hold.
        hold_why: why.
        turned: when replicas turned bad, by instance: many at once are no matter of single ones.
        odd_size_since: since when YARN's size has not been the wanted one; None while it is.
        idle_since: since when nothing of it runs that should; None while something does.
        passed: the versions with which a replica of it once answered its example rightly, newest last.
        watched_since: since when it has been looked at without a gap: what was bad then may have been so for long.
        stays: the model version that could not be taken back; empty for none.
    """

    replicas: Mapping[str, ReplicaRecord] = field(default_factory=dict)
    action: Action | None = None
    taken_out: tuple[TakenOut, ...] = ()
    order: float = 0.0
    actions: tuple[float, ...] = ()
    starts: tuple[float, ...] = ()
    relaunching: str = ""
    looked_at: float | None = None
    hold_until: float | None = None
    hold_why: str = ""
    turned: Mapping[str, float] = field(default_factory=dict)
    odd_size_since: float | None = None
    idle_since: float | None = None
    passed: tuple[str, ...] = ()
    watched_since: float | None = None
    stays: str = ""
