"""Fail-overs of the sandbox's ResourceManagers beside real ones: what every poller saw, and what was done meanwhile.

The recorder polled several paths of both ResourceManagers four times a second and kept each look that differed from the
one before; in between it did something (POST, PUT, DELETE, a kill). Here the same paths are asked all the time, the
same things are done, and each recorded look of a path must be among its own looks, in the recorded order.
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import pytest

from tests.sandbox.cluster_support import HttpAnswer, send, wait_for_state
from tests.sandbox.ha_golden_support import FAIL_OVERS, STANDBY_NAMENODE, VERSIONS, reason, recorded, service_one
from tests.sandbox.ha_support import QUICK, Pairs
from tests.sandbox.test_services_api_golden import differences, words
from tests.support import wait_until
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import profile_of

#: Slow enough for every state to be seen.
PACE = {
    **QUICK,
    "takeover": 2.0,
    "takeover_terminated": 1.6,
    "namenode_start": 1.5,
    "loading": 0.6,
    "recovery": 0.4,
    "scheduling_wait": 0.6,
    "am_start": 0.4,
    "container_start": 0.2,
    "heartbeat": 0.1,
    "stop_delay": 0.4,
    "completed_linger": 1.0,
}
Exchange = dict[str, Any]
_OTHER = {8088: 18088, 18088: 8088}


@dataclass(frozen=True)
class Target:
    """Who is asked for what, again and again."""

    method: str
    port: int
    path: str
    query: str


@dataclass(frozen=True)
class Look:
    """What is compared of one answer; *status* is None where there was none, *told* where the recorder has cut it."""

    status: int | None
    told: str | None = ""

    def is_like(self, other: Look) -> bool:
        """Whether it is the same, as far as both are known."""
        return self.status == other.status and (None in (self.told, other.told) or self.told == other.told)


def target_of(exchange: Exchange) -> Target:
    """Return who was asked."""
    return Target(exchange["method"], exchange["port"], exchange["path"], exchange["query"])


def look_of(status: int | None, body: Any, service: str) -> Look:
    """Return what is compared of an answer about *service*."""
    if status is None:
        return Look(None)
    if isinstance(body, str):
        return Look(status, None if body.startswith("{") else re.split(r" \d| url", words(body))[0])
    if "clusterInfo" in body:
        return Look(status, body["clusterInfo"]["haState"])
    if "apps" in body:
        apps = (body["apps"] or {}).get("app", [])
        return Look(status, str([(each["state"], each["finalStatus"]) for each in apps if each["name"] == service]))
    if "app" in body:
        return Look(status, body["app"]["state"])
    if "nodes" in body:
        return Look(status, str([each["state"] for each in (body["nodes"] or {}).get("node", [])]))
    if "components" in body:
        return Look(status, str([body["state"], "id" in body, *map(_component, body["components"])]))
    if "RemoteException" in body:
        refused = body["RemoteException"]
        return Look(status, f"{refused['exception']} {words(refused['message'])}")
    return Look(status, words(str(body.get("diagnostics", ""))))


def _component(shown: dict[str, Any]) -> tuple[str, str, list[str]]:
    return shown["name"], shown["state"], [each["state"] for each in shown.get("containers", [])]


class Watch:
    """Asks *targets* in turn, in a thread of its own, and keeps each look that differs from the one before."""

    def __init__(self, ask: Callable[[Target], HttpAnswer | None], targets: Iterable[Target], service: str) -> None:
        self._ask = ask
        self._service = service
        self.seen: dict[Target, list[tuple[Look, HttpAnswer | None]]] = {target: [] for target in targets}
        self.rounds = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._is_over.is_set():
            for target in self.seen:
                self._look_at(target)
            self.rounds += 1

    def _look_at(self, target: Target) -> None:
        answer = self._ask(target)
        look, row = seen(answer, self._service), self.seen[target]
        if not row or row[-1][0] != look:
            row.append((look, answer))

    def settle(self) -> None:
        """Wait until everybody has been asked again."""
        last = self.rounds + 1
        wait_until(lambda: self.rounds > last, what="another round of looks")

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()


def seen(answer: HttpAnswer | None, service: str) -> Look:
    """Return the look of an answer of ours."""
    if answer is None:
        return Look(None)
    is_json = answer.content_type.startswith("application/json")
    return look_of(answer.status, answer.document() if is_json else answer.text, service)


def bases_of(pairs: Pairs, exchanges: list[Exchange]) -> dict[int, str]:
    """Return whose recorded port is whose base URL: the ports of the pairs follow who was active at first."""
    section = exchanges[0]["section"]
    first = next((each for each in exchanges if "clusterInfo" in str(each["body"])), None)
    if first is None:
        active = 18088 if section == "rm_refresh_exhausted_fast_settings" else 8088
    else:
        is_active = first["body"]["clusterInfo"]["haState"] == "ACTIVE"
        active = first["port"] if is_active else _OTHER[first["port"]]
    bases = {active: pairs.one("resourcemanager", "ACTIVE")}
    bases[_OTHER[active]] = pairs.one("resourcemanager", "STANDBY")
    if section.startswith("nn_"):
        bases[18088] = bases[8088]
    nodes = send("GET", f"{bases[active]}/ws/v1/cluster/nodes").document()["nodes"]["node"]
    bases[8042] = f"http://{nodes[0]['nodeHTTPAddress']}"
    bases |= {9870: pairs.one("namenode", "ACTIVE"), 19870: pairs.one("namenode", "STANDBY")}
    return {**bases, 14000: pairs.sandbox.httpfs_url}


class FailOver:
    """One recorded section and a sandbox, with the roles as they were recorded."""

    def __init__(self, pairs: Pairs, exchanges: list[Exchange]) -> None:
        self.pairs = pairs
        self._exchanges = exchanges
        acts = [each for each in exchanges if "poll" not in each["step"]]
        #: What the names of the section's steps begin with.
        self.prefix = exchanges[0]["step"].partition("-")[0]
        self._acts = {each["step"]: [*group] for each, group in _by_step(acts)}
        self.service = next(
            (match[1] for each in exchanges if (match := re.search("/services/([^/]+)$", each["path"]))), ""
        )
        self._bases = bases_of(pairs, exchanges)
        self._ids: dict[str, str] = {}
        self.problems: list[str] = []
        polled = [each for each in exchanges if "poll" in each["step"]]
        self.watch = Watch(self.ask, dict.fromkeys(map(target_of, polled)), self.service)
        self._wanted = {target: [*group] for target, group in _by_target(polled)}

    def ask(self, target: Target, body: Any = None, headers: dict[str, str] | None = None) -> HttpAnswer | None:
        """Send one request; return None where nobody answered."""
        path = target.path
        for before, now in self._ids.items():
            path = path.replace(before, now)
        url = f"{self._bases[target.port]}{path}?{target.query}"
        try:
            return send(target.method, url, body, headers=headers or {"Accept": "application/json"})
        except (http.client.HTTPException, ConnectionError):
            return None

    def know(self, service: str) -> None:
        """Put our application's id in the place of the recorded one of *service*."""
        own = self.pairs.service(service).document()["id"]
        found = (re.search(r"application_\d+_\d+", each["path"]) for each in self._exchanges)
        self._ids.update({match[0]: own for match in found if match})

    def follow(self, step: str, answer: HttpAnswer | None) -> None:
        """Do it at the place that *answer* has told."""
        assert answer is not None
        exchange = self._acts[step].pop(0)
        body = (exchange["request_body"] or "").encode()
        self._compare(exchange, send(exchange["method"], answer.location, body, headers={}))

    def act(self, step: str) -> HttpAnswer | None:
        """Do the next thing of that name, and compare its answer; what is read has its time to come true."""
        exchange = self._acts[step].pop(0)
        wanted = look_of(exchange["status"], exchange["body"], self.service)

        def answered() -> HttpAnswer | None:
            return self.ask(target_of(exchange), exchange["request_body"], exchange["request_headers"])

        def as_recorded() -> HttpAnswer | None:
            answer = answered()
            return answer if seen(answer, self.service).is_like(wanted) else None

        is_read = exchange["method"] == "GET"
        answer = wait_until(as_recorded, what=f"{step}: {wanted}") if is_read else answered()
        started = re.search(r"application_\d+_\d+", str(exchange["body"])) if not is_read else None
        if started and answer and (own := re.search(r"application_\d+_\d+", answer.text)):
            self._ids[started[0]] = own[0]
        self._compare(exchange, answer)
        return answer

    def is_left(self, step: str) -> bool:
        """Whether something of that name is still to be done."""
        return bool(self._acts.get(step))

    def repeat(self, step: str) -> None:
        """Do it on both, again and again, until the answer is the one that was recorded last."""
        wanted = self._acts.pop(step)
        rows: dict[Target, list[tuple[Look, HttpAnswer | None]]] = {target_of(each): [] for each in wanted}
        last = look_of(wanted[-1]["status"], wanted[-1]["body"], self.service)

        def is_reached(looks: set[Look]) -> bool:
            for target, row in rows.items():
                answer = self.ask(target, wanted[0]["request_body"], wanted[0]["request_headers"])
                row.append((seen(answer, self.service), answer))
            return looks <= {look for row in rows.values() for look, _ in row}

        before = {look_of(each["status"], each["body"], self.service) for each in wanted[:-1]}
        wait_until(lambda: is_reached(before - {last}), what=f"{step}: {before}")
        self.until_active()
        self.watch.settle()
        wait_until(lambda: is_reached({last}), what=f"{step}: {last}")
        for target, group in _by_target(wanted):
            self._compare_row(target, [*group], rows[target])

    def until(self, state: str, count: int | None = None) -> None:
        """Wait until the watched service is in *state*, with *count* containers, and everybody could see it."""

        def is_there() -> bool:
            shown = self.pairs.service(self.service).document()
            containers = [each for of in shown.get("components", []) for each in of.get("containers", [])]
            return shown.get("state") == state and count in (None, len(containers))

        wait_until(is_there, what=f"{self.service} in {state}")
        if self.watch.rounds:
            self.watch.settle()

    def until_active(self) -> None:
        """Wait until one is active again."""
        self.pairs.one("resourcemanager", "ACTIVE")

    def check(self) -> None:
        """Compare everything that was seen; nothing that was recorded is left undone."""
        for target, exchanges in self._wanted.items():
            self._compare_row(target, exchanges, self.watch.seen[target])
        self.problems += [f"{step}: not done" for step, left in self._acts.items() if left]
        assert not self.problems, "\n".join(self.problems)

    def _compare_row(
        self, target: Target, exchanges: list[Exchange], row: list[tuple[Look, HttpAnswer | None]]
    ) -> None:
        at = 0
        for exchange in exchanges:
            wanted = look_of(exchange["status"], exchange["body"], self.service)
            found = next((index for index in range(at, len(row)) if row[index][0].is_like(wanted)), None)
            if found is None:
                shown = [look for look, _ in row[at:]]
                self.problems.append(f"{exchange['step']}: {wanted} is not in {shown}")
            else:
                at = found
                self._compare(exchange, row[found][1])

    def _compare(self, exchange: Exchange, answer: HttpAnswer | None) -> None:
        if answer is None or exchange["status"] is None:
            if exchange["status"] is not None or answer is not None:
                self.problems.append(f"{exchange['step']}: {answer} instead of {exchange['status']}")
            return
        is_whole = "left out" not in (exchange["note"] or "") and not isinstance(exchange["body"], str)
        wanted = {**exchange, "body": exchange["body"] if is_whole else None}
        wanted["content_type"] = exchange["content_type"] or ""
        self.problems += [f"{exchange['step']}: {problem}" for problem in differences(wanted, answer)]


def _by_step(exchanges: list[Exchange]) -> Iterator[tuple[Exchange, Iterator[Exchange]]]:
    for _, group in groupby(sorted(exchanges, key=lambda each: str(each["step"])), key=lambda each: str(each["step"])):
        steps = [*group]
        yield steps[0], iter(steps)


def _by_target(exchanges: list[Exchange]) -> Iterator[tuple[Target, Iterator[Exchange]]]:
    for target in dict.fromkeys(map(target_of, exchanges)):
        yield target, (each for each in exchanges if target_of(each) == target)


def _kill_before_post(run: FailOver) -> None:
    run.pairs.fail_over()
    run.repeat("before-post-post")
    run.act("before-post-post-again")
    run.until("STABLE")
    run.act("before-post-apps")
    run.act("before-post-service")


def _kill_in_post(run: FailOver) -> None:
    run.pairs.fail_over(at="saved")
    run.act("in-flight-post")
    run.until_active()
    run.act("in-flight-get-after")
    run.act("in-flight-repost")
    run.act("in-flight-get-later")
    run.act("in-flight-start")
    run.until("STABLE")
    run.act("in-flight-apps")
    run.act("in-flight-service")
    run.act("in-flight-delete")


def _kill_when_posted(run: FailOver) -> None:
    run.act("in-flight-post")
    run.watch.settle()
    run.pairs.fail_over()
    run.until_active()
    run.act("in-flight-get-after")
    run.act("in-flight-repost")
    run.act("in-flight-get-later")
    run.act("in-flight-apps")
    run.act("in-flight-service")
    run.act("in-flight-delete")


def _kill_after_202(run: FailOver) -> None:
    run.act("after-202-post")
    run.watch.settle()
    run.pairs.fail_over()
    run.repeat("after-202-post-again")
    run.act("after-202-apps")
    run.act("after-202-service")
    if run.is_left("after-202-attempts"):
        run.act("after-202-attempts")


def _kill_while_stable(run: FailOver) -> None:
    run.pairs.fail_over()
    run.until_active()
    run.until("STABLE")
    run.act("stable-flex-at-once")
    run.act("stable-apps")
    run.act("stable-service")
    run.act("stable-attempts")
    run.watch.settle()


def _kill_while_stable_and_flex_too_early(run: FailOver) -> None:
    run.pairs.fail_over()
    run.until_active()
    run.act("stable-flex-at-once")
    run.until("STABLE")
    run.act("stable-apps")
    run.act("stable-service")
    run.act("stable-attempts")


def _kill_in_stop(run: FailOver) -> None:
    run.pairs.fail_over(at="before")
    run.act("stop")
    run.until_active()
    run.until("ACCEPTED")
    run.act("stop-again")
    run.until("STOPPED")
    run.act("stop-apps")
    run.act("stop-service")
    run.act("stop-delete")


def _kill_in_delete(run: FailOver) -> None:
    run.pairs.fail_over(at="before")
    run.act("delete")
    run.until_active()
    run.until("ACCEPTED")
    _delete_again(run)


def _kill_after_delete(run: FailOver) -> None:
    run.act("delete")
    run.pairs.fail_over()
    run.until_active()
    _delete_again(run)


def _delete_again(run: FailOver) -> None:
    run.act("delete-get")
    run.act("delete-again")
    run.act("delete-again-2")
    run.act("delete-apps")
    run.act("delete-service")
    run.watch.settle()


def _terminate(run: FailOver) -> None:
    run.pairs.fail_over(how="term")
    run.until_active()
    run.until("STABLE")


def _both_down(run: FailOver) -> None:
    run.pairs.fail_over()
    run.until_active()
    run.pairs.fail_over()
    run.act("both-down-nm")
    run.until_active()
    run.act("both-down-info-one")
    run.until("STABLE")
    run.act("both-down-apps")
    run.act("both-down-service")
    run.pairs.one("resourcemanager", "STANDBY")
    run.watch.settle()


def _ask_in_vain(run: FailOver) -> None:
    run.act("two-create")
    run.pairs.fail_over()
    for interval in (20, 8, 10, 1, 11, 6):
        run.act(f"refresh-interval-{interval}")


def _stop_and_start_at_once(run: FailOver) -> None:
    for step in ("app", "get", "stop", "get-stopped", "start", "get-started", "apps", "delete"):
        run.act(f"lost-{step}")
    while run.is_left("lost-create"):
        run.act("lost-create")
        run.pairs.fail_over()
        run.until_active()
        run.pairs.one("resourcemanager", "STANDBY")


def _kill_namenode(run: FailOver) -> None:
    open_before, create_before = run.act("open-before"), run.act("create-before")
    run.pairs.fail_over(of="namenode")
    run.follow("open-old-location", open_before)
    run.follow("create-old-location", create_before)
    run.pairs.one("namenode", "ACTIVE")
    for step in ("status", "list", "open", "mkdirs", "create"):
        answer = run.act(f"after-failover-{step}")
        if run.is_left(f"after-failover-{step}-redirected"):
            run.follow(f"after-failover-{step}-redirected", answer)
    run.act("services-after-nn-failover")
    run.pairs.one("namenode", "STANDBY")
    run.watch.settle()


@dataclass(frozen=True)
class Scenario:
    """What is done in a section; *running* containers of its service are there before, *times* are other than usual."""

    play: Callable[[FailOver], None]
    running: int = 0
    times: Mapping[str, float] = field(default_factory=dict)


_BACK = {"daemon_down": 0.5}
SCENARIOS = {
    "rm_kill_before_post": Scenario(_kill_before_post),
    "rm_kill_before_post_fast_settings": Scenario(_kill_before_post),
    "rm_kill_post_in_flight_150ms": Scenario(_kill_in_post),
    "rm_kill_post_in_flight_300ms": Scenario(_kill_in_post),
    "rm_kill_post_in_flight_500ms": Scenario(_kill_when_posted),
    "rm_kill_after_202": Scenario(_kill_after_202),
    "rm_kill_after_202_default_retry_interval": Scenario(_kill_after_202),
    "rm_kill_while_stable": Scenario(_kill_while_stable, running=1),
    "rm_kill_while_stable_default_retry_interval": Scenario(_kill_while_stable_and_flex_too_early),
    "rm_kill_put_stopped_in_flight": Scenario(_kill_in_stop),
    "rm_kill_delete_in_flight": Scenario(_kill_in_delete),
    "rm_kill_delete_after_answer": Scenario(_kill_after_delete),
    "rm_sigterm": Scenario(_terminate, running=2),
    "rm_both_down": Scenario(_both_down, running=2, times={"daemon_down": 3.0}),
    "rm_refresh_exhausted_fast_settings": Scenario(_ask_in_vain, times={"takeover": 60.0}),
    "rm_lost_am_fast_settings": Scenario(_stop_and_start_at_once, running=1, times=_BACK),
    "nn_kill_active": Scenario(_kill_namenode, running=2, times=_BACK),
}


def recordings() -> Iterator[tuple[str, str]]:
    """Yield (version, section) of everything that is replayed here."""
    for version in VERSIONS:
        sections = dict.fromkeys(each["section"] for each in recorded(version))
        yield from ((version, section) for section in sections if section in FAIL_OVERS)


@contextmanager
def failing_over(version: str, section: str) -> Iterator[FailOver]:
    """A pair, and what is there at the beginning of the section."""
    scenario = SCENARIOS[section]
    times = {**PACE, "daemon_down": 600.0, **scenario.times}
    exchanges = [each for each in recorded(version) if each["section"] == section and not reason(each)]
    profile = replace(profile_of(version), **times)  # type: ignore[arg-type]
    with Sandbox(user="alice", nodes=1, profile=profile, ha=True, simulated=True) as sandbox:
        run = FailOver(Pairs(sandbox), exchanges)
        if section.startswith("nn_"):
            _write_files(run, version)
        if scenario.running:
            _create(run, run.service, scenario.running)
            run.know(run.service)
        elif section.startswith("rm_kill") and run.is_left(f"{run.prefix}-create"):
            run.act(f"{run.prefix}-create")
            run.until("STABLE")
        yield run


def _write_files(run: FailOver, version: str) -> None:
    answer: HttpAnswer | None = None
    for exchange in recorded(version):
        if exchange["section"] == STANDBY_NAMENODE and exchange["step"].startswith("prepare"):
            body = (exchange["request_body"] or "").encode()
            if answer is not None and exchange["step"].endswith("-redirected"):
                answer = send(exchange["method"], answer.location, body, headers={})
            else:
                answer = run.ask(target_of(exchange), body)


def _create(run: FailOver, name: str, count: int) -> None:
    active = run.pairs.one("resourcemanager", "ACTIVE")
    body = {**service_one(count), "name": name}
    assert send("POST", f"{active}/app/v1/services", body, **{"user.name": "alice"}).status == 202
    wait_for_state(f"{active}/app/v1/services/{name}", "STABLE")


@pytest.mark.parametrize(("version", "section"), list(recordings()))
def test_seen_as_recorded(version: str, section: str) -> None:
    """Each recorded look at a pair in the course of a fail-over is seen in its turn, and each act answered the same."""
    with failing_over(version, section) as run:
        with run.watch:
            wait_until(lambda: all(run.watch.seen.values()), what="a look at everything")
            SCENARIOS[section].play(run)
        run.check()
