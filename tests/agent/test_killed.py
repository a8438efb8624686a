"""kill -9 of agent or server at moments drawn by seed, in the midst of updates: what is promoted is served at last."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from random import Random

import pytest

from tests.agent.support import Host
from tests.support import wait_until
from yarnserve.repository.local import read_local_manifest

#: Each seed is a life with four updates, and a death in each: 20 of them, and with the soak tier 200.
SEEDS = [*range(5), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(5, 50))]
UPDATES = 4

#: Seconds that an update takes, about.
UPDATE = 3.0


@pytest.mark.parametrize("seed", SEEDS)
def test_whoever_is_killed_the_update_comes_to_its_end(host: Host, seed: int) -> None:
    """The agent, or its server, or both, die in each update; then it is served, and all here are whole."""
    random = Random(seed)
    # A budget for the server's deaths, which are ours.
    host.extra = host.extra.replace("restarts: 4", "restarts: 10, max_backoff: 1s")
    host.promote(1)
    agent = host.start()
    host.wait_ready(1)
    host.publish(2)
    models = host.directory / "work" / "models" / "digits"
    for update in range(UPDATES):
        version = 2 - update % 2
        host.promote(version)
        threading.Event().wait(random.uniform(0, UPDATE))
        victims = random.choice([("agent",), ("server",), ("server", "agent")])
        if "server" in victims:
            host.signal_server(signal.SIGKILL)
        if "agent" in victims:
            with suppress(ProcessLookupError):
                os.kill(agent.pid, signal.SIGKILL)
            agent.wait()
            agent = host.start()
        host.wait_ready(version)
        wait_until(lambda wanted=version: host.serves(wanted) and host.predict() == 200)
        for number in (path for path in models.iterdir() if path.name.isdecimal()):
            assert read_local_manifest(number) is not None
