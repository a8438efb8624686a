"""An agent's ordinary day: the first version, the next one, a roll-back, a canary, and an end in order."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

from tests.agent.support import Host, ask
from tests.support import wait_until


def test_it_is_ready_when_the_model_has_answered_and_tells_it_on_its_port(host: Host) -> None:
    """Health, readiness, state and metrics of a replica are on the agent's own port."""
    host.start()
    host.wait_ready(1)
    assert host.get("/healthz") == (200, "ok\n")
    assert host.predict() == 200
    metrics = host.get("/metrics")[1]
    assert 'yarnserve_agent_ready{instance="serve-0",service="digits"} 1.0' in metrics
    assert 'yarnserve_agent_model_version{instance="serve-0",model="digits",service="digits"} 1.0' in metrics
    model = host.status()["models"][0]
    assert (model["wanted"], model["trial"], model["refused"], model["trouble"]) == (1, None, "", "")
    labelled = f"http://127.0.0.1:{host.port}/v1/models/digits/labels/stable/metadata"
    wait_until(lambda: ask(labelled)[0] == 200)


def test_a_promotion_and_a_roll_back_reach_the_server_and_no_request_fails(host: Host) -> None:
    """While somebody asks without a pause, version 2 comes and goes; every answer is a 200."""
    host.promote(1)
    host.start()
    host.wait_ready(1)
    host.publish(2)
    answers: list[int] = []
    enough = threading.Event()

    def ask_on() -> None:
        while not enough.is_set():
            answers.append(host.predict())

    asking = threading.Thread(target=ask_on)
    asking.start()
    try:
        host.promote(2)
        host.wait_ready(2)
        host.promote(1)
        host.wait_ready(1)
    finally:
        enough.set()
        asking.join()
    assert len(answers) > 50
    assert set(answers) == {200}


def test_only_the_named_instance_takes_the_canary(host: Host) -> None:
    """serve-0 is named and serves version 2 under the label canary; an agent of another name does not."""
    host.promote(1)
    host.start()
    host.wait_ready(1)
    host.publish(2)
    host.promote(2, "serve-1")
    host.publish(3)
    host.promote(3, "serve-0")
    host.wait_ready(3)
    assert host.status()["models"][0]["is_canary"] is True
    config = host.directory / "work" / "models.config"
    wait_until(lambda: 'key: "canary" value: 3' in config.read_text())


def test_term_lets_requests_out_and_ends_with_0(host: Host) -> None:
    """SIGTERM to the whole process group, as from YARN: not ready at once, the server answers while it is quiet."""
    agent = host.start()
    host.wait_ready()
    server = host.status()["server_pid"]
    os.killpg(agent.pid, signal.SIGTERM)
    wait_until(lambda: host.get("/readyz")[0] == 503)
    assert host.predict() == 200
    assert agent.wait(15) == 0
    assert not Path(f"/proc/{server}").exists()


def test_a_drain_waits_for_callers_and_no_longer_than_told(host: Host) -> None:
    """Somebody who goes on asking does not keep the agent from ending: agent.drain is the most."""
    agent = host.start()
    host.wait_ready()
    agent.send_signal(signal.SIGTERM)
    answers = [host.predict()]
    while agent.poll() is None:
        answers.append(host.predict())
    # Five seconds of it at least: with a quiet second it would have ended after one.
    assert answers.count(200) > 50


def test_it_goes_on_after_its_own_death(host: Host) -> None:
    """Kill -9 takes the server along; the next agent in the directory serves what was good, HDFS or no HDFS."""
    agent = host.start()
    host.wait_ready()
    server = host.status()["server_pid"]
    agent.kill()
    agent.wait()
    wait_until(lambda: not Path(f"/proc/{server}").exists())
    host.hdfs.namespace.delete("/user/alice/models", user="hdfs", recursive=True)
    host.start()
    host.wait_ready(1)
    trouble = wait_until(lambda: host.status()["models"][0]["trouble"])
    assert "base path does not exist" in trouble


def test_two_agents_in_one_directory_are_one(host: Host) -> None:
    """The second says why and ends with 6, and the first goes on."""
    host.start()
    host.wait_ready()
    assert host.start().wait(15) == 6
    assert "another agent works in this directory" in host.log
    assert host.is_ready()


def test_swap_replace_never_holds_two_versions(host: Host) -> None:
    """With swap: replace the server is let out, and begins anew with the next version alone."""
    host.model = ", swap: replace"
    host.promote(1)
    host.start()
    host.wait_ready(1)
    first = host.status()["server_pid"]
    host.publish(2)
    host.promote(2)
    host.wait_ready(2)
    assert host.status()["server_pid"] != first
    versions = json.loads(ask(f"http://127.0.0.1:{host.port}/v1/models/digits")[1])["model_version_status"]
    assert [each["version"] for each in versions] == ["2"]


def test_a_hot_swap_without_the_memory_for_it_is_refused(host: Host) -> None:
    """A version that does not fit beside the one that is served is not loaded; with more memory the next agent does."""
    host.memory = "16m"
    host.promote(1)
    agent = host.start()
    host.wait_ready(1)
    host.publish(2)
    host.promote(2)
    refused = wait_until(lambda: host.status()["models"][0]["refused"])
    assert "swap: replace" in refused
    assert host.serves(1)
    agent.kill()
    agent.wait()
    host.memory = "2g"
    host.start()
    host.wait_ready(2)
