"""delivery: sync in service.yaml: what it asks for, what goes with it, and what does not."""

from __future__ import annotations

import pytest

from tests.unit.spec.documents import DOCKER, MINIMAL, spec_of
from yarnserve.errors import SpecError
from yarnserve.spec.endpoints import endpoint
from yarnserve.spec.loader import parse_spec
from yarnserve.spec.model import AgentSpec, Delivery, Swap

SYNC = MINIMAL.replace("{base_path: /models/digits}", "{base_path: /models/digits, delivery: sync}")
SYNC_DOCKER = DOCKER.replace("models/digits}", "models/digits, delivery: sync}")


def test_everything_of_an_agent_is_read() -> None:
    """Each field in its unit; a server that cannot read HDFS itself is none to refuse."""
    text = SYNC.replace("delivery: sync", "delivery: sync, swap: replace").replace('"2.6"', '"2.19"')
    text += "agent: {command: /opt/y/bin/yarnserve, poll: 30s, rate: 50MB/s, fleet_rate: 1GB/s, deadline: 2m, keep: 1, "
    text += "disk: 20g, cache: /data/models, quiet: 5s, drain: 1m, webhook: 'http://alerts.example.org/x'}\n"
    spec = spec_of(text)
    assert spec.has_agent
    assert (spec.models[0].delivery, spec.models[0].swap) == (Delivery.SYNC, Swap.REPLACE)
    assert spec.agent == AgentSpec(
        command="/opt/y/bin/yarnserve",
        poll=30,
        rate=50_000_000,
        fleet_rate=1_000_000_000,
        deadline=120,
        keep=1,
        disk=20 * 1024,
        cache="/data/models",
        quiet=5,
        drain=60,
        webhook="http://alerts.example.org/x",
    )


def test_each_replica_s_agent_has_a_port_of_its_own() -> None:
    """8502, and ten more for each replica; without an agent there is none."""
    assert endpoint(spec_of(SYNC), instance="serve-3", bare_host="n").agent_url == "http://n:8532"
    assert endpoint(spec_of(MINIMAL), instance="serve-3", bare_host="n").agent_url is None


def test_an_agent_finds_its_ports_without_a_shell() -> None:
    """Ports per replica go with ENTRYPOINT mode, where YARN computes nothing."""
    assert spec_of(SYNC_DOCKER + "entrypoint: true\n").ports.per_replica


@pytest.mark.parametrize(
    ("text", "field", "allowed"),
    [
        (SYNC.replace('"2.6"', '"1.14"'), "serving.version", "1.15 or later"),
        (MINIMAL + "agent: {poll: 5s}\n", "agent", "delivery: sync beside it"),
        (MINIMAL.replace("digits}", "digits, swap: replace}"), "model.swap", "delivery: sync beside it"),
        (SYNC + "agent: {rate: fast}\n", "agent.rate", "such as 50MB/s"),
        (SYNC + "agent: {cache: data}\n", "agent.cache", "an absolute path"),
        (SYNC + "agent: {command: 'rm -rf'}\n", "agent.command", "without blanks"),
        (SYNC + "agent: {webhook: 'http://u:p@h/x'}\n", "agent.webhook", "without user and password"),
        (SYNC + "ports: {agent: 8501}\n", "ports.agent", "another port than ports.rest"),
        (SYNC + "ports: {agent: 8510}\n", "ports.agent", "ends in another digit"),
        (SYNC + "ports: {agent: 65535}\nreplicas: 2\n", "replicas", "at most 1"),
        (
            SYNC.replace('"2.6"', '"2.6", flags: {monitoring_config_file: /x}'),
            "serving.flags.monitoring_config_file",
            "the agent reads the server's counters",
        ),
        (SYNC_DOCKER + "agent: {cache: /data/models}\n", "agent.cache", "below a mount that is rw"),
        (
            SYNC_DOCKER + "agent: {cache: /data/models}\nmounts: ['/data:/data']\n",
            "agent.cache",
            "below a mount that is rw",
        ),
        (
            MINIMAL.replace("{base_path: /models/digits}", "[{base_path: /a/x, delivery: sync}, {base_path: /a/y}]"),
            "model.1.delivery",
            "as the first model has",
        ),
    ],
)
def test_what_does_not_go_with_it_is_refused(text: str, field: str, allowed: str) -> None:
    """Each with the field to change."""
    with pytest.raises(SpecError) as caught:
        spec_of(text)
    assert [problem.field for problem in caught.value.problems] == [field]
    assert allowed in caught.value.problems[0].allowed


def test_a_cache_below_a_writable_mount_is_taken() -> None:
    """The mount may be of a directory above it."""
    text = SYNC_DOCKER + "agent: {cache: /data/models}\nmounts: ['/data:/data:rw']\n"
    assert parse_spec(text, file="s.yaml", read_text=str).agent.cache == "/data/models"
