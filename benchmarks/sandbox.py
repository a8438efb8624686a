"""Whether the sandbox holds a big cluster: 200 services of 50 simulated containers, looked at over HTTP.

    python benchmarks/sandbox.py [--services 200] [--replicas 50] [--looks 400]

Prints a Markdown table. The peer is a web server of aiohttp, the library that the sandbox stands on, with nothing
behind it: it sends the same bytes. The two are asked in turn, so that a slow moment of the machine hits both.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import http.client
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from measuring import YARNSERVE, machine, verdict

NODES = 100
USER = getpass.getuser()
MEDIAN_TARGET, MEMORY_TARGET = 20.0, 300.0
#: Seconds for all services to become STABLE.
PATIENCE = 120.0


@contextmanager
def big_cluster() -> Iterator[tuple[str, int]]:
    """A simulated cluster with room for all; yields its URL and process."""
    command = [YARNSERVE, "sandbox", "--simulated", "--nodes", str(NODES), "--memory", "65536", "--vcores", "1024"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            url = next(found[1] for line in process.stderr if (found := re.search(r"ResourceManager (\S+),", line)))
            yield url, process.pid
        finally:
            process.terminate()


class Caller:
    """One connection, kept open."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

    def call(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        """Send one request and return status and body."""
        headers = {"Content-Type": "application/json"} if body else {}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def timed(self, path: str) -> float:
        """Return the milliseconds that a GET of *path* takes."""
        began = time.perf_counter()
        status, _ = self.call("GET", path)
        if status != 200:
            sys.exit(f"GET {path}: {status}")
        return (time.perf_counter() - began) * 1000


def path_of(index: int) -> str:
    """Return the path of one service."""
    return f"/app/v1/services/many-{index}?user.name={USER}"


def fill(caller: Caller, services: int, replicas: int) -> float:
    """Create all services and return the seconds until the last one is STABLE."""
    began = time.monotonic()
    for index in range(services):
        component = {"name": "serve", "number_of_containers": replicas, "launch_command": "tensorflow_model_server"}
        component["resource"] = {"cpus": 1, "memory": "64"}
        document = {"name": f"many-{index}", "version": "1", "components": [component]}
        document["configuration"] = {"properties": {"yarn.service.readiness-check-interval.seconds": "2"}}
        status, body = caller.call("POST", f"/app/v1/services?user.name={USER}", json.dumps(document))
        if status != 202:
            sys.exit(f"POST: {status} {body.decode()}")
    waiting = set(range(services))
    while waiting:
        waiting = {index for index in waiting if json.loads(caller.call("GET", path_of(index))[1])["state"] != "STABLE"}
        if time.monotonic() - began > PATIENCE:
            sys.exit(f"{len(waiting)} of {services} services are not STABLE after {PATIENCE:.0f} s")
        time.sleep(0.2)
    return time.monotonic() - began


def resident(process: int) -> float:
    """Return the MiB of memory that *process* has."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


@contextmanager
def bare_server(body: bytes) -> Iterator[str]:
    """A web server in another process that sends *body* to everybody."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(body)
            process.stdin.close()
            yield process.stdout.readline().decode().strip()
        finally:
            process.terminate()


async def serve(body: bytes) -> None:
    """Be the bare server."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "localhost", 0)
    await site.start()
    print(f"http://localhost:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure the sandbox with thousands of simulated containers.")
    parser.add_argument("--services", type=int, default=200)
    parser.add_argument("--replicas", type=int, default=50)
    parser.add_argument("--looks", type=int, default=400)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(sys.stdin.buffer.read()))
        return

    with big_cluster() as (url, process):
        caller = Caller(url)
        filled = fill(caller, arguments.services, arguments.replicas)
        _, body = caller.call("GET", path_of(0))
        shown = len(json.loads(body)["components"][0]["containers"])
        if shown != arguments.replicas:
            sys.exit(f"{shown} containers are shown, not {arguments.replicas}")
        with bare_server(body) as peer_url:
            peer = Caller(peer_url)
            rounds = []
            for index in range(arguments.looks):
                rounds.append((caller.timed(path_of(index % arguments.services)), peer.timed("/")))
                # Not in step with the sandbox's own looks at its containers.
                time.sleep(0.013)
        memory = resident(process)
    ours, theirs = statistics.median(a for a, _ in rounds), statistics.median(b for _, b in rounds)
    worst = statistics.quantiles((a for a, _ in rounds), n=100)[98]
    containers = arguments.services * arguments.replicas
    print(
        f"{machine()}; {arguments.services} "
        f"services, {containers} simulated containers, STABLE after {filled:.0f} s; {arguments.looks} looks each\n"
    )
    print("| ours | | peer | | target | |\n|---|---:|---|---:|---:|---|")
    print(
        f"| GET of a service, median (99 %) | {ours:.1f} ms ({worst:.0f}) | the same {len(body)} bytes from a bare "
        f"aiohttp server | {theirs:.1f} ms | {MEDIAN_TARGET:.0f} ms | {verdict(ours, MEDIAN_TARGET)} |"
    )
    print(f"| resident memory | {memory:.0f} MiB | | | {MEMORY_TARGET:.0f} MiB | {verdict(memory, MEMORY_TARGET)} |")


if __name__ == "__main__":
    main()
