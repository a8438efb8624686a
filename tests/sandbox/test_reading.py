"""On versions that leak per call a watcher asks the services API rarely, and misses nothing."""

from __future__ import annotations

import contextlib

from tests.sandbox.test_actions import FastClock, running, spec
from tests.sandbox.yarn_support import relaying_yarn
from tests.support import REPOSITORY, wait_until
from yarnserve.config import Flags, resolve
from yarnserve.errors import NotFoundError
from yarnserve.sandbox import Sandbox
from yarnserve.service.actions import Actions
from yarnserve.service.connection import connect
from yarnserve.service.finding import newest_application
from yarnserve.service.look import look
from yarnserve.service.reading import FIRST_INTERVAL, Reader
from yarnserve.spec.model import COMPONENT

NAME = "rarely-read"


def test_a_leaking_version_is_asked_after_changes_and_every_few_minutes_only() -> None:
    """A look at 3.1.1 sends no services GET until a container changes or the growing interval has passed."""
    asked: list[str] = []
    with Sandbox(user="alice") as cluster, relaying_yarn(cluster.resource_manager_url) as relay:
        cluster.upload(REPOSITORY / "examples" / "digits" / "model", "/models/digits")
        relay.before = lambda method, path: asked.append(path) if f"services/{NAME}" in path else None
        flags = Flags(resource_manager=relay.url, hadoop_version="3.1.1")
        with connect(resolve(flags, cluster.environment)) as connection:
            Actions(connection).launch(spec(NAME))
            wait_until(lambda: running(connection, NAME))
            clock = FastClock()
            reader = Reader(connection, NAME, clock=clock)
            assert reader.sparing
            asked.clear()
            for _ in range(5):
                assert look(connection, NAME, reader=reader).service is not None
            assert len(asked) == 1
            clock.now += FIRST_INTERVAL
            for _ in range(3):
                look(connection, NAME, reader=reader)
            assert len(asked) == 2
            clock.now += FIRST_INTERVAL
            look(connection, NAME, reader=reader)
            assert len(asked) == 2
            Actions(connection).scale(NAME, 2)
            asked.clear()

            def both_seen() -> bool:
                clock.now += 1
                component = reader.read(newest_application(connection, NAME)).component(COMPONENT)
                return component is not None and len(component.containers) == 2

            wait_until(both_seen)
            assert len(asked) <= 3
            with contextlib.suppress(NotFoundError):
                Actions(connection).destroy(NAME)
