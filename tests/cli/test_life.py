"""A service's life on the command line, each verb as a person uses it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import DIGITS, Service, Shell, SpecWriter
from tests.support import wait_until


def kill(yarnserve: Shell, container: str) -> None:
    """Kill a container's process with -9."""
    url = f"{yarnserve.environment['YARNSERVE_SANDBOX']}/containers/{container}/kill?signal=9"
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10):
        pass


def replicas(yarnserve: Shell, name: str) -> list[dict[str, Any]]:
    """Every replica as ``status -o json`` reports it."""
    every: list[dict[str, Any]] = yarnserve("status", name, "-o", "json").document["replicas"]
    return every


def replica(yarnserve: Shell, name: str) -> dict[str, Any]:
    """The first replica as ``status -o json`` reports it."""
    first: dict[str, Any] = yarnserve("status", name, "-o", "json").document["replicas"][0]
    return first


def test_launch_wait_ends_live_and_says_so(shared: Service, yarnserve: Shell) -> None:
    """After --wait, status shows the replica proved by its example, with container, endpoint and version."""
    seen = yarnserve("status", shared.name, "-o", "json", "--exit-status")
    assert seen.status == 0
    assert (seen.document["apiVersion"], seen.document["kind"]) == ("yarnserve/v1", "ServiceStatus")
    assert (seen.document["live"], seen.document["desired"]) == (1, {"state": "running", "replicas": 1})
    only = seen.document["replicas"][0]
    assert (only["instance"], only["health"], only["restarts"]) == ("serve-0", "live", 0)
    assert "answered the example" in only["reason"]
    assert only["versions"] == {"digits": [1]}
    assert only["container"].startswith("container_")


def test_launch_twice_is_nothing_to_do(shared: Service, yarnserve: Shell) -> None:
    """The second launch sends nothing, keeps the container and exits with 0."""
    before = replica(yarnserve, shared.name)["container"]
    again = yarnserve("launch", str(shared.write_spec(shared.name)), "--wait")
    assert again.status == 0
    assert "nothing to do" in again.stderr
    assert replica(yarnserve, shared.name)["container"] == before


def test_a_running_service_that_differs_is_refused_with_the_difference(shared: Service, yarnserve: Shell) -> None:
    """Nothing is restarted behind the admin's back."""
    refused = yarnserve("launch", str(shared.write_spec(shared.name, resources={"cpus": 2, "memory": "512m"})))
    assert refused.status == 6
    assert "components[0].resource.cpus" in refused.stderr
    assert f"yarnserve stop {shared.name}" in refused.stderr


def test_a_stopped_service_that_differs_is_replaced(own: Service, yarnserve: Shell) -> None:
    """What does not run may be exchanged: launch after stop runs the new file."""
    assert yarnserve("stop", own.name).status == 0
    changed = own.write_spec(own.name, resources={"cpus": 2, "memory": "512m"})
    assert yarnserve("launch", str(changed), "--wait", "--timeout", "30").status == 0
    assert yarnserve("status", own.name, "-o", "json").document["revision"] == 2


def test_predict_example_prints_the_answer_as_it_came(shared: Service, yarnserve: Shell) -> None:
    """Stdout is the server's JSON and nothing else."""
    answered = yarnserve("predict", shared.name, "--example")
    assert answered.status == 0
    expected = json.loads((DIGITS / "example.json").read_text())["expected"]["predictions"][0]
    assert answered.document["predictions"][0] == pytest.approx(expected, abs=1e-3)
    assert "as expected" in answered.stderr


def test_predict_takes_a_file_or_stdin(shared: Service, yarnserve: Shell, tmp_path: Path) -> None:
    """A request may come from a file or a pipe; a wrong one comes back with the server's own words."""
    request = {"instances": json.loads((DIGITS / "heldout.json").read_text())["images"][:3]}
    (tmp_path / "request.json").write_text(json.dumps(request))
    assert len(yarnserve("predict", shared.name, str(tmp_path / "request.json")).document["predictions"]) == 3
    assert len(yarnserve("predict", shared.name, "-", stdin=json.dumps(request)).document["predictions"]) == 3
    refused = yarnserve("predict", shared.name, "-", stdin='{"instances": ["x"]}')
    assert refused.status == 1
    assert "refuses" in refused.stderr
    assert yarnserve("predict", shared.name, "-", stdin="no json").status == 2
    assert yarnserve("predict", shared.name).status == 2


def test_a_killed_replica_comes_back_with_its_restart_counted(own: Service, yarnserve: Shell) -> None:
    """Kill -9: another container id, one restart, live again; the first id was seen by launch --wait."""
    before = replica(yarnserve, own.name)["container"]
    kill(yarnserve, before)
    wait_until(lambda: replica(yarnserve, own.name)["container"] not in (before, None), what="another container")
    wait_until(lambda: replica(yarnserve, own.name)["health"] == "live", what="live again")
    assert replica(yarnserve, own.name)["restarts"] == 1


def test_scale_up_and_down(own: Service, yarnserve: Shell) -> None:
    """Scale --wait ends with that many live replicas, each on ports of its own; the same size again is nothing."""
    assert yarnserve("scale", own.name, "3", "--wait", "--timeout", "30").status == 0
    seen = yarnserve("status", own.name, "-o", "json").document
    assert seen["live"] == 3
    assert len({each["endpoint"]["rest"] for each in seen["replicas"]}) == 3
    assert "nothing to do" in yarnserve("scale", own.name, "3").stderr
    assert yarnserve("scale", own.name, "+1").status == 2, "a change is not a number of replicas"
    assert yarnserve("scale", own.name, "1", "--wait", "--timeout", "30").status == 0
    wait_until(lambda: len(yarnserve("status", own.name, "-o", "json").document["replicas"]) == 1)


def test_logs_come_from_the_replica_that_was_named(shared: Service, yarnserve: Shell) -> None:
    """All of it, one file of one replica, its last lines, and the list of what there is."""
    assert "Exporting HTTP/REST API" in yarnserve("logs", shared.name).stdout
    one = yarnserve("logs", shared.name, "--replica", "0", "--file", "stderr.txt", "--tail", "2")
    assert len(one.stdout.splitlines()) == 2
    assert "launch_container.sh" in yarnserve("logs", shared.name, "--list", "--file", "launch_container.sh").stdout
    missing = yarnserve("logs", shared.name, "--replica", "7")
    assert missing.status == 5
    assert "running: serve-0" in missing.stderr
    assert yarnserve("logs", shared.name, "--file", "nope.txt").status == 5


def test_stop_start_destroy(own: Service, yarnserve: Shell) -> None:
    """Stop keeps the service known, start brings it back as it was, destroy forgets it; each twice is harmless."""
    assert yarnserve("stop", own.name).status == 0
    stopped = yarnserve("status", own.name, "-o", "json", "--exit-status")
    assert stopped.status == 0, "a stopped service that should be stopped is well"
    assert (stopped.document["state"], stopped.document["replicas"]) == ("STOPPED", [])
    assert "nothing to do" in yarnserve("stop", own.name).stderr
    listed = yarnserve("list", "-o", "json").document["services"]
    assert (own.name, "STOPPED", 0) in [(each["name"], each["state"], each["replicas"]) for each in listed]
    assert yarnserve("start", own.name, "--wait", "--timeout", "30").status == 0
    assert "nothing to do" in yarnserve("start", own.name).stderr
    assert yarnserve("destroy", own.name).status == 2, "nobody can be asked, and --yes was not said"
    assert yarnserve("destroy", own.name, "--yes").status == 0
    assert yarnserve("status", own.name).status == 5
    assert yarnserve("destroy", own.name, "--yes").status == 5
    listed = yarnserve("list", "-o", "json").document["services"]
    assert own.name not in [each["name"] for each in listed]


def test_ctrl_c_in_wait_detaches_and_says_how_to_resume(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """The service goes on; the exit status is 130 and the next command is named."""
    import signal

    spec = write_spec("detached", serving={"version": "2.6", "flags": {"prefer_tflite_model": False}})
    watching = yarnserve.start("launch", str(spec), "--wait")
    assert watching.stderr is not None
    seen = ""
    while "in YARN" not in seen:
        line = watching.stderr.readline()
        assert line, f"ended early: {seen}"
        seen += line
    watching.send_signal(signal.SIGINT)
    _, rest = watching.communicate(timeout=20)
    assert watching.returncode == 130
    assert "detached goes on" in rest
    assert "yarnserve status detached" in rest
    assert "Traceback" not in rest
    assert yarnserve("status", "detached").status == 0
    assert yarnserve("destroy", "detached", "--yes").status == 0


def test_restart_replaces_one_replica(own: Service, yarnserve: Shell) -> None:
    """3.1.4 decommissions it and adds another of a new number; the other replica and the size stay."""
    assert yarnserve("scale", own.name, "2", "--wait", "--timeout", "30").status == 0
    before = {each["instance"]: each["container"] for each in replicas(yarnserve, own.name)}
    restarted = yarnserve("restart", own.name, "--replica", "0", "--wait", "--timeout", "30")
    assert restarted.status == 0, restarted.stderr
    assert "serve-2 takes over from 0" in restarted.stderr
    after = {each["instance"]: each["container"] for each in replicas(yarnserve, own.name)}
    assert set(after) == {"serve-1", "serve-2"}
    assert after["serve-1"] == before["serve-1"]
    assert yarnserve("status", own.name, "--exit-status").status == 0


def test_restart_of_what_is_not_there_changes_nothing(own: Service, yarnserve: Shell) -> None:
    """An unknown replica is 5, a Hadoop without any means 1, a stopped service 6; the container stays till then."""
    before = replica(yarnserve, own.name)["container"]
    missing = yarnserve("restart", own.name, "--replica", "7")
    assert (missing.status, "running: serve-0" in missing.stderr) == (5, True)
    old = yarnserve("restart", own.name, "--replica", "0", "--hadoop-version", "3.1.1")
    assert (old.status, "from Hadoop 3.1.3" in old.stderr) == (1, True)
    assert replica(yarnserve, own.name)["container"] == before
    assert yarnserve("stop", own.name).status == 0
    assert yarnserve("restart", own.name, "--replica", "0").status == 6
