"""The main job from beginning to end, on the cluster that the environment points at (``make demo``: the sandbox).

Publishes the digits model, launches two replicas, asks them for the held-out digits, kills one and sees it come
back, scales to three, reads logs, stops. Ends with 0 only if each of these was seen.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
YARNSERVE = str(Path(sys.executable).with_name("yarnserve"))
NAME = "digits"

#: REST port of replica 0; service.yaml leaves it at TF Serving's own.
FIRST_PORT = 8501

#: Seconds YARN may take to replace a killed container and the new one to load the model.
RECOVERY_DEADLINE = 40.0


def say(text: str) -> None:
    """Announce a step."""
    print(f"\n== {text}", flush=True)


def yarnserve(*arguments: str, show: bool = True) -> str:
    """Run one command as a person would; its narration goes to the terminal, its result is returned."""
    if show:
        print("$ yarnserve " + " ".join(arguments), flush=True)
    run = subprocess.run([YARNSERVE, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"demo: yarnserve {arguments[0]} ended with {run.returncode}")
    if show and run.stdout:
        print(run.stdout, end="", flush=True)
    return run.stdout


def status() -> dict[str, Any]:
    """What ``status -o json`` says."""
    document: dict[str, Any] = json.loads(yarnserve("status", NAME, "-o", "json", show=False))
    return document


def expect(condition: bool, what: str) -> None:
    """End the demo unless *what* was seen."""
    if not condition:
        sys.exit(f"demo: NOT seen: {what}")
    print(f"seen: {what}", flush=True)


def expect_replicas(count: int) -> None:
    """See *count* live replicas."""
    seen = status()
    expect(seen["live"] == count == len(seen["replicas"]), f"{count} of {count} replicas live")


def predict_heldout() -> float:
    """Return the share of held-out digits that the service recognises."""
    heldout = json.loads((HERE / "heldout.json").read_text())
    with tempfile.NamedTemporaryFile("w", suffix=".json") as request:
        json.dump({"instances": heldout["images"]}, request)
        request.flush()
        answer = json.loads(yarnserve("predict", NAME, request.name, show=False))
    guesses = [max(range(10), key=row.__getitem__) for row in answer["predictions"]]
    right = sum(guess == label for guess, label in zip(guesses, heldout["labels"], strict=True))
    print(f"{right} of {len(guesses)} held-out digits recognised: accuracy {right / len(guesses):.2%}", flush=True)
    return right / len(guesses)


def require_free_ports() -> None:
    """End the demo where somebody else already answers on the replicas' ports: nothing it saw would prove anything."""
    for port in range(FIRST_PORT, FIRST_PORT + 30, 10):
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)) == 0:
                sys.exit(f"demo: something else listens on port {port} of this machine; end it first")


def kill(container: str) -> None:
    """Kill a container's processes with -9, through the sandbox's fault endpoint."""
    url = f"{os.environ['YARNSERVE_SANDBOX']}/containers/{container}/kill?signal=9"
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10) as answer:
        answer.read()


def await_recovery(instance: str, killed: str) -> None:
    """Wait until *instance* is live in another container than *killed*, with its restart counted."""
    ends = time.monotonic() + RECOVERY_DEADLINE
    while time.monotonic() < ends:
        replica = next(replica for replica in status()["replicas"] if replica["instance"] == instance)
        if replica["health"] == "live" and replica["container"] != killed:
            expect(replica["restarts"] == 1, f"{instance} is live again, restarts counted: {replica['restarts']}")
            return
        time.sleep(0.5)
    sys.exit(f"demo: NOT seen: {instance} live again within {RECOVERY_DEADLINE:g} s")


def main() -> None:
    """Run every step."""
    started = time.monotonic()
    accuracy = json.loads((HERE / "accuracy.json").read_text())
    require_free_ports()

    say("publish the model to HDFS")
    yarnserve("models", "publish", str(HERE / "model" / "1"), "/models/digits", "--version", "1")

    say("launch two replicas and wait until each has answered the example")
    yarnserve("launch", str(HERE / "service.yaml"), "--wait")
    expect_replicas(2)
    yarnserve("status", NAME)

    say("ask for the held-out digits")
    expect(abs(predict_heldout() - accuracy["accuracy"]["tflite"]) < 0.005, "the accuracy measured at training")

    say("kill one replica; YARN replaces it, and its restart is counted")
    victim = status()["replicas"][0]
    kill(victim["container"])
    await_recovery(victim["instance"], victim["container"])
    yarnserve("status", NAME)

    say("scale to three")
    yarnserve("scale", NAME, "3", "--wait")
    expect_replicas(3)

    say("read a replica's log")
    log = yarnserve("logs", NAME, "--replica", "0")
    expect("Exporting HTTP/REST API" in log, "the server's own lines in the log")

    say("stop")
    yarnserve("stop", NAME)
    expect(status()["state"] == "STOPPED", "STOPPED in YARN")
    print(f"\ndemo: every step was seen, in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
