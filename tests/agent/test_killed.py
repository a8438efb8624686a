"""kill -9 of agent or server at a moment drawn by seed, in the midst of an update: what was good is served again."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from random import Random

import pytest

from tests.agent.support import Host
from yarnserve.repository.local import read_local_manifest

SEEDS = [*range(20), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(20, 200))]

#: Seconds that an update takes, about.
UPDATE = 4.0


@pytest.mark.parametrize("seed", SEEDS)
def test_whoever_is_killed_the_update_comes_to_its_end(host: Host, seed: int) -> None:
    """The agent, or its server, or both, die in an update from version 1 to 2; then 2 is served and whole."""
    random = Random(seed)
    host.promote(1)
    agent = host.start()
    host.wait_ready(1)
    host.publish(2)
    host.promote(2)
    moment = threading.Event()
    moment.wait(random.uniform(0, UPDATE))
    victims = random.choice([("agent",), ("server",), ("server", "agent")])
    if "server" in victims:
        host.signal_server(signal.SIGKILL)
    if "agent" in victims:
        with suppress(ProcessLookupError):
            os.kill(agent.pid, signal.SIGKILL)
        agent.wait()
        host.start()
    host.wait_ready(2)
    assert host.predict() == 200
    models = host.directory / "work" / "models" / "digits"
    for number in (path for path in models.iterdir() if path.name.isdecimal()):
        assert read_local_manifest(number) is not None
