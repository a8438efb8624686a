"""The sandbox's pair of ResourceManagers beside real ones: the recorded answers of the standby, request by request."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.sandbox import hdfs_support
from tests.sandbox.cluster_support import HttpAnswer, wait_for_state
from tests.sandbox.ha_golden_support import (
    FAIL_OVERS,
    LEFT_OUT,
    SECTIONS_LEFT_OUT,
    STANDBY,
    STANDBY_NAMENODE,
    VERSIONS,
    reason,
    recorded,
)
from tests.sandbox.ha_support import QUICK, Pairs
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
        pairs = Pairs(sandbox)
        self._active = pairs.one("resourcemanager", "ACTIVE")
        self._standby = pairs.one("resourcemanager", "STANDBY")

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


def test_standby_namenode_answers_as_recorded() -> None:
    """Every recorded request to a standby NameNode, its active one and HttpFS gets their answer and Location."""
    with Sandbox(user="alice", nodes=1, profile=replace(profile_of("3.3.6"), **QUICK), ha=True) as sandbox:
        pairs = Pairs(sandbox)
        bases = {9870: pairs.one("namenode", "ACTIVE"), 19870: pairs.one("namenode", "STANDBY")}
        bases[14000] = sandbox.httpfs_url
        location, differing = "", {}
        for exchange in recorded("3.3.6"):
            if exchange["section"] != STANDBY_NAMENODE or reason(exchange):
                continue
            target = f"{bases.get(exchange['port'], '')}{exchange['path']}?{exchange['query']}"
            url = location if exchange["port"] == 9864 else target
            body = (exchange["request_body"] or "").encode()
            answer = hdfs_support.send(exchange["method"], url, body, exchange["request_headers"])
            location = answer.headers.get("location", "")
            wanted = exchange["response_headers"].get("Location", "")
            was_a_number = isinstance(exchange["body"], int)
            as_text = {**exchange, "body": str(exchange["body"])} if was_a_number else exchange
            problems = [difference(as_text, answer), "" if path_of(location) == path_of(wanted) else location]
            differing[exchange["step"]] = [problem for problem in problems if problem]
    assert not {step: problems for step, problems in differing.items() if problems}


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
    assert {each["section"] for each in exchanges} == {STANDBY, STANDBY_NAMENODE, *FAIL_OVERS, *SECTIONS_LEFT_OUT}
    assert set(LEFT_OUT) <= {each["step"] for each in exchanges if each["section"] in (STANDBY, STANDBY_NAMENODE)}
