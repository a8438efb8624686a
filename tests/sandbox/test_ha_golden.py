"""The sandbox's pair of ResourceManagers beside real ones: the recorded answers of the standby, request by request."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.sandbox.cluster_support import HttpAnswer, wait_for_state
from tests.sandbox.ha_support import QUICK, Pairs
from tests.sandbox.test_services_api_golden import Replay, differences, words
from tests.support import REPOSITORY, claimed_ports, golden
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import profile_of

VERSIONS = ("3.1.4", "3.3.6")
REPLAYED = "standby_rm"

_MOMENTS = "not replayed yet: looks in the course of a fail-over (tests/sandbox/test_ha.py imitates it)"
_ZOOKEEPER = "the sandbox has no ZooKeeper that could end or freeze"
_NAMENODES = "not replayed yet: NameNodes in the course of a fail-over (tests/sandbox/test_ha.py imitates it)"

#: Whole sections that are not replayed, and why.
SECTIONS_LEFT_OUT = {
    **dict.fromkeys(
        (
            "rm_kill_before_post",
            "rm_kill_before_post_fast_settings",
            "rm_kill_while_stable",
            "rm_kill_while_stable_default_retry_interval",
            "rm_kill_after_202",
            "rm_kill_after_202_default_retry_interval",
            "rm_kill_post_in_flight_150ms",
            "rm_kill_post_in_flight_300ms",
            "rm_kill_post_in_flight_500ms",
            "rm_kill_delete_in_flight",
            "rm_kill_delete_after_answer",
            "rm_kill_put_stopped_in_flight",
            "rm_frozen",
            "rm_both_down",
            "rm_sigterm",
            "rm_lost_am_fast_settings",
            "rm_refresh_exhausted_fast_settings",
            "two_applications_race",
        ),
        _MOMENTS,
    ),
    **dict.fromkeys(("zk_down", "zk_frozen_two_applications"), _ZOOKEEPER),
    **dict.fromkeys(("nn_standby", "nn_safemode", "nn_both_down", "nn_kill_active", "nn_both_standby"), _NAMENODES),
}

_JMX = "no /jmx: no client reads the ResourceManager's"
_COOKIE = "no cookies: yarnserve sends user.name and keeps none"
#: Single steps of what is replayed that are not, and why.
LEFT_OUT = {
    "active-jmx": _JMX,
    "standby-jmx-no-user": _JMX,
    **dict.fromkeys(("cookie-to-same-rm-no-user", "cookie-alice-user-bob"), _COOKIE),
    "acc-app": "an application of another section",
    **dict.fromkeys(("cookie-of-standby-at-active", "cookie-malformed-and-user"), "flexed in another section"),
}

#: Recorded after a fail-over: port 18088 was the active one's.
ROLES_CHANGED = {
    "cookie-from-standby",
    "cookie-of-standby-at-active-no-user",
    "cookie-of-standby-at-itself",
    "standby-no-follow-post-then-active",
}


def reason(exchange: dict[str, Any]) -> str:
    """Return why a recorded request is not replayed, empty when it is."""
    return SECTIONS_LEFT_OUT.get(exchange["section"], "") or LEFT_OUT.get(exchange["step"], "")


def recorded(version: str) -> list[dict[str, Any]]:
    """Return the whole transcript of a release."""
    return list(golden(f"ha-{version}"))


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
        replayed = [exchange for exchange in recorded(version) if not reason(exchange)]
        differing = {exchange["step"]: replay.problems(exchange) for exchange in replayed}
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
    assert {exchange["section"] for exchange in exchanges} == {REPLAYED, *SECTIONS_LEFT_OUT}
    assert set(LEFT_OUT) <= {exchange["step"] for exchange in exchanges if exchange["section"] == REPLAYED}
