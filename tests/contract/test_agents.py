"""Replicas with agents, on the sandbox and on real YARN: models change while callers ask, replicas leave and die."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import DIGITS, Shell, SpecWriter
from tests.contract.clusters import DEADLINE, Cluster, containers
from tests.hadoop.versions import real_versions
from tests.load import callers
from tests.sandbox.cluster_support import send
from tests.support import claimed_ports, wait_until
from yarnserve.spec.model import PORT_STRIDE

#: What agents do does not depend on the version: one sandbox is enough, and of the real ones the oldest and the newest.
CLUSTERS = ["sandbox-3.1.4", *real_versions("hadoop-", ("3.1.4", "3.4.2"))]

pytestmark = pytest.mark.parametrize("cluster", CLUSTERS, indirect=True)

NAME = "hot"
BASE_PATH = f"/user/alice/{NAME}"

#: Milliseconds between an answer and the next request: three clusters at once have two cores.
PAUSE = 20

#: Seconds in which YARN makes another container and its agent brings the model: 4 to 7 were seen, of a quiet machine.
REPLACED = 60.0

#: Seconds in which three containers in turn, of each replica, die of a version, and its agents have the one before.
TAKEN_BACK = 150.0


@dataclass(frozen=True)
class Hot:
    """Service ``hot`` of two replicas with agents; *base* is the first port, *body* a request of its callers."""

    cluster: Cluster
    yarnserve: Shell
    base: int
    body: Path

    def ran(self, *arguments: str) -> str:
        """Run a command that has to succeed."""
        run = self.yarnserve(*arguments)
        assert run.status == 0, f"{arguments}: {run.stdout}{run.stderr}"
        return run.stdout

    def status(self) -> dict[str, Any]:
        """What ``status`` shows."""
        return dict(json.loads(self.ran("status", NAME, "-o", "json")))

    def container(self, instance: str) -> str:
        """The id of the READY container of *instance*, as YARN shows it; empty while there is none."""
        shown = containers(self.cluster.service(NAME))
        ready = [each for each in shown if each["component_instance_name"] == instance and each["state"] == "READY"]
        return str(ready[0]["id"]) if ready else ""

    def wait_replaced(self, instance: str, container: str) -> None:
        """Wait until another container than *container* is READY for *instance*."""
        wait_until(
            lambda: self.container(instance) not in ("", container), REPLACED, f"another container of {instance}"
        )

    def predict_url(self, replica: int) -> str:
        """Where callers of a replica post."""
        return f"http://localhost:{self.base + 1 + PORT_STRIDE * replica}/v1/models/digits:predict"

    def agent(self, replica: int) -> dict[str, Any]:
        """What the agent of a replica says of itself; nothing while there is none."""
        with suppress(OSError):
            return dict(send("GET", f"http://localhost:{self.base + 2 + PORT_STRIDE * replica}/status").document())
        return {}

    def processes(self, replica: int) -> tuple[int, int]:
        """The agent of a live replica, and its server."""
        server = int(self.agent(replica)["server_pid"])
        return parent_of(server), server

    def versions(self) -> list[int]:
        """What the agents of both replicas say that is served; 0 where none says anything."""
        told = [self.agent(replica).get("models") or [{}] for replica in (0, 1)]
        return [models[0].get("version") or 0 for models in told]

    @contextmanager
    def supervised(self, directory: Path) -> Iterator[str]:
        """Run a supervisor until the end of the block; where it tells its state."""
        listen = f"127.0.0.1:{self.base + PORT_STRIDE * 6}"
        process = self.yarnserve.start("supervise", NAME, "--state", str(directory), "--listen", listen)
        try:
            yield f"http://{listen}/state"
        finally:
            process.terminate()
            told = process.communicate(timeout=30)
            print(*told, sep="\n")


@contextmanager
def dying_of(hot: Hot, version: int) -> Iterator[None]:
    """Whatever serves *version* dies within a tenth of a second, until the end of the block."""
    is_over = threading.Event()

    def kill() -> None:
        while not is_over.wait(0.05):
            for replica, served in enumerate(hot.versions()):
                if served == version:
                    with suppress(OSError, KeyError, TypeError):
                        os.kill(int(hot.agent(replica)["server_pid"]), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def seen_by(url: str) -> list[tuple[str, list[int]]]:
    """The health and the versions of each replica, as a supervisor has seen it."""
    with suppress(OSError):
        services = send("GET", url).document()["services"]
        return [(each["health"], each["versions"].get("digits", [])) for it in services for each in it["replicas"]]
    return []


def parent_of(process: int) -> int:
    """The process that started *process*."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def is_gone(process: int) -> bool:
    """Whether *process* has ended: buried, or not yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def exit_code(cluster: Cluster, container: str) -> int | None:
    """How *container* has ended for good, as its node tells for a second or so; None before."""
    answer = send("GET", f"{cluster.node_url}/ws/v1/node/containers/{container}")
    told = answer.document()["container"] if answer.status == 200 else {}
    return int(told["exitCode"]) if told.get("state") == "DONE" else None


@pytest.fixture(scope="module")
def launched(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hot]:
    """The service, launched with version 1."""
    directory = tmp_path_factory.mktemp(NAME)
    body = directory / "request.json"
    body.write_text(json.dumps(json.loads((DIGITS / "example.json").read_text())["request"]))
    with claimed_ports() as base:
        hot = Hot(cluster, Shell(dict(cluster.environment)), base, body)
        hot.ran("models", "publish", str(DIGITS / "model" / "1"), BASE_PATH, "--version", "1")
        hot.ran("models", "promote", BASE_PATH, "1")
        spec = SpecWriter(directory, base, f"hdfs://{BASE_PATH}")(
            NAME,
            model={"base_path": f"hdfs://{BASE_PATH}", "name": "digits", "example": "example.json", "delivery": "sync"},
            ports={"grpc": base, "rest": base + 1, "agent": base + 2},
            replicas=2,
            agent={"poll": "1s", "quiet": "1s"},
            supervise={"enabled": True, "check_interval": "2s", "check_timeout": "2s", "restarts": 1},
        )
        hot.ran("launch", str(spec), "--wait", "--timeout", "200")
        yield hot
        hot.ran("destroy", NAME, "--yes")


@pytest.fixture
def hot(launched: Hot) -> Hot:
    """The service with both of its replicas live, whatever the test before has left of it."""
    launched.ran("start", NAME, "--wait", "--timeout", "200")
    return launched


@pytest.mark.load
def test_models_change_and_no_caller_notices(hot: Hot, tmp_path: Path) -> None:
    """Published, promoted, rolled back, promoted by way of a canary: wrk counts no error on any replica meanwhile."""
    other = shutil.copytree(DIGITS / "model" / "1", tmp_path / "other")
    with callers([hot.predict_url(0), hot.predict_url(1)], hot.body, pause=PAUSE) as both:
        hot.ran("models", "publish", str(other), BASE_PATH, "--version", "2")
        hot.ran("models", "promote", BASE_PATH, "2", "--service", NAME)
        hot.ran("models", "rollback", BASE_PATH, "--service", NAME)
        hot.ran("models", "promote", BASE_PATH, "2", "--service", NAME, "--canary", "serve-1", "--bake", "3")
        counts = [each.end() for each in both]
    assert [each.errors for each in counts] == [{}, {}], counts
    # The pauses alone would allow 100 in a second; 20 say that there was a load, on a busy machine as well.
    assert all(each.requests > 20 * each.seconds for each in counts), counts
    shown = hot.status()
    served = [each["agent"]["models"][0] for each in shown["replicas"]]
    assert [(each["version"], each["wanted"], each["trial"]) for each in served] == [(2, 2, None)] * 2
    # The canary served it first, and for the three seconds of its trial at least.
    assert served[0]["since"] > served[1]["since"]
    assert not [note for note in shown["notes"] if "skew" in note]


def test_a_version_of_which_servers_die_is_taken_back(hot: Hot, tmp_path: Path) -> None:
    """It has proved itself on both replicas before: only the supervisor sees what they share, and goes back."""
    (before,) = set(hot.versions())
    other = shutil.copytree(DIGITS / "model" / "1", tmp_path / "other")
    hot.ran("models", "publish", str(other), BASE_PATH, "--version", "3")
    with hot.supervised(tmp_path) as url:
        wait_until(lambda: seen_by(url) == [("live", [before])] * 2, what="the supervisor's first look")
        hot.ran("models", "promote", BASE_PATH, "3", "--service", NAME)
        wait_until(lambda: seen_by(url) == [("live", [3])] * 2, what="the supervisor to see the new version live")
        with dying_of(hot, 3):
            wait_until(lambda: hot.versions() == [before] * 2, TAKEN_BACK, f"version {before} on both again")
        wait_until(lambda: seen_by(url) == [("live", [before])] * 2, what="both to be live again")
    history = hot.ran("models", "history", BASE_PATH)
    assert "the supervisor: replicas failed with it" in history
    told = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [each["text"].rpartition(": ")[2] for each in told if "roll back: " in each["text"]] == [f"back to {before}"]
    # What the version has done is forgotten: nobody is called at night for it.
    verified = next(each["at"] for each in told if each["what"] == "verified")
    assert not [each for each in told if each["what"] == "held" and each["at"] > verified]


def test_whoever_leaves_is_replaced_and_not_started_again_in_place(hot: Hot) -> None:
    """By ``order leave`` and by ``restart``: 143, and another container within seconds, on every version of Hadoop."""
    before = [hot.container("serve-0"), hot.container("serve-1")]
    hot.ran("order", NAME, "leave", "--replica", "0")
    restarting = hot.yarnserve.start("restart", NAME, "--replica", "1")
    codes: list[int] = []

    def are_replaced() -> bool:
        told = [exit_code(hot.cluster, each) for each in before]
        codes.extend(code for code in told if code is not None)
        return all(hot.container(f"serve-{i}") not in ("", before[i]) for i in (0, 1))

    wait_until(are_replaced, REPLACED, "another container of both")
    # A node forgets how a container has ended within a second: on a busy machine that may be missed.
    assert set(codes) <= {143}
    assert codes or not hot.cluster.name.startswith("sandbox")
    told, errors = restarting.communicate(timeout=REPLACED)
    assert restarting.returncode == 0, told + errors
    assert "its agent lets requests out" in errors
    assert hot.cluster.service(NAME)["state"] == "STABLE"


def test_an_agent_that_is_killed_takes_its_server_along_and_comes_back(hot: Hot) -> None:
    """Kill -9 of the agent leaves no server behind, and YARN brings the replica back in another container."""
    before = hot.container("serve-0")
    agent, server = hot.processes(0)
    os.kill(agent, signal.SIGKILL)
    wait_until(lambda: is_gone(server), what="the end of the server")
    hot.wait_replaced("serve-0", before)
    wait_until(lambda: hot.agent(0).get("state") == "ready", REPLACED, "the next agent")
    assert hot.container("serve-0") != before


def test_a_stop_leaves_no_process_behind(hot: Hot) -> None:
    """The SIGTERM, and soon after the SIGKILL, of the NodeManagers end agents and servers alike."""
    processes = [*hot.processes(0), *hot.processes(1)]
    hot.ran("stop", NAME)
    wait_until(lambda: all(map(is_gone, processes)), DEADLINE, f"the end of {processes}")
    assert hot.agent(0) == hot.agent(1) == {}
