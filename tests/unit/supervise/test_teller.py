"""What a supervisor writes into its journal: each thing when it is new."""

from __future__ import annotations

from collections.abc import Collection

from yarnserve.alerts.records import Alert
from yarnserve.judge.decisions import Decision, Do, Judgement
from yarnserve.judge.restart import WELL
from yarnserve.records.journal import JournalEntry
from yarnserve.records.ledger import Ledger, ReplicaRecord, TakenOut
from yarnserve.service.look import Snapshot
from yarnserve.supervise.teller import Teller
from yarnserve.supervise.tools import Silence

LOOK = Snapshot("digits", None, None, None, None, (), (), (), complete=True)
HOLD = Decision(Do.HOLD, "together", "most turned bad")
RESTART = Decision(Do.RESTART, "evidence", "it hangs", "serve-1")


def told(*judgements: Judgement, would: bool = False) -> list[str]:
    """What the looks after each other have written."""
    entries: list[JournalEntry] = []
    teller = Teller("digits", entries.append, Silence(), lambda: 1.0)
    for judgement in judgements:
        teller.judged(judgement, LOOK, {}, would=would)
    return [entry.text for entry in entries]


def test_what_is_held_back_again_and_again_is_told_once() -> None:
    """A replica that would be restarted, if there were no hold, is no news at every look."""
    held = Judgement(Ledger(), HOLD, {"serve-1": RESTART})
    assert told(held, held, held) == ["would restart: it hangs", "hold: most turned bad"]


def test_what_is_done_again_is_told_again() -> None:
    """Each time that something is done it stands in the journal."""
    done = Judgement(Ledger(), RESTART, {"serve-1": RESTART})
    assert told(done, done) == ["restart: it hangs"] * 2
    assert told(done, done, would=True) == ["would restart: it hangs"]


class Telephone:
    """Somebody who is called: *lasting* is what he has not heard the end of."""

    def __init__(self, *lasting: str) -> None:
        self.lasting = set(lasting)

    def fire(self, alert: Alert) -> None:
        """It is the case."""
        self.lasting.add(alert.key)

    def resolve(self, key: str, summary: str = "") -> None:
        """It is over."""
        self.lasting.discard(key)

    def settle(self, prefix: str, lasting: Collection[str]) -> None:
        """So is everything else."""
        self.lasting = {key for key in self.lasting if not key.startswith(prefix) or key in lasting}


def test_what_is_taken_out_is_not_over_because_it_is_not_seen_any_more() -> None:
    """A replica less, by our own hand: that lasts until it is given its place again, also for a successor."""
    taken = Decision(Do.TAKE_OUT, "replica's budget", "nothing mends it", "serve-1")
    away = Ledger(taken_out=(TakenOut("serve-1", 1.0, 1801.0, ReplicaRecord()),))
    telephone = Telephone()
    for _ in range(2):
        teller = Teller("digits", lambda entry: None, telephone, lambda: 1.0)
        teller.judged(Judgement(away, taken), LOOK, {}, would=False)
        teller.judged(Judgement(away, WELL), LOOK, {}, would=False)
        assert telephone.lasting == {"digits/serve-1"}
        taken = WELL
    teller.judged(Judgement(Ledger(), WELL), LOOK, {}, would=False)
    assert telephone.lasting == set()


def test_whoever_has_nothing_more_to_tell_of_a_service_ends_its_alerts() -> None:
    """Stopped, destroyed, or supervised by another: nobody is called any more, nor of what was told before."""
    telephone = Telephone("digits/serve-0", "letters/serve-0")
    teller = Teller("digits", lambda entry: None, telephone, lambda: 1.0)
    teller.judged(Judgement(Ledger(), HOLD), LOOK, {}, would=False)
    assert telephone.lasting == {"digits/all", "letters/serve-0"}
    teller.rest()
    assert telephone.lasting == {"letters/serve-0"}
