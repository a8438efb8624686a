"""How soon a supervisor finds and replaces a server that hangs or dies again and again, beside YARN alone.

    python benchmarks/relaunch.py [--hadoop-version 3.1.4 3.3.6] [--watch 240]

Prints a Markdown table for each Hadoop, imitated by the sandbox, with real processes for containers. Two services of
three replicas each run side by side, with the defaults of service.yaml: one with ``yarnserve supervise``, one without.

A server is made to hang by SIGSTOP, at any moment between two looks. For the crash loop one server of each service
aborts 45 s after each of its starts, as by a failed check of TensorFlow: late enough for YARN to call it READY each
time. The figures of the supervised service are from its journal.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from measuring import DIGITS, YARNSERVE, machine, run, verdict

from yarnserve.config import Flags, resolve
from yarnserve.records.replica import Endpoint, Health
from yarnserve.service.connection import Connection, connect
from yarnserve.service.look import Snapshot, look
from yarnserve.spec.model import COMPONENT

EVIDENCE_TARGET, ORDER_TARGET = 30.0, 45.0
REPLICAS = 3
UPTIME = 45.0
#: Seconds for everything that is waited for.
PATIENCE = 180.0
#: The first port of each service; whose replicas share this machine.
PORTS = {"watched": 18601, "alone": 19601}


@dataclass(frozen=True)
class Entry:
    """A line of the journal, as far as it matters here."""

    at: float
    what: str
    text: str
    instance: str
    rule: str


@dataclass(frozen=True)
class Supervised:
    """A supervisor's journal."""

    file: Path

    def entries(self, since: float) -> list[Entry]:
        """What was written since then, oldest first."""
        lines = self.file.read_text(encoding="utf-8").splitlines() if self.file.exists() else []
        documents = [json.loads(line) for line in lines]
        found = [
            Entry(each["at"], each["what"], each["text"], each.get("instance", ""), each.get("rule", ""))
            for each in documents
        ]
        return [entry for entry in found if entry.at >= since]

    def first(self, since: float, what: str, instance: str = "", rule: str = "") -> Entry | None:
        """The first entry of one kind, of *instance* and by *rule* where they are given."""
        for entry in self.entries(since):
            if entry.what == what and entry.instance in (instance or entry.instance, "") and rule in ("", entry.rule):
                return entry
        return None


def until(find: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait until *find* finds something."""
    ends = time.monotonic() + patience
    while not find():
        if time.monotonic() > ends:
            sys.exit(f"{what}: not within {patience:.0f} s")
        time.sleep(0.2)


def server_on(port: int) -> int:
    """The process whose REST API is on *port*; 0 where there is none."""
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and f"--rest_api_port={port}".encode() in (process / "cmdline").read_bytes():
                return int(process.name)
    return 0


def launch(name: str, directory: Path) -> None:
    """Launch a service, and wait until it is live."""
    spec = directory / f"{name}.yaml"
    spec.write_text(
        f"name: {name}\nmodel: {{base_path: /models/digits, example: {DIGITS / 'example.json'}}}\n"
        f"serving: {{version: '2.6', flags: {{prefer_tflite_model: true}}}}\nreplicas: {REPLICAS}\n"
        f"resources: {{memory: 512m}}\nports: {{rest: {PORTS[name]}, grpc: {PORTS[name] - 1}}}\n"
        f"supervise: {{enabled: {str(name == 'watched').lower()}}}\n",
        encoding="utf-8",
    )
    run([YARNSERVE, "launch", str(spec), "--wait", "--timeout", f"{PATIENCE:.0f}"])


@contextmanager
def supervising(directory: Path) -> Iterator[Supervised]:
    """``yarnserve supervise`` of the watched service; yields when it has seen all replicas live."""
    state = directory / "state"
    with (directory / "supervise.log").open("wb") as log:
        command = [YARNSERVE, "supervise", "watched", "--state", str(state)]
        with subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL) as process:
            supervised = Supervised(state / "journal.jsonl")
            try:
                until(lambda: len(seen_live(supervised)) == REPLICAS, "the supervisor to see all replicas live")
                yield supervised
            finally:
                process.terminate()


def seen_live(supervised: Supervised) -> set[str]:
    """The replicas of which the journal says that they are live."""
    return {entry.instance for entry in supervised.entries(0.0) if entry.text.startswith("live")}


@dataclass(frozen=True)
class Hang:
    """Seconds from a hang to complete evidence, the order of a replacement, and a live one."""

    evidence: float
    ordered: float
    live: float


def hang(connection: Connection, supervised: Supervised, instance: str) -> Hang:
    """Make a live replica hang, at any moment between two looks, and follow its replacement."""
    until(lambda: well(look(connection, "watched")), "three live replicas")
    time.sleep(random.uniform(0.0, 10.0))
    victim = next(each for each in look(connection, "watched").replicas if each.instance == instance)
    pid = server_on(port_of(victim.endpoint))
    began = time.time()
    os.kill(pid, signal.SIGSTOP)
    until(lambda: supervised.first(began, "verified"), f"a replacement of {victim.instance}")
    decided = supervised.first(began, "decided", victim.instance, "evidence")
    acted, verified = supervised.first(began, "acted"), supervised.first(began, "verified")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    if decided is None or acted is None or verified is None:
        sys.exit(f"the journal does not tell the story: {supervised.entries(began)}")
    return Hang(decided.at - began, acted.at - began, verified.at - began)


def well(snapshot: Snapshot) -> bool:
    """Whether all replicas are live."""
    return sum(each.verdict.health is Health.LIVE for each in snapshot.replicas) == REPLICAS == len(snapshot.replicas)


def port_of(endpoint: Endpoint | None) -> int:
    """The port of a replica's REST API."""
    if endpoint is None:
        sys.exit("a replica has no address")
    return endpoint.rest_port


@dataclass
class Killer:
    """Has whatever serves on *port* abort 45 s after its start, again and again; *deaths* are the times."""

    port: int
    deaths: list[float] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Do so until the end."""
        known, since = 0, 0.0
        while not self._ended.wait(0.2):
            pid = server_on(self.port)
            if pid != known:
                known, since = pid, time.monotonic()
            elif pid and time.monotonic() - since >= UPTIME:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGABRT)
                    self.deaths.append(time.time())
                known = 0

    def end(self) -> None:
        """Kill no more."""
        self._ended.set()


@contextmanager
def crash_loops(ports: Sequence[int]) -> Iterator[list[Killer]]:
    """One server on each of *ports* dies every 45 s."""
    killers = [Killer(port) for port in ports]
    threads = [threading.Thread(target=killer.run) for killer in killers]
    for thread in threads:
        thread.start()
    try:
        yield killers
    finally:
        for killer in killers:
            killer.end()
        for thread in threads:
            thread.join()


@dataclass
class Shown:
    """What YARN says of a service, look by look: its states, those of its containers, and which these are."""

    states: set[str] = field(default_factory=set)
    containers: set[str] = field(default_factory=set)
    ids: dict[str, set[str]] = field(default_factory=dict)

    def look(self, connection: Connection, name: str) -> None:
        """Look once more."""
        service = connection.services.get(name)
        component = service.component(COMPONENT)
        self.states.add(service.state.value)
        for container in component.containers if component else ():
            self.containers.add(container.state.value)
            self.ids.setdefault(container.instance, set()).add(container.id)

    @property
    def words(self) -> str:
        """The states that it ever had."""
        return f"{'/'.join(sorted(self.states))}, containers {'/'.join(sorted(self.containers))}"


@dataclass(frozen=True)
class CrashLoop:
    """What became of a crash loop: deaths, what YARN showed, and the words of the supervisor, where there is one.

    *named* is when it named the loop, in seconds after the second death.
    """

    deaths: dict[str, int]
    shown: dict[str, Shown]
    touched: dict[str, int]
    named: float
    words: str
    story: list[str]


def crash_loop(connection: Connection, supervised: Supervised, watch: float) -> CrashLoop:
    """Let one replica of each service die every 45 s, for *watch* seconds."""
    for name in PORTS:
        until(lambda name=name: well(look(connection, name)), f"three live replicas of {name}")
    victims = {name: look(connection, name).replicas[0] for name in PORTS}
    shown, began = {name: Shown() for name in PORTS}, time.time()
    with crash_loops([port_of(victim.endpoint) for victim in victims.values()]) as killers:
        while time.time() - began < watch:
            for name, each in shown.items():
                each.look(connection, name)
            time.sleep(1.0)
    deaths = dict(zip(PORTS, killers, strict=True))
    story = [entry for entry in supervised.entries(began) if entry.what != "seen"]
    second = deaths["watched"].deaths[1] if len(deaths["watched"].deaths) > 1 else time.time()
    of_victim = [entry for entry in story if entry.instance == victims["watched"].instance and entry.at > second]
    named = next((entry for entry in of_victim if entry.what in ("decided", "held")), None)
    if named is None:
        sys.exit(f"the loop was not named: {story}")
    return CrashLoop(
        {name: len(killer.deaths) for name, killer in deaths.items()},
        shown,
        {name: touched(shown[name], victims[name].instance) for name in PORTS},
        named.at - second,
        named.text,
        [f"{entry.at - began:.0f} s {entry.what}: {entry.text}" for entry in story],
    )


def touched(shown: Shown, victim: str) -> int:
    """How many of the other replicas got another container."""
    first = [ids for instance, ids in shown.ids.items() if instance != victim]
    return sum(len(ids) > 1 for ids in first)


def inside(watch: float, version: str) -> None:
    """Measure on the cluster that we are in, and print its table."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        for name in PORTS:
            launch(name, directory)
        connection = connect(resolve(Flags(), os.environ))
        with supervising(directory) as supervised:
            forgotten = look(connection, "alone").replicas[0]
            pid, stopped = server_on(port_of(forgotten.endpoint)), time.monotonic()
            os.kill(pid, signal.SIGSTOP)
            seen, alone = [], Shown()
            # Each once: a second restart of one within minutes is made to wait.
            for instance in [each.instance for each in look(connection, "watched").replicas]:
                seen.append(hang(connection, supervised, instance))
                alone.look(connection, "alone")
            lasted = time.monotonic() - stopped
            os.kill(pid, signal.SIGCONT)
            looped = crash_loop(connection, supervised, watch)
    print_table(version, seen, f"never: after {lasted:.0f} s {alone.words}", looped)


def print_table(version: str, seen: Sequence[Hang], alone: str, looped: CrashLoop) -> None:
    """Print what was measured."""

    def row(what: str, values: Sequence[float], target: float | None) -> str:
        aim = f"{target:.0f} | {verdict(max(values), target)}" if target else "| "
        return f"| {what} | {statistics.median(values):.1f} ({max(values):.1f}) | {alone} | {aim} |"

    print(f"\nHadoop {version}; seconds, median (longest) of {len(seen)} hangs\n")
    print("| fault | with `yarnserve supervise` | YARN alone | target | |\n|---|---|---|---:|---|")
    print(row("a server hangs: evidence complete", [each.evidence for each in seen], EVIDENCE_TARGET))
    print(row("replacement ordered", [each.ordered for each in seen], ORDER_TARGET))
    print(row("a new one live", [each.live for each in seen], None))
    met = "met" if looped.named < UPTIME else "missed"
    print(
        f"| a crash loop of {UPTIME:.0f} s: named | {looped.named:.1f} s after its second death: {looped.words} "
        f"| never: {looped.deaths['alone']} deaths, {looped.shown['alone'].words} | before the third | {met} |"
    )
    met = "met" if not looped.touched["watched"] else "missed"
    print(
        f"| healthy replicas that it touched | {looped.touched['watched']} of {REPLICAS - 1}; "
        f"{looped.deaths['watched']} deaths in all | {looped.touched['alone']} of {REPLICAS - 1} | 0 | {met} |"
    )
    print("\n" + "\n".join(f"    {line}" for line in looped.story), flush=True)


def main() -> None:
    """Print the tables; each comes from ourselves inside a sandbox."""
    parser = argparse.ArgumentParser(description="Measure how soon a supervisor replaces what is not well.")
    parser.add_argument("--hadoop-version", nargs="+", default=["3.1.4", "3.3.6"])
    parser.add_argument("--watch", type=float, default=240.0, help="seconds of crash loop")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        inside(arguments.watch, *arguments.hadoop_version)
        return
    print(machine(), flush=True)
    for version in arguments.hadoop_version:
        own = [sys.executable, __file__, "--inside", "--watch", str(arguments.watch)]
        cluster = [YARNSERVE, "sandbox", "--hadoop-version", version, "--upload", f"{DIGITS / 'model'}:/models/digits"]
        done = subprocess.run([*cluster, "--", *own, "--hadoop-version", version], check=False)
        if done.returncode:
            sys.exit(done.returncode)


if __name__ == "__main__":
    main()
