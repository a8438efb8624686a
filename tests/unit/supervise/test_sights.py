"""What a look says of each replica, in the words of the policy."""

from __future__ import annotations

from dataclasses import replace

from yarnserve.judge.memory import observe
from yarnserve.records.journal import What
from yarnserve.records.ledger import Death, Ledger, ReplicaRecord
from yarnserve.records.replica import Health, LastExit, Replica, Verdict
from yarnserve.service.look import Snapshot
from yarnserve.supervise.sights import sights_of

REPLICA = Replica("serve-0", Verdict(Health.LIVE, "it answers"), container_id="c1", node="n1", restarts=3)
LOOK = Snapshot("digits", None, None, None, None, (REPLICA,), (), (), complete=True)


def test_a_crash_an_hour_is_no_repetition() -> None:
    """Twice within minutes it is the program or the model; chance comes again, too, but not at once."""
    crashed = replace(REPLICA, last_exit=LastExit(139, "it crashed", "", False, "c1"))
    look = replace(LOOK, replicas=(crashed,))
    for ago, kind in ((3600.0, "unknown"), (60.0, "permanent")):
        record = ReplicaRecord(deaths=(Death(10_000.0 - ago, "unknown", "it crashed", code=139),))
        (sight,) = sights_of(look, Ledger(replicas={"serve-0": record}, looked_at=10_000.0))
        assert sight.death is not None
        assert sight.death.kind == kind


def test_restarts_that_cannot_be_counted_are_no_deaths_at_the_next_look() -> None:
    """HDFS does not tell for one look what was seen before: a replica that went on all the time has not died."""
    blind = replace(LOOK, replicas=(replace(REPLICA, restarts=0),), is_counted=False)
    ledger, told = Ledger(), []
    for number, snapshot in enumerate((LOOK, blind, LOOK)):
        ledger, news = observe(ledger, sights_of(snapshot, ledger), 1000.0 + 10 * number)
        told += [each.what for each in news]
    assert What.DIED not in told
