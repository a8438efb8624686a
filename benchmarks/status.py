"""How long ``yarnserve status`` of a service with 200 replicas takes, each asked for its status and a prediction.

    python benchmarks/status.py [--replicas 200] [--runs 10]

Prints a Markdown table. The containers are simulated; one web server plays all the model servers, on the ports that
the service gives its replicas, and answers at once, so that what is measured is the looking and not the models. The
peer is a Python with requests that sends the same two requests to each replica, one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aiohttp import web
from measuring import DIGITS, YARNSERVE, in_turn, run, times_head, times_row

TARGET = 1.0
FIRST_PORT, STRIDE = 18501, 10
EXAMPLE = json.loads((DIGITS / "example.json").read_text(encoding="utf-8"))
#: Seconds until all replicas are well.
PATIENCE = 60.0

PEER = f"""
import json, sys, requests
example = json.load(open(sys.argv[1]))["request"]
for index in range(int(sys.argv[2])):
    base = f"http://localhost:{{{FIRST_PORT} + {STRIDE} * index}}/v1/models/digits"
    requests.get(base, timeout=5).raise_for_status()
    requests.post(base + ":predict", json=example, timeout=5).raise_for_status()
"""


async def play(replicas: int) -> None:
    """Be *replicas* model servers."""

    async def status(request: web.Request) -> web.Response:
        fine = {"error_code": "OK", "error_message": ""}
        return web.json_response({"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": fine}]})

    async def predict(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(EXAMPLE["expected"])

    application = web.Application()
    application.router.add_get("/v1/models/digits", status)
    application.router.add_post("/v1/models/digits:predict", predict)
    runner = web.AppRunner(application)
    await runner.setup()
    for index in range(replicas):
        await web.TCPSite(runner, "localhost", FIRST_PORT + STRIDE * index).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


def launch(replicas: int, directory: Path) -> None:
    """Launch the service on the cluster we are in and wait until every replica is well."""
    spec = directory / "service.yaml"
    spec.write_text(
        f"name: many\nmodel: {{base_path: /models/digits, example: {DIGITS / 'example.json'}}}\n"
        f"serving: {{version: '2.6'}}\nreplicas: {replicas}\nresources: {{memory: 64m}}\n"
        f"ports: {{rest: {FIRST_PORT}, grpc: {FIRST_PORT - 1}}}\n"
    )
    run([YARNSERVE, "launch", str(spec)])
    began = time.monotonic()
    status = [YARNSERVE, "status", "many", "--exit-status"]
    while subprocess.run(status, capture_output=True, check=False).returncode:
        if time.monotonic() - began > PATIENCE:
            run(status)


def inside(replicas: int, runs: int) -> None:
    """Measure on the cluster we are in and print the row."""
    players = subprocess.Popen(
        [sys.executable, __file__, "--play", "--replicas", str(replicas)], stdout=subprocess.PIPE
    )
    try:
        assert players.stdout is not None
        players.stdout.readline()
        with tempfile.TemporaryDirectory() as directory:
            launch(replicas, Path(directory))
        ours = [YARNSERVE, "status", "many", "--exit-status"]
        peer = [sys.executable, "-c", PEER, str(DIGITS / "example.json"), str(replicas)]
        our_times, peer_times = in_turn(ours, peer, runs)
    finally:
        players.terminate()
        players.wait()
    name = f"`yarnserve status` of {replicas} replicas"
    print(times_row(name, our_times, "`requests`, one after the other", peer_times, TARGET))


def main() -> None:
    """Print the table; the row comes from ourselves inside a sandbox."""
    parser = argparse.ArgumentParser(description="Measure status of a service with many replicas.")
    parser.add_argument("--replicas", type=int, default=200)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--play", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.play:
        asyncio.run(play(arguments.replicas))
    elif arguments.inside:
        inside(arguments.replicas, arguments.runs)
    else:
        print(times_head(arguments.runs), flush=True)
        own = [sys.executable, __file__, "--inside", "--replicas", str(arguments.replicas)]
        cluster = [YARNSERVE, "sandbox", "--simulated", "--nodes", "10", "--memory", "65536", "--vcores", "256"]
        cluster += ["--upload", f"{DIGITS / 'model'}:/models/digits", "--", *own, "--runs", str(arguments.runs)]
        sys.exit(subprocess.run(cluster, check=False).returncode)


if __name__ == "__main__":
    main()
