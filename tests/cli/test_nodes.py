"""``nodes`` as an admin uses it: what is held against a node, and their own word on that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.conftest import Shell

#: Both of the sandbox's NodeManagers are on it.
NODE = "localhost"


@pytest.fixture
def released(yarnserve: Shell) -> Iterator[None]:
    """Nothing is held against the node after the test."""
    yield
    assert yarnserve("nodes", "release", NODE).status == 0


def only(yarnserve: Shell) -> Any:
    """The node as ``nodes list -o json`` has it."""
    listed = yarnserve("nodes", "list", "-o", "json").document
    assert (listed["apiVersion"], listed["kind"]) == ("yarnserve/v1", "NodeList")
    [node] = [each for each in listed["nodes"] if each["node"] == NODE]
    return node


def test_a_node_that_nobody_holds_anything_against(yarnserve: Shell) -> None:
    """It is listed with YARN's state; to release it is nothing to do."""
    assert only(yarnserve) == {"node": NODE, "state": "RUNNING", "gpus": 0, "quarantine": None, "strikes": []}
    assert "localhost  RUNNING  0     -" in yarnserve("nodes", "list").stdout
    released = yarnserve("nodes", "release", NODE)
    assert (released.status, "nothing to do" in released.stderr) == (0, True)


@pytest.mark.usefixtures("released")
def test_quarantine_for_a_time(yarnserve: Shell) -> None:
    """Who, why and until when are shown; the only node of a cluster comes with a warning."""
    done = yarnserve("nodes", "quarantine", "LOCALHOST", "--for", "4h", "--why", "new driver")
    assert done.status == 0, done.stderr
    assert done.stdout == ""
    assert "twice at most" in done.stderr
    assert "every node of the cluster is quarantined now" in done.stderr
    held = only(yarnserve)["quarantine"]
    assert (held["why"], held["level"]) == ("new driver", 0)
    assert "@" in held["by"]
    assert held["since"] < held["until"]
    assert "more" in yarnserve("nodes", "list").stdout
    assert "localhost" in yarnserve("nodes", "list", "-o", "yaml").stdout


def test_quarantine_until_released(yarnserve: Shell) -> None:
    """Without --for it has no end; a NodeManager's id names its host; release brings the node back."""
    done = yarnserve("nodes", "quarantine", "localhost:45454")
    assert done.status == 0, done.stderr
    assert only(yarnserve)["quarantine"]["until"] is None
    assert "until released" in yarnserve("nodes", "list").stdout
    assert "is used again" in yarnserve("nodes", "release", NODE).stderr
    assert only(yarnserve)["quarantine"] is None


@pytest.mark.parametrize("verb", ["quarantine", "release"])
def test_a_node_that_the_cluster_does_not_have(yarnserve: Shell, verb: str) -> None:
    """A slip of the pen must not look like a quarantine: exit status 5, and the names that are meant."""
    missing = yarnserve("nodes", verb, "localhots")
    assert missing.status == 5
    assert "the cluster has no node 'localhots'" in missing.stderr
    assert "such as localhost" in missing.stderr
    assert "yarnserve nodes list" in missing.stderr


@pytest.mark.parametrize("time", ["soon", "0h", "-1h", "4 h", "999999999999"])
def test_a_time_that_is_none(yarnserve: Shell, time: str) -> None:
    """A usage error that shows how one is written."""
    refused = yarnserve("nodes", "quarantine", NODE, "--for", time)
    assert refused.status == 2
    assert "a time such as 12h, 30m or 7d" in refused.stderr


def test_the_help_says_what_quarantine_is_not(yarnserve: Shell) -> None:
    """That it is advice, and why, stands where somebody looks who is about to rely on it."""
    told = " ".join(yarnserve("nodes", "--help").stdout.split())
    assert "Quarantine is advice: YARN's services API has no list of nodes to avoid" in told
    assert "twice at most" in told
    for verb in ("list", "quarantine", "release"):
        assert yarnserve("nodes", verb, "--help").status == 0
