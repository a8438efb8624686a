"""A sandbox with standby pairs, whose fail-overs take less than a second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.sandbox.cluster_support import HttpAnswer, component, send, service
from tests.support import wait_until
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_3_6, Profile

QUICK = {
    "takeover": 0.6,
    "takeover_terminated": 0.4,
    "loading": 0.2,
    "recovery": 0.2,
    "scheduling_wait": 0.3,
    "daemon_down": 0.8,
    "namenode_takeover": 0.3,
    "namenode_start": 0.3,
    "readiness_interval": 0.2,
    "am_start": 0.1,
}
#: Seconds in which nobody sees a daemon come back by itself.
LONG = {"daemon_down": 600.0}
ALICE = {"user.name": "alice"}
SERVICES = "/app/v1/services"


class Pairs:
    """A sandbox with pairs."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.control = sandbox.environment["YARNSERVE_SANDBOX"]

    def daemons(self, kind: str) -> dict[str, str]:
        """State by base URL."""
        shown = send("GET", f"{self.control}/daemons").document()[kind]
        return {each["url"]: each["state"] for each in shown}

    def one(self, kind: str, state: str) -> str:
        """The base URL of the one in *state*, waited for."""

        def found() -> str:
            return next((url for url, shown in self.daemons(kind).items() if shown == state), "")

        return wait_until(found, what=f"a {kind} in {state}")

    def fail_over(self, **query: str) -> None:
        """End an active one."""
        assert send("POST", f"{self.control}/failover", **query).status == 204

    def die(self, **query: str) -> None:
        """End an active one if there is one."""
        assert send("POST", f"{self.control}/failover", **query).status in (204, 404)

    def applications(self, name: str = "svc") -> list[dict[str, Any]]:
        """The applications of a service that have not ended."""
        url = f"{self.one('resourcemanager', 'ACTIVE')}/ws/v1/cluster/apps"
        apps = send("GET", url).document()["apps"].get("app", [])
        return [each for each in apps if each["name"] == name and each["state"] in ("ACCEPTED", "RUNNING")]

    def service(self, name: str = "svc") -> HttpAnswer:
        """GET it from the active one."""
        return send("GET", f"{self.one('resourcemanager', 'ACTIVE')}{SERVICES}/{name}", **ALICE)

    def stable(self, name: str = "svc") -> dict[str, Any]:
        """Wait until it is STABLE."""

        def reached() -> dict[str, Any] | None:
            document: dict[str, Any] = self.service(name).document()
            return document if document.get("state") == "STABLE" else None

        return wait_until(reached, what=f"{name} STABLE")


@contextmanager
def pairs(profile: Profile = HADOOP_3_3_6, *, simulated: bool = False, **times: float) -> Iterator[Pairs]:
    """A quick sandbox with pairs."""
    with Sandbox(user="alice", profile=replace(profile, **{**QUICK, **times}), ha=True, simulated=simulated) as sandbox:
        yield Pairs(sandbox)


def document(name: str = "svc", count: int = 1) -> dict[str, Any]:
    """A service that sleeps."""
    return service(component(count=count, launch_command="sleep 600"), name=name)


def post(url: str, name: str = "svc") -> HttpAnswer:
    """Send it there."""
    return send("POST", f"{url}{SERVICES}", document(name), **ALICE)


def ids(shown: dict[str, Any]) -> list[str]:
    """The container ids of a service."""
    return [each["id"] for each in shown["components"][0]["containers"]]
