"""Launching where YARN cannot place the replicas: refused or told before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.sandbox.yarn_support import connection_to
from tests.support import REPOSITORY
from tests.unit.spec.documents import no_files
from yarnserve.errors import ConfigurationError
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_3_6
from yarnserve.service.actions import Actions
from yarnserve.service.connection import Connection
from yarnserve.service.placing import require_placement
from yarnserve.spec.loader import parse_spec
from yarnserve.spec.model import Placement, Ports, ServiceSpec

SPEC = parse_spec(
    "name: apart\nmodel: {base_path: /models/digits}\nserving: {version: '2.6'}\nreplicas: 5\n"
    "resources: {memory: 512m}\n",
    file="service.yaml",
    read_text=no_files,
)
SPREAD = replace(SPEC, placement=Placement(spread=True))
SAME_PORTS = replace(SPEC, ports=Ports(per_replica=False))


@pytest.fixture(scope="module")
def obeying() -> Iterator[Connection]:
    """A cluster of few nodes that obeys placement constraints."""
    with (
        Sandbox(
            user="alice",
            profile=replace(HADOOP_3_3_6, placement_handler="scheduler"),
            uploads=[(REPOSITORY / "examples" / "digits" / "model", "/models/digits")],
        ) as running,
        connection_to(running) as connected,
    ):
        yield connected


@pytest.mark.parametrize(("spec", "field"), [(SPREAD, "placement"), (SAME_PORTS, "ports.per_replica")])
def test_constraints_that_nothing_obeys_are_refused_before_yarn_hears_of_them(spec: ServiceSpec, field: str) -> None:
    """Hadoop as it is shipped would take the service and start nothing, for ever."""
    with Sandbox(user="alice") as shipped, connection_to(shipped) as connection:
        with pytest.raises(ConfigurationError) as caught:
            require_placement(connection, spec, pytest.fail)
        assert caught.value.where == field
        assert "yarn.resourcemanager.placement-constraints.handler" in caught.value.fix


def test_launch_looks_before_it_sends() -> None:
    """The refused launch made no application."""
    with Sandbox(user="alice") as shipped, connection_to(shipped) as connection:
        with pytest.raises(ConfigurationError, match="switched off"):
            Actions(connection).launch(SPREAD)
        assert connection.cluster.applications() == ()


def test_more_replicas_than_hosts_are_told(obeying: Connection) -> None:
    """Replicas that need a host each, and too few hosts: a warning that says how many there are."""
    told: list[str] = []
    require_placement(obeying, SAME_PORTS, told.append)
    assert len(told) == 1
    assert "5 replicas want a host each" in told[0]
    assert "ports.per_replica" in told[0]


def test_scale_tells_it_too(obeying: Connection) -> None:
    """A service that fits its hosts is launched without a word, and one word comes when it grows beyond them."""
    told: list[str] = []
    acts = Actions(obeying, narrate=told.append)
    acts.launch(replace(SPREAD, replicas=1))
    assert not [each for each in told if "warning" in each]
    acts.scale(SPREAD.name, 5)
    acts.destroy(SPREAD.name)
    assert len([each for each in told if "5 replicas want a host each" in each]) == 1


def test_a_label_that_no_node_has_is_told(obeying: Connection) -> None:
    """One warning, of the label, and none of the hosts that are missing because of it."""
    told: list[str] = []
    require_placement(obeying, replace(SPEC, placement=Placement(node_label="gpu")), told.append)
    assert len(told) == 1
    assert "no node has the label gpu" in told[0]


def test_replicas_that_may_share_a_host_are_not_looked_at(obeying: Connection) -> None:
    """Without constraints nothing is told, whatever the number of hosts."""
    told: list[str] = []
    require_placement(obeying, SPEC, told.append)
    assert told == []
