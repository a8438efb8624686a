"""The transcripts of two ResourceManagers and two NameNodes: what of them is replayed, and why the rest is not."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from tests.support import golden

VERSIONS = ("3.1.4", "3.3.6")
#: Requests that build on nothing but a service or a file: tests/sandbox/test_ha_golden.py.
STANDBY, STANDBY_NAMENODE, SAFE_MODE = "standby_rm", "nn_standby", "nn_safemode"
#: Looks in the course of a fail-over, and what was done meanwhile: tests/sandbox/test_failover_golden.py.
FAIL_OVERS = (
    "rm_kill_before_post",
    "rm_kill_before_post_fast_settings",
    "rm_kill_post_in_flight_150ms",
    "rm_kill_post_in_flight_300ms",
    "rm_kill_post_in_flight_500ms",
    "rm_kill_after_202",
    "rm_kill_after_202_default_retry_interval",
    "rm_kill_while_stable",
    "rm_kill_while_stable_default_retry_interval",
    "rm_kill_put_stopped_in_flight",
    "rm_kill_delete_in_flight",
    "rm_kill_delete_after_answer",
    "rm_sigterm",
    "rm_both_down",
    "rm_refresh_exhausted_fast_settings",
    "rm_lost_am_fast_settings",
    "nn_kill_active",
)

_ZOOKEEPER = "the sandbox has no ZooKeeper that could end or freeze"
#: Whole sections that are not replayed, and why.
SECTIONS_LEFT_OUT = {
    "rm_frozen": "a ResourceManager that is stopped and thawed: the sandbox's are no processes",
    "two_applications_race": "two writes in the same tenth of a second; the sandbox carries one out after the other",
    "zk_down": _ZOOKEEPER,
    "zk_frozen_two_applications": _ZOOKEEPER,
    "nn_both_down": "both NameNodes killed at once; the sandbox kills one after the other",
    "nn_both_standby": "NameNodes that are told to be standbys by hand; the sandbox elects by itself",
}

_JMX = "no /jmx: no client reads it"
_COOKIE = "no cookies: yarnserve sends user.name and keeps none"
_APPENDED = "shows a file that was appended to, which the sandbox cannot"
_UI = "no pages for people, and no isActive of a NameNode"
#: Single steps of what is replayed that are not, and why.
LEFT_OUT = {
    "active-jmx": _JMX,
    "standby-jmx-no-user": _JMX,
    **dict.fromkeys(("cookie-to-same-rm-no-user", "cookie-alice-user-bob"), _COOKIE),
    "acc-app": "an application of another section",
    **dict.fromkeys(("cookie-of-standby-at-active", "cookie-malformed-and-user"), "flexed in another section"),
    **dict.fromkeys(("httpfs-list", "safemode-active-list", "safemode-active-summary"), _APPENDED),
    **dict.fromkeys(("jmx-status", "jmx-info"), _JMX),
    **dict.fromkeys(("isActive", "conf", "ui"), _UI),
}
#: Operations that the sandbox's HDFS does not have (tests/sandbox/test_storage_golden.py).
OPERATIONS_LEFT_OUT = (
    *("LISTSTATUS_BATCH", "GETQUOTAUSAGE", "GETFILECHECKSUM", "CHECKACCESS", "GETACLSTATUS", "GETXATTRS"),
    *("GETTRASHROOT", "GETSERVERDEFAULTS", "GETSTORAGEPOLICY", "GET_BLOCK_LOCATIONS", "GETDELEGATIONTOKEN"),
    *("APPEND", "SETOWNER", "SETTIMES", "SETREPLICATION", "TRUNCATE"),
)

_IN_A_WRITE = "a moment inside a POST or DELETE, which the sandbox carries out in one step"
_TIMED_OUT = "a request that the recorder gave up after 8 s; the sandbox does not keep anybody waiting"
_LATE = "20 minutes until YARN gives a lost ApplicationMaster up"
#: Where the death in a POST leaves a definition without an application; the survivor shows it when it is active.
_HALF_MADE = ("rm_kill_post_in_flight_150ms", "rm_kill_post_in_flight_300ms")
_TAKEOVER = 5.0


def recorded(version: str) -> list[dict[str, Any]]:
    """Return the whole transcript of a release."""
    return list(golden(f"ha-{version}"))


def service_one(count: int) -> dict[str, Any]:
    """The service ``one`` that was there all the time, with *count* containers."""
    body = next(each["request_body"] for each in recorded("3.3.6") if each["step"] == "create")
    return {**body, "components": [{**each, "number_of_containers": count} for each in body["components"]]}


def reason(exchange: dict[str, Any]) -> str:
    """Return why a recorded request is not replayed, empty when it is."""
    section, step = exchange["section"], exchange["step"]
    if section in SECTIONS_LEFT_OUT:
        return SECTIONS_LEFT_OUT[section]
    if exchange["path"] == "/jmx":
        return _JMX
    operation = parse_qs(exchange["query"]).get("op", [""])[0]
    if operation in OPERATIONS_LEFT_OUT:
        return "no such operation"
    if step.startswith("after-202-late"):
        return _LATE
    return LEFT_OUT.get(step, "") or _of_a_moment(exchange)


def _of_a_moment(exchange: dict[str, Any]) -> str:
    body, section = exchange["body"], exchange["section"]
    if exchange["reason"] == "TimeoutError":
        return _TIMED_OUT
    if "poll" not in exchange["step"] or not isinstance(body, dict):
        return ""
    if "No content to map" in body.get("diagnostics", ""):
        return _IN_A_WRITE
    if body.get("state") != "STOPPED":
        return ""
    is_half_made = "id" not in body and not (section in _HALF_MADE and _asked(exchange) > _TAKEOVER)
    return _IN_A_WRITE if is_half_made or section.startswith("rm_kill_delete") else ""


def _asked(exchange: dict[str, Any]) -> float:
    """Return how many seconds after the event a look was asked for."""
    return float(exchange["note"].partition("asked +")[2].partition(" ")[0])
