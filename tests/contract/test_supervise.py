"""What YARN never sees: replicas that die slowly, hang or eat memory, on real clusters and under a real supervisor.

All of it happens at once, to a service each, so that it takes no longer than the slowest: a test waits for what became
of one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import DIGITS, Shell, SpecWriter
from tests.contract.clusters import Cluster, containers
from tests.hadoop.versions import real_versions
from tests.sandbox.cluster_support import send
from tests.sandbox.yarn_support import relaying_yarn
from tests.support import claimed_ports, wait_until
from yarnserve.spec.model import PORT_STRIDE

pytestmark = pytest.mark.parametrize(
    "cluster", real_versions("hadoop-", ("3.1.4", "3.3.6"), apart="supervised"), indirect=True
)

#: The services, and what befalls a replica of each.
LOOPING, HANGING, GREEDY, DESERTED = SERVICES = "looping", "hanging", "greedy", "deserted"

MODEL = "/user/alice/supervised"

#: A policy that sees in seconds what the default one sees in half a minute.
QUICK = {"check_interval": "2s", "check_timeout": "2s", "max_backoff": "1s"}
#: The times in README are those of the default.
POLICIES = {
    LOOPING: QUICK,
    HANGING: {},
    GREEDY: {**QUICK, "check_interval": "1s", "check_timeout": "1s"},
    DESERTED: QUICK,
}

#: The first version whose YARN can kill a single container when it is told to: no replica is ever missing there.
SIGNALS = (3, 3)

#: Where the supervisors listen, from the first port on: behind the replicas, the sixth of each service included.
LISTEN = 60

MEGABYTE = 1 << 20
#: What a replica asks YARN for.
MEMORY_MB = 256

#: Seconds for anything that a supervisor does: on a busy machine with the default policy.
DEADLINE = 240.0


@dataclass(frozen=True)
class Journal:
    """The journal that a supervisor keeps in *directory*."""

    directory: Path

    def of(self, service: str, instance: str = "", what: str = "", since: float = 0.0) -> list[dict[str, Any]]:
        """The entries that are about *service*; those of one *instance*, of one kind, *since* then."""
        with suppress(FileNotFoundError):
            text = (self.directory / "journal.jsonl").read_text(encoding="utf-8")
            # The last line may be half there.
            entries = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
            return [
                each
                for each in entries
                if each["service"] == service
                and instance in ("", each.get("instance", ""))
                and what in ("", each["what"])
                and each["at"] >= since
            ]
        return []

    def wait(self, service: str, instance: str = "", what: str = "", since: float = 0.0, text: str = "") -> Any:
        """Wait for the first such entry that has *text* in it; return it."""

        def found() -> dict[str, Any] | None:
            told = self.of(service, instance, what, since)
            return next((each for each in told if text in each["text"]), None)

        return wait_until(found, DEADLINE, f"{service}/{instance} {what} {text!r}")


@dataclass
class Watched:
    """The three services on one cluster, and their supervisor; the ports of their replicas are *base* and on."""

    cluster: Cluster
    yarnserve: Shell
    base: int
    directory: Path
    faults: dict[str, Future[Any]] = field(default_factory=dict)
    supervisors: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def journal(self) -> Journal:
        """What the supervisor has written."""
        return Journal(self.directory)

    def ran(self, *arguments: str) -> str:
        """Run a command that has to succeed."""
        run = self.yarnserve(*arguments)
        assert run.status == 0, f"{arguments}: {run.stdout}{run.stderr}"
        return run.stdout

    def containers(self, name: str) -> dict[str, str]:
        """The container of each instance of a service, as YARN shows them."""
        return {each["component_instance_name"]: each["id"] for each in containers(self.cluster.service(name))}

    def told_by_yarn(self, name: str) -> set[str]:
        """The state of a service and of all its containers, as YARN shows them."""
        service = self.cluster.service(name)
        return {service["state"], *(each["state"] for each in containers(service))}

    def port(self, name: str, instance: str) -> int:
        """Where a replica answers."""
        number = int(instance.rpartition("-")[2])
        return self.base + 1 + 2 * SERVICES.index(name) + PORT_STRIDE * number

    def server(self, name: str, instance: str) -> int:
        """The process of a replica's server."""
        flag = f"--rest_api_port={self.port(name, instance)}".encode()
        for found in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = found.read_bytes().split(b"\0")
                if flag in words and b"yarnserve.sandbox.model_server" in words:
                    return int(found.parent.name)
        raise AssertionError(f"no server of {instance} of {name}")

    def launch(self, name: str) -> subprocess.Popen[str]:
        """Begin to launch one of the services."""
        port = self.port(name, "serve-0")
        spec = SpecWriter(self.directory, port - 1, f"hdfs://{MODEL}")(
            name,
            replicas=2,
            resources={"cpus": 1, "memory": f"{MEMORY_MB}m"},
            supervise={"enabled": True, **POLICIES[name]},
        )
        return self.yarnserve.start("launch", str(spec), "--wait", "--timeout", "85")

    def supervise(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a supervisor, in a process of its own."""
        listen = f"127.0.0.1:{self.base + LISTEN + len(self.supervisors)}"
        told = ["--state", str(self.directory), "--listen", listen]
        with (self.directory / "supervise.log").open("ab") as log:
            process = self.yarnserve.start("supervise", *arguments, *told, terminal=log.fileno())
        self.supervisors.append(process)
        return process

    def end(self) -> None:
        """End the supervisors in order."""
        for process in self.supervisors:
            process.terminate()
        for process in self.supervisors:
            process.wait(30)

    def state(self, name: str, supervisor: int) -> dict[str, Any]:
        """What the supervisor of that number says of a service."""
        port = self.base + LISTEN + supervisor
        with suppress(OSError):
            services = send("GET", f"http://127.0.0.1:{port}/state").document()["services"]
            return next((each for each in services if each["name"] == name), {})
        return {}


def die_slowly(watched: Watched) -> list[set[str]]:
    """End a server three times, each time after it was live again; return what YARN told of the first two times."""
    told, since = [], 0.0
    for _ in range(3):
        watched.journal.wait(LOOPING, "serve-1", "seen", since, "live")
        since = time.time()
        # A signal that YARN itself never sends: for YARN this server ends by itself, with 129.
        os.kill(watched.server(LOOPING, "serve-1"), signal.SIGHUP)
        watched.journal.wait(LOOPING, "serve-1", "died", since)
        told.append(watched.told_by_yarn(LOOPING))
    return told[:2]


def hang(watched: Watched) -> float:
    """Make a server that was live hang; return when."""
    watched.journal.wait(HANGING, "serve-0", "seen", text="live")
    at = time.time()
    os.kill(watched.server(HANGING, "serve-0"), signal.SIGSTOP)
    return at


def eat_memory(watched: Watched) -> None:
    """Ask a server for more than its container may hold, each time after it was live again, until it is given up."""
    victim = wait_until(lambda: live_again(watched, 0.0), DEADLINE, f"{GREEDY} to be live")
    while victim["what"] == "seen":
        victim = feed(watched, victim["instance"])


def feed(watched: Watched, instance: str) -> dict[str, Any]:
    """Ask a replica for too much; return the entry that says that it, or what took its place, is live or given up."""
    fed = time.time()
    ask_too_much(watched.port(GREEDY, instance))
    # A death amidst the supervisor's own doing is none for it.
    wait_until(
        lambda: any(watched.journal.of(GREEDY, what=what, since=fed) for what in ("died", "acted")),
        DEADLINE,
        "its death",
    )
    return wait_until(lambda: given_up(watched) or live_again(watched, fed), DEADLINE, f"what becomes of {GREEDY}")


def desert(watched: Watched) -> None:
    """Kill a supervisor when it has taken a replica that hangs away, and before it has made another; start the next."""
    with relaying_yarn(watched.cluster.resource_manager_url) as relay:
        first = watched.supervise(DESERTED, "--resource-manager", relay.url)

        def kill_before_second(method: str, path: str) -> None:
            if relay.written.count("PUT") == 2:
                first.kill()
                raise ConnectionAbortedError("nobody is there any more whose request this is")

        relay.before = kill_before_second
        watched.journal.wait(DESERTED, "serve-1", "seen", text="live")
        os.kill(watched.server(DESERTED, "serve-1"), signal.SIGSTOP)
        first.wait(DEADLINE)
    assert watched.cluster.service(DESERTED)["components"][0]["number_of_containers"] == 1
    watched.supervise(DESERTED)


def live_again(watched: Watched, since: float) -> dict[str, Any] | None:
    """The entry that says so of the replica that is fed; where it was moved, of the one in its place."""
    told = [each for each in watched.journal.of(GREEDY, what="seen", since=since) if each["instance"] != "serve-0"]
    return next((each for each in reversed(told) if each["text"].startswith("live")), None)


def given_up(watched: Watched) -> dict[str, Any] | None:
    """The entry that says so of the replica that is fed."""
    told = watched.journal.of(GREEDY, what="decided")
    return next((each for each in told if each["rule"] == "replica's budget"), None)


def ask_too_much(port: int) -> None:
    """Send a server a request that is larger than its memory, all but the end, and wait until it is gone."""
    size = MEMORY_MB * MEGABYTE * 5 // 4
    with suppress(ConnectionError), socket.create_connection(("localhost", port)) as connection:
        connection.sendall(f"POST /v1/models/digits:predict HTTP/1.1\r\nContent-Length: {size + 1}\r\n\r\n".encode())
        for _ in range(size // MEGABYTE):
            connection.sendall(b" " * MEGABYTE)
        connection.settimeout(DEADLINE)
        assert connection.recv(1) == b""


@pytest.fixture(scope="module")
def watched(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The services, live and supervised; from now on all of the faults befall them."""
    directory = tmp_path_factory.mktemp("supervised")
    faults = {LOOPING: die_slowly, HANGING: hang, GREEDY: eat_memory}
    names = [*faults, *([DESERTED] if cluster.release < SIGNALS else [])]
    with claimed_ports() as base, ThreadPoolExecutor() as threads:
        watched = Watched(cluster, Shell(dict(cluster.environment)), base, directory)
        watched.ran("models", "publish", str(DIGITS / "model" / "1"), MODEL, "--version", "1")
        for launching in [watched.launch(name) for name in names]:
            told, errors = launching.communicate(timeout=DEADLINE)
            assert launching.returncode == 0, told + errors
        watched.supervise(*faults)
        watched.faults = {name: threads.submit(fault, watched) for name, fault in faults.items()}
        if DESERTED in names:
            watched.faults[DESERTED] = threads.submit(desert, watched)
        yield watched
        watched.end()
        for ending in [watched.yarnserve.start("destroy", name, "--yes") for name in names]:
            told, errors = ending.communicate(timeout=DEADLINE)
            assert ending.returncode == 0, told + errors


def test_a_slow_crash_loop_is_named_and_moved(watched: Watched) -> None:
    """YARN calls a replica READY that dies again and again; it is named after its second death, and moved."""
    healthy = watched.containers(LOOPING)["serve-0"]
    assert watched.faults[LOOPING].result(DEADLINE) == [{"STABLE", "READY"}] * 2
    journal = watched.journal
    first, second, _ = journal.of(LOOPING, "serve-1", "died")
    named = journal.wait(LOOPING, "serve-1", "decided", text="died 2 times")
    assert named["rule"] == "loop"
    assert second["at"] <= named["at"] < second["at"] + 5
    moved = journal.wait(LOOPING, "serve-1", "acted", text="move")
    proved = journal.wait(LOOPING, what="verified")
    assert proved["instance"] == "serve-2"
    print_times(watched, first["at"], named=named, moved=moved, proved=proved)
    assert watched.containers(LOOPING)["serve-0"] == healthy
    assert {each.get("instance") for each in journal.of(LOOPING, what="acted")} == {"serve-1"}


def test_a_server_that_hangs_is_replaced(watched: Watched) -> None:
    """YARN calls it READY; by the default policy it is proved within half a minute, and replaced."""
    hung = watched.faults[HANGING].result(DEADLINE)
    journal = watched.journal
    decided = journal.wait(HANGING, "serve-0", "decided")
    assert decided["rule"] == "evidence"
    assert "failed 3 looks" in decided["text"]
    ordered = journal.wait(HANGING, "serve-0", "acted", text="restart")
    proved = journal.wait(HANGING, what="verified")
    print_times(watched, hung, decided=decided, ordered=ordered, proved=proved)
    assert decided["at"] - hung < 60
    assert len(journal.of(HANGING, what="acted")) == 1


def test_a_replica_that_needs_more_memory_than_it_has_is_given_up(watched: Watched) -> None:
    """Killed by the NodeManager (-104), it is started again a few times; then no more. Cause and fix are told."""
    watched.faults[GREEDY].result(DEADLINE)
    journal = watched.journal
    deaths = [each["text"] for each in journal.of(GREEDY, what="died")]
    print(watched.cluster.name, *deaths, given_up(watched), sep="\n  ")
    # How a container has ended its NodeManager tells for a second or so: not every look comes in time.
    assert "its process ended (resource): it used more memory than it asked for" in deaths
    assert len(deaths) <= 6
    story = watched.ran("events", GREEDY)
    assert "it used more memory than it asked for" in story
    assert "fix: raise resources.memory" in story


def test_nothing_is_done_while_a_person_has_paused_it(watched: Watched) -> None:
    """A replica that hangs stays as it is, and what would be done is told; after ``resume`` it is done."""
    watched.faults[LOOPING].result(DEADLINE)
    watched.journal.wait(LOOPING, what="verified")
    watched.ran("pause", LOOPING, "--why", "maintenance")
    before, since = watched.containers(LOOPING), time.time()
    os.kill(watched.server(LOOPING, "serve-0"), signal.SIGSTOP)
    watched.journal.wait(LOOPING, "serve-0", "decided", since, "would restart")
    assert watched.state(LOOPING, 0)["mode"] == "paused"
    assert watched.containers(LOOPING) == before
    assert watched.journal.of(LOOPING, what="acted", since=since) == []
    watched.ran("resume", LOOPING)
    watched.journal.wait(LOOPING, "serve-0", "acted", since, "restart")
    watched.journal.wait(LOOPING, what="verified", since=since)


def test_what_a_person_has_stopped_stays_so(watched: Watched) -> None:
    """Nor is a replica of it restarted that hung before: the last word of a person counts."""
    watched.faults[GREEDY].result(DEADLINE)
    os.kill(watched.server(GREEDY, "serve-0"), signal.SIGSTOP)
    watched.ran("stop", GREEDY)
    # Until then a restart is its right.
    since = time.time()
    wait_until(lambda: "stopped by" in (watched.state(GREEDY, 0).get("hold") or ""), DEADLINE, "what is known of it")
    assert watched.cluster.service(GREEDY)["state"] == "STOPPED"
    assert watched.journal.of(GREEDY, what="acted", since=since) == []


def test_a_supervisor_that_died_half_way_is_followed_by_one_that_finishes(watched: Watched) -> None:
    """Where a replica is replaced by taking it away and adding one, and the second half is missing."""
    if DESERTED not in watched.faults:
        pytest.skip("here a container is replaced in one step")
    watched.faults[DESERTED].result(DEADLINE)
    journal = watched.journal
    begun = journal.wait(DESERTED, "serve-1", "decided", text="restart")
    resized = journal.wait(DESERTED, what="acted", text="resize")
    proved = journal.wait(DESERTED, what="verified")
    print_times(watched, begun["at"], resized=resized, proved=proved)
    assert proved["instance"] == "serve-2"
    assert set(watched.containers(DESERTED)) == {"serve-0", "serve-2"}
    wait_until(lambda: restarts(watched, "serve-2") == 1, DEADLINE, "the budget of the one in its place")


def restarts(watched: Watched, instance: str) -> int | None:
    """How many restarts of a deserted replica its second supervisor counts; None where it knows of none such."""
    replicas = watched.state(DESERTED, 2).get("replicas", [])
    return next((each["restarts"] for each in replicas if each["instance"] == instance), None)


def print_times(watched: Watched, begun: float, **entries: dict[str, Any]) -> None:
    """Print how long after *begun* each of the entries came: README has these times."""
    print(watched.cluster.name, {name: round(entry["at"] - begun, 1) for name, entry in entries.items()})
