"""What can be decided for a service, and the case that it is decided for. Pure records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from yarnserve.judge.trouble import Rule
from yarnserve.records.ledger import Do, Ledger
from yarnserve.records.policy import SupervisePolicy

#: Rules that mean trouble which may last: a replica, or the service, will not be well by itself.
_ALARMING = frozenset(
    (
        "loop",
        "replica's budget",
        "no means",
        "given up",
        "together",
        "service's budget",
        "dead service",
        "fresh version",
    )
)


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        do: what.
        rule: names the line of the policy.
        why: in words an admin understands.
        instance: the replica that it is about; empty for the whole service.
        fix: what would mend it, where that is known.
        evidence: what the replica has done wrong; None where it is not about one.
    """

    do: Do
    rule: str
    why: str
    instance: str = ""
    fix: str = ""
    evidence: Rule | None = None

    @property
    def alarms(self) -> bool:
        """Whether a person is to hear of it, whatever is done."""
        return self.rule in _ALARMING


@dataclass(frozen=True)
class FreshModel:
    """A version that became the stable one at *at* (epoch), and the one that was it *before*."""

    model: str
    version: int
    before: int
    at: float

    def __str__(self) -> str:
        return f"{self.model} {self.version}"


@dataclass(frozen=True)
class Case:
    """What a service is, beside its replicas.

    Attributes:
        policy: the service's.
        means: what can be done on this Hadoop and with this service, and by what, in words.
        wanted: how many replicas a person wants.
        size: how many YARN was told; None while it does not say, or changes it.
        application: the id of the service's newest application; empty where it has none.
        failed: that has FAILED: nothing runs, and nobody ended it.
        ended: it has ended, however.
        is_absent: YARN answers, and knows no application of it.
        fresh: the newest change of a model; None where there is none that can be taken back.
    """

    policy: SupervisePolicy
    means: Mapping[Do, str]
    wanted: int
    size: int | None = None
    application: str = ""
    failed: bool = False
    ended: bool = False
    is_absent: bool = False
    fresh: FreshModel | None = None


@dataclass(frozen=True)
class Judgement:
    """The *ledger* that remembers what is decided, the *decision*, and what is to be *said* of each replica in need."""

    ledger: Ledger
    decision: Decision
    said: Mapping[str, Decision] = field(default_factory=dict)
