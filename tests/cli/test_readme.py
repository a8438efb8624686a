"""README keeps its word: every command in it is run as printed, in its order, and its facts are those of the code."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.support import REPOSITORY, wait_until
from yarnserve import errors
from yarnserve.cli.main import COMMANDS
from yarnserve.records.replica import Health

README = (REPOSITORY / "README.md").read_text()

#: Seconds one command of README may take.
DEADLINE = 120

#: The command that stays in the foreground while the others run in another terminal.
FOREGROUND = "yarnserve sandbox"


def blocks(language: str) -> list[str]:
    """The fenced blocks of *language*."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.M | re.S)


def commands() -> list[str]:
    """Every line after a prompt, in order."""
    return [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines() if line[:2] == "$ "]


def environment() -> dict[str, str]:
    """A shell in which yarnserve is on the PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path}


@contextmanager
def terminal_with_sandbox() -> Iterator[dict[str, str]]:
    """Run the foreground command; yield what a second terminal has after its export lines."""
    process = subprocess.Popen(
        shlex.split(FOREGROUND), env=environment(), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    exported = environment()
    while "YARNSERVE_SANDBOX" not in exported:
        line = process.stdout.readline()
        assert line.startswith("export "), line
        name, _, value = line.removeprefix("export ").strip().partition("=")
        exported[name] = shlex.split(value)[0]
    try:
        yield exported
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 0


def assert_runs(command: str, shell: dict[str, str]) -> str:
    """Run one line as printed; it must succeed. Return what it printed."""
    ran = subprocess.run(
        command, shell=True, env=shell, cwd=REPOSITORY, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert ran.returncode == 0, f"$ {command}\n{ran.stdout}{ran.stderr}"
    return ran.stdout


#: The command that tells what became of the server that was made to hang.
STORY = "yarnserve events digits --since 10m"


def has_ended_well(story: str) -> bool:
    """Whether the replica was replaced, and its successor has proved itself."""
    return bool(re.search("serve-[0-9]+ +verified +its new container is live", story))


def test_every_command_runs_as_printed(request: pytest.FixtureRequest) -> None:
    """What stands before the foreground sandbox needs no cluster; what follows runs in its second terminal."""
    for port in (8500, 8501, 8510, 8511):
        with socket.socket() as other:
            assert other.connect_ex(("localhost", port)) != 0, f"something else listens on port {port}; end it first"
    request.addfinalizer(lambda: shutil.rmtree("/tmp/digits", ignore_errors=True))
    printed = commands()
    first = printed.index(FOREGROUND)
    for command in printed[:first]:
        assert_runs(command, environment())
    with terminal_with_sandbox() as shell:
        for command in printed[first + 1 :]:
            story = assert_runs(command, shell)
            if command == STORY:
                assert re.search("serve-1 +decided +restart: serve-1 failed 3 looks in a row", story), story
                wait_until(lambda: has_ended_well(assert_runs(STORY, shell)), what="the story's end")


def test_every_command_is_in_the_readme() -> None:
    """No verb is left for the reader to find by chance."""
    used = {words[1] for command in commands() for words in [shlex.split(command.rpartition("| ")[2])]}
    assert set(COMMANDS) <= used


def test_the_ten_lines_are_the_example() -> None:
    """The spec in README means what examples/digits/service.yaml means."""
    example = (REPOSITORY / "examples" / "digits" / "service.yaml").read_text()
    assert yaml.safe_load(blocks("yaml")[0]) == yaml.safe_load(example)


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    """Both, and nothing but them, stand in the first block; .ci/run runs them."""
    targets = [line.split()[1] for line in blocks("sh")[0].splitlines()]
    assert targets == ["demo", "test"]
    ci = (REPOSITORY / ".ci" / "run").read_text()
    assert all(f"\nmake {target}\n" in ci for target in targets)


def test_exit_statuses_and_healths_are_those_of_the_code() -> None:
    """The two tables name every status an error can end in, and every health a replica of ours can have."""
    statuses = {int(number) for number in re.findall(r"^\| (\d+) \|", README, flags=re.M)}
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    raised = {kind.exit_status for kind in classes if issubclass(kind, errors.YarnserveError)}
    assert statuses == raised | {0, 130}
    for health in Health:
        assert health is Health.UNKNOWN or re.search(rf"^\| .*\b{health.value}\b.* \|", README, flags=re.M)


def test_links_lead_somewhere() -> None:
    """Every relative link of README points at a file."""
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (REPOSITORY / target).exists(), target
