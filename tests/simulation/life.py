"""A supervisor's life in a world: it steps when it is due, is killed, comes back, and its clock jumps."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from random import Random

from tests.simulation.faults import Fault, Kind, draw
from tests.simulation.invariants import Watch
from tests.simulation.transport import Killed, Plug
from tests.simulation.world import NAME, Shape, Tally, World, shape_of
from yarnserve.records.journal import JournalEntry
from yarnserve.service.connection import Connection
from yarnserve.service.eyes import Eyes
from yarnserve.supervise.supervisor import Supervisor
from yarnserve.supervise.tools import Tools

#: Seconds from a supervisor's death until it is started again.
REVIVAL = (2.0, 20.0)
#: Seconds of a pause after which the lease is looked at: less often than really, and often enough.
KEEP_EVERY = 15.0
#: Requests after which an armed death comes, at most.
LONGEST_FUSE = 60
#: Seconds after the last fault until all must be live: a replica that was given up has one trial after half an hour,
#: a second after an hour more.
PATIENCE = 3 * 3600.0
#: The same where nobody can replace a single replica: until it has to be said that it is so.
SHORT_PATIENCE = 1200.0
#: Seconds in which all faults begin.
SPANS = (900.0, 1500.0, 2400.0)
#: How many of the worlds have agents, and so can go back to the model version before.
AGENTS = 0.4
#: Seconds in which nothing happens that ends the wait for that.
QUIET = 60.0


@dataclass(frozen=True)
class Story:
    """What came of one seed.

    Attributes:
        seed: it.
        shape: of its world.
        faults: those that came.
        violations: what must not be, in words.
        history: what happened.
        tally: how bad it was.
        requests: how many were sent.
        steps: how many the supervisor made.
        elapsed: seconds that it lasted, on the world's clock.
        recovered: those of them after the end of the last fault.
        seconds: what it took of the processor.
    """

    seed: int
    shape: Shape
    faults: tuple[Fault, ...]
    violations: tuple[str, ...]
    history: tuple[str, ...]
    tally: Tally
    requests: int
    steps: int
    elapsed: float
    recovered: float
    seconds: float

    def __str__(self) -> str:
        head = f"seed {self.seed}: {self.shape}, {len(self.faults)} faults, {self.elapsed / 60:.0f} minutes"
        return "\n".join([head, *self.history, "", *(f"VIOLATED {each}" for each in self.violations)])


class Life:
    """Supervises the service of *world*, judged by *watch*; *random* draws what it draws."""

    def __init__(self, world: World, watch: Watch, random: Random) -> None:
        self.steps = 0
        self._world = world
        self._watch = watch
        self._random = random
        self._skew = 0.0
        self._plug: Plug | None = None
        self._connection: Connection | None = None
        self._supervisor: Supervisor | None = None
        self._due = world.now
        self._armed: Fault | None = None
        self._asleep_until = 0.0
        watch.clock = self._now
        world.on_supervisor = self._fault
        world.network.before = self._before
        world.network.after = watch.after

    def run(self, until: float) -> None:
        """Go on until then."""
        world = self._world
        while world.now < until:
            if world.now >= self._due:
                self._step()
            world.advance(min(until, max(self._due, world.now), world.now + KEEP_EVERY))
            if world.now < self._due:
                self._keep()

    def _step(self) -> None:
        world = self._world
        if self._supervisor is None:
            self._start()
        assert self._supervisor is not None
        self.steps += 1
        try:
            pause = self._supervisor.step()
        except Killed:
            self._died()
            return
        world.catch_up()
        self._watch.after_step()
        self._due = world.now + max(pause, 0.1)

    def _keep(self) -> None:
        """Let the lease go on in a long pause, as whoever runs supervisors does."""
        if self._supervisor is None or self._world.now < self._asleep_until:
            return
        try:
            self._supervisor.keep()
        except Killed:
            self._died()

    def _start(self) -> None:
        world = self._world
        self._plug = Plug(world.network)
        self._connection = world.connection(self._plug)
        tools = Tools(
            eyes=Eyes(
                observe=world.servers.observe,
                agents_at=world.servers.agents_at,
                post=world.servers.order,
                read_all=lambda urls, deadline: (None,) * len(urls),
                beside=world.network.waits.beside,
            ),
            journal=self._journal,
            board=self._watch.seen,
            narrate=lambda text: world.tell(f"    ({text})"),
            clock=lambda: world.now,
            now=self._now,
            pause=world.pause,
            draw=self._random.random,
        )
        self._supervisor = Supervisor(self._connection, NAME, tools)

    def _now(self) -> float:
        return self._world.now + self._skew

    def _journal(self, entry: JournalEntry) -> None:
        self._watch.decided(entry)
        about = f" {entry.instance}" if entry.instance else ""
        rule = f" [{entry.rule}]" if entry.rule else ""
        self._world.tell(f"{entry.what.value:8}{about}: {entry.text}{rule}")

    def _died(self) -> None:
        world = self._world
        world.tell("the supervisor is dead")
        self._supervisor = None
        world.catch_up()
        self._due = world.now + self._random.uniform(*REVIVAL)

    def _before(self, call: object) -> None:
        """Light the fuse of a death that waits for an action."""
        self._watch.before(call)  # type: ignore[arg-type]
        if self._armed is not None and call.writes and self._plug is not None and self._plug.fuse is None:  # type: ignore[attr-defined]
            self._plug.fuse = 1 + int(self._armed.more**2 * LONGEST_FUSE)
            self._armed = None

    def _fault(self, fault: Fault) -> None:
        if fault.kind is Kind.KILLED:
            self._armed = fault
        elif fault.kind is Kind.CLOCK_JUMP:
            self._jump(fault)

    def _jump(self, fault: Fault) -> None:
        """The wall clock is set, or the whole machine sleeps."""
        if fault.pick < 0.25:
            seconds = 60 + fault.more * 1200
            self._world.tell(f"the supervisor's machine sleeps for {seconds:.0f} s")
            self._asleep_until = self._world.now + seconds
            self._due = max(self._due, self._asleep_until)
            return
        seconds = (fault.more - 0.5) * (7200 if fault.pick < 0.6 else 240)
        self._world.tell(f"the supervisor's clock is set by {seconds:.0f} s")
        self._skew += seconds
        self._watch.forgets_before = self._world.now
        if seconds < 0:
            self._watch.set_back.append((self._world.now, -seconds))


@contextmanager
def processors() -> Iterator[ProcessPoolExecutor]:
    """All of them, to live through many seeds at once."""
    context = get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context, initializer=_keep_quiet) as pool:
        yield pool


def _keep_quiet() -> None:
    """Leases that cannot be renewed while HDFS is down are no news here."""
    logging.getLogger("yarnserve").setLevel(logging.ERROR)


def simulate(seed: int, *, most_replicas: int = 20, faults: int = 17) -> Story:
    """Live through *seed*."""
    random = Random(seed)
    shape = replace(shape_of(random, most_replicas), has_agents=Random(f"agents {seed}").random() < AGENTS)
    span = random.choice(SPANS)
    return live_through(seed, shape, draw(random, faults, span), random)


def live_through(
    seed: int, shape: Shape, drawn: tuple[Fault, ...], random: Random, *, until: float | None = None
) -> Story:
    """Live through *drawn* faults in a world of *shape*, until all is well again or *until* so many seconds."""
    begun = time.process_time()
    with _world(seed, shape, drawn) as world:
        watch = Watch(world, world.spec().supervise)
        life = Life(world, watch, random)
        end = max((fault.until for fault in drawn), default=0.0)
        life.run(world.now + (end + 1.0 if until is None else until))
        patience = PATIENCE if world.can_replace else SHORT_PATIENCE
        bound = world.now - world.elapsed + end + patience
        # What is being done at the end of the bound is judged by what becomes of it.
        while until is None and world.right() < shape.replicas and (world.now < bound or watch.waits(bound)):
            life.run(world.now + QUIET)
        if until is None:
            watch.at_the_end(patience=patience)
        return Story(
            seed,
            shape,
            drawn,
            tuple(watch.violations),
            tuple(world.history),
            world.tally,
            world.network.requests,
            life.steps,
            world.elapsed,
            world.elapsed - end,
            time.process_time() - begun,
        )


def alone(seed: int, shape: Shape, drawn: tuple[Fault, ...], *, until: float) -> Tally:
    """The same under YARN alone: how bad it is *until* so many seconds have passed."""
    with _world(seed, shape, drawn) as world:
        world.advance(world.now + until)
        return world.tally


@contextmanager
def _world(seed: int, shape: Shape, drawn: tuple[Fault, ...]) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="simulation-") as directory:
        world = World(shape, drawn, Path(directory), seed)
        try:
            world.launch()
            yield world
        finally:
            world.close()
