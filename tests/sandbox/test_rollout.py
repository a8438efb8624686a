"""Promotions followed through a service with agents: for all, as a canary, and back when the canary is bad."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.support import EXAMPLE, MODEL, ask
from tests.agent.test_faults import with_other_weights
from tests.sandbox.yarn_support import connection_to
from tests.support import REPOSITORY, claimed_ports, wait_until
from yarnserve.errors import (
    ConflictError,
    NotFoundError,
    UnhealthyError,
    UnreachableError,
    UsageError,
    WaitTimeoutError,
)
from yarnserve.orders import Order
from yarnserve.records.replica import Endpoint
from yarnserve.repository.channels import Channels
from yarnserve.repository.publish import publish
from yarnserve.sandbox import Sandbox
from yarnserve.service.actions import Actions
from yarnserve.service.agents import give_order
from yarnserve.service.connection import Connection
from yarnserve.service.look import look
from yarnserve.service.rollout import Rollout, promote_with_canary
from yarnserve.service.waiting import wait_until_live
from yarnserve.spec.loader import parse_spec

BASE = "/user/alice/models/digits"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Yarnserve as it stands here, for containers whatever is installed."""
    path = tmp_path_factory.mktemp("bin") / "yarnserve"
    path.write_text(f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m yarnserve "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def connection(program: Path) -> Iterator[Connection]:
    """A cluster on which two replicas of the digits run, version 1 of which is promoted."""
    with Sandbox(user="alice") as cluster, connection_to(cluster) as connected, claimed_ports() as port:
        publish(connected.storage, MODEL, BASE, 1)
        Channels(connected.storage, BASE).promote(1)
        text = f"""
name: digits
model: {{base_path: {BASE}, delivery: sync, example: e.json}}
serving: {{version: "2.6", flags: {{prefer_tflite_model: true}}}}
replicas: 2
resources: {{memory: 1g}}
ports: {{grpc: {port}, rest: {port + 1}, agent: {port + 2}}}
agent: {{command: {program}, poll: 1s, quiet: 1s, drain: 3s}}
supervise: {{check_interval: 2s, check_timeout: 1s}}
"""
        spec = parse_spec(text, file="service.yaml", read_text=lambda name: EXAMPLE.read_text())
        Actions(connected).launch(spec)
        wait_until_live(connected, "digits", timeout=60)
        yield connected
        Actions(connected).stop("digits")


def rollout(connection: Connection, said: list[str]) -> Rollout:
    """One that tells *said*."""
    return Rollout(connection, "digits", BASE, narrate=said.append)


def served(connection: Connection) -> dict[str, int | None]:
    """What each agent vouches for."""
    replicas = look(connection, "digits").replicas
    return {replica.instance: replica.agent.models[0].version for replica in replicas if replica.agent}


def test_a_canary_is_compared_and_then_all_serve_it(connection: Connection) -> None:
    """serve-1 alone serves version 2 while it is compared; then both do."""
    publish(connection.storage, MODEL, BASE, 2)
    said: list[str] = []
    following, channels = rollout(connection, said), Channels(connection.storage, BASE)
    promote_with_canary(following, channels, 2, ("serve-1",), bake=2.0, timeout=60.0, why="better", narrate=said.append)
    assert served(connection) == {"serve-0": 2, "serve-1": 2}
    assert any(line.startswith("canary: 0 of") for line in said)
    assert [entry.channel.stable for entry in channels.history()] == [1, 1, 2]


def test_a_canary_that_answers_wrongly_is_ended_and_nobody_else_sees_it(connection: Connection, tmp_path: Path) -> None:
    """Its agent refuses the version: the promotion fails with the reason, and the channel is as before."""
    publish(connection.storage, with_other_weights(tmp_path / "other"), BASE, 3)
    said: list[str] = []
    channels = Channels(connection.storage, BASE)
    before = channels.latest()
    with pytest.raises(UnhealthyError, match="serve-0 refuses version 3") as caught:
        promote_with_canary(
            rollout(connection, said), channels, 3, ("serve-0",), bake=2.0, timeout=60.0, why="", narrate=said.append
        )
    assert "answers the example wrongly" in caught.value.why
    latest = channels.latest()
    assert before is not None
    assert latest is not None
    assert (latest.channel.stable, latest.channel.canary) == (before.channel.stable, None)
    assert set(served(connection).values()) == {before.channel.stable}


def test_a_promotion_during_a_canary_stays(connection: Connection) -> None:
    """Somebody promotes another version while the canary is compared: its end undoes nobody else's word."""
    publish(connection.storage, MODEL, BASE, 4)
    channels = Channels(connection.storage, BASE)

    def overtake(text: str) -> None:
        if text.startswith("comparing"):
            channels.promote(1)

    following = Rollout(connection, "digits", BASE, narrate=overtake)
    with pytest.raises(ConflictError, match="since the canary began"):
        promote_with_canary(following, channels, 4, ("serve-1",), bake=0.5, timeout=60.0, why="", narrate=overtake)
    latest = channels.latest()
    assert latest is not None
    assert (latest.channel.stable, latest.channel.canary) == (1, None)


def test_one_agent_is_drained_and_taken_back_by_order(connection: Connection) -> None:
    """Status calls the replica draining, and live again after resume."""
    actions = Actions(connection)
    assert actions.order("digits", "0", Order.DRAIN).instance == "serve-0"
    wait_until(lambda: look(connection, "digits").replicas[0].verdict.health.value == "draining")
    actions.order("digits", "0", Order.RESUME)
    wait_until(lambda: look(connection, "digits").replicas[0].verdict.health.value == "live")


def test_who_is_ordered_to_leave_has_not_died(connection: Connection) -> None:
    """Another container comes in its place, and a supervisor knows that it was a person who ended the one before."""
    before = look(connection, "digits").replicas[0].container_id
    Actions(connection).order("digits", "0", Order.LEAVE)
    wait_until(
        lambda: look(connection, "digits").replicas[0].container_id not in ("", before), what="another container"
    )
    assert look(connection, "digits").replicas[0].was_ordered
    wait_until_live(connection, "digits", timeout=60)


def test_a_restart_goes_by_the_agent_on_any_hadoop(connection: Connection) -> None:
    """The sandbox's 3.1.4 knows no signals: the replica has the same name afterwards, and another container."""
    before = look(connection, "digits").replicas[1].container_id
    outcome = Actions(connection).restart("digits", "serve-1")
    assert outcome.instances == ("serve-1",)
    snapshot = wait_until_live(connection, "digits", timeout=60)
    assert snapshot.replicas[1].container_id != before
    assert [replica.instance for replica in snapshot.replicas] == ["serve-0", "serve-1"]


def test_a_version_that_does_not_come_is_a_time_out_with_who_lacks_it(connection: Connection) -> None:
    """Nobody promoted 9: each replica is named with what it serves."""
    with pytest.raises(WaitTimeoutError, match="version 9 is not served everywhere") as caught:
        rollout(connection, []).wait_until_served(9, 0.5)
    assert "serve-0: serves " in caught.value.why


def test_who_stops_watching_hears_that_the_promotion_stays(connection: Connection) -> None:
    """Ctrl-C ends the watching alone, and how to undo the rest is told."""
    said: list[str] = []

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    following = Rollout(connection, "digits", BASE, narrate=said.append, pause=interrupt)
    with pytest.raises(KeyboardInterrupt):
        following.see_served(9, 60.0)
    assert "version 9 stays promoted" in said[-1]
    assert f"yarnserve models rollback {BASE}" in said[-1]


def test_an_agent_that_does_not_answer_an_order_has_a_way_out(connection: Connection) -> None:
    """It may come back by itself, and a restart brings another where it does not."""
    nobody = Endpoint("127.0.0.1", 1, 2, 3)
    with pytest.raises(UnreachableError, match="agent of serve-0 does not answer") as caught:
        give_order(connection, "digits", "serve-0", nobody, Order.DRAIN)
    assert "yarnserve restart digits --replica serve-0" in caught.value.fix


def test_what_cannot_be_followed_is_refused(connection: Connection) -> None:
    """Another model, and a service that nobody launched."""
    with pytest.raises(UsageError, match="does not serve the model at /models/other"):
        Rollout(connection, "digits", "/models/other", narrate=lambda text: None)
    with pytest.raises(NotFoundError):
        Rollout(connection, "nobody", BASE, narrate=lambda text: None)


def test_a_stopped_service_is_not_followed(connection: Connection) -> None:
    """It is refused before anything is promoted; whoever promotes without it finds the version served at its start."""
    actions = Actions(connection)
    actions.stop("digits")
    with pytest.raises(ConflictError, match="not running"):
        rollout(connection, []).require()
    actions.start("digits")
    wait_until_live(connection, "digits", timeout=60)


def test_the_secret_is_its_owner_s_alone(connection: Connection) -> None:
    """Mode 600 on HDFS, and nowhere in what YARN was told."""
    path = "/user/alice/.yarnserve/digits/orders.secret"
    code, text = ask(f"{connection.settings.namenodes[0]}/webhdfs/v1{path}?op=GETFILESTATUS&user.name=alice")
    assert (code, json.loads(text)["FileStatus"]["permission"]) == (200, "600")
    secret = connection.storage.read(path).decode().strip()
    assert len(secret) == 64
    revision = connection.store("digits").revisions.latest()
    assert revision is not None
    assert secret not in str(revision.record.rendered)
