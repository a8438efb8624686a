"""What a supervisor writes into its journal: each thing when it is new."""

from __future__ import annotations

from yarnserve.judge.decisions import Decision, Do, Judgement
from yarnserve.records.journal import JournalEntry
from yarnserve.records.ledger import Ledger
from yarnserve.service.look import Snapshot
from yarnserve.supervise.supervisor import Silence
from yarnserve.supervise.teller import Teller

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
