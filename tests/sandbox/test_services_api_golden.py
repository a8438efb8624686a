"""The sandbox's ResourceManager and NodeManager beside real Hadoops: the recorded conversations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.sandbox.cluster_support import HttpAnswer, send
from tests.support import golden, wait_until
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import profile_of

VERSIONS = ("3.1.4", "3.3.6", "3.4.2")

SECTIONS = (
    "basics",
    "validation",
    "saved",
    "lifecycle",
    "two_users",
    "flex_negative",
    "kill",
    "kill_acl",
    "stop_accepted",
    "decommission",
    "too_big",
)

#: Steps that are not replayed, and why. Sections that are not: restart policies, crashes, launch failures, GPUs and
#: lifetime are driven by hand in test_cluster*.py (replaying them takes minutes); readiness and quoting in
#: test_sandbox.py; upgrade is switched off in the sandbox, as by default in YARN.
LEFT_OUT = {
    **dict.fromkeys(("app-missing-xml", "get-xml"), "XML is not spoken"),
    "instances-stopped": "whether the dead ApplicationMaster's answer is stale or an error is a matter of moments",
    **dict.fromkeys(("app-timeouts", "app-timeouts-set"), "no timeouts path"),
    **dict.fromkeys(("nm-apps", "nm-apps/A"), "no apps path on the NodeManager"),
    "nm-log-am": "the ApplicationMaster is no process and has no log files",
    "nm-log-octet": "no format parameter",
    "post-service-artifact-missing": "artifacts of type SERVICE are refused with other words",
}

#: Steps that are sent, because later ones build on them, and whose answers are not compared; and why.
_ONE_TMP = "recorded where users share hadoop.tmp.dir; in the sandbox each user has one (real-hadoop.md 7, item 9)"
NOT_COMPARED = {
    ("3.3.6", "delete-bob"): _ONE_TMP,
    ("3.4.2", "delete-bob"): _ONE_TMP,
    ("3.4.2", "bob-delete"): _ONE_TMP,
    ("3.3.6", "nm-log-after-stop"): "asked while the NodeManager still remembered the container",
    **{
        (version, f"signal-{name}"): "bob's signal has ended the container; when that is known is a matter of moments"
        for version in ("3.3.6", "3.4.2")
        for name in ("no-user", "thread-dump", "graceful", "forceful")
    },
    ("3.4.2", "kill-no-user-first"): "an application that is being killed says so only for a heartbeat",
}

#: Sent again until the answer is the recorded one: a kill is 202 until it is carried out (yarn-services.md 6), and a
#: NodeManager remembers a container for a little while.
REPEATED = {"kill", "kill-no-user", "nm-log-after-stop"}

#: Objects that the cluster API shows less of than YARN: only keys that are there are compared.
PARTIAL = {"app", "node", "clusterMetrics", "queue", "schedulerInfo", "appAttempt", "nodeInfo"}

#: Jackson's and Jetty's texts differ between releases; exception names are compared.
IN_OWN_WORDS = re.compile(
    r"Jackson|jackson|Unmarshal|Unexpected|Unrecognized|Cannot invoke|cycle may exist|MessageException"
)


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """One node as in the recording, with a home for alice and bob."""
    profile = replace(
        profile_of(request.param), readiness_interval=0.2, am_start=0.2, stop_delay=0.1, completed_linger=0.3
    )
    with Sandbox(user="alice", nodes=1, profile=profile) as running:
        send("PUT", f"{running.namenode_url}/webhdfs/v1/user/bob?op=MKDIRS&user.name=hdfs")
        owner = "/webhdfs/v1/user/bob?op=SETPERMISSION&permission=777&user.name=hdfs"
        send("PUT", f"{running.namenode_url}{owner}")
        yield running


class Replay:
    """Sends recorded requests to *cluster*, with its own ids in place of the recorded ones."""

    def __init__(self, cluster: Sandbox) -> None:
        self._bases = {8088: cluster.resource_manager_url}
        nodes = send("GET", f"{cluster.resource_manager_url}/ws/v1/cluster/nodes").document()["nodes"]["node"]
        self._bases[8042] = f"http://{nodes[0]['nodeHTTPAddress']}"
        self._ids: dict[str, str] = {}

    def send(self, exchange: dict[str, Any]) -> HttpAnswer:
        """Send one request and learn the application id that its answer names."""
        path = exchange["path"]
        for recorded, own in self._ids.items():
            path = path.replace(recorded, own)
        body = exchange["request_body"]
        data = body.encode() if isinstance(body, str) else body
        url = f"{self._bases[exchange['port']]}{path}?{exchange['query']}"
        answer = send(exchange["method"], url, data, headers=exchange["request_headers"])
        self._learn(exchange["body"], answer)
        return answer

    def _learn(self, recorded: Any, answer: HttpAnswer) -> None:
        pattern = re.compile(r"pplication(?:Id| ID): application_(\d+_\d+)")
        before, now = pattern.search(json.dumps(recorded)), pattern.search(answer.text)
        if before and now:
            self._ids[before[1]] = now[1]


def shape(value: Any, name: str = "") -> Any:
    """Return names and types: of a list, its first element's; what varies with time and place is gone."""
    if isinstance(value, dict):
        return {key: shape(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0], name)] if value else []
    return type(value).__name__


def words(text: str) -> str:
    """Return the first line of a diagnostics text without ids, sizes and moments."""
    line = text.splitlines()[0] if text else ""
    line = re.sub(r"(application|container)_\d+(_\d+)+", r"\1_N", line).replace(":root:", ":hdfs:")
    return re.sub(r"\(\d+\)$|\d{4}-\d\d-\d\dT\S+", "N", line)


def missing(recorded: Any, own: Any, name: str = "", path: str = "") -> list[str]:
    """Return where *own* has not the shape of *recorded*."""
    if isinstance(recorded, dict) and isinstance(own, dict):
        names = own if name in PARTIAL else {**recorded, **own}
        return [
            problem
            for key in names
            for problem in (
                missing(recorded[key], own[key], key, f"{path}.{key}")
                if key in recorded and key in own
                else [f"{path}.{key}: {'not there' if key in recorded else 'not in YARN'}"]
            )
        ]
    if isinstance(recorded, list) and isinstance(own, list):
        return missing(recorded[0], own[0], name, f"{path}[0]") if recorded and own else []
    return [] if recorded == own else [f"{path}: {own} instead of {recorded}"]


def differences(exchange: dict[str, Any], answer: HttpAnswer) -> list[str]:
    """Return in what *answer* differs from the recorded one."""
    problems = []
    if answer.status != exchange["status"]:
        problems.append(f"status {answer.status} instead of {exchange['status']}")
    if answer.content_type != exchange["content_type"]:
        problems.append(f"content type {answer.content_type} instead of {exchange['content_type']}")
    recorded = exchange["body"]
    if not isinstance(recorded, (dict, list)):
        return problems
    own = answer.document()
    problems += missing(shape(recorded), shape(own))
    if isinstance(recorded, dict) and not IN_OWN_WORDS.search(json.dumps(recorded)):
        for holder, other in ((recorded, own), (recorded.get("RemoteException", {}), own.get("RemoteException", {}))):
            for key in ("diagnostics", "message", "exception", "code", "state"):
                if words(str(holder.get(key, ""))) != words(str(other.get(key, ""))):
                    problems.append(f"{key}: {other.get(key)!r} instead of {holder.get(key)!r}")
    return problems


def steps(version: str, section: str) -> Iterator[dict[str, Any]]:
    """Yield what is replayed of a section; of a row of polls only the last, which is waited for."""
    exchanges = [exchange for exchange in golden(version) if exchange["section"] == section]
    for exchange, following in zip(exchanges, [*exchanges[1:], {"step": ""}], strict=True):
        name = exchange["step"]
        is_earlier_poll = "poll" in name and following["step"] == name
        if name not in LEFT_OUT and not is_earlier_poll and not name.startswith("signal-graceful-nm"):
            yield exchange


def recordings() -> Iterator[tuple[str, str]]:
    """Yield (version, section) of everything that is replayed."""
    for version in VERSIONS:
        recorded = {exchange["section"] for exchange in golden(version)}
        yield from ((version, section) for section in SECTIONS if section in recorded)


@pytest.mark.parametrize(("cluster", "section"), list(recordings()), indirect=["cluster"])
def test_answers_as_recorded(cluster: Sandbox, section: str) -> None:
    """Every replayed request gets the status, content type, JSON shape and words of the real cluster."""
    replay = Replay(cluster)
    for exchange in steps(cluster.hadoop_version, section):
        problems = differences(exchange, replay.send(exchange))
        if (cluster.hadoop_version, exchange["step"]) in NOT_COMPARED:
            continue
        if problems and ("poll" in exchange["step"] or exchange["step"] in REPEATED):
            wait_until(lambda wanted=exchange: not differences(wanted, replay.send(wanted)), 5, exchange["step"])
        else:
            assert not problems, f"{section}/{exchange['step']}: {problems}"
