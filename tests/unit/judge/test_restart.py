"""The supervisor's policy: evidence, floors, budgets, pauses, storms, the ladder; and what holds whatever happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from yarnserve.judge.decisions import Case, Decision, FreshModel
from yarnserve.judge.limits import GIVE_UP, HOLD, LONG_LIVE, ODD_SIZE, TAKEN_BACK
from yarnserve.judge.memory import Sight, given_up, observe
from yarnserve.judge.one_replica import floor
from yarnserve.judge.restart import decide
from yarnserve.records.journal import What
from yarnserve.records.ledger import Death, Do, Ledger
from yarnserve.records.policy import SupervisePolicy
from yarnserve.records.replica import Health
from yarnserve.supervise.notes import lasting

POLICY = SupervisePolicy(enabled=True)
#: Means by which everything can be done.
EVERYTHING = {do: do.value for do in Do}
CRASH = Death(0.0, "unknown", "killed by a signal")


def sight(number: int, health: Health, *, container: str = "a", **told: object) -> Sight:
    """One replica."""
    return replace(
        Sight(f"serve-{number}", f"{container}{number}" if container else "", f"node-{number}", health, health.value),
        evidence=health is Health.FAILING,
        **told,  # type: ignore[arg-type]
    )


def live(number: int, container: str = "a", ends: int = 0) -> Sight:
    """A replica that has answered its example."""
    return sight(number, Health.LIVE, container=container, ends=ends, death=CRASH if ends else None)


def failing(number: int, container: str = "a") -> Sight:
    """One whose example is not answered."""
    return sight(number, Health.FAILING, container=container)


def dead(number: int, ends: int, container: str = "a", death: Death = CRASH) -> Sight:
    """One whose process has ended so many times, and is being started again."""
    return sight(number, Health.STARTING, container=container, ends=ends, death=death)


def _tells(sight: Sight) -> bool:
    return not sight.versions and sight.health in (Health.LIVE, Health.FAILING)


class Watch:
    """Looks that follow each other; *now* moves by hand."""

    def __init__(
        self, replicas: int = 4, policy: SupervisePolicy = POLICY, means: Mapping[Do, str] = EVERYTHING
    ) -> None:
        self.case = Case(policy, means, replicas, replicas)
        self.ledger = Ledger()
        self.now = 1_000_000.0
        self.news: list[str] = []
        self.versions = ""

    def look(self, *sights: Sight, after: float = 10.0, draw: float = 0.5) -> Decision:
        """Look, and decide; whoever answers tells that it serves *versions*."""
        self.now += after
        sights = tuple(replace(each, versions=self.versions) if _tells(each) else each for each in sights)
        self.ledger, news = observe(self.ledger, sights, self.now)
        self.news = [f"{each.what.value}: {each.text}" for each in news]
        judgement = decide(self.ledger, sights, self.case, self.now, draw)
        self.ledger, self.said = judgement.ledger, judgement.said
        return judgement.decision

    def idle(self, seconds: float, *sights: Sight) -> None:
        """Look every minute for so long; nothing is done."""
        ends = self.now + seconds
        while self.now < ends:
            assert not self.look(*sights, after=min(60.0, ends - self.now)).do.acts

    def hand_over(self) -> None:
        """Another supervisor takes over: with what was saved, which is what is loaded."""
        saved = lasting(self.ledger)
        assert lasting(saved) == saved
        self.ledger = saved


def well(replicas: int = 4, policy: SupervisePolicy = POLICY, means: Mapping[Do, str] = EVERYTHING) -> Watch:
    """A service whose replicas have all been seen live."""
    watch = Watch(replicas, policy, means)
    assert watch.look(*map(live, range(replicas))).do is Do.NOTHING
    return watch


def with_version_2() -> Watch:
    """Four that were well before version 2 of their model came, and with it."""
    watch = well()
    watch.case = replace(watch.case, fresh=FreshModel("digits", 2, 1, watch.now + 1.0))
    watch.versions = "digits 2"
    watch.look(*others(0, 1, 2, 3))
    return watch


def others(*numbers: int) -> list[Sight]:
    """Live ones."""
    return [live(number) for number in numbers]


def fail(watch: Watch, number: int, container: str = "a", *, looks: int = 3) -> Decision:
    """So many looks in which one of four fails."""
    rest = others(*(each for each in range(4) if each != number))
    for _ in range(looks - 1):
        assert not watch.look(failing(number, container), *rest).do.acts
    return watch.look(failing(number, container), *rest)


def test_three_failed_looks_in_a_row_are_evidence() -> None:
    """Two are not, and one that succeeds between them begins anew; the decision names replica and reason."""
    watch = well()
    for each in (failing(0), failing(0), live(0), failing(0), failing(0)):
        assert watch.look(each, *others(1, 2, 3)).do is Do.NOTHING
    decision = watch.look(failing(0), *others(1, 2, 3))
    assert (decision.do, decision.instance) == (Do.RESTART, "serve-0")
    assert decision.why == "serve-0 failed 3 looks in a row (failing)"


def test_failing_is_no_news_of_a_container_that_was_never_live() -> None:
    """A model that never answered its example would not do so after a restart."""
    watch = Watch()
    for _ in range(20):
        assert watch.look(failing(0), *others(1, 2, 3)).do is Do.NOTHING


def test_a_request_that_passed_and_is_refused_now_is_evidence() -> None:
    """Where it was answered before in this container; a new version is not blamed."""
    watch = well()
    refusing = replace(sight(0, Health.AVAILABLE), evidence=True)
    for _ in range(2):
        assert watch.look(refusing, *others(1, 2, 3)).do is Do.NOTHING
    assert watch.look(refusing, *others(1, 2, 3)).do is Do.RESTART
    watch = well()
    for _ in range(5):
        assert watch.look(replace(refusing, versions="digits 2"), *others(1, 2, 3)).do is Do.NOTHING


def test_another_container_begins_anew() -> None:
    """What was held against one says nothing of the next."""
    watch = well()
    watch.look(failing(0), *others(1, 2, 3))
    watch.look(failing(0), *others(1, 2, 3))
    assert watch.look(failing(0, "b"), *others(1, 2, 3)).do is Do.NOTHING


def test_half_of_the_looks_are_evidence_but_not_below_the_floor() -> None:
    """A replica that fails every other look serves some: it may go only while enough others are live."""
    watch = well()
    for index in range(8):
        assert not watch.look(failing(0) if index % 2 else live(0), *others(1, 2, 3)).do.acts
    held = watch.look(failing(0), failing(1), *others(2, 3), after=100.0)
    assert held.do is Do.HOLD
    assert "3 others have to be live" in held.why
    assert watch.look(live(0), *others(1, 2, 3)).do is Do.RESTART


def test_a_single_replica_needs_twice_the_evidence() -> None:
    """There is nothing else to serve meanwhile."""
    watch = well(1)
    for _ in range(5):
        assert watch.look(failing(0)).do is Do.NOTHING
    assert watch.look(failing(0)).do is Do.RESTART


def test_a_busy_replica_is_left_alone() -> None:
    """Its request counters move: it answers others, and a restart would only add to its load."""
    watch = well()
    for _ in range(10):
        assert watch.look(replace(failing(0), busy=True), *others(1, 2, 3)).do is Do.NOTHING


def test_what_cannot_be_reached_from_here_is_no_evidence() -> None:
    """It may be this host that is cut off."""
    watch = well()
    for _ in range(10):
        assert watch.look(replace(failing(0), evidence=False), *others(1, 2, 3)).do is Do.NOTHING


def test_two_that_hang_are_restarted_one_after_the_other() -> None:
    """One that fails takes nothing away, so the second is no reason to spare the first; but never both at once."""
    watch = well()
    for _ in range(3):
        decision = watch.look(failing(0), *others(1, 2, 3))
    assert (decision.do, decision.instance) == (Do.RESTART, "serve-0")
    for _ in range(4):
        decision = watch.look(failing(0), failing(1), *others(2, 3))
        assert (decision.do, decision.rule) == (Do.WAIT, "one at a time")
    decision = watch.look(live(0, "b"), failing(1), *others(2, 3))
    assert watch.news[0].startswith("seen: live")
    assert any(each.startswith("verified: its new container is live, 50 s after") for each in watch.news)
    assert (decision.do, decision.instance) == (Do.RESTART, "serve-1")


def test_the_agent_comes_first_but_not_for_ever() -> None:
    """Its words change while it makes progress; a startup deadline after the last of them it is waited for no more."""
    watch = well()
    working = replace(failing(0), agent_works=True, progress="failing: starts the server again 1")
    for _ in range(5):
        decision = watch.look(working, *others(1, 2, 3))
    assert (decision.do, decision.rule) == (Do.WAIT, "agent first")
    watch.idle(POLICY.startup_deadline - 60.0, working, *others(1, 2, 3))
    assert watch.look(working, *others(1, 2, 3), after=60.0).do is Do.RESTART


def test_a_start_that_takes_too_long_is_restarted_unless_it_makes_progress() -> None:
    """The deadline runs from the last word that changed."""
    watch = Watch()
    loading = sight(0, Health.LOADING, progress="1 of 2 files")
    watch.look(loading, *others(1, 2, 3))
    moved = replace(loading, progress="2 of 2 files")
    watch.idle(POLICY.startup_deadline - 10.0, loading, *others(1, 2, 3))
    watch.idle(POLICY.startup_deadline, moved, *others(1, 2, 3))
    decision = watch.look(moved, *others(1, 2, 3), after=61.0)
    assert (decision.do, decision.rule) == (Do.RESTART, "startup")


def test_the_ladder_goes_on_where_a_means_did_not_help() -> None:
    """Restarted in place, then moved, then taken out; each only after the one before had all its time."""
    watch = well()
    assert fail(watch, 0).do is Do.RESTART
    loading = [sight(0, Health.LOADING, container="b"), *others(1, 2, 3)]
    watch.idle(POLICY.startup_deadline - 1.0, *loading)
    watch.look(*loading, after=31.0)
    assert watch.news == ["failed: no new container is live 630 s after the restart"]
    assert watch.look(*loading, after=60.0).do is Do.MOVE
    moved = [sight(4, Health.LOADING, container="c"), *others(1, 2, 3)]
    watch.idle(POLICY.startup_deadline - 10.0, *moved)
    watch.look(*moved, after=61.0)
    gone = watch.look(*moved, after=60.0)
    assert (gone.do, gone.instance) == (Do.TAKE_OUT, "serve-4")
    assert "restart and move did not mend it" in gone.why


def test_a_successor_with_another_number_inherits_what_is_known() -> None:
    """Its restarts count on, else a replica that is moved would have a new budget each time."""
    watch = well()
    assert fail(watch, 0).do is Do.RESTART
    watch.look(*others(1, 2, 3))
    assert "serve-0" in watch.ledger.replicas
    watch.look(live(4, "b"), *others(1, 2, 3))
    assert len(watch.ledger.replicas["serve-4"].restarts) == 1
    assert "serve-0" not in watch.ledger.replicas


def test_restarts_come_later_each_time() -> None:
    """The first is immediate; the next waits for a random pause of at least ten seconds."""
    watch = well()
    assert fail(watch, 0).do is Do.RESTART
    watch.look(live(0, "b"), *others(1, 2, 3), after=1.0)
    for _ in range(3):
        decision = watch.look(failing(0, "b"), *others(1, 2, 3), after=2.0)
    assert (decision.do, decision.rule) == (Do.WAIT, "backoff")
    assert watch.look(failing(0, "b"), *others(1, 2, 3), after=30.0).do is Do.RESTART


def test_a_replica_that_spent_its_budget_is_taken_out_and_comes_back_for_one_trial() -> None:
    """Five restarts in ten minutes; half an hour later it is given back its place, once."""
    watch = well()
    for number in range(5):
        container = chr(ord("a") + number)
        for _ in range(3):
            decision = watch.look(failing(0, container), *others(1, 2, 3), after=10.0)
        while decision.rule == "backoff":
            decision = watch.look(failing(0, container), *others(1, 2, 3), after=10.0)
        assert decision.do is (Do.RESTART if number < 2 else Do.MOVE)
        watch.look(live(0, chr(ord(container) + 1)), *others(1, 2, 3), after=5.0)
    for _ in range(3):
        decision = watch.look(failing(0, "f"), *others(1, 2, 3), after=10.0)
    assert decision.do is Do.TAKE_OUT
    watch.case = replace(watch.case, size=3)
    assert watch.look(*others(1, 2, 3), after=GIVE_UP.value - 20.0).do is Do.NOTHING
    assert watch.look(*others(1, 2, 3), after=30.0).do is Do.READMIT
    watch.case = replace(watch.case, size=4)
    watch.look(live(4, "g"), *others(1, 2, 3))
    for _ in range(3):
        decision = watch.look(failing(4, "g"), *others(1, 2, 3))
    assert decision.do is Do.RESTART
    assert watch.ledger.replicas["serve-4"].open_until == pytest.approx(watch.now + 2 * GIVE_UP.value)


def test_long_live_forgets_all_but_the_day() -> None:
    """Ten minutes without a break: what was counted for the last hour counts no more."""
    watch = well()
    assert fail(watch, 0).do is Do.RESTART
    watch.look(live(0, "b"), *others(1, 2, 3))
    watch.idle(LONG_LIVE.value + 1, live(0, "b"), *others(1, 2, 3))
    assert watch.ledger.replicas["serve-0"].last_wait == 0.0
    assert len(watch.ledger.replicas["serve-0"].restarts) == 1


def test_a_crash_loop_is_named_after_its_second_death_and_moved_after_the_third() -> None:
    """YARN says READY for ever; the healthy replicas are left alone."""
    watch = well()
    watch.look(dead(0, 1), *others(1, 2, 3))
    assert watch.news == ["died: its process ended (unknown): killed by a signal"]
    watch.look(live(0, ends=1), *others(1, 2, 3), after=10.0)
    named = watch.look(dead(0, 2), *others(1, 2, 3), after=45.0)
    assert (named.do, named.rule, named.instance) == (Do.WAIT, "loop", "serve-0")
    assert "died 2 times in 55 s (killed by a signal)" in named.why
    watch.look(live(0, ends=2), *others(1, 2, 3), after=10.0)
    moved = watch.look(dead(0, 3), *others(1, 2, 3), after=45.0)
    assert (moved.do, moved.instance) == (Do.MOVE, "serve-0")


def test_what_another_replica_answers_is_no_fault_of_the_request() -> None:
    """One that has refused the example since it was first seen (its GPU's memory is gone) is restarted for it."""
    watch = Watch(2)
    refusing = sight(1, Health.AVAILABLE, versions="digits 1")
    refusing = replace(refusing, evidence=True)
    alone = [watch.look(refusing, sight(0, Health.LOADING)) for _ in range(5)]
    assert not any(each.do.acts for each in alone)
    beside = [watch.look(refusing, replace(live(0), versions="digits 1")) for _ in range(3)]
    assert (beside[-1].do, beside[-1].instance) == (Do.RESTART, "serve-1")


def test_one_that_answers_wrongly_is_not_left_to_yarn_for_its_deaths() -> None:
    """However often it died today: it runs, so YARN does not start it again."""
    watch = well(policy=replace(POLICY, restarts=100))
    for death in range(1, 25):
        watch.look(dead(0, death), *others(1, 2, 3), after=1.0)
    watch.idle(LONG_LIVE.value + 60.0, live(0, ends=24), *others(1, 2, 3))
    for _ in range(3):
        decision = watch.look(replace(failing(0), ends=24), *others(1, 2, 3))
    assert (decision.do, decision.rule) == (Do.RESTART, "evidence")


def test_one_that_refuses_what_it_has_answered_is_not_counted_as_live() -> None:
    """AVAILABLE is what its server calls it; it serves nobody, so another that still serves some is left alone."""
    watch = well(replicas=3, policy=replace(POLICY, min_available=2))
    refusing = replace(sight(1, Health.AVAILABLE), evidence=True)
    for _ in range(5):
        first = watch.look(failing(0), refusing, *others(2), after=70.0)
        second = watch.look(live(0), refusing, *others(2), after=70.0)
        assert not any(each.do.acts and each.instance == "serve-0" for each in (first, second))
    assert watch.said["serve-0"].rule == "floor"


def test_two_that_refuse_what_they_have_answered_are_replaced_one_after_the_other() -> None:
    """Neither serves anybody, so neither is kept for the other's sake."""
    watch = well()
    bad = [replace(sight(number, Health.AVAILABLE), evidence=True) for number in (0, 1)]
    watch.look(bad[0], live(1), *others(2, 3))
    decisions = [watch.look(*bad, *others(2, 3), after=70.0) for _ in range(3)]
    assert Do.RESTART in [each.do for each in decisions]


def test_one_that_answers_wrongly_from_the_first_look_is_at_fault_where_another_answers_rightly() -> None:
    """Whoever supervises anew has not seen it well; the version is, and YARN does not start it again."""
    watch = Watch(2)
    wrong = replace(failing(1), versions="digits 1")
    right = replace(live(0), versions="digits 1")
    decisions = [watch.look(wrong, right) for _ in range(3)]
    assert (decisions[-1].do, decisions[-1].instance) == (Do.RESTART, "serve-1")


def test_what_goes_away_with_its_host_spends_no_budget() -> None:
    """Its host did not answer, and of its end nobody tells: that half of the cluster reboots is no replica's fault."""
    watch = well()
    untold = Death(0.0, "unknown", "its container ended, and nobody told how")
    for reboot in range(1, 7):
        away = replace(failing(0, f"c{reboot}"), evidence=False, cut_off=True, ends=reboot - 1)
        watch.look(away, *others(1, 2, 3))
        watch.look(replace(away, health=Health.GONE, cut_off=False), *others(1, 2, 3))
        watch.look(dead(0, reboot, f"c{reboot + 1}", untold), *others(1, 2, 3))
    assert watch.ledger.replicas["serve-0"].deaths == ()
    assert not watch.said


def test_what_died_before_it_was_moved_says_nothing_against_the_new_place() -> None:
    """Its deaths cost budget; the successor is live, and is left alone."""
    watch = well()
    for death in (1, 2, 3):
        moved = watch.look(dead(0, death), *others(1, 2, 3), after=45.0)
    assert moved.do is Do.MOVE
    decisions = [watch.look(live(4, "b"), *others(1, 2, 3), after=15.0) for _ in range(10)]
    assert not any(each.do.acts for each in decisions), [each.why for each in decisions]


def test_what_is_taken_out_is_away_when_the_rest_are_counted() -> None:
    """Of four wanted three have to be live beside one that still serves some: with one taken out nothing is touched."""
    watch = well()
    permanent = Death(0.0, "permanent", "no such image")
    assert watch.look(dead(3, 1, death=permanent), *others(0, 1, 2)).do is Do.TAKE_OUT
    watch.case = replace(watch.case, size=3)
    for _ in range(4):
        watch.look(failing(0), *others(1, 2), after=20.0)
        decision = watch.look(live(0), *others(1, 2), after=20.0)
    for _ in range(2):
        watch.look(failing(0), *others(1, 2), after=20.0)
        decision = watch.look(live(0), *others(1, 2), after=20.0)
    assert watch.said["serve-0"].rule == "floor"
    assert not decision.do.acts


def test_a_loop_is_named_also_where_the_replica_is_up_again_at_each_look() -> None:
    """A server that loads in a second is never seen down; nothing is done to it, and what fails beside it is cured."""
    watch = well()
    assert watch.look(live(0, ends=1), *others(1, 2, 3), after=60.0).do is Do.NOTHING
    named = watch.look(live(0, ends=2), *others(1, 2, 3), after=60.0)
    assert (named.do, named.rule, named.instance) == (Do.WAIT, "loop", "serve-0")
    assert named.why == "serve-0 died 2 times in 60 s (killed by a signal); it is up again"
    for _ in range(2):
        watch.look(live(0, ends=2), failing(1), *others(2, 3))
    restarted = watch.look(live(0, ends=2), failing(1), *others(2, 3))
    assert (restarted.do, restarted.instance) == (Do.RESTART, "serve-1")


def test_what_will_end_so_again_is_taken_out_at_once() -> None:
    """Image not found, wrong flag: nothing but a change helps, and the fix is told after the first death."""
    watch = well()
    death = Death(0.0, "permanent", "no such image", "name another image")
    decision = watch.look(dead(0, 1, death=death), *others(1, 2, 3))
    assert (decision.do, decision.fix) == (Do.TAKE_OUT, "name another image")


def test_where_nothing_can_be_taken_out_somebody_is_told() -> None:
    """Before Hadoop 3.1.3 there is no decommissioning and no signal."""
    watch = well(means=dict.fromkeys((Do.RESIZE, Do.START), "by hand"))
    decision = fail(watch, 0)
    assert (decision.do, decision.rule) == (Do.GIVE_UP, "no means")
    assert watch.look(failing(0), *others(1, 2, 3)).rule == "given up"


def test_where_none_serves_and_none_can_be_replaced_the_service_begins_anew() -> None:
    """On 3.1.1 that is all there is; while one still serves it is left alone, and after five times in a day as well."""
    watch = well(2, means=dict.fromkeys((Do.RESIZE, Do.START, Do.RELAUNCH), "by hand"))
    for _ in range(40):
        assert watch.look(failing(0), live(1)).do is not Do.RELAUNCH
    for _ in range(40):
        decision = watch.look(failing(0), failing(1))
        if decision.do.acts:
            break
    assert (decision.do, decision.rule) == (Do.RELAUNCH, "nothing left")
    watch.look(live(0, "b"), live(1, "b"))
    assert watch.ledger.action is None


def test_many_that_turn_bad_at_once_are_a_storm() -> None:
    """Nothing is done for two minutes; what fails after that is looked at by itself."""
    watch = well()
    bad = [failing(0), failing(1), failing(2), live(3)]
    decision = watch.look(*bad)
    assert (decision.do, decision.rule) == (Do.HOLD, "together")
    assert "3 of 4 replicas turned bad within 60 s" in decision.why
    ends = watch.now + 1.5 * HOLD.value
    while watch.now < ends - 10.0:
        assert watch.look(*bad).do is Do.HOLD
    assert watch.look(*bad).do is Do.RESTART


def test_a_loop_of_most_replicas_moves_none() -> None:
    """They would die elsewhere, too: that is told, with the fix, and YARN goes on by itself."""
    watch = well()
    for ends in range(1, 8):
        after = 100.0 if ends == 1 else 45.0
        decision = watch.look(*(dead(number, ends) for number in range(3)), live(3), after=after)
        assert not decision.do.acts
    assert (decision.do, decision.rule) == (Do.HOLD, "together")


def test_a_fresh_version_that_fails_on_half_the_replicas_is_taken_back() -> None:
    """Before the storm is called: what they share is known."""
    watch = with_version_2()
    bad = [failing(0), failing(1), *others(2, 3)]
    watch.look(*bad)
    watch.look(*bad)
    decision = watch.look(*bad)
    assert (decision.do, decision.rule) == (Do.ROLL_BACK, "fresh version")
    assert "back to 1" in decision.why


def test_what_died_of_a_version_that_was_taken_back_is_forgiven() -> None:
    """No replica is given up, or held to die again and again, for the deaths until the version before is back."""
    watch = with_version_2()
    for ends in (1, 2):
        decision = watch.look(*(dead(number, ends) for number in range(4)), after=10.0)
    assert decision.do is Do.ROLL_BACK
    # Once more, before the agents have the version before.
    watch.look(*(dead(number, 3) for number in range(4)), after=5.0)
    watch.case = replace(watch.case, fresh=None)
    back = [replace(live(number, "b"), ends=3) for number in range(4)]
    assert watch.look(*back).do is Do.NOTHING
    assert watch.ledger.action is None
    assert not any(record.deaths for record in watch.ledger.replicas.values())


def test_whoever_has_not_got_the_version_before_yet_is_not_restarted() -> None:
    """Agents hear of it one after the other; who fails after two minutes is a case of its own."""
    watch = with_version_2()
    bad = [failing(0), failing(1), *others(2, 3)]
    assert [watch.look(*bad).do for _ in range(3)][-1] is Do.ROLL_BACK
    begun, watch.case = watch.now, replace(watch.case, fresh=None)
    late = [failing(0), *others(1, 2, 3)]
    while watch.now + 10.0 < begun + TAKEN_BACK.value:
        assert watch.look(*late).do is Do.WAIT
    assert watch.look(*late).do is Do.RESTART


def test_a_version_is_not_blamed_by_those_that_serve_another() -> None:
    """They have not got it yet: a person who goes back is not answered with one more step back."""
    watch = with_version_2()
    watch.case = replace(watch.case, fresh=FreshModel("digits", 1, 0, watch.now + 1.0))
    bad = [failing(0), failing(1), *others(2, 3)]
    assert all(watch.look(*bad).do is not Do.ROLL_BACK for _ in range(10))


def test_a_version_is_not_blamed_for_what_was_bad_when_the_looking_began() -> None:
    """A supervisor that begins anew does not know for how long it has been so."""
    watch = with_version_2()
    watch.ledger = replace(watch.ledger, turned={}, looked_at=None, watched_since=None)
    bad = [failing(0), failing(1), *others(2, 3)]
    assert all(watch.look(*bad).do is not Do.ROLL_BACK for _ in range(10))


def test_a_version_that_cannot_be_taken_back_stays() -> None:
    """A refusal is not asked for again, and the replicas are looked after as if no version were fresh."""
    watch = with_version_2()
    bad = [failing(0), failing(1), *others(2, 3)]
    before = watch.ledger
    while watch.look(*bad).do is not Do.ROLL_BACK:
        before = watch.ledger
    watch.ledger = given_up(before, watch.ledger, "", is_refused=True, version=str(watch.case.fresh))
    assert watch.ledger.action is None
    decisions = [watch.look(*bad).do for _ in range(20)]
    assert Do.ROLL_BACK not in decisions
    assert Do.RESTART in decisions


def test_a_version_that_nobody_has_taken_back_is_taken_back_again() -> None:
    """Whoever was to do it has died between the ledger and the channel."""
    watch = with_version_2()
    bad = [failing(0), failing(1), *others(2, 3)]
    assert [watch.look(*bad).do for _ in range(3)][-1] is Do.ROLL_BACK
    before = watch.ledger
    assert [watch.look(*bad).do for _ in range(4)][-1] is Do.ROLL_BACK
    # Where that is refused it is not asked for again.
    watch.ledger = given_up(before, watch.ledger, "", is_refused=True, version=str(watch.case.fresh))
    assert all(watch.look(*bad).do is Do.WAIT for _ in range(4))


def test_a_dead_service_is_started_whatever_its_versions_are() -> None:
    """Its replicas have each died once since a version came, with their ApplicationMaster."""
    watch = with_version_2()
    watch.look(*(dead(number, 1) for number in range(4)))
    watch.case = replace(watch.case, failed=True, size=None)
    gone = [sight(number, Health.GONE, container="", ends=1) for number in range(4)]
    # The storm that it is too is waited out first.
    assert Do.START in [watch.look(*gone).do for _ in range(30)]


def test_a_version_is_not_blamed_for_what_failed_before_it() -> None:
    """Nor is one that has served for long."""
    for at in (10.0, -4000.0):
        watch = well()
        bad = [failing(0), failing(1), *others(2, 3)]
        watch.look(*bad)
        watch.case = replace(watch.case, fresh=FreshModel("digits", 2, 1, watch.now + at))
        watch.look(*bad)
        assert watch.look(*bad).do is not Do.ROLL_BACK


def test_a_size_that_an_interrupted_replacement_left_is_mended() -> None:
    """Only after a minute: a person's verb may be half way."""
    watch = well()
    watch.case = replace(watch.case, size=3)
    watch.look(*others(0, 1, 2))
    assert watch.look(*others(0, 1, 2)).do is Do.NOTHING
    assert watch.look(*others(0, 1, 2), after=ODD_SIZE.value).do is Do.RESIZE


def test_a_size_is_never_made_smaller() -> None:
    """YARN would take the newest away, well or not; what was thought to be taken out is there after all."""
    watch = well()
    permanent = Death(0.0, "permanent", "no such image")
    assert watch.look(dead(3, 1, death=permanent), *others(0, 1, 2)).do is Do.TAKE_OUT
    watch.idle(3 * ODD_SIZE.value, *others(0, 1, 2), live(3, "b"))
    assert not watch.ledger.taken_out


def test_a_failed_service_is_started_again() -> None:
    """Nobody has stopped it: YARN's own attempts are used up."""
    watch = well()
    watch.case = replace(watch.case, failed=True, size=None)
    gone = [sight(number, Health.GONE, container="") for number in range(4)]
    watch.look(*gone, after=700.0)
    assert watch.ledger.action is not None
    assert watch.ledger.action.what == "start"


def test_a_service_that_we_have_stopped_to_start_it_is_started() -> None:
    """Whoever was to do both was killed between them; what a person has stopped stays so."""
    watch = Watch(1, means=dict.fromkeys((Do.RELAUNCH, Do.START), "by hand"))
    watch.case = replace(watch.case, application="app_1")
    watch.look(live(0))
    decisions = [watch.look(failing(0)) for _ in range(6)]
    assert decisions[-1].do is Do.RELAUNCH
    gone = sight(0, Health.GONE)
    assert watch.look(gone).do is Do.WAIT
    watch.case = replace(watch.case, ended=True, size=None)
    assert (watch.look(gone).do, watch.look(gone).rule) == (Do.START, "dead service")
    stopped = Watch(1, means=dict.fromkeys((Do.RELAUNCH, Do.START), "by hand"))
    stopped.case = replace(stopped.case, application="app_1", ended=True, size=None)
    assert not stopped.look(gone).do.acts


def test_a_means_that_is_refused_is_not_tried_again() -> None:
    """The next rung is."""
    watch = well()
    before = watch.ledger
    assert fail(watch, 0).do is Do.RESTART
    watch.ledger = given_up(before, watch.ledger, "serve-0", is_refused=True)
    for _ in range(9):
        decision = watch.look(failing(0), *others(1, 2, 3))
        if decision.do.acts:
            break
    assert decision.do is Do.MOVE


@pytest.mark.parametrize("jump", [-86_400.0, -1.0, 7_200.0])
def test_a_clock_that_jumps_restarts_nothing_and_forgets_no_budget(jump: float) -> None:
    """Evidence is gathered anew; restarts count as they did."""
    watch = well()
    assert fail(watch, 0).do is Do.RESTART
    watch.look(live(0, "b"), *others(1, 2, 3))
    watch.look(failing(0, "b"), *others(1, 2, 3))
    watch.look(failing(0, "b"), *others(1, 2, 3))
    assert not watch.look(failing(0, "b"), *others(1, 2, 3), after=jump).do.acts
    assert len(watch.ledger.replicas["serve-0"].restarts) == 1


def test_the_floor_is_all_but_a_quarter() -> None:
    """And never all of them, or nothing could ever be restarted."""
    assert [floor(POLICY, count) for count in (1, 2, 3, 4, 8, 20)] == [0, 1, 2, 3, 6, 15]
    assert floor(replace(POLICY, min_available=9), 4) == 3


HEALTHS = st.sampled_from(list(Health))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[float, list[Sight]]]:
    """Looks at up to five replicas in which anything may happen."""
    count = draw(st.integers(1, 5))
    looks = []
    for _ in range(draw(st.integers(1, 25))):
        sights = [
            sight(
                number,
                draw(HEALTHS),
                container=draw(st.sampled_from(["", "a", "b", "c"])),
                ends=draw(st.integers(0, 3)),
            )
            for number in range(count)
        ]
        looks.append((draw(st.floats(-1e5, 1e5)), sights))
    return looks


def _acted(looks: Sequence[tuple[float, list[Sight]]]) -> list[tuple[Decision, Ledger, list[Sight], float]]:
    watch, acted = Watch(len(looks[0][1])), []
    for after, sights in looks:
        before = watch.ledger
        decision = watch.look(*sights, after=after)
        if decision.do.acts:
            acted.append((decision, before, sights, watch.now))
    return acted


@given(histories())
def test_whatever_happens_at_most_one_thing_is_under_way(looks: list[tuple[float, list[Sight]]]) -> None:
    """Total for every history; a decision to act always names its rule and reason."""
    watch = Watch(len(looks[0][1]))
    for after, sights in looks:
        was_busy = watch.ledger.action is not None
        decision = watch.look(*sights, after=after)
        assert decision.rule
        assert decision.why
        ended = any(each.startswith((What.VERIFIED.value, What.FAILED.value)) for each in watch.news)
        assert not (decision.do.acts and was_busy and not ended)


@given(histories())
def test_whatever_happens_no_replica_that_is_live_and_never_failed_is_touched(
    looks: list[tuple[float, list[Sight]]],
) -> None:
    """A restart needs evidence against this very replica."""
    for decision, _, sights, _ in _acted(looks):
        if decision.do in (Do.RESTART, Do.MOVE, Do.TAKE_OUT):
            about = [each for each in sights if each.instance == decision.instance]
            assert about
            history = [each for _, look in looks for each in look if each.instance == decision.instance]
            assert any(not each.health.serving or each.ends for each in history)


def test_what_a_host_with_its_clock_far_ahead_has_saved_does_not_hold_for_as_long() -> None:
    """An action that ends in a year, and a replica given up until then, are an action and a pause of today."""
    watch = Watch()
    four = tuple(live(number) for number in range(4))
    watch.look(*four)
    for _ in range(3):
        decision = watch.look(failing(0), *four[1:])
    assert decision.do is Do.RESTART
    watch.hand_over()
    watch.now -= 365 * 86400.0
    watch.look(failing(0), *four[1:])
    assert watch.ledger.action is not None
    assert watch.ledger.action.deadline <= watch.now + POLICY.startup_deadline
    assert max(watch.ledger.replicas["serve-0"].restarts) <= watch.now
    assert watch.ledger.replicas["serve-0"].not_before <= watch.now + POLICY.max_backoff
