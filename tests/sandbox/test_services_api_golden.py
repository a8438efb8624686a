"""The sandbox's ResourceManager and NodeManager beside real Hadoops: the recorded conversations, step by step."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest

from tests.sandbox.cluster_support import HttpAnswer, send
from tests.support import REPOSITORY, claimed_ports, golden, wait_until
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import profile_of

#: Seconds within which what is waited for has to come.
DEADLINE = 30.0

VERSIONS = ("3.1.4", "3.3.6", "3.4.2")

#: Whole sections that are not replayed, and why.
SECTIONS_LEFT_OUT = {
    "upgrade": "recorded with yarn.service.upgrade.enabled; the sandbox has upgrades off, as by default",
    "logs_aggregated": "recorded with an ApplicationHistoryServer and log aggregation, which the sandbox has not",
}

#: Single steps that are not replayed, and why.
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

#: What makes a recorded service quicker, in its definition: it changes no answer.
QUICKENED = (("sleep 1; exit", "sleep 0.3; exit"), ('"lifetime": 15', '"lifetime": 3'))

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
        profile_of(request.param), readiness_interval=0.2, am_start=0.2, stop_delay=0.1, completed_linger=3.0
    )
    with Sandbox(user="alice", nodes=1, profile=profile) as running:
        send("PUT", f"{running.namenode_url}/webhdfs/v1/user/bob?op=MKDIRS&user.name=hdfs")
        owner = "/webhdfs/v1/user/bob?op=SETPERMISSION&permission=777&user.name=hdfs"
        send("PUT", f"{running.namenode_url}{owner}")
        yield running


class Replay:
    """Sends recorded requests to *cluster*, with its own ids in place of the recorded ones."""

    def __init__(self, cluster: Sandbox, port: int) -> None:
        self._port = port
        self._bases = {8088: cluster.resource_manager_url}
        nodes = send("GET", f"{cluster.resource_manager_url}/ws/v1/cluster/nodes").document()["nodes"]["node"]
        self._bases[8042] = f"http://{nodes[0]['nodeHTTPAddress']}"
        self._ids: dict[str, str] = {}

    def send(self, exchange: dict[str, Any]) -> HttpAnswer:
        """Send one request and learn the application id that its answer names."""
        path = exchange["path"]
        for recorded, own in self._ids.items():
            path = path.replace(recorded, own)
        body = self._quickened(exchange["request_body"])
        data = body.encode() if isinstance(body, str) else body
        url = f"{self._bases[exchange['port']]}{path}?{exchange['query']}"
        answer = send(exchange["method"], url, data, headers=exchange["request_headers"])
        self._learn(exchange["body"], answer)
        return answer

    def _quickened(self, body: Any) -> Any:
        """Return a request's body with less to wait for, and with a port that nobody else listens on."""
        if body is None:
            return None
        text = body if isinstance(body, str) else json.dumps(body)
        for recorded, own in (*QUICKENED, ("18765", str(self._port))):
            text = text.replace(recorded, own)
        return text

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


def states(service: dict[str, Any]) -> dict[str, Any]:
    """Return the state, the count and the instances' states of each component of what may be a service."""
    return {
        component["name"]: (
            component["state"],
            component["number_of_containers"],
            {each["component_instance_name"]: each["state"] for each in component["containers"]},
        )
        for component in service.get("components", [])
    }


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
    if isinstance(recorded, dict) and isinstance(own, dict) and states(recorded) != states(own):
        problems.append(f"states {states(own)} instead of {states(recorded)}")
    if isinstance(recorded, dict) and not IN_OWN_WORDS.search(json.dumps(recorded)):
        for holder, other in ((recorded, own), (recorded.get("RemoteException", {}), own.get("RemoteException", {}))):
            for key in ("diagnostics", "message", "exception", "code", "state"):
                if words(str(holder.get(key, ""))) != words(str(other.get(key, ""))):
                    problems.append(f"{key}: {other.get(key)!r} instead of {holder.get(key)!r}")
    return problems


def left_out(version: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield every recorded exchange with the reason why it is not replayed, empty when it is."""
    for _, row in groupby(golden(version), key=lambda exchange: (exchange["section"], exchange["step"])):
        looks = list(row)
        last = max((index for index, look in enumerate(looks) if look["status"] != 500), default=0)
        for index, exchange in enumerate(looks):
            yield exchange, _reason(exchange, is_last=index == last)


def _reason(exchange: dict[str, Any], *, is_last: bool) -> str:
    name = exchange["step"]
    if exchange["section"] in SECTIONS_LEFT_OUT:
        return SECTIONS_LEFT_OUT[exchange["section"]]
    if "poll" in name and exchange["status"] == 500:
        return "a look at the moment of an ApplicationMaster's death"
    if "poll" in name and not is_last:
        return "earlier looks of a row: the last is waited for"
    if name.startswith("signal-graceful-nm"):
        return "how long a NodeManager knows a container that has ended is a matter of moments"
    return LEFT_OUT.get(name, "")


def steps(version: str, section: str) -> Iterator[dict[str, Any]]:
    """Yield what is replayed of a section."""
    return (exchange for exchange, reason in left_out(version) if exchange["section"] == section and not reason)


def recordings() -> Iterator[tuple[str, str]]:
    """Yield (version, section) of everything that is replayed."""
    for version in VERSIONS:
        recorded = dict.fromkeys(exchange["section"] for exchange in golden(version))
        yield from ((version, section) for section in recorded if section not in SECTIONS_LEFT_OUT)


@pytest.mark.parametrize(("cluster", "section"), list(recordings()), indirect=["cluster"])
def test_answers_as_recorded(cluster: Sandbox, section: str) -> None:
    """Every replayed request gets the status, content type, JSON shape and words of the real cluster."""
    with claimed_ports() as port:
        replay = Replay(cluster, port)
        for exchange in steps(cluster.hadoop_version, section):
            problems = differences(exchange, replay.send(exchange))
            if (cluster.hadoop_version, exchange["step"]) in NOT_COMPARED:
                continue
            if problems and ("poll" in exchange["step"] or exchange["step"] in REPEATED):
                wait_until(
                    lambda wanted=exchange: not differences(wanted, replay.send(wanted)), DEADLINE, exchange["step"]
                )
            else:
                assert not problems, f"{section}/{exchange['step']}: {problems}"


@pytest.mark.parametrize("version", VERSIONS)
def test_left_out_steps_exist(version: str) -> None:
    """Nothing is on a list of what is left out that was not recorded."""
    recorded = {exchange["step"] for each in VERSIONS for exchange in golden(each)}
    assert recorded.issuperset(LEFT_OUT)
    assert {exchange["step"] for exchange in golden(version)}.issuperset(
        step for of_version, step in NOT_COMPARED if of_version == version
    )
    assert {exchange["section"] for each in VERSIONS for exchange in golden(each)}.issuperset(SECTIONS_LEFT_OUT)


@pytest.mark.parametrize("version", VERSIONS)
def test_documented_counts(version: str) -> None:
    """docs/sandbox.md tells how many steps of each transcript are replayed, and why the others are not."""
    page = (REPOSITORY / "docs" / "sandbox.md").read_text(encoding="utf-8")
    assert row(version) in page, f"put this into docs/sandbox.md: {row(version)}"


def row(version: str) -> str:
    """A transcript's line in docs/sandbox.md."""
    reasons = [reason or NOT_COMPARED.get((version, exchange["step"]), "") for exchange, reason in left_out(version)]
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(Counter(filter(None, reasons)).items()))
    return f"| {version} | {len(reasons)} | {reasons.count('')} | {told} |"
