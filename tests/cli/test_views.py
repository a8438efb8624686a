"""What the commands that only look show: watching, waiting, events, history, formats, completion."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time

import pytest
import yaml

from tests.cli.conftest import Service, Shell
from tests.sandbox.yarn_support import connection_to, relaying_yarn
from tests.support import wait_until
from yarnserve.records.journal import JournalEntry, What
from yarnserve.sandbox import Sandbox


def line_with(process: subprocess.Popen[str], text: str) -> str:
    """Read *process*'s stdout up to the line that has *text*, and return that line."""
    assert process.stdout is not None
    while text not in (line := process.stdout.readline()):
        assert line, f"ended without {text!r}"
    return line


def test_yaml_and_json_are_one_document(shared: Service, yarnserve: Shell) -> None:
    """Both formats of every view say the same, apart from what a moment changes."""
    views = (("status", shared.name), ("list",), ("events", shared.name), ("history", shared.name), ("config", "show"))
    # Until then YARN's own words change from look to look.
    wait_until(lambda: yarnserve("status", shared.name, "-o", "json").document["state"] == "STABLE")
    for arguments in views:
        as_json = yarnserve(*arguments, "-o", "json").document
        as_yaml = yaml.safe_load(yarnserve(*arguments, "-o", "yaml").stdout)
        for document in (as_json, as_yaml):
            for each in document.get("replicas", []):
                del each["reason"]
        assert as_yaml == as_json


def test_the_table_fits_a_terminal_and_wide_has_the_rest(shared: Service, yarnserve: Shell) -> None:
    """A live replica's row is at most 80 columns; wide adds where it runs and what it serves."""
    table = yarnserve("status", shared.name).stdout.splitlines()[2:]
    assert all(len(line) <= 80 for line in table), table
    wide = yarnserve("status", shared.name, "-o", "wide").stdout
    assert "digits:1" in wide
    assert "container_" in wide


def test_watch_prints_what_changes_and_ends_with_130(shared: Service, yarnserve: Shell) -> None:
    """A pipe gets a line for the replica; Ctrl-C ends it as a shell expects, without a traceback."""
    watching = yarnserve.start("status", shared.name, "--watch")
    assert "live" in line_with(watching, "serve-0")
    watching.send_signal(signal.SIGINT)
    _, told = watching.communicate(timeout=20)
    assert watching.returncode == 130
    assert "Traceback" not in told


def frames(terminal: int, count: int) -> list[list[str]]:
    """Read *count* whole frames from a terminal, each as the rows that it draws, without colours."""
    told = ""
    while told.count("\x1b[J") < count:
        told += os.read(terminal, 65536).decode()
    drawn = [re.sub(r"\x1b\[[0-9;]*[mHK]", "", frame) for frame in told.split("\x1b[J")[:count]]
    return [frame.splitlines() for frame in drawn]


def test_watch_fits_the_window_as_it_is_now(shared: Service, yarnserve: Shell) -> None:
    """The head stays in sight, nothing scrolls: rows are broken at the window's edge and left out below it."""
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    watching = yarnserve.start("status", shared.name, "--watch", terminal=inside)
    [large] = frames(terminal, 1)
    assert large[0].startswith(f"{shared.name}: ")
    assert large[-1].startswith("serve-0  live")
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 30, 0, 0))
    *_, small = frames(terminal, 2)
    assert small[0].startswith(f"{shared.name}: ")
    assert len(small) == 4
    assert "more rows" in small[-1]
    assert all(len(row) <= 30 for row in small)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(timeout=20) == 130
    os.close(inside)
    os.close(terminal)


def test_watch_says_nothing_of_a_supervisor_that_it_has_not_asked_for(own: Service, yarnserve: Shell) -> None:
    """Where the file asks for one, ``status`` tells that nobody supervises; a watch does not look, and is silent."""
    path = own.write_spec("own", supervise={"enabled": True})
    assert yarnserve("launch", str(path), "--replace", "--wait").status == 0
    assert "no supervisor looks after it; next: yarnserve supervise own" in yarnserve("status", own.name).stderr
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    watching = yarnserve.start("status", own.name, "--watch", terminal=inside)
    [seen] = frames(terminal, 1)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(timeout=20) == 130
    assert seen[0].startswith("own: ")
    assert "supervis" not in "".join(seen)
    os.close(inside)
    os.close(terminal)


def test_watch_says_for_how_long_nobody_has_answered(shared: Service, yarnserve: Shell, cluster: Sandbox) -> None:
    """A ResourceManager that takes the question and is silent: the picture stays, and its second row says so."""
    silent, ended = threading.Event(), threading.Event()
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    with relaying_yarn(cluster.resource_manager_url) as relay:
        relay.before = lambda method, path: silent.is_set() and ended.wait(60)
        options = ("--watch", "--resource-manager", relay.url)
        watching = yarnserve.start("status", shared.name, *options, terminal=inside)
        [seen] = frames(terminal, 1)
        silent.set()
        [told] = frames(terminal, 1)
        while len(told) == len(seen):
            [told] = frames(terminal, 1)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=20) == 130
        ended.set()
    assert re.fullmatch(r"no answer from the ResourceManager for [3-9] s, last seen [0-9:]{8}", told[1])
    assert told[0].startswith(f"{shared.name}: ")
    assert told[-1].startswith("serve-0  live")
    os.close(inside)
    os.close(terminal)


def test_watch_into_a_pipe_tells_a_trouble_once(shared: Service, yarnserve: Shell) -> None:
    """Who reads lines learns on stderr that nobody answers, since when and what to do; stdout has no picture."""
    watching = yarnserve.start("status", shared.name, "--watch", "--resource-manager", "http://127.0.0.1:9")
    assert watching.stderr is not None
    told = watching.stderr.readline()
    watching.send_signal(signal.SIGINT)
    assert watching.communicate(timeout=20)[0] == ""
    assert told.startswith(f"{shared.name}: cannot connect for ")
    assert "not seen yet (check that the server runs" in told


def test_a_wrong_answer_destroys_nothing_and_is_no_interruption(shared: Service, yarnserve: Shell) -> None:
    """Whoever types something else than the name on a terminal is told that nothing was changed, with status 2."""
    terminal, inside = pty.openpty()
    asked = yarnserve.start("destroy", shared.name, terminal=inside, stdin=inside)
    os.write(terminal, b"other\n")
    assert asked.wait(timeout=20) == 2
    told = os.read(terminal, 65536).decode()
    while "nothing was changed" not in told:
        told += os.read(terminal, 65536).decode()
    assert "interrupted" not in told
    assert yarnserve("status", shared.name).status == 0
    os.close(inside)
    os.close(terminal)


def test_watch_ends_when_the_service_is_gone(own: Service, yarnserve: Shell) -> None:
    """Destroying what somebody watches ends the watch with exit status 5."""
    watching = yarnserve.start("status", own.name, "--watch", "-o", "yaml")
    line_with(watching, "kind: ServiceStatus")
    assert yarnserve("destroy", own.name, "--yes").status == 0
    _, told = watching.communicate(timeout=30)
    assert watching.returncode == 5, told
    assert f"there is no service '{own.name}'" in told


@pytest.mark.parametrize("arguments", [(), ("NAME", "--exit-status")])
def test_watch_refuses_what_has_no_meaning(yarnserve: Shell, arguments: tuple[str, ...]) -> None:
    """Watching nothing in particular, or for an exit status that never comes, is a usage error."""
    assert yarnserve("status", "--watch", *arguments).status == 2


@pytest.mark.parametrize("seconds", ["nan", "-1", "soon"])
def test_a_timeout_that_is_none_is_refused(yarnserve: Shell, seconds: str) -> None:
    """A wait that could never end, as nan would make it, is a usage error before anything is asked."""
    ran = yarnserve("wait", "NAME", "--timeout", seconds)
    assert (ran.status, "--timeout" in ran.stderr) == (2, True)


def test_wait_for_live_and_for_stopped(own: Service, yarnserve: Shell) -> None:
    """Each ends when it is so; waiting for what does not come ends with 8."""
    assert yarnserve("wait", own.name, "--timeout", "30").status == 0
    late = yarnserve("wait", own.name, "--for", "stopped", "--timeout", "0")
    assert (late.status, "has not stopped" in late.stderr) == (8, True)
    waiting = yarnserve.start("wait", own.name, "--for", "stopped", "--timeout", "30")
    assert yarnserve("stop", own.name).status == 0
    waiting.communicate(timeout=30)
    assert waiting.returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("wait",),
        ("wait", "--for", "stopped"),
        ("events",),
        ("history",),
        ("logs",),
        ("stop",),
        ("scale", "NAME", "2"),
        ("destroy", "--yes"),
    ],
    ids=" ".join,
)
def test_no_such_service_is_said_in_one_way(yarnserve: Shell, command: tuple[str, ...]) -> None:
    """Every verb says the same words, exits with 5 and names the command that lists what there is."""
    arguments = [each.replace("NAME", "nobody") for each in command]
    ran = yarnserve(*arguments, *([] if "nobody" in arguments else ["nobody"]))
    assert ran.status == 5, ran.stderr
    assert "there is no service 'nobody'" in ran.stderr
    assert "next : yarnserve list" in ran.stderr


def test_events_tell_what_every_part_of_yarn_says(shared: Service, yarnserve: Shell) -> None:
    """The application, its attempt, the container in the services API, and the NodeManager's word on it."""
    document = yarnserve("events", shared.name, "-o", "json").document
    texts = [each["text"] for each in document["events"]]
    assert document["kind"] == "ServiceEvents"
    assert any("submitted to queue" in text for text in texts)
    assert any("ApplicationMaster container_" in text for text in texts)
    assert any(text.startswith("serve-0 ") for text in texts)
    assert any(text.startswith("RUNNING on ") for text in texts)
    # Live comes before READY: YARN looks at readiness every two seconds only.
    assert re.search(r"serve-0 (READY|RUNNING_BUT_UNREADY)", yarnserve("events", shared.name).stdout)


def test_history_says_who_launched_what_and_what_changed(own: Service, yarnserve: Shell) -> None:
    """The second launch is a revision with its difference; an unknown revision is 5."""
    assert yarnserve("stop", own.name).status == 0
    changed = own.write_spec(own.name, resources={"cpus": 2, "memory": "512m"})
    assert yarnserve("launch", str(changed)).status == 0
    first, second = yarnserve("history", own.name, "-o", "json").document["revisions"]
    assert (first["revision"], first["changed"]) == (1, None)
    assert second["by"].startswith(yarnserve.environment["HADOOP_USER_NAME"])
    assert any("components[0].resource.cpus: 1 -> 2" in change for change in second["changed"])
    assert "cpus: 1 -> 2" in yarnserve("history", own.name, "2").stdout
    assert yarnserve("history", own.name, "7").status == 5


def complete(yarnserve: Shell, words: str, position: int, **changes: str) -> list[str]:
    """What bash is offered for *words*."""
    ran = yarnserve(_YARNSERVE_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(position), **changes)
    assert (ran.status, ran.stderr) == (0, "")
    return [line.partition(",")[2] for line in ran.stdout.split()]


def test_completion_of_commands_and_service_names(shared: Service, own: Service, yarnserve: Shell) -> None:
    """TAB offers commands and the services there are, stopped or not; without a cluster nothing, without a word."""
    assert complete(yarnserve, "yarnserve sta", 1) == ["status", "start"]
    assert shared.name in complete(yarnserve, "yarnserve status sha", 2)
    assert yarnserve("stop", own.name).status == 0
    assert own.name in complete(yarnserve, "yarnserve start ow", 2)
    assert yarnserve("destroy", own.name, "--yes").status == 0
    assert own.name not in complete(yarnserve, "yarnserve status ow", 2)
    away = {"YARNSERVE_RESOURCE_MANAGER": "http://127.0.0.1:9"}
    assert complete(yarnserve, "yarnserve status sha", 2, **away) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_yarnserve(yarnserve: Shell, shell: str) -> None:
    """Each shell gets a script of its own, without any cluster."""
    assert "_YARNSERVE_COMPLETE" in yarnserve("completion", shell).stdout


def test_events_tell_what_a_supervisor_wrote(shared: Service, cluster: Sandbox, yarnserve: Shell) -> None:
    """From any host, between YARN's words; --since leaves out what is older; -f goes on with what is written then."""
    with connection_to(cluster) as connection:
        journal = connection.store(shared.name).journal
        times = (time.time() - 7200, time.time() - 60, time.time())
        words = [JournalEntry(at, shared.name, What.ACTED, f"act {nth}", "serve-0") for nth, at in enumerate(times)]
        journal.append(words[:1])
        following = yarnserve.start("events", shared.name, "--follow")
        line_with(following, "act 0")
        journal.append(words[1:])
        line_with(following, "act 2")
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=20)
        assert following.returncode == 130
        table = yarnserve("events", shared.name).stdout
        assert table.splitlines()[0].split() == ["TIME", "REPLICA", "WHAT", "WHY"]
        document = yarnserve("events", shared.name, "--since", "1h", "-o", "json").document
        told = [each for each in document["events"] if each["source"] == "supervisor"]
        assert [each["text"] for each in told] == ["act 1", "act 2"]
        connection.storage.delete(f"{connection.store(shared.name).directory}/journal", recursive=True)
