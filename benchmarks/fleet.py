"""How many replicas one core watches, each asked for its status and a golden prediction every ten seconds.

    python benchmarks/fleet.py [--replicas 5000 10000 20000] [--peer-replicas 5000] [--rounds 3]

Prints a Markdown table. The replicas are servers in another process, on another core, each at an address of its own
(127.x.y.z) and asked over connections of its own; they compute their answers from the request, and one in 997 answers
wrongly: a watcher that does not find just those ends the benchmark. The watcher is pinned to one core, and looks at
services of 200 replicas in turn, as a supervisor does. The peers do the same with requests, on the same core: a pool
of 64 threads, and one replica after the other. A look is late when it ends more than a second after it was due.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import local

import requests
from measuring import machine, verdict

from yarnserve import probe
from yarnserve.records.replica import Contact, Endpoint, Example, ModelCheck, ModelObservation, Target

#: Seconds between two looks at a replica, what a look may take, and how late one may end.
INTERVAL, DEADLINE, LATE = 10.0, 5.0, 1.0
PER_SERVICE = 200
THREADS = 64
#: Every so manieth replica answers wrongly.
WRONG = 997
#: What is wanted of ours, by the number of replicas; and the memory, in MiB.
TARGETS, TARGET_MEMORY = {5000: "held", 10000: "held, the dream"}, 500.0
MODEL = "dot"
WEIGHTS = tuple(float(number % 7 - 3) for number in range(64))


def dot(row: Sequence[float]) -> float:
    """The model."""
    return sum(value * weight for value, weight in zip(row, WEIGHTS, strict=True))


def example() -> Example:
    """A request that nobody has seen before, and its answer."""
    row = [byte / 16 for byte in os.urandom(len(WEIGHTS))]
    return Example({"instances": [row]}, {"predictions": [dot(row)]})


def address(index: int) -> str:
    """Where replica *index* is."""
    return f"127.{1 + index // 62500}.{index // 250 % 250}.{1 + index % 250}"


def is_wrong(host: str) -> bool:
    """Whether the replica at *host* answers wrongly."""
    _, high, middle, low = map(int, host.split("."))
    return ((high - 1) * 62500 + middle * 250 + low - 1) % WRONG == WRONG - 1


class Replica(asyncio.Protocol):
    """One connection to a model server; which one it is tells the address that was called."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._got = b""

    def data_received(self, data: bytes) -> None:
        """Answer when the request is complete."""
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if not found or len(body) < length:
            return
        document = self._predict(json.loads(body)) if head.startswith(b"POST") else self._status()
        text = json.dumps(document).encode()
        lines = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(lines % len(text) + text)
        self._transport.close()

    def _status(self) -> object:
        fine = {"error_code": "OK", "error_message": ""}
        return {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": fine}]}

    def _predict(self, asked: dict[str, list[list[float]]]) -> object:
        off = 1.0 if is_wrong(self._transport.get_extra_info("sockname")[0]) else 0.0
        return {"predictions": [dot(row) + off for row in asked["instances"]]}


async def play() -> None:
    """Be all the replicas: one listener takes every address."""
    server = await asyncio.get_running_loop().create_server(Replica, "0.0.0.0", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


@contextmanager
def replicas_on(core: int) -> Iterator[int]:
    """All replicas, in a process on *core*; yields their port."""
    command = [sys.executable, __file__, "--play", str(core)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def is_well(model: ModelObservation) -> bool:
    """Whether our probe saw the expected answer."""
    seen = model.prediction
    return seen is not None and seen.contact is Contact.ANSWERED and seen.status == 200 and not seen.mismatch


def with_probe(targets: Sequence[Target]) -> list[bool]:
    """Ours: which of *targets* are well."""
    return [is_well(seen.models[0]) for seen in probe.observe(targets, deadline=DEADLINE)]


_sessions = local()


def with_requests(target: Target) -> bool:
    """The peer: the same two requests, and the same comparison."""
    if not hasattr(_sessions, "one"):
        _sessions.one = requests.Session()
        _sessions.one.trust_env = False
        _sessions.one.headers["Connection"] = "close"
    golden = target.models[0].example
    assert golden is not None
    assert golden.expected is not None
    url = f"{target.endpoint.rest_url}/v1/models/{MODEL}"
    try:
        status = _sessions.one.get(url, timeout=DEADLINE).json()["model_version_status"][0]
        found = _sessions.one.post(f"{url}:predict", json=golden.request, timeout=DEADLINE).json()["predictions"]
    except requests.RequestException:
        return False
    (wanted,) = golden.expected["predictions"]
    return status["state"] == "AVAILABLE" and abs(found[0] - wanted) <= golden.tolerance


def with_threads(targets: Sequence[Target]) -> list[bool]:
    """The peer in threads."""
    return list(_pool.map(with_requests, targets))


_pool = ThreadPoolExecutor(THREADS)
WATCHERS: dict[str, tuple[str, Callable[[Sequence[Target]], list[bool]]]] = {
    "ours": ("`probe.observe`", with_probe),
    "threads": (f"requests, {THREADS} threads", with_threads),
    "sequence": ("requests, one after the other", lambda targets: [*map(with_requests, targets)]),
}


@dataclass(frozen=True)
class Watched:
    """What watching took: seconds of CPU in each round, looks and late ones, the longest delay, MiB resident."""

    cpu: float
    looks: int
    late: int
    longest: float
    memory: float


def watch(look: Callable[[Sequence[Target]], list[bool]], replicas: int, rounds: int, port: int) -> Watched:
    """Watch *replicas* for *rounds*, one service after the other, each when it is due."""
    checks = (ModelCheck(MODEL, example()),)
    targets = [Target(f"serve-{index}", Endpoint(address(index), port, 1), checks) for index in range(replicas)]
    services = [targets[first : first + PER_SERVICE] for first in range(0, replicas, PER_SERVICE)]
    wrong = sum(is_wrong(target.endpoint.host) for target in targets)
    began, used, delays = time.monotonic(), time.process_time(), list[float]()
    for number in range(rounds):
        found = 0
        for place, service in enumerate(services):
            due = began + INTERVAL * (number + place / len(services))
            time.sleep(max(0.0, due - time.monotonic()))
            found += look(service).count(False)
            delays.append(time.monotonic() - due)
        if found != wrong:
            sys.exit(f"{found} replicas were seen to answer wrongly, and {wrong} do")
    memory = int(Path("/proc/self/status").read_text(encoding="utf-8").split("VmHWM:")[1].split()[0]) / 1024
    late = sum(delay > LATE for delay in delays)
    return Watched((time.process_time() - used) / rounds, len(delays), late, max(delays), memory)


def row(name: str, replicas: int, watched: Watched, target: str) -> str:
    """A line of the table."""
    held = "not held" if watched.late else "held"
    met = "missed" if watched.late else verdict(watched.memory, TARGET_MEMORY)
    wanted = f"{target}; {TARGET_MEMORY:.0f} MiB | {met}" if target else " | "
    return (
        f"| {name} | {replicas:,} | {watched.cpu:.2f} | {watched.late} of {watched.looks}: {held} "
        f"| {watched.longest:.2f} | {watched.memory:.0f} | {wanted} |"
    )


def main() -> None:
    """Print the table; each line comes from a process of its own."""
    parser = argparse.ArgumentParser(description="Measure how many replicas one core watches.")
    parser.add_argument("--replicas", type=int, nargs="+", default=[5000, 10000, 20000])
    parser.add_argument("--peer-replicas", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--play", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--watch", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if arguments.play is not None:
        os.sched_setaffinity(0, {arguments.play})
        asyncio.run(play())
        return
    if arguments.watch:
        kind, replicas, port = arguments.watch
        os.sched_setaffinity(0, {cores[0]})
        print(json.dumps(asdict(watch(WATCHERS[kind][1], int(replicas), arguments.rounds, int(port)))))
        return
    if len(cores) < 2:
        sys.exit("the watcher and the replicas need a core each")
    print(f"{machine()}; one core for the watcher, another for the replicas; {arguments.rounds} rounds of 10 s\n")
    print("| watcher | replicas | CPU seconds of each 10 | late looks | longest, s | MiB | target | |")
    print("|---|---:|---:|---|---:|---:|---|---|")
    runs = [("ours", count) for count in arguments.replicas]
    runs += [(kind, arguments.peer_replicas) for kind in ("threads", "sequence")]
    with replicas_on(cores[1]) as port:
        for kind, count in runs:
            command = [
                sys.executable,
                __file__,
                "--rounds",
                str(arguments.rounds),
                "--watch",
                kind,
                str(count),
                str(port),
            ]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
            if done.returncode:
                sys.exit(done.returncode)
            target = TARGETS.get(count, "") if kind == "ours" else ""
            print(row(WATCHERS[kind][0], count, Watched(**json.loads(done.stdout)), target), flush=True)


if __name__ == "__main__":
    main()
