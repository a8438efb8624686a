"""The sandbox's pair of ResourceManagers beside real ones: the recorded answers of the standby, request by request."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.sandbox import hdfs_support
from tests.sandbox.cluster_support import HttpAnswer, send, wait_for_state
from tests.sandbox.ha_golden_support import (
    FAIL_OVERS,
    LEFT_OUT,
    SAFE_MODE,
    SECTIONS_LEFT_OUT,
    STANDBY,
    STANDBY_NAMENODE,
    VERSIONS,
    reason,
    recorded,
    service_one,
)
from tests.sandbox.ha_support import ALICE, QUICK, SERVICES, Pairs, pairs
from tests.sandbox.test_services_api_golden import Replay, differences, words
from tests.sandbox.test_storage_golden import difference, path_of
from tests.support import REPOSITORY, claimed_ports
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import profile_of

#: Recorded after a fail-over: port 18088 was the active one's.
ROLES_CHANGED = {
    "cookie-from-standby",
    "cookie-of-standby-at-active-no-user",
    "cookie-of-standby-at-itself",
    "standby-no-follow-post-then-active",
}


class PairReplay(Replay):
    """Knows the standby too, which was recorded on port 18088, until the roles changed."""

    def __init__(self, sandbox: Sandbox, port: int) -> None:
        super().__init__(sandbox, port)
        running = Pairs(sandbox)
        self._active = running.one("resourcemanager", "ACTIVE")
        self._standby = running.one("resourcemanager", "STANDBY")

    def send(self, exchange: dict[str, Any]) -> HttpAnswer:
        """Send one request to who had the recorded one's role."""
        first, second = self._active, self._standby
        if exchange["step"] in ROLES_CHANGED:
            first, second = second, first
        self._bases.update({8088: first, 18088: second})
        return super().send(exchange)

    def problems(self, exchange: dict[str, Any]) -> list[str]:
        """Return in what an answer differs; of a redirect, whether it leads to the same path of the active one too."""
        answer = self.send(exchange)
        if exchange["step"] == "create":
            wait_for_state(f"{self._active}/app/v1/services/one", "STABLE")
        problems = differences({**exchange, "content_type": exchange["content_type"] or ""}, answer)
        wanted = words(exchange["response_headers"].get("Location", "").replace("http://localhost:8088", self._active))
        if words(answer.location) != wanted:
            problems.append(f"Location {answer.location!r} instead of {wanted!r}")
        if isinstance(exchange["body"], str) and answer.status != 500 and answer.content_type.startswith("text/plain"):
            told, recorded_text = words(answer.text), words(exchange["body"])
            problems += [f"text {told!r} instead of {recorded_text!r}"] if told != recorded_text else []
        return problems


@pytest.mark.parametrize("version", VERSIONS)
def test_standby_answers_as_recorded(version: str) -> None:
    """Every recorded request to a standby and its active gets their status, content type, Location, shape and words."""
    profile = replace(profile_of(version), **QUICK)
    with (
        Sandbox(user="alice", nodes=1, profile=profile, ha=True, simulated=True) as sandbox,
        claimed_ports() as port,
    ):
        replay = PairReplay(sandbox, port)
        replayed = [each for each in recorded(version) if each["section"] == STANDBY and not reason(each)]
        differing = {exchange["step"]: replay.problems(exchange) for exchange in replayed}
    assert not {step: problems for step, problems in differing.items() if problems}


class StorageReplay:
    """Sends recorded requests to NameNodes, DataNode, HttpFS and the active ResourceManager of a pair."""

    def __init__(self, pairs: Pairs) -> None:
        self._bases = {9870: pairs.one("namenode", "ACTIVE"), 19870: pairs.one("namenode", "STANDBY")}
        self._bases |= {14000: pairs.sandbox.httpfs_url, 18088: pairs.one("resourcemanager", "ACTIVE")}
        self._location = ""
        self.differing: dict[str, list[str]] = {}

    def __call__(self, exchange: dict[str, Any]) -> None:
        """Send one, to where the answer before has pointed if it was a DataNode's; keep in what its answer differs."""
        if exchange["port"] == 18088:
            self._ask_yarn(exchange)
            return
        target = f"{self._bases.get(exchange['port'], '')}{exchange['path']}?{exchange['query']}"
        url = self._location if exchange["port"] == 9864 else target
        body = (exchange["request_body"] or "").encode()
        answer = hdfs_support.send(exchange["method"], url, body, exchange["request_headers"])
        self._location = answer.headers.get("location", "")
        wanted = exchange["response_headers"].get("Location", "")
        was_a_number = isinstance(exchange["body"], int)
        as_text = {**exchange, "body": str(exchange["body"])} if was_a_number else exchange
        problems = [difference(as_text, answer), "" if path_of(self._location) == path_of(wanted) else self._location]
        self._keep(exchange, [problem for problem in problems if problem])

    def _ask_yarn(self, exchange: dict[str, Any]) -> None:
        url = f"{self._bases[18088]}{exchange['path']}?{exchange['query']}"
        answer = send(exchange["method"], url, exchange["request_body"], headers=exchange["request_headers"])
        self._keep(exchange, differences(exchange, answer))

    def _keep(self, exchange: dict[str, Any], problems: list[str]) -> None:
        if problems:
            self.differing[exchange["step"]] = problems


def storage_steps(section: str) -> list[dict[str, Any]]:
    """What is replayed of a section about NameNodes."""
    return [each for each in recorded("3.3.6") if each["section"] == section and not reason(each)]


def test_standby_namenode_answers_as_recorded() -> None:
    """Every recorded request to a standby NameNode, its active one and HttpFS gets their answer and Location."""
    with pairs() as running:
        replay = StorageReplay(running)
        for exchange in storage_steps(STANDBY_NAMENODE):
            replay(exchange)
    assert not replay.differing


def test_safe_mode_answers_as_recorded() -> None:
    """In safe mode HDFS is read and nothing written, by WebHDFS, HttpFS and the services API; then all is as before."""
    with pairs(simulated=True) as running:
        replay = StorageReplay(running)
        for exchange in storage_steps(STANDBY_NAMENODE):
            if exchange["step"].startswith("prepare"):
                replay(exchange)
        active = running.one("resourcemanager", "ACTIVE")
        assert send("POST", f"{active}{SERVICES}", service_one(2), **ALICE).status == 202
        running.stable("one")
        assert send("PUT", f"{running.control}/faults/safe-mode").status == 204
        for exchange in storage_steps(SAFE_MODE):
            if exchange["step"].startswith("safemode-left-repost"):
                assert send("DELETE", f"{running.control}/faults/safe-mode").status == 204
            replay(exchange)
    assert not replay.differing


def row(version: str) -> str:
    """Return the transcript's line of the table in docs/sandbox.md."""
    counts = Counter(reason(exchange) for exchange in recorded(version))
    replayed = counts.pop("")
    why = ", ".join(f"{text} {count}" for text, count in sorted(counts.items()))
    return f"| ha-{version} | {replayed + counts.total()} | {replayed} | {why} |"


@pytest.mark.parametrize("version", VERSIONS)
def test_counts_are_in_the_docs(version: str) -> None:
    """docs/sandbox.md says how much of each transcript is replayed, and why the rest is not."""
    assert row(version) in (REPOSITORY / "docs" / "sandbox.md").read_text()


def test_what_is_left_out_was_recorded() -> None:
    """No reason is given for a section or a step that no transcript has, and every other section is replayed."""
    exchanges = [exchange for version in VERSIONS for exchange in recorded(version)]
    assert {each["section"] for each in exchanges} == {
        STANDBY,
        STANDBY_NAMENODE,
        SAFE_MODE,
        *FAIL_OVERS,
        *SECTIONS_LEFT_OUT,
    }
    assert set(LEFT_OUT) <= {each["step"] for each in exchanges if each["section"] not in FAIL_OVERS}
