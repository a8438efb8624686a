"""A supervisor on the sandbox: what it does on a cluster, for whom it keeps still, and what a successor knows."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from tests.sandbox.test_ha_clients import MODEL, hurried
from tests.sandbox.yarn_support import connection_to
from tests.support import wait_until
from yarnserve.alerts.records import Alert
from yarnserve.errors import NotFoundError, UnreachableError, YarnserveError
from yarnserve.judge.limits import BEGUN, NEXT_START
from yarnserve.records.journal import JournalEntry, What
from yarnserve.records.ledger import Do
from yarnserve.records.replica import (
    Contact,
    ModelObservation,
    ModelState,
    ModelVersion,
    Observation,
    Prediction,
    Proof,
    Target,
)
from yarnserve.records.supervision import Mode, ServiceState
from yarnserve.records.yarn import NOT_ENDED
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.faults import Fault
from yarnserve.sandbox.profile import HADOOP_3_1_4, HADOOP_3_3_6, Profile
from yarnserve.service.actions import Actions
from yarnserve.service.connection import Connection
from yarnserve.service.eyes import Eyes
from yarnserve.service.look import look
from yarnserve.service.state import Wanted
from yarnserve.spec.loader import parse_spec
from yarnserve.spec.model import COMPONENT, ServiceSpec
from yarnserve.storage.lease import Lease, boot_clock
from yarnserve.storage.series import Series
from yarnserve.supervise.fleet import Fleet
from yarnserve.supervise.supervisor import Supervisor
from yarnserve.supervise.tools import Tools

NAME = "svc"


def spec(replicas: int = 3) -> ServiceSpec:
    """The service; nothing listens, for its containers are simulated."""
    text = f"""
name: {NAME}
model: {{base_path: /models/digits}}
serving: {{version: "2.6", flags: {{prefer_tflite_model: true}}}}
replicas: {replicas}
resources: {{memory: 512m}}
supervise: {{enabled: true, startup_deadline: 30s}}
"""
    return parse_spec(text, file="service.yaml", read_text=lambda path: "")


def quick() -> float:
    """Seconds that pass ten times as fast."""
    return time.monotonic() * 10


@dataclass
class Replicas:
    """What simulated containers answer: rightly, but for those that are *hung*, or whose instance is not *good*."""

    connection: Connection
    hung: set[str] = field(default_factory=set)
    good: set[str] | None = None
    silence: Contact = Contact.TIMED_OUT

    def observe(self, targets: Sequence[Target], *, deadline: float) -> tuple[Observation, ...]:
        """Answer for every target; one whose container was replaced is well again."""
        if not targets:
            return ()
        service = self.connection.services.get(NAME)
        component = service.component(COMPONENT)
        containers = {each.instance: each.id for each in component.containers} if component else {}
        return tuple(self._answer(target, containers.get(target.instance, "")) for target in targets)

    def _answer(self, target: Target, container: str) -> Observation:
        name = target.models[0].name
        if container in self.hung or (self.good is not None and target.instance not in self.good):
            told = ModelObservation(name, self.silence, error="silent")
        else:
            answer = Prediction(Proof.METADATA, Contact.ANSWERED, 200)
            versions = (ModelVersion(1, ModelState.AVAILABLE),)
            told = ModelObservation(name, Contact.ANSWERED, 200, versions, prediction=answer)
        return Observation(target.instance, target.endpoint, (told,))


def no_pages(urls: Sequence[str], *, deadline: float) -> list[None]:
    """Nobody shows counters."""
    return [None for _ in urls]


def no_agents(places: Mapping[str, object], *, deadline: float) -> Mapping[str, object]:
    """Nobody."""
    return {}


def nobody_takes(url: str, headers: Mapping[str, str], *, deadline: float) -> tuple[int, str]:
    """No agent takes an order."""
    raise UnreachableError("nobody takes the order", where=url)


@dataclass
class Watched:
    """A service with its supervisor, and what that told."""

    connection: Connection
    replicas: Replicas
    story: list[JournalEntry] = field(default_factory=list)
    alerts: dict[str, Alert] = field(default_factory=dict)
    states: list[ServiceState] = field(default_factory=list)

    def fire(self, alert: Alert) -> None:
        """Take an alert."""
        self.alerts[alert.key] = alert

    def resolve(self, key: str, summary: str = "") -> None:
        """It is over."""
        self.alerts.pop(key, None)

    def settle(self, prefix: str, lasting: Collection[str]) -> None:
        """So is everything with *prefix* that an earlier process told of."""
        kept = {key: alert for key, alert in self.alerts.items() if not key.startswith(prefix) or key in lasting}
        self.alerts = kept

    @property
    def tools(self) -> Tools:
        """For a supervisor of it, in a hurry."""
        return Tools(
            eyes=Eyes(self.replicas.observe, no_agents, no_pages, nobody_takes),  # type: ignore[arg-type]
            journal=self.story.append,
            alarm=self,
            board=self.states.append,
            clock=quick,
            pause=hurried,
            draw=lambda: 0.5,
        )

    def supervisor(self, **changes: object) -> Supervisor:
        """One more."""
        return Supervisor(self.connection, NAME, replace(self.tools, **changes))  # type: ignore[arg-type]

    def containers(self) -> dict[str, str]:
        """The container of each replica, by YARN's account."""
        component = self.connection.services.get(NAME).component(COMPONENT)
        return {each.instance: each.id for each in component.containers} if component else {}

    def told(self, what: What) -> list[str]:
        """The texts of the journal's entries of one kind."""
        return [entry.text for entry in self.story if entry.what is what]


#: By decommissioning, and by signals.
BOTH_MEANS = pytest.mark.parametrize("watched", [HADOOP_3_1_4, HADOOP_3_3_6], ids=["3.1.4", "3.3.6"], indirect=True)


@pytest.fixture
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    """Three replicas that are well, on 3.1.4 unless a test names others."""
    profile: Profile = getattr(request, "param", HADOOP_3_1_4)
    with Sandbox(user="alice", simulated=True, profile=profile) as running, connection_to(running) as connection:
        running.upload(MODEL, "/models/digits")
        Actions(connection, pause=hurried).launch(spec())
        watched = Watched(connection, Replicas(connection))
        wait_until(lambda: len(watched.containers()) == 3, what="three replicas")
        yield watched


def steps(supervisor: Supervisor, count: int) -> None:
    """So many steps, one right after the other."""
    for _ in range(count):
        supervisor.step()


@BOTH_MEANS
def test_a_replica_that_hangs_is_replaced_and_the_story_is_told(watched: Watched) -> None:
    """Three failed looks, one restart by the best means of this Hadoop, and the new container proves it."""
    supervisor = watched.supervisor()
    steps(supervisor, 2)
    before = watched.containers()
    watched.replicas.hung.add(before["serve-1"])
    steps(supervisor, 8)
    after = watched.containers()
    assert before["serve-1"] not in after.values()
    assert {before["serve-0"], before["serve-2"]} < set(after.values())
    assert len(after) == 3
    kinds = [entry.what for entry in watched.story if entry.instance]
    assert kinds[3:5] == [What.SEEN, What.DECIDED]
    assert What.ACTED in kinds
    assert What.VERIFIED in kinds
    assert watched.told(What.DECIDED)[0].startswith("restart: serve-1 failed 3 looks in a row")
    assert watched.states[-1].live == 3
    supervisor.close()


def test_what_a_person_has_stopped_stays_stopped(watched: Watched) -> None:
    """A replica was failing; after stop there is nothing to repair."""
    supervisor = watched.supervisor()
    steps(supervisor, 2)
    watched.replicas.hung.add(watched.containers()["serve-0"])
    steps(supervisor, 1)
    Actions(watched.connection, pause=hurried).stop(NAME)
    steps(supervisor, 6)
    assert not watched.told(What.ACTED)
    assert watched.states[-1].hold.startswith("stopped by ")
    supervisor.close()


def test_a_size_that_a_person_gave_is_not_taken_back(watched: Watched) -> None:
    """Scaled down between two looks: two replicas are what is wanted."""
    supervisor = watched.supervisor()
    steps(supervisor, 2)
    Actions(watched.connection, pause=hurried).scale(NAME, 2)
    steps(supervisor, 12)
    assert len(watched.containers()) == 2
    assert not watched.told(What.ACTED)
    supervisor.close()


def looked_over(watched: Watched) -> None:
    """One supervisor comes, looks through all eyes, and goes."""
    supervisor = watched.supervisor()
    steps(supervisor, 2)
    supervisor.close()


@BOTH_MEANS
def test_what_a_person_ends_has_not_died(watched: Watched) -> None:
    """Neither by restarting a replica again and again nor by scaling it away and back: nothing is held against it."""
    looked_over(watched)
    acts = Actions(watched.connection, pause=hurried)
    for _ in range(3):
        acts.restart(NAME, sorted(watched.containers())[0])
        wait_until(lambda: len(watched.containers()) == 3, what="three replicas")
        looked_over(watched)
    for replicas in (1, 3):
        acts.scale(NAME, replicas)
        wait_until(lambda count=replicas: len(watched.containers()) == count, what=f"{replicas} replicas")
    looked_over(watched)
    assert all("(free)" in told for told in watched.told(What.DIED))
    assert not watched.told(What.DECIDED)
    assert not watched.alerts


def test_a_server_that_takes_no_connection_is_replaced_where_its_node_answers(watched: Watched) -> None:
    """Its queue is full of callers who wait; where the whole host is silent it may be our own that is cut off."""
    supervisor = watched.supervisor()
    steps(supervisor, 2)
    hung = watched.containers()["serve-1"]
    watched.replicas.silence = Contact.UNREACHABLE
    watched.replicas.hung.add(hung)
    switch(watched, Fault.NODES_SILENT, on=True)
    steps(supervisor, 8)
    assert not watched.told(What.DECIDED)
    assert any(told.startswith("out of reach: ") for told in watched.told(What.SEEN))
    switch(watched, Fault.NODES_SILENT, on=False)
    steps(supervisor, 6)
    assert watched.told(What.DECIDED)[0].startswith("restart: serve-1 failed 3 looks in a row")
    assert hung not in watched.containers().values()
    supervisor.close()


def test_a_paused_supervisor_says_what_it_would_do_and_acts_again_after_resume(watched: Watched) -> None:
    """The evidence is not lost meanwhile."""
    supervisor = watched.supervisor()
    steps(supervisor, 2)
    acts = Actions(watched.connection, pause=hurried)
    acts.pause(NAME, why="maintenance")
    hung = watched.containers()["serve-2"]
    watched.replicas.hung.add(hung)
    steps(supervisor, 6)
    assert hung in watched.containers().values()
    assert watched.states[-1].mode is Mode.PAUSED
    assert "maintenance" in watched.states[-1].hold
    assert watched.told(What.DECIDED)[0].startswith("would restart: serve-2 failed 3 looks")
    acts.resume(NAME)
    steps(supervisor, 4)
    assert hung not in watched.containers().values()
    supervisor.close()


def test_an_observer_changes_nothing(watched: Watched) -> None:
    """Neither the service nor what is saved of it, and it needs no lease: one may observe beside one that acts."""
    observer = watched.supervisor(acts=False)
    steps(observer, 2)
    hung = watched.containers()["serve-0"]
    watched.replicas.hung.add(hung)
    steps(observer, 6)
    assert watched.told(What.DECIDED)[0].startswith("would restart: serve-0")
    assert watched.states[-1].mode is Mode.OBSERVING
    assert hung in watched.containers().values()
    assert watched.connection.store(NAME).ledger.latest() is None
    assert watched.connection.store(NAME).supervisor.latest() is None


def test_a_second_supervisor_stands_by_and_takes_over_from_one_that_died(watched: Watched) -> None:
    """Within thirty seconds of its own clock; it knows what the first has done."""
    now = [0.0]
    first = watched.supervisor(clock=lambda: now[0])
    steps(first, 2)
    watched.replicas.hung.add(watched.containers()["serve-0"])
    steps(first, 6)
    second = watched.supervisor(clock=lambda: now[0])
    second.step()
    assert watched.states[-1].mode is Mode.STANDBY
    assert "supervise" in watched.states[-1].hold
    while (due := second.step()) and watched.states[-1].mode is Mode.STANDBY:
        now[0] += due
    assert now[0] <= 30.0
    restarts = sum(each.restarts for each in watched.states[-1].replicas)
    assert restarts == 1
    first.step()
    assert watched.states[-1].mode is Mode.STANDBY
    second.close()


def test_a_supervisor_that_waits_does_not_bring_a_destroyed_service_back(watched: Watched) -> None:
    """Destroyed between two steps: to renew the lease would make the directory anew, and keep the supervisor at it."""
    now = [0.0]
    supervisor = watched.supervisor(clock=lambda: now[0])
    supervisor.step()
    Actions(watched.connection, pause=hurried).destroy(NAME)
    now[0] += 6.0
    supervisor.keep()
    assert watched.connection.storage.status(watched.connection.store(NAME).directory) is None
    with pytest.raises(NotFoundError):
        supervisor.step()


def test_what_a_destroyed_service_has_left_is_not_supervised(watched: Watched) -> None:
    """An empty directory, of something that was being written meanwhile: no lease is put into it."""
    now = [0.0]
    supervisor = watched.supervisor(clock=lambda: now[0])
    supervisor.step()
    Actions(watched.connection, pause=hurried).destroy(NAME)
    series = watched.connection.store(NAME).supervisor.directory
    watched.connection.storage.make_directories(series)
    now[0] += 6.0
    with pytest.raises(NotFoundError):
        supervisor.step()
    assert not watched.connection.storage.list(series)


def test_a_ledger_that_cannot_be_read_lets_nothing_be_done(watched: Watched) -> None:
    """Whoever does not know what was done before may do nothing; that is told, and somebody is called."""
    first = watched.supervisor()
    steps(first, 2)
    first.close()
    store = watched.connection.store(NAME)
    series = f"{store.directory}/ledger"
    newest = max(int(each.name.removesuffix(".json")) for each in watched.connection.storage.list(series))
    store.ledger._series.append({"replicas": "of a newer yarnserve"}, after=newest)
    watched.replicas.hung.add(watched.containers()["serve-0"])
    second = watched.supervisor()
    steps(second, 6)
    assert not watched.told(What.ACTED)
    assert "cannot be read" in watched.states[-1].trouble
    assert watched.states[-1].mode is Mode.ACTING
    assert f"{NAME}/supervision" in watched.alerts


def test_a_service_that_is_gone_ends_its_supervision(watched: Watched) -> None:
    """Destroyed by a person: NotFoundError, and its directory does not rise again."""
    supervisor = watched.supervisor()
    steps(supervisor, 2)
    Actions(watched.connection, pause=hurried).destroy(NAME)
    with pytest.raises(NotFoundError):
        steps(supervisor, 3)
    supervisor.close()
    assert watched.connection.storage.status(watched.connection.store(NAME).directory) is None


@BOTH_MEANS
def test_what_nothing_mends_is_taken_out_told_and_given_one_trial_later(watched: Watched) -> None:
    """Each rung has its time; status says who has taken it out; after half an hour it gets its place again."""
    now = [time.time()]
    supervisor = watched.supervisor(now=lambda: now[0])
    steps(supervisor, 2)
    watched.replicas.hung.add(watched.containers()["serve-1"])
    watched.replicas.good = {"serve-0", "serve-2"}

    def pass_time(until: Do, most: int) -> None:
        for _ in range(most):
            supervisor.step()
            now[0] += 8.0
            if any(text == until.value for text in watched.told(What.ACTED)):
                return
        raise AssertionError([entry.text for entry in watched.story])

    pass_time(Do.TAKE_OUT, 40)
    assert len(watched.containers()) == 2
    seen = look(watched.connection, NAME, eyes=watched.tools.eyes)
    away = next(each for each in seen.replicas if not each.container_id)
    assert away.verdict.reason.startswith("taken out by its supervisor until ")
    assert "did not mend it" in away.verdict.reason
    assert any("did not mend it" in alert.summary for alert in watched.alerts.values())
    watched.replicas.good = None
    now[0] += 1800.0
    pass_time(Do.READMIT, 20)
    wait_until(lambda: len(watched.containers()) == 3, what="the third replica")
    steps(supervisor, 3)
    assert watched.states[-1].live == 3
    assert not watched.alerts
    supervisor.close()


def switch(watched: Watched, fault: Fault, *, on: bool) -> None:
    """Let something be wrong with the cluster, or right again."""
    (manager,) = watched.connection.settings.resource_managers
    request = urllib.request.Request(f"{manager}/sandbox/faults/{fault.value}", method="PUT" if on else "DELETE")
    urllib.request.urlopen(request, timeout=10.0).close()


def test_what_could_not_be_written_down_is_not_taken_for_done(watched: Watched) -> None:
    """HDFS takes nothing for a moment: nothing is done, and the restart is not waited for but done right after."""
    supervisor = watched.supervisor(clock=lambda: 0.0)
    steps(supervisor, 2)
    hung = watched.containers()["serve-1"]
    switch(watched, Fault.SAFE_MODE, on=True)
    watched.replicas.hung.add(hung)
    steps(supervisor, 4)
    assert watched.told(What.DECIDED)
    assert hung in watched.containers().values()
    switch(watched, Fault.SAFE_MODE, on=False)
    steps(supervisor, 1)
    assert hung not in watched.containers().values()
    supervisor.close()


@BOTH_MEANS
def test_an_act_that_is_half_done_is_under_way(watched: Watched) -> None:
    """The old container has ended, and YARN has nowhere to start another: that is not told as if nothing were done."""
    supervisor = watched.supervisor()
    steps(supervisor, 2)
    watched.replicas.hung.add(watched.containers()["serve-1"])
    switch(watched, Fault.NO_NODES, on=True)
    steps(supervisor, 8)
    assert any(text.startswith("restart: waited") for text in watched.told(What.FAILED)), watched.told(What.FAILED)
    saved = watched.connection.store(NAME).ledger.latest()
    assert saved is not None
    assert saved.record.action is not None
    assert len(saved.record.replicas["serve-1"].restarts) == 1
    supervisor.close()


def test_once_looks_once_where_all_is_well(watched: Watched) -> None:
    """However short the check_interval is: nothing is gathered then, and nothing is under way."""
    hasty = replace(spec(), supervise=replace(spec().supervise, check_interval=1))
    Actions(watched.connection, pause=hurried).launch(hasty, replace=True)
    wait_until(lambda: len(watched.containers()) == 3, what="three replicas")
    paused: list[float] = []
    tools = replace(watched.tools, pause=paused.append)
    Fleet(watched.connection, tools, places=Places(), stop=threading.Event(), say=print).once(NAME)
    assert watched.states[-1].live == 3
    assert not paused


def test_whoever_is_told_to_end_before_an_act_leaves_nothing_to_wait_for(watched: Watched) -> None:
    """Another command holds the service's lease; when that is given back the successor acts at once, as was decided."""

    def told_to_end(seconds: float) -> None:
        raise KeyboardInterrupt

    ended = watched.supervisor(pause=told_to_end)
    steps(ended, 2)
    hung = watched.containers()["serve-1"]
    watched.replicas.hung.add(hung)
    persons = Lease(watched.connection.store(NAME).lease, subject=NAME, look="", holder="a person")
    with persons, pytest.raises(KeyboardInterrupt):
        steps(ended, 8)
    ended.close()
    saved = watched.connection.store(NAME).ledger.latest()
    assert saved is not None
    assert saved.record.action is None
    assert saved.record.replicas["serve-1"].rung == 0
    steps(successor := watched.supervisor(), 6)
    assert hung not in watched.containers().values()
    successor.close()


def test_an_act_that_is_broken_off_while_it_is_sent_is_under_way(watched: Watched) -> None:
    """Where a signal comes within a request nobody knows whether YARN has it: the successor waits for what becomes."""

    def told_to_end(text: str) -> None:
        if text.startswith("restarting"):
            raise KeyboardInterrupt

    ended = watched.supervisor(narrate=told_to_end)
    steps(ended, 2)
    watched.replicas.hung.add(watched.containers()["serve-1"])
    with pytest.raises(KeyboardInterrupt):
        steps(ended, 8)
    ended.close()
    saved = watched.connection.store(NAME).ledger.latest()
    assert saved is not None
    assert saved.record.action is not None
    assert len(saved.record.replicas["serve-1"].restarts) == 1


def test_an_act_that_never_began_is_not_waited_for(watched: Watched) -> None:
    """HDFS stalls right before YARN is told, and the lease is lost: two minutes later the next means is taken."""
    slept = late = 0.0

    def stall(text: str) -> None:
        nonlocal slept
        if text.startswith("restarting") and not slept:
            switch(watched, Fault.SAFE_MODE, on=True)
            slept = 60.0

    supervisor = watched.supervisor(narrate=stall, clock=lambda: quick() + slept, now=lambda: time.time() + late)
    steps(supervisor, 2)
    hung = watched.containers()["serve-1"]
    watched.replicas.hung.add(hung)
    steps(supervisor, 4)
    assert slept
    assert hung in watched.containers().values()
    switch(watched, Fault.SAFE_MODE, on=False)
    steps(supervisor, 2)
    assert hung in watched.containers().values()
    late = BEGUN.value
    steps(supervisor, 2)
    assert hung not in watched.containers().values()
    supervisor.close()


def test_a_person_who_repeats_a_size_while_one_is_taken_out_is_heard(watched: Watched) -> None:
    """The size is wanted already and YARN has another: the word is recorded anew, so that no supervisor undoes it."""
    acts, desired = Actions(watched.connection, pause=hurried), watched.connection.store(NAME).desired
    before = desired.latest()
    acts.take_out(NAME, "serve-2")
    acts.scale(NAME, 3)
    after = desired.latest()
    assert before is not None
    assert after is not None
    assert after.record.at > before.record.at
    wait_until(lambda: len(watched.containers()) == 3, what="the third replica")


def test_a_start_does_not_forget_what_is_taken_out(watched: Watched) -> None:
    """Three are wanted, also while YARN has two: a start, by a person or a supervisor, wants no less."""
    acts = Actions(watched.connection, pause=hurried)
    acts.take_out(NAME, "serve-2")
    acts.start(NAME)
    saved = watched.connection.store(NAME).desired.latest()
    assert saved is not None
    assert saved.record.replicas == 3


@pytest.mark.parametrize("watched", [HADOOP_3_3_6], ids=["3.3.6"], indirect=True)
def test_a_service_whose_start_is_refused_again_and_again_is_still_wanted(watched: Watched) -> None:
    """YARN has refused a start, dropped the definition (YARN-10437), and refuses that, too: then it is tried again."""
    late = 0.0
    connection, supervisor = watched.connection, watched.supervisor(now=lambda: time.time() + late)
    connection.services.stop(NAME)
    wait_until(lambda: not connection.cluster.applications(user="alice", name=NAME, states=NOT_ENDED), what="its end")
    switch(watched, Fault.QUEUE_STOPPED, on=True)
    with pytest.raises(YarnserveError):
        Actions(connection, pause=hurried).start(NAME)
    connection.services.destroy(NAME)
    steps(supervisor, 1)
    assert watched.told(What.FAILED)[0].startswith("start: ")
    assert wanted(watched) is Wanted.RUNNING
    switch(watched, Fault.QUEUE_STOPPED, on=False)
    late = NEXT_START.value
    steps(supervisor, 1)
    wait_until(lambda: len(watched.containers()) == 3, what="three replicas")
    supervisor.close()


@BOTH_MEANS
def test_a_stopped_service_whose_start_is_refused_stays_stopped(watched: Watched) -> None:
    """A person who is told that YARN refused it has started nothing, and no supervisor goes on trying."""
    acts = Actions(watched.connection, pause=hurried)
    acts.stop(NAME)
    watched.connection.services.destroy(NAME)
    switch(watched, Fault.QUEUE_STOPPED, on=True)
    with pytest.raises(YarnserveError):
        acts.start(NAME)
    assert wanted(watched) is Wanted.STOPPED


def wanted(watched: Watched) -> Wanted:
    """What is saved of what a person wants."""
    saved = watched.connection.store(NAME).desired.latest()
    assert saved is not None
    return saved.record.state


def test_whoever_could_not_renew_goes_on_where_nobody_has_taken_over(watched: Watched) -> None:
    """HDFS was away for a minute: the newest lease is still ours, and is not waited for as if it were another's."""
    now = [0.0]
    supervisor = watched.supervisor(clock=lambda: now[0])
    steps(supervisor, 2)
    switch(watched, Fault.SAFE_MODE, on=True)
    now[0] += 60.0
    steps(supervisor, 2)
    switch(watched, Fault.SAFE_MODE, on=False)
    steps(supervisor, 1)
    assert watched.states[-1].mode is Mode.ACTING
    supervisor.close()


def test_an_act_that_waits_for_long_is_not_taken_for_stuck(watched: Watched) -> None:
    """A supervisor whose services are not stepped is ended by systemd: that must not be in the middle of an act."""
    supervisor = watched.supervisor()
    steps(supervisor, 2)
    watched.replicas.hung.add(watched.containers()["serve-1"])
    before = len(watched.states)
    with Lease(watched.connection.store(NAME).lease, subject=NAME, look="", holder="somebody", renew_every=0.3):
        steps(supervisor, 3)
    assert "another yarnserve is changing" in watched.told(What.FAILED)[0]
    assert len(watched.states) > before + 3
    supervisor.close()


def test_leases_and_acts_go_by_the_seconds_of_a_sleeping_machine() -> None:
    """A machine that was asleep for a minute has lost its leases when it wakes."""
    assert Tools().clock is boot_clock


def unreadable(watched: Watched, name: str) -> None:
    """Save something as service *name* that is none."""
    Series(watched.connection.storage, f"{watched.connection.store(name).directory}/revisions").append({}, after=0)


class Places(dict[str, bool]):
    """Which services are supervised."""

    def expect(self, name: str) -> None:
        """One more."""
        self[name] = True

    def forget(self, name: str) -> None:
        """One less."""
        del self[name]


@contextmanager
def supervising_all(watched: Watched) -> Iterator[list[str]]:
    """Supervise whatever service wants it meanwhile, and find such services at once; what was said of the whole."""
    stop, said = threading.Event(), list[str]()
    every = Fleet(
        watched.connection,
        watched.tools,
        places=Places(),
        stop=stop,
        say=said.append,
        list_every=0.2,
        keep_every=0.1,
    )
    running = threading.Thread(target=every.run_all)
    running.start()
    try:
        yield said
    finally:
        stop.set()
        running.join()


@pytest.mark.parametrize("ends", [Wanted.STOPPED, None], ids=["stopped", "supervised no more"])
def test_what_was_alerted_of_a_service_is_over_when_it_is_let_go_of(watched: Watched, ends: Wanted | None) -> None:
    """The listing finds it stopped, or its supervision switched off, before its own supervisor looks again."""
    lasting = Alert(f"{NAME}/serve-1", "given up")
    watched.fire(Alert("svc-2/serve-0", "another's"))
    with supervising_all(watched):
        wait_until(lambda: any(state.mode is Mode.ACTING for state in watched.states), what="its supervisor")
        watched.fire(lasting)
        # Between two looks it is listed several times: while it is wanted that settles nothing.
        looks = len(watched.states)
        wait_until(lambda: len(watched.states) > looks, what="the next look")
        assert lasting.key in watched.alerts
        if ends is Wanted.STOPPED:
            Actions(watched.connection, pause=hurried).stop(NAME)
        else:
            unsupervised = replace(spec(), supervise=replace(spec().supervise, enabled=False))
            Actions(watched.connection, pause=hurried).launch(unsupervised, replace=True)
        wait_until(lambda: lasting.key not in watched.alerts, what="the alert's end")
    assert "svc-2/serve-0" in watched.alerts


def test_what_was_alerted_of_a_service_lasts_when_the_supervisor_is_ended(watched: Watched) -> None:
    """Whoever supervises next tells what of it is over: nobody has seen that yet."""
    with supervising_all(watched):
        wait_until(lambda: any(state.mode is Mode.ACTING for state in watched.states), what="its supervisor")
        watched.fire(Alert(f"{NAME}/serve-1", "given up"))
    assert f"{NAME}/serve-1" in watched.alerts


def test_what_could_not_be_read_is_forgotten_when_it_is_gone(watched: Watched) -> None:
    """Nobody supervises it in the end, so that nobody else would tell that the alert is over."""
    unreadable(watched, "another")
    with supervising_all(watched):
        wait_until(lambda: "another/supervision" in watched.alerts, what="the alert")
        watched.fire(Alert("svc-2/serve-0", "another's"))
        watched.connection.store("another").remove()
        wait_until(lambda: "another/supervision" not in watched.alerts, what="the alert's end")
        assert "svc-2/serve-0" in watched.alerts


def test_a_service_that_cannot_be_read_leaves_the_others_supervised(watched: Watched) -> None:
    """With --all the others are found, and of this one somebody is told."""
    unreadable(watched, "another")
    with supervising_all(watched) as said:
        wait_until(lambda: any(state.live == 3 for state in watched.states), what="the good one")
        assert "another/supervision" in watched.alerts
        assert any("another" in text for text in said)
