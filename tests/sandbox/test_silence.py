"""A service that has failed everywhere: YARN goes silent, yarnserve must not."""

from __future__ import annotations

import urllib.request

import pytest

from tests.sandbox.test_actions import running, spec
from tests.sandbox.yarn_support import connection_to
from tests.support import REPOSITORY, wait_until
from yarnserve.errors import YarnserveError
from yarnserve.sandbox import Sandbox
from yarnserve.service.actions import Actions
from yarnserve.service.connection import Connection
from yarnserve.service.look import look
from yarnserve.service.waiting import wait_until_live
from yarnserve.spec.model import COMPONENT

NAME = "goes-silent"


def container(connection: Connection) -> str:
    """The id of the replica's container, empty while it has none."""
    component = connection.services.get(NAME).component(COMPONENT)
    return next((each.id for each in component.containers if each.bare_host), "") if component else ""


def test_a_service_that_failed_on_every_node_says_so() -> None:
    """After the fourth failure on the only node YARN places nothing more: told with its fix, and launch --wait ends."""
    with Sandbox(user="alice", nodes=1) as cluster, connection_to(cluster) as connection:
        cluster.upload(REPOSITORY / "examples" / "digits" / "model", "/models/digits")
        Actions(connection).launch(spec(NAME))
        wait_until(lambda: running(connection, NAME), what="the replica")
        killed = ""
        for _ in range(4):
            killed = wait_until(
                lambda: (now := container(connection)) != killed and now,  # noqa: B023  called at once
                what="the next container",
            )
            url = f"{cluster.resource_manager_url}/sandbox/containers/{killed}/kill"
            urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=20).close()
        replica = wait_until(
            lambda: next((each for each in look(connection, NAME).replicas if each.verdict.certain), None),
            what="silence",
        )
        assert "YARN avoids every node for this service" in replica.verdict.reason
        assert "launch the service again" in replica.verdict.fix
        with pytest.raises(YarnserveError, match="does not become live") as caught:
            wait_until_live(connection, NAME, timeout=20)
        assert "avoids every node" in caught.value.why
        Actions(connection).destroy(NAME)
