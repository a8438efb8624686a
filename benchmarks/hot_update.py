"""A new version, from ``models publish`` to served on eight replicas; and what callers of one replica notice of it.

    PYTHONPATH=. python benchmarks/hot_update.py [--size 1GiB] [--replicas 8] [--rounds 5] [--window 15]

Needs a JDK, Maven and wrk. A real Hadoop, with agents in YARN's containers. The version is the digits with a file of
that size in assets.extra, so that fetching is real and loading small. The agents know three endpoints: WebHDFS, a relay
of HttpFS that dies after a sixth of all bytes, and one that turns a bit of a body over, once. Everything runs on this
one machine: eight replicas share the cores and the disk that each would have for itself.

Then callers: wrk asks one replica in windows of equal length, quiet ones and ones with a hot update of the digits, in
turn. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from measuring import DIGITS, YARNSERVE, machine, run, verdict
from relays import Relay, relays

from tests.cli.conftest import SpecWriter
from tests.hadoop.cluster import USERS, RealHadoop
from tests.load import Counts, callers
from tests.sandbox.cluster_support import send
from yarnserve.spec.model import PORT_STRIDE
from yarnserve.spec.units import memory_mb

MIB = 2**20

#: Seconds from publish to served everywhere; and how many times its quiet value p99 may be around a hot update.
TARGET, SWAP_TARGET = 120.0, 2.0

NAME = "hot"
BASE_PATH = f"/user/{USERS[0]}/{NAME}"

#: Seconds for everything that is waited for.
DEADLINE = 600.0

#: Milliseconds between an answer and the next request of a caller, of which there are two.
PAUSE = 5

#: A line in a container's log for each step; the last one is the agent's word that the version has answered.
STEPS = {
    "noticed": r"version 2: .* to fetch",
    "fetched, every byte verified": r"version 2: every byte is as published",
    "given to the server": r"agent: version 2 of digits is tried",
    "loaded": r"Successfully loaded servable version \{name: digits version: 2\}",
    "golden request answered": r"agent: version 2 of digits is served",
}

#: What agents say of a block with wrong bytes, and of an endpoint that does not give what it was asked for.
CORRUPT, TROUBLE = "; fetching it again", "; trying elsewhere"


@dataclass
class Watch:
    """Reads the containers' logs as they grow; *seen* is when each replica's log told each step."""

    logs: Path
    seen: dict[str, dict[Path, float]] = field(default_factory=lambda: {step: {} for step in STEPS})
    _ended: threading.Event = field(default_factory=threading.Event)

    def follow(self) -> None:
        """Look ten times a second, until the end."""
        while not self._ended.wait(0.1):
            for file in self.files():
                now, text = time.monotonic(), file.read_text(errors="replace")
                for step, pattern in STEPS.items():
                    if file not in self.seen[step] and re.search(pattern, text):
                        self.seen[step][file] = now

    def files(self) -> list[Path]:
        """The log of each replica's agent and server."""
        return [file for file in self.logs.glob("application_*/container_*/stderr.txt") if file.stat().st_size]

    def count(self, words: str) -> int:
        """How often all of them say *words*."""
        return sum(file.read_text(errors="replace").count(words) for file in self.files())

    def end(self) -> None:
        """Look no more."""
        self._ended.set()


@contextmanager
def watching(logs: Path) -> Iterator[Watch]:
    """A watch in a thread of its own."""
    watch = Watch(logs)
    thread = threading.Thread(target=watch.follow)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()


@dataclass(frozen=True)
class Bench:
    """Where is measured: *base* is the first of the replicas' ports, *scratch* is ours."""

    cluster: RealHadoop
    base: int
    scratch: Path

    def launch(self, replicas: int, memory: str, namenodes: str) -> None:
        """Launch the service and wait until it is live."""
        spec = SpecWriter(self.scratch, self.base)(
            NAME,
            model={"base_path": f"hdfs://{BASE_PATH}", "name": "digits", "example": "example.json", "delivery": "sync"},
            ports={"grpc": self.base, "rest": self.base + 1, "agent": self.base + 2},
            resources={"cpus": 1, "memory": memory},
            replicas=replicas,
            agent={"poll": "2s"},
        )
        run([YARNSERVE, "launch", str(spec), "--namenode", namenodes, "--wait", "--timeout", str(DEADLINE)])

    def served(self) -> int | None:
        """The version that replica 0 vouches for."""
        answer = send("GET", f"http://localhost:{self.base + 2}/status")
        version: int | None = answer.document()["models"][0]["version"]
        return version


def free_ports(replicas: int) -> int:
    """Return the first of as many ports as *replicas* need; nobody has any of them now."""
    while True:
        base = random.randrange(12000, 30000)
        try:
            for port in range(base, base + PORT_STRIDE * replicas):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return base


def large_version(directory: Path, size: int) -> Path:
    """The digits with a file of *size* random bytes beside them, which no server reads."""
    shutil.copytree(DIGITS / "model" / "1", directory)
    (directory / "assets.extra").mkdir()
    with (directory / "assets.extra" / "table").open("wb") as file:
        for at in range(0, size, MIB):
            file.write(os.urandom(min(MIB, size - at)))
    return directory


def publish(directory: Path, version: int) -> None:
    """Publish."""
    run([YARNSERVE, "models", "publish", str(directory), BASE_PATH, "--version", str(version)])


def promote(version: int, *options: str) -> None:
    """Promote."""
    run([YARNSERVE, "models", "promote", BASE_PATH, str(version), *options])


def update(bench: Bench, replicas: int, size: int, endpoints: tuple[Relay, Relay]) -> None:
    """Measure the way of a version to all replicas, and print it."""
    dying, lying = endpoints
    model = large_version(bench.scratch / "large", size)
    os.sync()
    with watching(bench.cluster.directory / "data" / "nm-logs") as watch:
        begun = time.monotonic()
        publish(model, 2)
        published = time.monotonic()
        promote(2, "--service", NAME, "--timeout", str(DEADLINE))
        ended = time.monotonic()
        wait_for_logs(watch, replicas)
    print(f"\nPublish to served: {size / MIB:.0f} MiB on {replicas} replicas; {machine()}, {load()}\n")
    print("| step | first replica, s | last replica, s |\n|---|---:|---:|")
    print(f"| published, every byte read back | | {published - begun:.1f} |")
    for step, seen in watch.seen.items():
        times = [at - begun for at in seen.values()]
        print(f"| {step} | {min(times):.1f} | {max(times):.1f} |")
    total = ended - begun
    print(f"| served by all, as `promote --service` says | | {total:.1f} |")
    print(f"| target | | {TARGET:.0f}: {verdict(total, TARGET)} |")
    print(f"\n{what_went_wrong(watch, dying, lying)}", flush=True)


def what_went_wrong(watch: Watch, dying: Relay, lying: Relay) -> str:
    """Say what the endpoints did, and what the agents say of it."""
    return (
        f"The dying endpoint gave {dying.passed / MIB:.0f} MiB and {'died' if dying.is_dead else 'never died'}. "
        f"The lying one gave {lying.passed / MIB:.0f} MiB, {lying.corrupted} bit of them wrong. "
        f"Agents found wrong bytes {watch.count(CORRUPT)} times, and went on elsewhere {watch.count(TROUBLE)} times."
    )


def wait_for_logs(watch: Watch, replicas: int) -> None:
    """Wait until every step was told by every replica: logs come after what they tell."""
    ends = time.monotonic() + 10
    while any(len(seen) < replicas for seen in watch.seen.values()):
        if time.monotonic() > ends:
            sys.exit(f"not every replica told every step: { {step: len(seen) for step, seen in watch.seen.items()} }")
        time.sleep(0.1)


def load() -> str:
    """What else this machine does, in words."""
    return f"load average {os.getloadavg()[0]:.1f}"


def swaps(bench: Bench, rounds: int, window: int) -> None:
    """Measure what callers notice of a hot update, and print it."""
    body = bench.scratch / "request.json"
    body.write_text(json.dumps(json.loads((DIGITS / "example.json").read_text())["request"]))
    url = f"http://localhost:{bench.base + 1}/v1/models/digits:predict"
    # One window nobody counts: the server's first requests are slow.
    asked(url, body, window)
    quiet, around = [], []
    for index in range(rounds):
        quiet.append(asked(url, body, window))
        around.append(asked(url, body, window, updating=(bench, 3 + index % 2)))
    print_swaps(quiet, around, window)


def asked(url: str, body: Path, window: int, updating: tuple[Bench, int] | None = None) -> Counts:
    """Ask for *window* seconds; a third after the beginning of it the version changes."""
    with callers([url], body, pause=PAUSE) as (caller,):
        ends = time.monotonic() + window
        time.sleep(window / 3)
        if updating is not None:
            bench, version = updating
            promote(version)
            while bench.served() != version:
                if time.monotonic() > ends:
                    sys.exit(f"version {version} did not come within {window} s: --window")
                time.sleep(0.1)
        time.sleep(max(0.0, ends - time.monotonic()))
        return caller.end()


def print_swaps(quiet: Sequence[Counts], around: Sequence[Counts], window: int) -> None:
    """Print both kinds of windows beside each other."""
    print(f"\nWhat callers notice of a hot update; {len(quiet)} windows of {window} s each; {machine()}, {load()}\n")
    print("| window | requests | errors | p50, ms | p99, ms: median | each | longest |")
    print("|---|---:|---:|---:|---:|---|---:|")
    medians = []
    for name, counts in (("quiet", quiet), ("around a hot update", around)):
        p99 = [each.p99 for each in counts]
        medians.append(statistics.median(p99))
        cells = (
            name,
            f"{sum(each.requests for each in counts):,}",
            str(sum(sum(each.errors.values()) for each in counts)),
            f"{statistics.median(each.p50 for each in counts):.2f}",
            f"{medians[-1]:.2f}",
            " ".join(f"{value:.1f}" for value in p99),
            f"{max(each.longest for each in counts):.0f}",
        )
        print(f"| {' | '.join(cells)} |")
    ratio = medians[1] / medians[0]
    print(f"\nratio of the p99: {ratio:.2f}, target {SWAP_TARGET:.0f}: {verdict(ratio, SWAP_TARGET)}", flush=True)


def booted(version: str, directory: Path) -> RealHadoop:
    """Return a Hadoop to be entered, whose node has room for all replicas."""
    changes = {"yarn-site.xml": {"yarn.nodemanager.resource.memory-mb": str(64 * 1024)}}
    # The tests' JVMs compile in the quickest way, which makes slower code than a cluster's.
    return RealHadoop(version, directory / "hadoop", java=["-XX:TieredStopAtLevel=4"], changes=changes)


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1GiB", help="of the version (default: 1GiB)")
    parser.add_argument("--replicas", type=int, default=8, help="agents on this machine (default: 8; 0 for none)")
    parser.add_argument("--rounds", type=int, default=5, help="windows of each kind (default: 5; 0 for none)")
    parser.add_argument("--window", type=int, default=15, help="seconds (default: 15)")
    parser.add_argument("--version", default="3.3.6", help="Hadoop's (default: 3.3.6)")
    return parser.parse_args()


def main() -> None:
    """Boot, launch, measure, print."""
    arguments = parsed()
    size = memory_mb(arguments.size.removesuffix("iB").removesuffix("B").lower()) * MIB
    with tempfile.TemporaryDirectory(prefix="hot-") as name:
        directory = Path(name)
        if shutil.disk_usage(directory).free < (arguments.replicas + 4) * size:
            sys.exit(f"{directory} has not the room for {arguments.replicas + 4} x {arguments.size}: TMPDIR")
        with booted(arguments.version, directory) as cluster:
            os.environ.update(cluster.environment)
            bench = Bench(cluster, free_ports(max(1, arguments.replicas)), directory)
            measure(bench, arguments, size)


def measure(bench: Bench, arguments: argparse.Namespace, size: int) -> None:
    """Both."""
    publish(DIGITS / "model" / "1", 1)
    promote(1)
    if arguments.replicas:
        memory = f"{int(size * 1.2) // MIB + 512}m"
        with relays(
            bench.cluster.httpfs_url, dies_after=arguments.replicas * size // 6, corrupts_after=size // 4
        ) as endpoints:
            places = ",".join([bench.cluster.namenode_url, *(each.url for each in endpoints)])
            bench.launch(arguments.replicas, memory, places)
            update(bench, arguments.replicas, size, endpoints)
            run([YARNSERVE, "destroy", NAME, "--yes"])
    if arguments.rounds:
        for version in (3, 4):
            publish(DIGITS / "model" / "1", version)
        promote(4)
        bench.launch(1, "512m", bench.cluster.namenode_url)
        swaps(bench, arguments.rounds, arguments.window)
        subprocess.run([YARNSERVE, "destroy", NAME, "--yes"], check=False, capture_output=True)


if __name__ == "__main__":
    main()
