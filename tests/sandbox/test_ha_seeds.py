"""Any act, any daemon dying in any way at any moment: drawn by seed, so that a failure can be seen again.

A seed draws what happens; when a death of ``now`` falls into the act is up to the machine, and what must hold does not
depend on it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random

import pytest

from tests.sandbox.cluster_support import send
from tests.sandbox.ha_support import ALICE, SERVICES
from tests.sandbox.test_ha_clients import NAME, Acting, acting, spec
from yarnserve.errors import NotFoundError, YarnserveError
from yarnserve.sandbox.profile import HADOOP_3_1_4, HADOOP_3_3_6
from yarnserve.service.actions import Actions

#: How many are drawn in every run of the tests.
SEEDS = 8


@dataclass(frozen=True)
class Definition:
    """What YARN has of the service: its size, and the memory of a replica in MiB."""

    replicas: int
    memory: int


@dataclass(frozen=True)
class Wish:
    """An act on the running service, and what is there afterwards; *definition* is None for nothing."""

    act: Callable[[Actions], object]
    definition: Definition | None
    runs: bool = True


BEFORE = Definition(1, 512)
LARGER = replace(spec(2), resources=replace(spec().resources, memory_mb=600))
WISHES = {
    "launch": Wish(lambda actions: actions.launch(spec(2)), Definition(2, 512)),
    "replace": Wish(lambda actions: actions.launch(LARGER, replace=True), Definition(2, 600)),
    "scale": Wish(lambda actions: actions.scale(NAME, 2), Definition(2, 512)),
    "restart": Wish(lambda actions: actions.restart(NAME, "0"), BEFORE),
    "stop": Wish(lambda actions: actions.stop(NAME), BEFORE, runs=False),
    "destroy": Wish(lambda actions: actions.destroy(NAME), None, runs=False),
}


@dataclass(frozen=True)
class Death:
    """A daemon that dies: what the sandbox is asked for, *delay* seconds after the act has begun."""

    query: dict[str, str]
    delay: float


def drawn_deaths(random: Random) -> list[Death]:
    """One death, or one of each kind of daemon."""
    kinds = random.choice((["resourcemanager"], ["resourcemanager"], ["namenode"], ["resourcemanager", "namenode"]))
    deaths = []
    for of in kinds:
        at = random.choice(("now", "before", "saved", "after")) if of == "resourcemanager" else "now"
        how = random.choice(("kill", "term")) if of == "resourcemanager" and at == "now" else "kill"
        deaths.append(Death({"of": of, "how": how, "at": at}, random.uniform(0, 0.4) if at == "now" else 0.0))
    return deaths


def shown(act: Acting) -> Definition | None:
    """What YARN says of the running service, once it says anything of its replicas; None where it does not run."""
    if not act.pairs.applications():
        return None
    replicas = act.replicas()
    url = f"{act.pairs.one('resourcemanager', 'ACTIVE')}{SERVICES}/{NAME}"
    component = send("GET", url, **ALICE).document()["components"][0]
    return Definition(replicas, int(component["resource"]["memory"]))


def stored(act: Acting) -> Definition | None:
    """The definition that YARN has, which a stopped service only shows when it is started."""
    if not act.pairs.applications():
        try:
            act.actions.start(NAME)
        except NotFoundError:
            return None
    return shown(act)


def check_failure(act: Acting, error: YarnserveError, wish: Wish) -> None:
    """What has failed says what to do, has left nothing mixed, and succeeds when it is repeated."""
    assert error.fix or error.next, error.details()
    assert len(act.pairs.applications()) <= 1
    assert shown(act) in (None, BEFORE, wish.definition)
    with suppress(NotFoundError):
        wish.act(act.actions)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_dies_one_application_and_one_definition_are_left(seed: int) -> None:
    """The act is carried out, once and whole, or fails with what to do and is carried out when it is repeated."""
    random = Random(seed)
    profile = random.choice((HADOOP_3_1_4, HADOOP_3_3_6))
    verb, wish = random.choice(list(WISHES.items()))
    deaths = drawn_deaths(random)
    with acting(profile) as act:
        timers = [threading.Timer(death.delay, act.pairs.die, kwargs=death.query) for death in deaths]
        for timer, death in zip(timers, deaths, strict=True):
            timer.start() if death.delay else timer.function(**timer.kwargs)
        try:
            wish.act(act.actions)
        except YarnserveError as error:
            check_failure(act, error, wish)
        for timer in timers:
            timer.cancel()
        act.pairs.one("namenode", "ACTIVE")
        assert len(act.pairs.applications()) == wish.runs, (verb, deaths)
        assert act.is_lease_free(), (verb, deaths)
        assert stored(act) == wish.definition, (verb, deaths)
