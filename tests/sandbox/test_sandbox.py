"""The sandbox as a whole: real processes, their environment and logs, and that nothing is left of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.sandbox.cluster_support import component, send, service, wait_for_state
from tests.support import wait_until
from yarnserve.errors import YarnserveError
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_1_4

ALICE = {"user.name": "alice"}


@pytest.fixture(scope="module")
def quick() -> Iterator[Sandbox]:
    """A sandbox of its own with short readiness ticks."""
    with Sandbox(user="alice", profile=replace(HADOOP_3_1_4, readiness_interval=0.2, am_start=0.1)) as running:
        yield running


def launch(sandbox: Sandbox, name: str, *components: dict[str, Any]) -> str:
    """POST a service and return its URL."""
    url = f"{sandbox.resource_manager_url}/app/v1/services"
    document = {"name": name, "version": "1", "components": list(components)}
    assert send("POST", url, document, **ALICE).status == 202
    return f"{url}/{name}"


def shell(command: str, **more: Any) -> dict[str, Any]:
    """Return a component that runs *command* once, without retries."""
    return component(launch_command=command, properties={"yarn.service.container-failure.retry.max": "0"}, **more)


def containers(base: Sandbox | str) -> list[dict[str, Any]]:
    """Return what all NodeManagers say of containers, with the URL of each added; *base* may be a URL."""
    manager = base if isinstance(base, str) else base.resource_manager_url
    nodes = send("GET", f"{manager}/ws/v1/cluster/nodes").document()["nodes"]["node"]
    found = []
    for node in nodes:
        url = f"http://{node['nodeHTTPAddress']}/ws/v1/node/containers"
        listed = send("GET", url).document()["containers"].get("container", [])
        found += [{**container, "url": f"{url}/{container['id']}"} for container in listed]
    return found


def instance(sandbox: Sandbox, url: str) -> dict[str, Any]:
    """Wait for the first container of a service; return its node's view of it."""

    def seen() -> dict[str, Any] | None:
        components = send("GET", url, **ALICE).document()["components"]
        shown = [container["id"] for component in components for container in component["containers"]]
        return next((container for container in containers(sandbox) if container["id"] in shown), None)

    return wait_until(seen)


def log(container: dict[str, Any], file: str, **query: str) -> str:
    """Return the contents of a log file, without its frame."""
    text = send("GET", f"{container['url']}/logs/{file}", **query).text
    return text.partition("LogContents:\n")[2].rpartition(f"End of LogType:{file}")[0]


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_environment_and_logs_of_a_container(quick: Sandbox) -> None:
    """A container sees YARN's variables, and its NodeManager hands out its log files."""
    command = "sh -c 'env; echo oops >&2; echo ready; exec sleep 600'"
    url = launch(quick, "environment", shell(command, configuration={"env": {"GREETING": "hi ${COMPONENT_ID}"}}))
    wait_for_state(url, "STABLE")
    container = instance(quick, url)
    wait_until(lambda: "ready" in log(container, "stdout.txt"))
    seen = dict(line.partition("=")[::2] for line in log(container, "stdout.txt").splitlines() if "=" in line)
    node = container["url"].split("/")[2]
    assert (seen["CONTAINER_ID"], seen["NM_HTTP_PORT"]) == (container["id"], node.rpartition(":")[2])
    assert [seen[name] for name in ("USER", "LOGNAME", "HADOOP_USER_NAME")] == ["alice"] * 3
    assert (seen["HOME"], seen["GREETING"]) == ("/home/", "hi 0")
    assert seen["PWD"] == seen["WORK_DIR"]
    assert seen["LOG_DIR"] == seen["LOG_DIRS"]
    assert seen["HADOOP_CONF_DIR"] == quick.environment["HADOOP_CONF_DIR"]
    assert (Path(seen["PATH"].split(":")[0]) / "tensorflow_model_server").exists()
    assert log(container, "stderr.txt") == "oops\n"
    assert log(container, "stdout.txt", size="-3") == "dy\n"
    assert "Launching container" in log(container, "prelaunch.out")
    assert 'exec /bin/bash -c "' in log(container, "launch_container.sh")
    assert {"directory.info", "prelaunch.err"} <= set(container["containerLogFiles"])
    send("DELETE", url, **ALICE)


def test_double_quotes_break_a_command(quick: Sandbox) -> None:
    """Double quotes in launch_command end YARN's own: a syntax error in prelaunch.err, and no stdout.txt."""
    url = launch(quick, "quotes", shell('python3 -c "import time;time.sleep(600)"'))
    failed = wait_until(lambda: next((each for each in containers(quick) if each["exitCode"] > 0), None))
    assert "syntax error" in log(failed, "prelaunch.err")
    assert send("GET", f"{failed['url']}/logs/stdout.txt").status == 404
    send("DELETE", url, **ALICE)


def test_crash_is_replaced(quick: Sandbox) -> None:
    """A process that ends is noticed, and a new container with a new id takes its place."""
    url = launch(quick, "crash", shell("sleep 0.5; exit 3"))
    first = instance(quick, url)["id"]
    ended = wait_until(lambda: next((each for each in containers(quick) if each["exitCode"] == 3), None))
    assert (ended["id"], ended["state"]) == (first, "DONE")
    wait_until(lambda: instance(quick, url)["id"] != first)
    send("DELETE", url, **ALICE)


def test_kill_reaches_the_process(quick: Sandbox) -> None:
    """The control path kills a container's processes: exit 137, and a replacement."""
    url = launch(quick, "victim", shell("exec sleep 600"))
    wait_for_state(url, "STABLE")
    victim = instance(quick, url)["id"]
    control = f"{quick.environment['YARNSERVE_SANDBOX']}/containers/{victim}/kill"
    assert send("POST", control, signal="nine").status == 400
    assert send("POST", control).status == 204
    wait_until(lambda: [each["exitCode"] for each in containers(quick) if each["id"] == victim] == [137])
    wait_until(lambda: wait_for_state(url, "STABLE")["components"][0]["containers"][0]["id"] != victim)
    assert send("POST", f"{quick.environment['YARNSERVE_SANDBOX']}/containers/container_1_1_1_1/kill").status == 404
    send("DELETE", url, **ALICE)


def test_end_of_a_container_takes_its_whole_group(quick: Sandbox) -> None:
    """Children that a command leaves behind die with it."""
    url = launch(quick, "family", shell("sleep 600 & echo \\$! >&2; exec sleep 0.5"))
    pid = int(wait_until(lambda: first_log(quick)))
    wait_until(lambda: not alive(pid))
    assert send("DELETE", url, **ALICE).status == 200


def test_stop_ends_processes_that_ignore_term(quick: Sandbox) -> None:
    """A process that ignores TERM is killed after the profile's delay."""
    url = launch(quick, "stubborn", shell("trap '' TERM; echo $$ >&2; while true; do sleep 0.1; done"))
    wait_for_state(url, "STABLE")
    pid = int(first_log(quick))
    assert send("DELETE", url, **ALICE).status == 200
    wait_until(lambda: not alive(pid))
    wait_until(lambda: not containers(quick))


@pytest.mark.parametrize(
    "check",
    [
        {"type": "HTTP", "properties": {"url": "http://${THIS_HOST}:%d/conf.txt"}},
        {"type": "PORT", "properties": {"port": "%d"}},
    ],
)
def test_readiness_checks_look_at_the_process(quick: Sandbox, check: dict[str, Any], unused_port: int) -> None:
    """HTTP and PORT checks keep a container unready until it answers."""
    properties = {name: value % unused_port for name, value in check["properties"].items()}
    waiting = "until [ -f $PWD/../go ]; do sleep 0.05; done"
    command = f"echo hello > conf.txt; {waiting}; exec {sys.executable} -m http.server {unused_port} --bind 127.0.0.1"
    url = launch(quick, "checked", shell(command, readiness_check={**check, "properties": properties}))
    instance(quick, url)
    assert wait_for_state(url, "STARTED")["components"][0]["containers"][0]["state"] == "RUNNING_BUT_UNREADY"
    # The script is copied there by itself, once it runs.
    found = wait_until(lambda: re.search(r'(?m)^export PWD="(.*)"$', log(instance(quick, url), "launch_container.sh")))
    work = found[1]
    (Path(work).parent / "go").touch()
    wait_for_state(url, "STABLE")
    send("DELETE", url, **ALICE)


@pytest.fixture
def unused_port() -> int:
    """A port that nobody has right now."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_starts_fast_publishes_itself_and_leaves_nothing(tmp_path: Path) -> None:
    """It is up within a second, its configuration and environment lead to it, and leaving removes everything."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"123")
    begun = time.monotonic()
    with Sandbox(user="carol", nodes=3, uploads=[(tmp_path / "model", "/models/m")]) as sandbox:
        assert time.monotonic() - begun < 1
        conf = Path(sandbox.environment["HADOOP_CONF_DIR"])
        site = {
            each.findtext("name"): each.findtext("value") for each in ElementTree.parse(conf / "yarn-site.xml").iter()
        }
        assert f"http://{site['yarn.resourcemanager.webapp.address']}" == sandbox.resource_manager_url
        hdfs = {
            each.findtext("name"): each.findtext("value") for each in ElementTree.parse(conf / "hdfs-site.xml").iter()
        }
        assert f"http://{hdfs['dfs.namenode.http-address']}" == sandbox.namenode_url
        assert sandbox.environment["HADOOP_USER_NAME"] == "carol"
        nodes = send("GET", f"{sandbox.resource_manager_url}/ws/v1/cluster/nodes").document()["nodes"]["node"]
        assert len({node["nodeHTTPAddress"] for node in nodes}) == 3
        path = "/webhdfs/v1/models/m/weights"
        status = send("GET", f"{sandbox.namenode_url}{path}", op="GETFILESTATUS").document()["FileStatus"]
        assert (status["owner"], status["length"]) == ("carol", 3)
        services = f"{sandbox.resource_manager_url}/app/v1/services"
        send("POST", services, service(shell("echo $$ >&2; exec sleep 600")), **{"user.name": "carol"})
        pid = int(wait_until(lambda: first_log(sandbox)))
        assert alive(pid)
    assert not alive(pid)
    assert not conf.parent.exists()


def first_log(base: Sandbox | str) -> str:
    """Return the first output that the shell of any container has made, empty while there is none."""
    texts = (log(each, "prelaunch.err") for each in containers(base))
    return next((line for text in texts for line in text.splitlines() if line.replace(" ", "").isdecimal()), "")


_KILLED = """
import pathlib, sys, threading
from yarnserve.sandbox import Sandbox
with Sandbox(user="alice", directory=pathlib.Path(sys.argv[1])) as sandbox:
    print(sandbox.resource_manager_url, flush=True)
    threading.Event().wait()
"""


def test_nothing_survives_a_killed_sandbox(tmp_path: Path) -> None:
    """After kill -9 of the sandbox's process its containers die too, background children included."""
    with subprocess.Popen([sys.executable, "-c", _KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base = process.stdout.readline().strip()
            command = "sleep 600 & echo \\$! \\$\\$ >&2; exec sleep 600"
            send("POST", f"{base}/app/v1/services", service(shell(command)), **ALICE)
            pids = [int(pid) for pid in wait_until(lambda: first_log(base)).split()]
            assert [alive(pid) for pid in pids] == [True, True]
        finally:
            os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not any(alive(pid) for pid in pids))


def test_breakdown_is_loud(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An exception inside ends the sandbox, is printed, and is raised where the context is left."""
    senseless = replace(HADOOP_3_1_4, container_start="soon")  # type: ignore[arg-type]
    broken = Sandbox(user="alice", directory=tmp_path, profile=senseless)
    broken.__enter__()
    launch(broken, "any", shell("exec sleep 600"))
    wait_until(lambda: not answers(broken))
    with pytest.raises(YarnserveError, match="broke down") as raised:
        broken.__exit__(None, None, None)
    assert "TypeError" in raised.value.why
    assert "TypeError" in capfd.readouterr().err


def answers(sandbox: Sandbox) -> bool:
    """Whether the ResourceManager still listens."""
    try:
        return send("GET", f"{sandbox.resource_manager_url}/ws/v1/cluster/info").status == 200
    except ConnectionError:
        return False


def test_directory_that_scripts_cannot_name_is_refused(tmp_path: Path) -> None:
    """A directory with a space is refused, with the reason."""
    with pytest.raises(YarnserveError, match="cannot work in this directory"):
        Sandbox(directory=tmp_path / "a b").__enter__()


def test_upload_of_nothing_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    """Uploading what is not there is our error, not a foreign one."""
    with pytest.raises(YarnserveError, match="cannot put"):
        sandbox.upload(tmp_path / "missing", "/x")
