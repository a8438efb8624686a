"""What a supervisor tells over HTTP: health, metrics and state, whatever its services wait for."""

from __future__ import annotations

import json
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support import REPOSITORY
from tests.unit.supervise.states import NOW, failing, live, service
from yarnserve import __version__
from yarnserve.errors import ConfigurationError, UsageError
from yarnserve.records.supervision import Mode
from yarnserve.supervise.board import Board
from yarnserve.supervise.metrics import Metrics
from yarnserve.supervise.web import SupervisorServer, parse_listen

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Served:
    """A server, the board it tells of, and its clock."""

    board: Board
    server: SupervisorServer
    clock: list[float]

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        try:
            with _OPENER.open(f"http://127.0.0.1:{self.server.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def served() -> Iterator[Served]:
    """A server with two services, of which one is not well."""
    clock = [100.0]
    board = Board(patience=30.0, clock=lambda: clock[0])
    board(service())
    board(service("words", live(0)))
    server = SupervisorServer(board, "127.0.0.1", 0, now=lambda: NOW)
    server.start()
    try:
        yield Served(board, server, clock)
    finally:
        server.close()


def test_health_is_that_every_service_is_stepped(served: Served) -> None:
    """Also one that has never been stepped; who is stuck is named, until it is stepped or not supervised any more."""
    assert served.get("/healthz") == (200, "ok\n")
    served.clock[0] += 20
    served.board(service())
    served.board.expect("new")
    served.clock[0] += 20
    assert served.get("/healthz") == (503, "words is stuck: not stepped for 40 s\n")
    served.clock[0] += 20
    status, told = served.get("/healthz")
    assert (status, [line.split()[0] for line in told.splitlines()]) == (503, ["digits", "new", "words"])
    served.board(service())
    served.board(service("words"))
    served.board.forget("new")
    assert served.get("/healthz")[0] == 200


def test_a_service_that_is_expected_twice_is_still_stuck(served: Served) -> None:
    """Whoever looks for services anew does not excuse one that hangs."""
    served.clock[0] += 40
    served.board.expect("digits")
    assert "digits" in served.board.stuck()


def test_the_state_is_a_document(served: Served) -> None:
    """Its shape is documented; what is not known is null."""
    status, text = served.get("/state")
    document = json.loads(text)
    assert status == 200
    assert (document["apiVersion"], document["kind"], document["at"]) == (
        "yarnserve/v1",
        "SupervisorState",
        "2027-01-15T08:00:00Z",
    )
    digits, words = document["services"]
    assert (digits["name"], digits["mode"], digits["live"], digits["wanted"], words["live"]) == (
        "digits",
        "acting",
        1,
        2,
        1,
    )
    assert digits["replicas"][1] == {
        "instance": "serve-1",
        "health": "failing",
        "reason": "no answer for 60 s",
        "container": None,
        "node": "node9",
        "versions": {},
        "liveSince": None,
        "failingSince": "2027-01-15T07:59:00Z",
        "restarts": 2,
        "deaths": 1,
        "givenUpUntil": "2027-01-15T09:00:00Z",
        "decision": "given up: 2 restarts have not helped",
    }
    assert digits["journal"][0]["what"] == "decided"


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus reads of *text*."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_are_what_prometheus_reads(served: Served) -> None:
    """States as 0 and 1, counters by their means, and no time of a sample's own."""
    status, text = served.get("/metrics")
    assert status == 200
    read = samples(text)
    digits = ("service", "digits")
    hangs = (("instance", "serve-1"), digits)
    assert read["yarnserve_replicas_wanted", (digits,)] == 2
    assert read["yarnserve_replicas_live", (digits,)] == 1
    assert read["yarnserve_replica_health", (("health", "failing"), *hangs)] == 1
    assert read["yarnserve_replica_health", (("health", "live"), *hangs)] == 0
    assert read["yarnserve_replica_given_up", hangs] == 1
    assert read["yarnserve_restarts_total", (("means", "restart"), digits)] == 2
    assert read["yarnserve_supervisor_last_success_timestamp_seconds", (digits,)] == NOW - 2
    assert read["yarnserve_supervisor_mode", (("mode", "acting"), digits)] == 1
    assert read["yarnserve_supervisor_held", (digits,)] == 0
    assert read["yarnserve_build_info", (("version", __version__),)] == 1


def test_who_stands_by_has_looked_at_nothing(served: Served) -> None:
    """One that has never been seen is told of, so that it is missed; whoever stands by must not hide that."""
    seen = "yarnserve_supervisor_last_success_timestamp_seconds"
    served.board(replace(service(), mode=Mode.STANDBY, seen=False))
    assert (seen, (("service", "digits"),)) in samples(served.get("/metrics")[1])
    served.board(replace(service(), mode=Mode.STANDBY, hold="supervised by host2"))
    assert (seen, (("service", "digits"),)) not in samples(served.get("/metrics")[1])
    served.board(replace(service(), mode=Mode.STANDBY, hold="supervised by host2", trouble="HDFS does not answer"))
    assert (seen, (("service", "digits"),)) in samples(served.get("/metrics")[1])


def test_metrics_of_nothing() -> None:
    """Before the first step only the version is told."""
    assert samples(Metrics(Board().states, now=lambda: NOW).text().decode()).keys() == {
        ("yarnserve_build_info", (("version", __version__),))
    }


def test_the_rules_for_prometheus_use_what_is_told() -> None:
    """Every metric in docs/prometheus-rules.yaml is one of ours, with labels that it has; each rule says what to do."""
    state = service("digits", live(0), failing(1), hold="h", trouble="t")
    told = samples(Metrics(lambda: [state], now=lambda: NOW).text().decode())
    labels = {name: {label for label, _ in pairs} for name, pairs in told}
    (group,) = yaml.safe_load((REPOSITORY / "docs" / "prometheus-rules.yaml").read_text())["groups"]
    assert len(group["rules"]) >= 8
    for rule in group["rules"]:
        names = set(re.findall(r"yarnserve_\w+", rule["expr"]))
        assert names
        assert names <= labels.keys(), rule["alert"]
        known = set.union(*(labels[name] for name in names))
        used = re.findall(r"\$labels\.(\w+)", json.dumps(rule)) + re.findall(r"\{(\w+)=", rule["expr"])
        assert set(used) <= known, rule["alert"]
        assert rule["annotations"].keys() == {"summary", "description", "fix"}
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_every_metric_is_documented() -> None:
    """In docs/supervise.md, and nothing there that is not told."""
    told = samples(Metrics(lambda: [service()], now=lambda: NOW).text().decode())
    page = (REPOSITORY / "docs" / "supervise.md").read_text()
    assert set(re.findall(r"`(yarnserve_[a-z_]+)`", page)) == {name for name, _ in told}


def test_it_answers_while_supervisors_write(served: Served) -> None:
    """Hundreds of states a second, two hundred replicas each, and no answer is torn."""
    is_over = threading.Event()
    large = service("digits", *(live(number) for number in range(200)))

    def write() -> None:
        while not is_over.is_set():
            served.board(large)
            served.board(service())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            assert json.loads(served.get("/state")[1])["services"][0]["wanted"] in (2, 200)
            assert served.get("/metrics")[0] == 200
    finally:
        is_over.set()
        writer.join()


def test_what_is_not_there_and_what_is_not_allowed(served: Served) -> None:
    """Nothing can be changed here."""
    assert served.get("/")[0] == 404
    request = urllib.request.Request(f"http://127.0.0.1:{served.server.port}/state", b"{}")
    with pytest.raises(urllib.error.HTTPError, match="405") as caught:
        _OPENER.open(request, timeout=10)
    caught.value.close()


def test_a_caller_who_says_nothing_delays_nobody(served: Served) -> None:
    """Three hundred connections that stay silent, or send rubbish, are in nobody's way."""
    silent = [socket.create_connection(("127.0.0.1", served.server.port)) for _ in range(300)]
    try:
        silent[-1].sendall(b"\x00\xff" * 1000)
        assert served.get("/healthz")[0] == 200
    finally:
        for each in silent:
            each.close()


def test_a_port_that_somebody_has_is_told(served: Served) -> None:
    """With what to do."""
    with pytest.raises(ConfigurationError, match="cannot listen") as caught:
        SupervisorServer(Board(), "127.0.0.1", served.server.port).start()
    assert "--listen" in caught.value.fix


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid", "x" * 70 + ".example"])
def test_an_address_that_is_not_ours_is_told(host: str) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(ConfigurationError, match="cannot listen"):
        SupervisorServer(Board(), host, 9118).start()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9118", ("127.0.0.1", 9118)),
        ("node1:80", ("node1", 80)),
        (":9118", (None, 9118)),
        ("[::1]:9118", ("::1", 9118)),
    ],
)
def test_addresses_to_listen_at(text: str, expected: tuple[str | None, int]) -> None:
    """As people write them."""
    assert parse_listen(text) == expected


@pytest.mark.parametrize("text", ["", "9118", "node1", "node1:", "node1:0", "node1:65536", "::1:9118", "a b:1", ":x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """With an example."""
    with pytest.raises(UsageError, match="not an address"):
        parse_listen(text)
