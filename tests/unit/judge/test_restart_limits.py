"""The policy beside its specification (peers.md 5.1, design.md 7): gaps, days, fresh versions, whole services."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support import REPOSITORY
from tests.unit.judge.test_restart import POLICY, Watch, dead, fail, failing, live, others, sight, well, with_version_2
from yarnserve.judge.decisions import FreshModel
from yarnserve.judge.limits import BEGUN, LIMITS
from yarnserve.judge.memory import Sight, given_up, ordered
from yarnserve.records.ledger import Death, Do, ReplicaRecord, TakenOut
from yarnserve.records.policy import LONGEST_CHECK_INTERVAL, MOST_FAILURES, SupervisePolicy
from yarnserve.records.replica import Health
from yarnserve.render.features import SERVICES
from yarnserve.service.means import TABLE, Entry


def gone(replicas: int) -> list[Sight]:
    """As many replicas without a container."""
    return [sight(number, Health.GONE, container="") for number in range(replicas)]


def test_a_process_that_is_started_again_in_place_has_its_start_up_time() -> None:
    """Live for an hour, one death, relaunched in the same container: its start is counted from the death."""
    watch = well()
    for _ in range(60):
        watch.look(*others(0, 1, 2, 3), after=60.0)
    assert watch.look(dead(0, 1), *others(1, 2, 3)).do is Do.NOTHING
    assert not watch.look(dead(0, 1), *others(1, 2, 3)).do.acts


def test_a_replica_that_dies_every_eleven_minutes_for_a_day_is_noticed() -> None:
    """5.1: 20 in 24 h open the breaker, also restarts that YARN makes; ten live minutes must not wipe the day."""
    watch = well()
    decisions = []
    for death in range(1, 60):
        container = f"c{death}-"
        decisions.append(watch.look(dead(0, death, container), *others(1, 2, 3), after=30.0))
        for _ in range(11):
            decisions.append(watch.look(live(0, container, ends=death), *others(1, 2, 3), after=60.0))
    assert any(each.do is not Do.NOTHING for each in decisions), "59 deaths in half a day, and nobody was told"


def test_a_gap_in_which_nothing_could_be_seen_is_not_held_against_a_start() -> None:
    """HDFS or YARN away for 20 minutes: the replica that was loading has had no chance to be seen making progress."""
    watch = Watch()
    loading = sight(0, Health.LOADING, progress="fetching")
    watch.look(loading, *others(1, 2, 3))
    assert watch.look(loading, *others(1, 2, 3), after=1200.0).do is Do.NOTHING


def test_a_gap_does_not_make_an_action_fail() -> None:
    """The action's deadline ran while nobody looked: its means must not be called spent at the first look after it."""
    watch = well()
    for _ in range(3):
        watch.look(failing(0), *others(1, 2, 3))
    assert watch.ledger.action is not None
    watch.look(sight(0, Health.LOADING, container="b"), *others(1, 2, 3))
    watch.look(sight(0, Health.LOADING, container="b"), *others(1, 2, 3), after=1200.0)
    assert watch.ledger.replicas["serve-0"].rung == 0


def test_a_fresh_version_that_fails_everywhere_is_taken_back_and_not_waited_out() -> None:
    """All replicas turn bad at once, as a bad version makes them: no storm is called while that is being proved."""
    watch = with_version_2()
    bad = [failing(0), failing(1), failing(2), failing(3)]
    decisions = [watch.look(*bad).do for _ in range(3)]
    assert decisions[-1] is Do.ROLL_BACK


@pytest.mark.parametrize("replicas", [1, 4])
def test_the_most_patient_policy_that_a_file_may_ask_for_still_restarts(replicas: int) -> None:
    """Looks a minute apart, ten failures in a row, twice as many of an only replica: what is remembered reaches."""
    watch = well(replicas, SupervisePolicy(check_interval=LONGEST_CHECK_INTERVAL, failures=MOST_FAILURES))
    watch.idle(1800.0, *others(*range(replicas)))
    rest = others(*range(1, replicas))
    decisions = [watch.look(failing(0), *rest, after=float(LONGEST_CHECK_INTERVAL)) for _ in range(2 * MOST_FAILURES)]
    assert any(each.do is Do.RESTART for each in decisions)


def test_a_single_replica_that_fails_every_other_look_is_noticed() -> None:
    """Twice five of the last ten is ten of ten: a rule that can never be met."""
    watch = well(1)
    decisions = [watch.look(failing(0) if number % 2 else live(0)) for number in range(200)]
    assert any(each.do is not Do.NOTHING for each in decisions)


def test_a_trial_waits_until_the_component_is_stable() -> None:
    """design.md 7: half-open = flex up once the component is STABLE (size None: it is FLEXING, or nobody knows)."""
    watch = well()
    away = ReplicaRecord(container="a9", seen_since=1.0, opened=1, open_until=watch.now)
    watch.ledger = replace(watch.ledger, taken_out=(TakenOut("serve-9", watch.now - 10, watch.now, away),))
    watch.case = replace(watch.case, wanted=5, size=None)
    assert watch.look(*others(0, 1, 2, 3)).do is not Do.READMIT


def test_a_trial_that_could_not_be_carried_out_is_not_forgotten() -> None:
    """The act met another change: what was taken out is out still, with its breaker's count."""
    watch = well()
    away = ReplicaRecord(container="a9", seen_since=1.0, opened=3, open_until=watch.now)
    watch.ledger = replace(watch.ledger, taken_out=(TakenOut("serve-9", watch.now - 10, watch.now, away),))
    watch.case = replace(watch.case, wanted=5, size=4)
    before = watch.ledger
    assert watch.look(*others(0, 1, 2, 3)).do is Do.READMIT
    watch.ledger = given_up(before, watch.ledger, "serve-9", is_refused=False)
    assert [each.instance for each in watch.ledger.taken_out] == ["serve-9"]


def test_a_dead_service_is_not_started_for_ever() -> None:
    """5.1: escalation needs an end, and giving up must be visible."""
    watch = well()
    watch.case = replace(watch.case, failed=True, size=None)
    gone = [sight(number, Health.GONE, container="") for number in range(4)]
    starts = 0
    for _ in range(24 * 60):
        starts += watch.look(*gone, after=60.0).do is Do.START
    assert starts <= 20


def test_a_change_of_size_is_over_when_the_size_is_right() -> None:
    """RESIZE waits for every replica to be well: one that hangs is not helped for ten minutes because of it."""
    watch = well()
    watch.case = replace(watch.case, size=3)
    watch.look(*others(0, 1, 2))
    assert watch.look(*others(0, 1, 2), after=61.0).do is Do.RESIZE
    watch.case = replace(watch.case, size=4)
    decisions = [watch.look(failing(0), *others(1, 2, 3)) for _ in range(6)]
    assert any(each.do is Do.RESTART for each in decisions)


def test_a_replacement_that_was_interrupted_half_way_is_finished_and_counted() -> None:
    """Decommissioned, and nobody gave the size back: not ten minutes short of one, and its budget is remembered."""
    watch = well()
    for _ in range(3):
        decision = watch.look(failing(0), *others(1, 2, 3))
    assert decision.do is Do.RESTART
    watch.case = replace(watch.case, size=3)
    gone = sight(0, Health.GONE, container="")
    decisions = [watch.look(gone, *others(1, 2, 3)) for _ in range(7)]
    assert [each.do for each in decisions] == [Do.WAIT] * 6 + [Do.RESIZE]
    watch.case = replace(watch.case, size=4)
    assert watch.look(*others(1, 2, 3, 4)).do is Do.NOTHING
    assert watch.news[-1].startswith("verified: its new container is live")
    assert len(watch.ledger.replicas["serve-4"].restarts) == 1


def test_services_do_not_come_out_of_a_storm_at_the_same_moment() -> None:
    """5.1: resume with a jitter of 0 to 120 s; the draw is there and is not used."""
    ends = []
    for draw in (0.0, 1.0):
        watch = well()
        watch.look(failing(0), failing(1), failing(2), live(3), draw=draw)
        ends.append((watch.ledger.hold_until or 0.0) - watch.now)
    assert ends[0] != ends[1]


def test_a_loop_restarts_no_replica_that_serves_for_minutes_since() -> None:
    """Three deaths in the first minute of ten (a node's registry, say), live ever since: to move it now is our harm."""
    watch = well()
    for death in (1, 2):
        watch.look(dead(0, death), *others(1, 2, 3), after=10.0)
    watch.look(sight(0, Health.LIVE, ends=3, death=Death(0.0, "transient", "a port in use")), *others(1, 2, 3))
    decisions = [watch.look(live(0, ends=3), *others(1, 2, 3), after=60.0) for _ in range(8)]
    assert not any(each.do.acts for each in decisions[1:]), [each.why for each in decisions if each.do.acts]


def test_one_replica_of_which_everything_was_tried_does_not_keep_others_waiting() -> None:
    """A give-up without means to take it out must not stop the second replica that hangs."""
    watch = well(means={Do.RESTART: "by hand"})
    acted = []
    for _ in range(400):
        container = chr(ord("a") + len(acted) % 20)
        decision = watch.look(failing(0, container), failing(1), *others(2, 3), after=10.0)
        if decision.do.acts:
            acted.append(decision.instance)
    assert "serve-1" in acted


def test_the_documentation_has_every_number_and_every_means() -> None:
    """docs/supervise.md shows them as the code has them, in the same order."""
    page = (REPOSITORY / "docs" / "supervise.md").read_text(encoding="utf-8")
    numbers = [f"| {each.name} | {each.value:g} | {each.reason} |" for each in LIMITS]
    assert "\n".join(numbers) in page
    means = [f"| {each.do.value} | {each.means.value} | {_where(each)} |" for each in TABLE]
    assert "\n".join(means) in page


def _where(entry: Entry) -> str:
    since = "any" if entry.needs is SERVICES else entry.needs.since
    return f"{since}, with agents" if entry.by_agents else since


def test_a_death_long_ago_is_no_loop_and_no_crash_of_the_policy() -> None:
    """Twenty in a day, the last of them an hour ago, and it is starting now: judged by the day, not by the window."""
    watch = well()
    deaths = tuple(Death(watch.now - 3600.0 - 900.0 * index, "unknown", "killed") for index in range(20))
    record = replace(watch.ledger.replicas["serve-0"], deaths=deaths[::-1])
    watch.ledger = replace(watch.ledger, replicas={**watch.ledger.replicas, "serve-0": record})
    decision = watch.look(sight(0, Health.STARTING), *others(1, 2, 3))
    assert decision.do is Do.TAKE_OUT
    assert "died 20 times in a day" in decision.why


def test_a_replica_that_no_prediction_can_prove_is_not_restarted_for_one_failed_look() -> None:
    """It has served for an hour: its start-up time begins when it served last, not when its container did."""
    watch = Watch()
    served = sight(0, Health.AVAILABLE)
    watch.idle(3600.0, served, *others(1, 2, 3))
    assert not watch.look(failing(0), *others(1, 2, 3)).do.acts
    watch.idle(watch.case.policy.startup_deadline - 60.0, failing(0), *others(1, 2, 3))
    assert watch.look(failing(0), *others(1, 2, 3), after=120.0).rule == "startup"


def test_a_new_model_version_has_the_time_of_a_start() -> None:
    """Swapped in after an hour, and its first prediction fails: that is no start that takes an hour."""
    watch = well()
    before, after = sight(0, Health.LIVE, versions="digits 1"), replace(failing(0), versions="digits 2")
    watch.idle(3600.0, before, *others(1, 2, 3))
    for _ in range(5):
        assert not watch.look(after, *others(1, 2, 3)).do.acts


def test_whoever_takes_over_gives_a_start_its_whole_time() -> None:
    """What the supervisor before saw of its progress is not known."""
    watch = Watch()
    loading = sight(0, Health.LOADING)
    watch.idle(500.0, loading, *others(1, 2, 3))
    watch.hand_over()
    watch.idle(watch.case.policy.startup_deadline, loading, *others(1, 2, 3))
    assert watch.look(loading, *others(1, 2, 3), after=120.0).rule == "startup"


def test_whoever_takes_over_gives_no_more_time_to_what_fails_since_its_start() -> None:
    """It accepts and does not answer: supervisors that follow each other must not begin to count anew each time."""
    watch = Watch()
    watch.idle(560.0, failing(0), *others(1, 2, 3))
    for _ in range(2):
        watch.hand_over()
        assert watch.look(failing(0), *others(1, 2, 3), after=60.0).do is Do.NOTHING
    for _ in range(2):
        decision = watch.look(failing(0), *others(1, 2, 3))
    assert decision.rule == "startup"


def test_supervisors_out_of_cron_do_not_take_what_fails_since_its_start_for_a_storm_each_time() -> None:
    """Three of four, which failed when the one before looked, have not turned bad together because another looks."""
    watch = Watch()
    bad = tuple(map(failing, range(3)))
    acts = []
    for _ in range(6):
        for after in (300.0, 2.0, 2.0, 2.0):
            acts.append(watch.look(*bad, *others(3), after=after).do)
        watch.hand_over()
    assert Do.RESTART in acts


def test_one_that_loads_at_last_has_its_time() -> None:
    """It failed, as it had failed for the supervisor before, while another was restarted; and that is over."""
    watch = Watch()
    watch.look(failing(0), *others(1, 2, 3))
    watch.hand_over()
    watch.look(failing(0), *others(1, 2, 3), after=3600.0)
    watch.ledger = replace(watch.ledger, hold_until=watch.now + 60.0, hold_why="another is restarted")
    for _ in range(3):
        watch.look(failing(0), *others(1, 2, 3))
    loading = sight(0, Health.LOADING)
    assert watch.look(loading, *others(1, 2, 3), after=60.0).do is Do.NOTHING


def test_an_only_replica_is_judged_by_twice_as_much_after_a_takeover_too() -> None:
    """Six looks, whatever the supervisor before saw of its start."""
    watch = Watch(1)
    watch.look(failing(0))
    watch.hand_over()
    for number in range(5):
        assert watch.look(failing(0), after=10.0 if number else 3600.0).do is Do.NOTHING
    assert watch.look(failing(0)).rule == "startup"


@pytest.mark.parametrize("before", [sight(0, Health.STARTING), failing(0)], ids=lambda before: before.health.value)
@pytest.mark.parametrize("is_cut_off", [False, True])
def test_who_was_starting_an_hour_ago_is_not_judged_by_one_look(before: Sight, is_cut_off: bool) -> None:
    """It may have served all the time that no supervisor looked, as ``supervise --once`` does not."""
    watch = Watch()
    watch.look(before, *others(1, 2, 3))
    watch.hand_over()
    now = replace(failing(0), evidence=not is_cut_off, cut_off=is_cut_off)
    assert watch.look(now, *others(1, 2, 3), after=3600.0).do is Do.NOTHING
    then = replace(failing(0), evidence=False, cut_off=True)
    assert watch.look(then, *others(1, 2, 3)).do is Do.NOTHING


def test_a_replica_that_is_still_there_is_not_made_up_for_by_ending_another() -> None:
    """A supervisor died between writing down that it takes one out and doing so: a smaller size would end a sound one.

    The replica is given up where it is, and once.
    """
    watch = well(8)
    held = Death(0.0, "permanent", "its image is not there")
    taken = watch.look(dead(0, 1, death=held), *others(*range(1, 8)))
    assert taken.do is Do.TAKE_OUT
    watch.idle(300.0, dead(0, 1), *others(*range(1, 8)))
    assert watch.ledger.taken_out == ()
    assert watch.said["serve-0"].rule == "given up"


def test_a_clock_behind_that_of_the_supervisor_before_waits_no_longer() -> None:
    """Times in the saved ledger that lie ahead are moved back: budgets and pauses last as long as they were to."""
    watch = well()
    known = replace(watch.ledger.replicas["serve-0"], restarts=(watch.now,), not_before=watch.now + 30)
    watch.ledger = replace(watch.ledger, replicas={**watch.ledger.replicas, "serve-0": known})
    watch.hand_over()
    watch.now -= 7200.0
    watch.look(*others(0, 1, 2, 3))
    assert watch.ledger.replicas["serve-0"].not_before == watch.now + 30
    assert watch.ledger.replicas["serve-0"].restarts == (watch.now,)


def test_a_loop_of_a_day_does_not_make_the_ledger_grow_without_end() -> None:
    """One death every 45 s: more than any budget counts are not remembered."""
    watch = well()
    for number in range(1, 300):
        watch.look(dead(0, number), *others(1, 2, 3), after=45.0)
    assert len(watch.ledger.replicas["serve-0"].deaths) == 100


def test_the_second_half_of_a_replacement_is_made_up_for_while_it_goes_on() -> None:
    """The supervisor died between decommissioning and the flex back up: it is not short of one for ten minutes more."""
    watch = well()
    for _ in range(3):
        watch.look(failing(0), *others(1, 2, 3))
    watch.case = replace(watch.case, size=3)
    missing = replace(sight(0, Health.PENDING), container="")
    assert watch.look(missing, *others(1, 2, 3)).rule == "one at a time"
    assert watch.look(missing, *others(1, 2, 3), after=60.0).do is Do.RESIZE
    watch.case = replace(watch.case, size=4)
    watch.look(live(4, "b"), *others(1, 2, 3))
    assert watch.news[-1].startswith("verified: its new container is live")
    assert len(watch.ledger.replicas["serve-4"].restarts) == 1


def test_what_lands_on_a_quarantined_node_is_moved_again_twice_and_then_stays_and_that_is_told() -> None:
    """YARN's services API has no list of nodes to avoid: the place is checked after the fact."""
    watch = well()
    for _ in range(3):
        decision = watch.look(failing(0), *others(1, 2, 3))
    assert decision.do is Do.RESTART
    rest = others(1, 2, 3)
    for number, container in ((4, "b"), (5, "c")):
        decision = watch.look(sight(number, Health.STARTING, container=container, shunned="n9 is quarantined"), *rest)
        assert (decision.do, decision.rule) == (Do.MOVE, "quarantined node")
    landed = sight(6, Health.STARTING, container="d", shunned="n9 is quarantined")
    assert not watch.look(landed, *rest).do.acts
    watch.look(replace(landed, health=Health.LIVE), *rest)
    assert any("it stays, though n9 is quarantined" in each for each in watch.news)


def test_deaths_that_nobody_told_of_count_with_those_that_were() -> None:
    """A NodeManager often forgets a container that it killed for its memory before anybody asks."""
    watch = well()
    for ends, code in ((1, -104), (2, None), (3, None)):
        kind = "unknown" if code is None else "resource"
        decision = watch.look(
            dead(0, ends, death=Death(0.0, kind, "more memory than it may have", code=code)), *others(1, 2, 3)
        )
    assert decision.do is Do.TAKE_OUT
    assert "memory" in decision.why


def test_a_clock_that_is_set_back_takes_along_what_is_taken_out() -> None:
    """Else its deaths would lie in the future, and count against a successor that has not died once."""
    watch = well()
    permanent = Death(0.0, "permanent", "no such image")
    assert watch.look(dead(3, 1, death=permanent), *others(0, 1, 2)).do is Do.TAKE_OUT
    watch.case = replace(watch.case, size=3)
    watch.look(*others(0, 1, 2), after=-3600.0)
    (away,) = watch.ledger.taken_out
    assert away.record.deaths[-1].at <= watch.now
    assert away.until <= watch.now + 1800.0


def test_a_relaunch_that_cannot_be_finished_is_not_tried_for_ever() -> None:
    """YARN refuses each start: five in a day, and then nothing is left but to tell."""
    watch = Watch(1, means={Do.RELAUNCH: "by hand", Do.START: "by hand"})
    watch.look(live(0))
    watch.ledger = replace(watch.ledger, relaunching="application_1")
    watch.case = replace(watch.case, application="application_1", ended=True, size=None)
    decisions = [watch.look(*gone(1), after=30.0) for _ in range(160)]
    assert sum(each.do is Do.START for each in decisions) == 5
    assert (decisions[-1].do, decisions[-1].alarms) == (Do.HOLD, True)


def test_starts_that_are_refused_come_later_each_time() -> None:
    """A queue that is full for half an hour must not use up the five of the day."""
    watch = well()
    watch.case = replace(watch.case, application="application_1", ended=True, failed=True, size=None)
    begun, started = watch.now, []
    for _ in range(2000):
        before = watch.ledger
        if watch.look(*gone(4), after=2.0).do is Do.START:
            started.append(watch.now - begun)
            watch.ledger = given_up(before, watch.ledger, "", is_refused=False)
    assert started == [2.0, 22.0, 122.0, 622.0, 3122.0]


def test_a_relaunch_that_was_not_begun_undoes_nothing_later() -> None:
    """YARN refused to stop it: when a person kills it afterwards that is not ours to start again."""
    watch = Watch(1, means={Do.RELAUNCH: "by hand", Do.START: "by hand"})
    watch.case = replace(watch.case, application="application_1")
    watch.look(live(0))
    before = watch.ledger
    while watch.look(failing(0)).do is not Do.RELAUNCH:
        before = watch.ledger
    watch.ledger = given_up(before, watch.ledger, "", is_refused=True)
    watch.case = replace(watch.case, ended=True, size=None)
    assert not any(watch.look(*gone(1), after=30.0).do.acts for _ in range(10))


@pytest.mark.parametrize("case", [{"ended": True, "application": "application_1"}, {"is_absent": True}])
def test_a_service_of_which_nothing_runs_is_told_and_left_alone(case: dict[str, Any]) -> None:
    """It was ended past yarnserve, or a ResourceManager has forgotten it; for a minute that may be a person's verb."""
    watch = well()
    watch.case = replace(watch.case, size=None, **case)
    decisions = [watch.look(*gone(4), after=20.0) for _ in range(10)]
    assert [each.do for each in decisions] == [Do.NOTHING] * 3 + [Do.HOLD] * 7
    assert all(each.alarms and "yarnserve start" in each.fix for each in decisions[3:])
    watch.case = replace(watch.case, size=4, ended=False, is_absent=False)
    assert watch.look(*others(0, 1, 2, 3)).do is Do.NOTHING


def test_what_most_replicas_died_of_keeps_no_service_down() -> None:
    """All have died twenty times today, and then the application fails: it is started again all the same."""
    watch = well()
    often = tuple(Death(watch.now - 600.0 * age, "unknown", "killed") for age in range(20, 0, -1))
    replicas = {name: replace(record, deaths=often) for name, record in watch.ledger.replicas.items()}
    watch.ledger = replace(watch.ledger, replicas=replicas)
    watch.case = replace(watch.case, application="application_1", ended=True, failed=True, size=None)
    assert watch.look(*gone(4)).do is Do.START


@pytest.mark.parametrize("health", [Health.LOADING, Health.STARTING])
def test_what_has_served_and_loads_for_ever_is_replaced(health: Health) -> None:
    """As when all versions were removed from its disk: nothing fails, and nothing is served."""
    watch = well()
    watch.idle(POLICY.startup_deadline - 1.0, sight(0, health), *others(1, 2, 3))
    assert not watch.said
    watch.look(sight(0, health), *others(1, 2, 3), after=60.0)
    restarted = watch.look(sight(0, health), *others(1, 2, 3), after=60.0)
    assert (restarted.do, restarted.rule) == (Do.RESTART, "startup")
    assert "since it served last" in restarted.why


def test_a_node_that_is_quarantined_later_does_not_drive_out_what_was_well_there() -> None:
    """Not by one look that fails, nor by one that nobody answers in time."""
    watch = well()
    assert fail(watch, 0).do is Do.RESTART
    watch.idle(3600.0, live(0, "b"), *others(1, 2, 3))
    shunned = replace(failing(0, "b"), shunned="node-0 is quarantined")
    for seen in (shunned, replace(shunned, evidence=False, busy=True), replace(shunned, evidence=False, cut_off=True)):
        assert watch.look(seen, *others(1, 2, 3)).do is Do.NOTHING


def test_an_act_that_left_its_container_as_it_was_is_over_after_two_minutes() -> None:
    """Whoever was to tell YARN died before that; what drains or does not answer meanwhile is waited for."""
    watch = well()
    assert fail(watch, 0).do is Do.RESTART
    watch.idle(BEGUN.value - 10.0, failing(0), *others(1, 2, 3))
    assert watch.look(sight(0, Health.DRAINING), *others(1, 2, 3), after=10.0).do is Do.WAIT
    assert watch.look(failing(0), *others(1, 2, 3)).do is Do.MOVE
    assert watch.news == ["failed: its old container still runs, 130 s after the restart"]


def test_a_replica_that_went_with_its_host_is_not_taken_out_for_what_it_died_of_before() -> None:
    """Twenty deaths in a day are enough, but the host's end is none: what starts elsewhere may be well."""
    watch = well()
    old = tuple(Death(watch.now - 3600.0 - age, "unknown", "killed") for age in range(20))
    record = replace(watch.ledger.replicas["serve-0"], deaths=old)
    watch.ledger = replace(watch.ledger, replicas={**watch.ledger.replicas, "serve-0": record})
    lost = Death(0.0, "free", "its host went away, and it with it")
    assert watch.look(dead(0, 1, "b", death=lost), *others(1, 2, 3)).do is Do.NOTHING
    assert watch.look(dead(0, 2, "b"), *others(1, 2, 3)).do is Do.TAKE_OUT


def test_a_budget_waits_for_a_successor_that_is_placed_late() -> None:
    """On a full cluster hours may pass; what comes then is as sick as what was moved."""
    watch = well()
    assert fail(watch, 0).do is Do.RESTART
    unplaced = sight(0, Health.PENDING, container="")
    watch.idle(2 * POLICY.startup_deadline, unplaced, *others(1, 2, 3))
    assert watch.ledger.action is None
    watch.look(live(4, "b"), *others(1, 2, 3))
    assert len(watch.ledger.replicas["serve-4"].restarts) == 1
    assert "serve-0" not in watch.ledger.replicas


def test_a_successor_inherits_from_what_is_replaced_now_and_not_from_what_went_long_ago() -> None:
    """Else the act would seem to have failed, and the wrong replica would lose its budget."""
    watch = well()
    old = replace(watch.ledger.replicas["serve-0"], restarts=(watch.now - 3600.0,))
    watch.ledger = replace(watch.ledger, replicas={**watch.ledger.replicas, "serve-7": old})
    for _ in range(3):
        decision = watch.look(failing(0), *others(1, 2, 3))
    assert decision.do is Do.RESTART
    watch.look(live(4, "b"), *others(1, 2, 3))
    assert watch.news[-1].startswith("verified: its new container is live")
    watch.look(live(4, "b"), *others(1, 2, 3))
    assert set(watch.ledger.replicas) == {"serve-1", "serve-2", "serve-3", "serve-4"}


def test_whoever_begins_to_load_again_has_its_whole_time() -> None:
    """After minutes in which it was busy, or could not be reached, one look at it says nothing."""
    watch = well()
    watch.idle(2 * POLICY.startup_deadline, replace(failing(0), busy=True), *others(1, 2, 3))
    assert watch.look(sight(0, Health.LOADING), *others(1, 2, 3)).do is Do.NOTHING


def test_a_relaunch_that_was_interrupted_goes_on_at_once() -> None:
    """However often the service was started today: it was stopped by us."""
    watch = Watch(1, means={Do.RELAUNCH: "by hand", Do.START: "by hand"})
    watch.ledger = replace(watch.ledger, starts=tuple(watch.now - 60.0 * ago for ago in (4, 3, 2, 1)))
    watch.case = replace(watch.case, application="application_1")
    watch.look(live(0))
    while watch.look(failing(0)).do is not Do.RELAUNCH:
        pass
    watch.case = replace(watch.case, ended=True, size=None)
    assert watch.look(*gone(1), after=2.0).do is Do.START


def test_a_person_who_says_a_size_ends_the_wait_for_successors() -> None:
    """Else what is added next year would inherit from what was taken away."""
    watch = well()
    assert fail(watch, 0).do is Do.RESTART
    watch.look(*others(1, 2, 3))
    assert "serve-0" in watch.ledger.replicas
    present = {"serve-1", "serve-2", "serve-3"}
    # Not while that is under way: its successor is about to come.
    assert set(ordered(watch.ledger, watch.now, present).replicas) == {"serve-0", *present}
    after = ordered(replace(watch.ledger, action=None), watch.now, present)
    assert (set(after.replicas), after.order) == (present, watch.now)


def test_a_version_is_not_blamed_for_deaths_of_yesterday() -> None:
    """One failed look after it came proves nothing, whatever a replica has died of before."""
    watch = well()
    old = tuple(Death(watch.now - age, "unknown", "killed") for age in (9000.0, 8000.0))
    replicas = {name: replace(record, deaths=old) for name, record in watch.ledger.replicas.items()}
    watch.ledger = replace(watch.ledger, replicas=replicas)
    watch.case = replace(watch.case, fresh=FreshModel("digits", 2, 1, watch.now + 1.0))
    watch.versions = "digits 2"
    watch.look(*others(0, 1, 2, 3))
    assert watch.look(failing(0), failing(1), *others(2, 3)).do is Do.WAIT
