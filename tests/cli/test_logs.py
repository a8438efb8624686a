"""Logs of replicas that are large, and of replicas one of which cannot be asked."""

from __future__ import annotations

import json
import os
import shutil
import signal
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.cli.conftest import Ran, Service, Shell
from tests.support import wait_until
from tests.unit.hadoop.wire import serving
from tests.unit.yarn.test_nodes import AGGREGATED, log_server
from yarnserve.config import Flags, resolve
from yarnserve.service.connection import connect
from yarnserve.service.logs import MOST_BYTES, USUAL_BYTES

MIB = 1024 * 1024

#: Name of the service of two replicas, each of which has written one line.
PAIR = "pair"


def resource_manager(yarnserve: Shell) -> str:
    """The URL of the sandbox's ResourceManager."""
    return yarnserve.environment["YARNSERVE_SANDBOX"].removesuffix("/sandbox")


@contextmanager
def writing(yarnserve: Shell, name: str, command: str, replicas: int = 1) -> Iterator[None]:
    """A service of replicas that run *command* and then stay."""
    component = {
        "name": "serve",
        "number_of_containers": replicas,
        # YARN appends the redirections of stdout and stderr to the command.
        "launch_command": f"{{ {command}; exec sleep 600; }}",
        "resource": {"cpus": 1, "memory": "64"},
    }
    user = yarnserve.environment["HADOOP_USER_NAME"]
    request = urllib.request.Request(
        f"{resource_manager(yarnserve)}/app/v1/services?user.name={user}",
        json.dumps({"name": name, "version": "1", "components": [component]}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20):
        pass
    yield
    assert yarnserve("destroy", name, "--yes").status == 0


def listed(yarnserve: Shell, name: str, file: str = "stdout.txt") -> list[list[str]]:
    """The rows of ``logs --list`` for one file: instance, container, file, size."""
    return [line.split() for line in yarnserve("logs", name, "--list", "--file", file).stdout.splitlines()]


@pytest.fixture(scope="module")
def pair(cluster: Any) -> Iterator[Shell]:
    """The command line beside a service of two replicas that have each written a line."""
    yarnserve = Shell(dict(cluster.environment))
    with writing(yarnserve, PAIR, "echo I am ${COMPONENT_INSTANCE_NAME}", replicas=2):
        wait_until(lambda: [row[3] for row in listed(yarnserve, PAIR)] == ["13", "13"], what="two lines")
        yield yarnserve


@contextmanager
def retold(upstream: str, change: Callable[[bytes], bytes]) -> Iterator[str]:
    """A ResourceManager that says what *upstream* says, *change*d."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with urllib.request.urlopen(upstream + self.path, timeout=10) as answer:
                body = change(answer.read())
                self.send_response(200)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def containers_of(body: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Let *change* edit each container in the ResourceManager's list of containers; other answers stay."""
    document = json.loads(body)
    for container in document.get("container", []):
        change(container)
    return json.dumps(document).encode()


def first_on_a_dead_node(container: str) -> Callable[[bytes], bytes]:
    """Nobody listens where *container* runs."""

    def move(placed: dict[str, Any]) -> None:
        if placed["containerId"] == container:
            placed["nodeHttpAddress"] = "http://127.0.0.1:9"

    return lambda body: containers_of(body, move)


def first_ended(container: str) -> Callable[[bytes], bytes]:
    """The ResourceManager still names a container that its NodeManager knows no more."""
    return lambda body: body.replace(container.encode(), container[:-1].encode() + b"9")


def first_not_placed(container: str) -> Callable[[bytes], bytes]:
    """The ResourceManager does not list *container* any more."""

    def lose(placed: dict[str, Any]) -> None:
        if placed["containerId"] == container:
            placed["containerId"] = container[:-1] + "9"

    return lambda body: containers_of(body, lose)


@pytest.mark.parametrize(
    ("trouble", "status", "told"),
    [(first_on_a_dead_node, 7, "cannot connect"), (first_ended, 5, "has ended"), (first_not_placed, 5, "on no node")],
)
@pytest.mark.parametrize("only_list", [False, True])
def test_one_bad_replica_does_not_hide_the_others(
    pair: Shell, trouble: Callable[[str], Callable[[bytes], bytes]], status: int, told: str, only_list: bool
) -> None:
    """The second replica's log is on stdout alone, the first one's error on stderr and in the exit status."""
    first = listed(pair, PAIR)[0]
    assert first[0] == "serve-0"
    with retold(resource_manager(pair), trouble(first[1])) as url:
        ran = pair("logs", PAIR, "--resource-manager", url, *(["--list", "--file", "stdout.txt"] if only_list else []))
    assert ran.status == status, ran.stderr
    if only_list:
        assert [line.split()[0] for line in ran.stdout.splitlines()] == ["serve-1"]
    else:
        assert ran.stdout == "I am serve-1\n"
    assert told in ran.stderr
    assert "==> serve-0 (" in ran.stderr
    assert ran.stderr.count("error: ") == 1, ran.stderr


def test_a_file_that_only_some_replicas_have_is_found(pair: Shell) -> None:
    """No file of this name anywhere is an error; stdout stays empty then."""
    ran = pair("logs", PAIR, "--file", "nope.txt")
    assert (ran.status, ran.stdout) == (5, "")
    assert "nope.txt" in ran.stderr


@pytest.fixture(scope="module")
def big(cluster: Any) -> Iterator[Shell]:
    """The command line beside a service whose only replica has written 70 MiB and one line."""
    yarnserve = Shell(dict(cluster.environment))
    with writing(yarnserve, "big", f"head -c {70 * MIB} /dev/zero | tr '\\0' x; echo; echo the end"):
        wait_until(lambda: [row[3] for row in listed(yarnserve, "big")] == [str(70 * MIB + 9)], what="70 MiB")
        yield yarnserve


def read(big: Shell, *options: str) -> Ran:
    """Run ``logs`` for the large file."""
    return big("logs", "big", "--file", "stdout.txt", *options)


def test_a_large_file_is_read_from_its_end(big: Shell) -> None:
    """Without --tail: its last 16 MiB, and a note on stderr that says so."""
    ran = read(big)
    assert ran.status == 0, ran.stderr
    assert len(ran.stdout) == USUAL_BYTES
    assert ran.stdout.endswith("x\nthe end\n")
    assert "last 16 MiB of 70 MiB" in ran.stderr


def test_tail_counts_lines_however_long_they_are(big: Shell) -> None:
    """The last line, none, and two of which one is larger than an answer may be: as much of it as one holds."""
    assert read(big, "--tail", "1").stdout == "the end\n"
    assert read(big, "--tail", "0").stdout == ""
    both = read(big, "--tail", "2")
    assert both.status == 0, both.stderr
    assert len(both.stdout) == MOST_BYTES
    assert both.stdout.endswith("x\nthe end\n")


def test_follow_prints_what_is_written_from_now_on(yarnserve: Shell, tmp_path: Path) -> None:
    """Lines that a replica writes while we follow arrive once each, in order; Ctrl-C ends with 130."""
    go = tmp_path / "go"
    command = f"echo first; until [ -e {go} ]; do sleep 0.1; done; echo second; echo third"
    with writing(yarnserve, "growing", command):
        wait_until(lambda: [row[3] for row in listed(yarnserve, "growing")] == ["6"], what="one line")
        following = yarnserve.start("logs", "growing", "--follow", "--tail", "1", "--replica", "0")
        assert following.stdout is not None
        assert following.stdout.readline() == "first\n"
        go.touch()
        assert [following.stdout.readline() for _ in range(2)] == ["second\n", "third\n"]
        following.send_signal(signal.SIGINT)
        rest, told = following.communicate(timeout=20)
    assert (following.returncode, rest) == (130, "")
    assert "Traceback" not in told


def test_follow_of_what_does_not_grow_is_refused(yarnserve: Shell) -> None:
    """The list of files and the past do not go on."""
    assert yarnserve("logs", PAIR, "--follow", "--list").status == 2
    assert yarnserve("logs", PAIR, "--follow", "--previous").status == 2


def test_previous_is_found_on_any_node_or_told_where_it_would_be(own: Service, yarnserve: Shell) -> None:
    """A NodeManager that has it is found, whichever it is; afterwards the error names the command for the archive."""
    none = yarnserve("logs", own.name, "--previous")
    assert none.status == 5
    assert "was replaced" in none.stderr
    mine = listed(yarnserve, own.name)[0][1]
    with writing(yarnserve, "elsewhere", "echo somewhere else"):
        wait_until(lambda: [row[3] for row in listed(yarnserve, "elsewhere")] == ["15"], what="one line")
        remember_as_previous(yarnserve, own.name, listed(yarnserve, "elsewhere")[0][1], mine)
        found = yarnserve("logs", own.name, "--previous")
    assert (found.status, found.stdout) == (0, "somewhere else\n")
    wait_until(lambda: yarnserve("logs", own.name, "--previous").status == 5, what="logs that are gone")
    gone = yarnserve("logs", own.name, "--previous")
    assert "yarn logs -applicationId application_" in gone.stderr


def test_previous_reads_aggregated_logs(own: Service, yarnserve: Shell, tmp_path: Path) -> None:
    """What no NodeManager has any more comes from the log server that yarn-site.xml names."""
    remember_as_previous(yarnserve, own.name, AGGREGATED, listed(yarnserve, own.name)[0][1])
    with serving(log_server) as wire:
        conf = tmp_path / "conf"
        shutil.copytree(yarnserve.environment["HADOOP_CONF_DIR"], conf)
        site = conf / "yarn-site.xml"
        name, value = "yarn.log.server.web-service.url", f"{wire.url}/ws/v1/applicationhistory"
        entry = f"<property><name>{name}</name><value>{value}</value></property></configuration>"
        site.write_text(site.read_text().replace("</configuration>", entry))
        found = yarnserve("logs", own.name, "--previous", "--file", "stdout.txt", HADOOP_CONF_DIR=str(conf))
    assert (found.status, found.stdout) == (0, "out\n"), found.stderr


def test_previous_of_a_stopped_service_is_its_last_container(own: Service, yarnserve: Shell) -> None:
    """The containers that a stop has ended are those before; where they would be is said for each of them."""
    container = listed(yarnserve, own.name)[0][1]
    assert yarnserve("status", own.name).status == 0
    assert yarnserve("stop", own.name).status == 0
    gone = wait_until(lambda: ended_logs(yarnserve, own.name), what="logs that are gone")
    assert container in gone


def ended_logs(yarnserve: Shell, name: str) -> str:
    """What ``logs --previous`` says once no NodeManager has them any more."""
    ran = yarnserve("logs", name, "--previous")
    return ran.stderr if ran.status == 5 else ""


def remember_as_previous(yarnserve: Shell, name: str, earlier: str, now: str) -> None:
    """Save that serve-0 of service *name* ran in container *earlier* before *now*."""
    environment = {**os.environ, **yarnserve.environment}
    with connect(resolve(Flags(), environment)) as connection:
        connection.store(name).update_sightings(lambda seen: replace(seen, containers={"serve-0": (earlier, now)}))
