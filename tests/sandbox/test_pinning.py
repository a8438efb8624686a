"""Promoting for servers that read HDFS themselves: the version is pinned in their configuration at launch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.yarn_support import connection_to
from tests.support import REPOSITORY, claimed_ports
from yarnserve.errors import ConflictError, NotFoundError
from yarnserve.judge.plan import Step
from yarnserve.repository.channels import Channels
from yarnserve.repository.publish import publish
from yarnserve.sandbox import Sandbox
from yarnserve.service.actions import Actions
from yarnserve.service.connection import Connection
from yarnserve.service.waiting import wait_until_live
from yarnserve.spec.loader import parse_spec
from yarnserve.spec.model import ServiceSpec

BASE = "/user/alice/models/digits"
MODEL = REPOSITORY / "examples" / "digits" / "model" / "1"


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """A cluster with two versions of the digits, of which none was promoted."""
    with Sandbox(user="alice") as cluster, connection_to(cluster) as connected:
        for number in (1, 2):
            publish(connected.storage, MODEL, BASE, number)
        yield connected


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Ports of these services' own."""
    with claimed_ports() as base:
        yield base


def spec(name: str, port: int, version: str) -> ServiceSpec:
    """The digits in *version*."""
    text = f"""
name: {name}
model: {{base_path: {BASE}, version: {version}}}
serving: {{version: "2.6", flags: {{prefer_tflite_model: true}}}}
resources: {{memory: 512m}}
ports: {{grpc: {port}, rest: {port + 1}}}
"""
    return parse_spec(text, file="service.yaml", read_text=lambda path: "")


def served(connection: Connection, name: str) -> tuple[int, ...]:
    """The versions that the live replica serves."""
    (replica,) = wait_until_live(connection, name, timeout=60).replicas
    return replica.versions["digits"]


def test_stable_follows_the_channel_at_each_launch(connection: Connection, port: int) -> None:
    """A promotion and a roll-back reach the server by a launch, which says what differs; the newest is not served."""
    actions, channels = Actions(connection), Channels(connection.storage, BASE)
    stable = spec("stable", port, "stable")
    with pytest.raises(NotFoundError, match="no version of digits was promoted"):
        actions.launch(stable)
    channels.promote(1)
    actions.launch(stable)
    assert served(connection, "stable") == (1,)
    channels.promote(2)
    with pytest.raises(ConflictError) as caught:
        actions.launch(stable)
    assert "versions: 2" in str(caught.value.why)
    assert actions.launch(stable, replace=True).step is Step.REPLACE
    assert served(connection, "stable") == (2,)
    channels.rollback()
    actions.launch(stable, replace=True)
    assert served(connection, "stable") == (1,)
    assert actions.launch(stable).step is Step.NOTHING
    actions.destroy("stable")


def test_a_number_is_served_and_must_exist(connection: Connection, port: int) -> None:
    """The lower of two versions by its number; one that is not there is refused before anything is sent."""
    actions = Actions(connection)
    with pytest.raises(NotFoundError, match="the model has no version 7"):
        actions.launch(spec("numbered", port, "7"))
    actions.launch(spec("numbered", port, "1"))
    assert served(connection, "numbered") == (1,)
    actions.destroy("numbered")
