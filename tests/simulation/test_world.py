"""The simulation's own parts: a network without sockets, a world with a clock, and what they show of the real code."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.simulation.faults import Fault, Kind
from tests.simulation.invariants import Watch
from tests.simulation.life import Life
from tests.simulation.transport import Killed, Plug
from tests.simulation.world import NAME, Shape, World
from yarnserve.errors import ConflictError, RequestTimeoutError, UnreachableError
from yarnserve.sandbox.states import ComponentState
from yarnserve.service.actions import Actions
from yarnserve.service.look import look
from yarnserve.service.state import Wanted

SHAPE = Shape(replicas=3, nodes=3, hadoop="3.1.4", is_pair=False, load=(20.0, 20.0))

Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes worlds with a launched service."""
    worlds: list[World] = []

    def new(*faults: Fault, shape: Shape = SHAPE) -> World:
        directory = tmp_path / str(len(worlds))
        directory.mkdir()
        worlds.append(World(shape, faults, directory))
        worlds[-1].launch()
        return worlds[-1]

    yield new
    for world in worlds:
        world.close()


def actions(world: World, plug: Plug) -> Actions:
    """Acts under the world's clock."""
    clock = lambda: world.now  # noqa: E731
    return Actions(world.connection(plug), clock=clock, now=clock, pause=world.pause)


def supervised(world: World) -> tuple[Life, Watch]:
    """A supervisor that is watched."""
    watch = Watch(world, world.spec().supervise)
    return Life(world, watch, Random(0)), watch


def test_the_real_clients_ask_without_a_socket(make: Make) -> None:
    """What was launched is looked at through YARN, NodeManagers, NameNode and DataNode."""
    world = make()
    snapshot = look(world.connection(Plug(world.network)), NAME)
    assert [each.instance for each in snapshot.replicas] == ["serve-0", "serve-1", "serve-2"]
    assert snapshot.desired is not None
    assert (snapshot.desired.state, snapshot.complete, snapshot.notes) == (Wanted.RUNNING, True, ())


def test_silence_costs_time_and_refusal_none(make: Make) -> None:
    """A host that is cut off is waited for on the world's clock, by whoever asks at the same time only once."""
    world = make()
    storage = world.connection(Plug(world.network)).eyes
    before = world.now
    world.network.refusing.add("namenode.sim")
    with pytest.raises(UnreachableError):
        storage.home()
    world.catch_up()
    assert world.now == before
    world.network.silent.add("namenode.sim")
    with pytest.raises(UnreachableError):
        storage.home()
    world.catch_up()
    assert world.now == pytest.approx(before + 3.05)


def test_the_dead_send_nothing(make: Make) -> None:
    """After its fuse a process is killed: the request was carried out, and nothing it does any more is."""
    world = make()
    plug = Plug(world.network)
    connection = world.connection(plug)
    plug.fuse = 1
    with pytest.raises(Killed):
        connection.eyes.home()
    sent = world.network.requests
    with pytest.raises(Killed):
        connection.eyes.home()
    assert world.network.requests == sent


def test_a_master_whose_node_is_off_answers_nobody(make: Make) -> None:
    """Its node's silence is known to nobody yet: who asks waits, until a new one runs elsewhere."""
    world = make()
    connection = world.connection(Plug(world.network))
    (application,) = world.yarn.cluster.applications.values()
    container = application.attempts[-1].container
    assert container is not None
    node = container.node
    node.power_off(world.now)
    with pytest.raises(RequestTimeoutError):
        connection.services.get(NAME)
    node.power_on(world.now)
    world.advance(world.now + 60)
    assert connection.services.get(NAME).component("serve") is not None
    assert world.right() == 3


def test_what_was_meant_is_not_what_yarn_has_put_in_its_place(make: Make) -> None:
    """While an act waits YARN replaces the dead container: the sound one in its place is not taken away."""
    world = make()
    process = next(each for each in world.servers.running() if each.number == 0)
    world.servers.kill(process, signal.SIGKILL)
    component = world.component()
    assert component is not None
    while component.state is not ComponentState.FLEXING:
        world.advance(world.now + 0.1)
    with pytest.raises(ConflictError, match="another container by now"):
        actions(world, Plug(world.network)).take_out(NAME, "0", container_id=process.launch.container_id)
    assert [instance.name for instance in component.instances] == ["serve-0", "serve-1", "serve-2"]


def test_who_is_given_up_is_looked_at_in_no_hurry(make: Make) -> None:
    """Before Hadoop 3.1.3 one that hangs cannot be replaced: it is not asked every two seconds for ever."""
    world = make(Fault(Kind.HANG, 0.0, 0.0, 0.0, 0.0), shape=Shape(3, 3, "3.1.1", False, (20.0, 20.0)))
    life, watch = supervised(world)
    life.run(world.now + 120)
    before = life.steps
    life.run(world.now + 600)
    assert life.steps - before <= 45
    assert not watch.violations


def test_a_hang_is_cured_and_the_world_knows(make: Make) -> None:
    """The replica that hangs is replaced, and bad minutes end with that."""
    world = make(Fault(Kind.HANG, 30.0, 0.0, 0.0, 0.0))
    life, watch = supervised(world)
    life.run(world.now + 300)
    assert world.right() == 3
    assert 0 < world.tally.bad < 120
    assert watch.violations == []
    assert [ending.number for ending in watch.endings] == [0]


def test_a_supervisor_that_begins_while_hdfs_is_down_waits_for_it(make: Make) -> None:
    """It is no bug of ours, and no reason to die: each step tells that nothing can be read."""
    world = make(Fault(Kind.HDFS_DOWN, 0.0, 300.0, 0.0, 0.9))
    world.advance(world.now + 1.0)
    life, watch = supervised(world)
    life.run(world.now + 600)
    assert any("cannot be looked at" in line for line in world.history)
    assert any("supervises it" in line for line in world.history)
    assert watch.violations == []


def test_without_a_supervisor_a_hang_is_for_ever(make: Make) -> None:
    """YARN alone sees nothing."""
    world = make(Fault(Kind.HANG, 30.0, 0.0, 0.0, 0.0), shape=Shape(3, 3, "3.1.4", False, (20.0, 20.0), False))
    world.advance(world.now + 600)
    assert world.right() == 2
    assert world.tally.bad == pytest.approx(570, abs=2)
