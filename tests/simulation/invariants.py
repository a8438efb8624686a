"""What must hold in a simulation at every moment, judged by the world's own truth and not by what anybody saw.

Every order that reaches YARN is looked at before it is carried out: whom does it end, was there a reason, is there
room for it? What :class:`Watch` finds is a violation, with the seed's history behind it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.replicas import Process
from tests.simulation.transport import Call
from tests.simulation.world import World
from yarnserve.records.journal import JournalEntry, What
from yarnserve.records.policy import SupervisePolicy
from yarnserve.records.supervision import ServiceState
from yarnserve.sandbox.component import Component
from yarnserve.sandbox.states import ComponentState
from yarnserve.spec.endpoints import instance_number
from yarnserve.spec.model import COMPONENT

#: Seconds in which deaths belong together, as peers.md 5.1 has it, with some for the time it takes to see them.
LOOP_WINDOW = 720.0
LOOP_DEATHS = 2
DAILY = 20
SERVICE_WINDOW = 600.0
SERVICE_LEAST = 5

#: Seconds after which whoever still runs was not ended by an order that had no answer.
_CARRIED_OUT = 60.0


@dataclass
class Ending:
    """One replica ended by our hand.

    *told_at* is the supervisor's time; *known* are the numbers that there were then; *is_over* once something became
    of it. *is_lost*: the order had no answer; *never_was*: and was never carried out.
    """

    at: float
    told_at: float
    number: int
    container: str
    known: frozenset[int]
    is_over: bool = False
    is_lost: bool = False
    never_was: bool = False


@dataclass
class Watch:
    """Watches the orders in *world* of a supervisor with *policy*.

    Attributes:
        clock: the supervisor's, in seconds since the epoch.
        violations: what must not be, in words.
        endings: every replica that was ended by our hand.
    """

    world: World
    policy: SupervisePolicy
    clock: Callable[[], float] = lambda: 0.0
    violations: list[str] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    forgets_before: float = 0.0
    set_back: list[tuple[float, float]] = field(default_factory=list)
    taken_out: set[int] = field(default_factory=set)
    _shown: ServiceState | None = None
    _state: ServiceState | None = None
    _is_stale: bool = False
    _lineage: dict[int, int] = field(default_factory=dict)

    def waits(self, begun_by: float) -> bool:
        """Whether nothing has become yet of a replica that was ended until *begun_by* (seconds of the world)."""
        return any(not ending.is_over and ending.at <= begun_by for ending in self.endings)

    def seen(self, state: ServiceState) -> None:
        """Take in how the supervisor says that it stands."""
        self._shown = state
        self._state, self._is_stale = None if self._is_stale else state, False

    def decided(self, entry: JournalEntry) -> None:
        """Take in what the supervisor is about to do: a replica that is taken out does not come back at once."""
        if entry.what is What.DECIDED and entry.text.startswith("take out"):
            self.taken_out.add(instance_number(entry.instance))
        if entry.what is What.FAILED:
            # The state of this step tells of it as if it were done.
            self._is_stale = True

    def before(self, call: Call) -> None:
        """Look at a request before it is carried out."""
        if not call.writes:
            return
        body = json.loads(call.body) if call.body else {}
        self.world.tell(f"{call.method} {call.path} {json.dumps(body) if body else ''}".rstrip())
        component = self.world.component()
        if component is None:
            return
        for number, container in self._victims(call, body, component):
            self._ends(number, container, component)

    def after(self, call: Call, status: int | None) -> None:
        """Take in the answer to a request, None for none."""
        if call.writes and status is None:
            for ending in self.endings:
                ending.is_lost = ending.is_lost or ending.at == self.world.now

    def after_step(self) -> None:
        """Take in what became of what was begun."""
        for ending in self.endings:
            if not ending.is_over:
                ending.is_over = self._is_over(ending)

    def at_the_end(self, *, patience: float) -> None:
        """Require that all is well *patience* seconds after the last fault, or that it is said why not."""
        right, wanted = self.world.right(), self.world.shape.replicas
        if right < wanted and self.world.can_replace:
            self._violated(f"only {right} of {wanted} replicas answer, {patience:.0f} s after the last fault")
        told = sum(bool(each.decision) for each in self._shown.replicas) if self._shown is not None else 0
        if right + told < wanted:
            self._violated(f"only {right} of {wanted} replicas answer, and of {told} others it is said why")

    def _age(self, at: float) -> float:
        """How long ago that was by the supervisor's clock: what was before it was set back looks younger."""
        return self.world.now - at - sum(seconds for set_at, seconds in self.set_back if set_at > at)

    def _victims(self, call: Call, body: Mapping[str, Any], component: Component) -> Iterable[tuple[int, str]]:
        """Return number and container of whom the order ends."""
        containers = {
            instance.index: instance.container.id if instance.container else "" for instance in component.instances
        }
        if "/orders/leave" in call.path:
            wanted = call.path.split("/")[1]
            return [(number, each) for number, each in containers.items() if each == wanted]
        if "/signal/" in call.path:
            wanted = call.path.split("/containers/")[1].split("/")[0]
            return [(number, each) for number, each in containers.items() if each == wanted]
        told = next((each for each in body.get("components", ()) if each.get("name") == COMPONENT), {})
        if body.get("state") == "FLEX":
            return self._flexed(told["number_of_containers"], component, containers)
        names = told.get("decommissioned_instances", ())
        numbers = [int(name.rpartition("-")[2]) for name in names]
        return [(number, containers[number]) for number in numbers if number in containers]

    def _flexed(self, count: int, component: Component, containers: Mapping[int, str]) -> list[tuple[int, str]]:
        if component.state is ComponentState.FLEXING:
            self._violated(f"FLEX to {count} while the component is FLEXING")
        if count > self.world.shape.replicas:
            self._violated(f"FLEX to {count}, more than the {self.world.shape.replicas} that a person wants")
        return sorted(containers.items())[count:]

    def _ends(self, number: int, container: str, component: Component) -> None:
        known = frozenset(instance.index for instance in component.instances)
        if any(each.container == container and container and not each.never_was for each in self.endings):
            return
        self._require_reason(number, container)
        self._require_room(number)
        self._require_alone(number)
        self.endings.append(Ending(self.world.now, self.clock(), number, container, known, number in self.taken_out))
        self._require_budgets(number)

    def _require_reason(self, number: int, container: str) -> None:
        now, runs = self.world.now, self.world.servers.runs_of(container)
        if not runs or any(run.fell_ill_at <= now for run in runs):
            return
        if now - runs[-1].started_at > self.policy.startup_deadline and runs[-1].up_at > now:
            return
        # Of this instance: what died elsewhere, in another's place, says nothing against it.
        deaths = [at for at, other in self.world.servers.deaths if other == number]
        if sum(self._age(at) < LOOP_WINDOW for at in deaths) < LOOP_DEATHS:
            self._violated(f"serve-{number} is ended without a reason: {container} was well all its life")

    def _require_room(self, number: int) -> None:
        world = self.world
        is_right = any(each.number == number and each.is_right(world.now) for each in world.servers.running())
        if is_right and world.right() - 1 < world.least:
            self._violated(f"serve-{number} answers, and {world.right() - 1} others are fewer than {world.least}")

    def _require_alone(self, number: int) -> None:
        self.after_step()
        other = next((each for each in self.endings if not each.is_over), None)
        if other is not None:
            since = self.world.now - other.at
            self._violated(f"serve-{number} is ended, {since:.0f} s after serve-{other.number}, which is not back")

    def _require_budgets(self, number: int) -> None:
        now = self.world.now
        counted = [each for each in self.endings if each.at >= self.forgets_before]
        # To take one out is what ends a storm of restarts, and is counted by nobody.
        lately = sum(now - each.at < SERVICE_WINDOW and each.number not in self.taken_out for each in counted)
        allowed = max(SERVICE_LEAST, self.world.shape.replicas)
        if lately > allowed:
            self._violated(f"{lately} replicas ended in {SERVICE_WINDOW:.0f} s, more than {allowed}")
        own = [each for each in counted if self._root(each.number) == self._root(number)]
        recent = sum(now - each.at < self.policy.restart_window for each in own)
        if recent > self.policy.restarts:
            self._violated(f"serve-{number}: {recent} restarts in {self.policy.restart_window} s")
        if sum(now - each.at < 86_400 for each in own) > DAILY:
            self._violated(f"serve-{number}: more than {DAILY} restarts in a day")
        left = _given_up_until(self._state, number) - self.clock()
        if left > 0:
            self._violated(f"serve-{number} is ended although it is given up for {left:.0f} s more")

    def _is_over(self, ending: Ending) -> bool:
        """Whether what took the place of a replica was well once, has died, or has had its time."""
        now = self.world.now
        # By the supervisor's clock, too: it may have been set forward.
        if max(now - ending.at, self.clock() - ending.told_at) > self.policy.startup_deadline:
            return True
        if ending.is_lost and now - ending.at > _CARRIED_OUT and self._runs_still(ending.container):
            ending.never_was = True
            return True
        heirs = [process for process in self.world.servers.started if _is_heir(process, ending)]
        for process in heirs:
            if process.number != ending.number:
                self._lineage.setdefault(process.number, ending.number)
        return any(process.up_at <= now or not process.runs for process in heirs)

    def _runs_still(self, container: str) -> bool:
        component = self.world.component()
        instances = component.instances if component is not None else ()
        return any(each.container is not None and each.container.id == container for each in instances)

    def _root(self, number: int) -> int:
        while number in self._lineage:
            number = self._lineage[number]
        return number

    def _violated(self, text: str) -> None:
        self.violations.append(f"at {self.world.elapsed:.1f} s: {text}")
        self.world.tell(f"VIOLATED: {text}")


def _given_up_until(state: ServiceState | None, number: int) -> float:
    replicas = state.replicas if state is not None else ()
    told = next((each.given_up_until for each in replicas if each.instance == f"serve-{number}"), None)
    return told or 0.0


def _is_heir(process: Process, ending: Ending) -> bool:
    """Whether *process* runs in place of what was ended: in another container, of its number or of a new one."""
    takes_place = process.number == ending.number or process.number not in ending.known
    return takes_place and process.started_at >= ending.at and process.launch.container_id != ending.container
