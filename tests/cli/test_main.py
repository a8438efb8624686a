"""How every command ends: readers that leave, streams that are closed, requests that are none, bugs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest

from tests.cli.conftest import DIGITS, Service, Shell
from tests.support import REPOSITORY

SPEC = str(DIGITS / "service.yaml")

#: Commands that print, with the name of the shared service left open.
PRINTING = [
    ("logs", "NAME"),
    ("render", SPEC),
    ("status", "NAME", "-o", "json"),
    ("list", "-o", "json"),
    ("predict", "NAME", "--example"),
    ("--help",),
    ("logs", "--help"),
    ("--version",),
]


def environment(yarnserve: Shell) -> dict[str, str]:
    """What *yarnserve* was exported, over ours; stdout is buffered, as it is unless somebody asks otherwise."""
    return {**os.environ, **yarnserve.environment, "PYTHONUNBUFFERED": ""}


def command(arguments: tuple[str, ...], name: str) -> list[str]:
    """The command line of *arguments* for service *name*."""
    return [sys.executable, "-m", "yarnserve", *(name if each == "NAME" else each for each in arguments)]


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_reader_that_has_left_is_no_failure(yarnserve: Shell, shared: Service, arguments: tuple[str, ...]) -> None:
    """Nobody reads the pipe any more: exit status 0 and not a word about it."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(
            command(arguments, shared.name),
            env=environment(yarnserve),
            cwd=REPOSITORY,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert ran.returncode == 0, ran.stderr
    for word in ("Traceback", "Broken", "Exception", "error"):
        assert word not in ran.stderr


def closing(yarnserve: Shell, arguments: list[str], stream: str) -> subprocess.CompletedProcess[str]:
    """Run a command that has one of its streams closed from the start."""
    return subprocess.run(
        f"{shlex.join(arguments)} {stream}",
        shell=True,
        env=environment(yarnserve),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("stream", [">&-", "2>&-"])
@pytest.mark.parametrize("arguments", [PRINTING[0], PRINTING[1], PRINTING[4], PRINTING[5]], ids=" ".join)
def test_output_that_is_closed(yarnserve: Shell, shared: Service, arguments: tuple[str, ...], stream: str) -> None:
    """Whoever closes stdout or stderr wants to hear nothing there; the command does its work."""
    ran = closing(yarnserve, command(arguments, shared.name), stream)
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    assert bool(ran.stdout) is (stream == "2>&-")


@pytest.mark.parametrize(
    ("arguments", "told"), [(("predict", "NAME", "-"), "not JSON"), (("destroy", "NAME"), "say --yes")]
)
def test_input_that_is_closed(yarnserve: Shell, shared: Service, arguments: tuple[str, ...], told: str) -> None:
    """There is nothing to read and nobody to ask: a usage error each."""
    ran = closing(yarnserve, command(arguments, shared.name), "<&-")
    assert ran.returncode == 2, ran.stderr
    assert "Traceback" not in ran.stderr
    assert told in ran.stderr


@pytest.mark.parametrize("stdout", ["", ">&-"])
def test_a_failure_that_nobody_reads_keeps_its_status(stdout: str) -> None:
    """Stderr's reader has left, and stdout may be closed: what failed has failed all the same."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(
            f"{shlex.join(command(('list',), ''))} {stdout}",
            shell=True,
            env=environment(Shell()),
            cwd=REPOSITORY,
            stdout=writer,
            stderr=writer,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert ran.returncode == 3


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"instances": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deeply"),
        (b'{"instances": ["\xff"]}', "not UTF-8"),
        (b'{"instances": [', "not JSON"),
        (b"[1]", "not a JSON object"),
    ],
    ids=["nested", "Latin-1", "cut off", "a list"],
)
@pytest.mark.parametrize("from_stdin", [False, True])
def test_a_request_that_is_none(yarnserve: Shell, tmp_path: Path, body: bytes, told: str, from_stdin: bool) -> None:
    """Exit status 2 and what is wrong with it, from a file and from stdin."""
    file = tmp_path / "request.json"
    file.write_bytes(body)
    with file.open("rb") as stdin:
        ran = subprocess.run(
            command(("predict", "anything", "-" if from_stdin else str(file)), ""),
            env=environment(yarnserve),
            cwd=REPOSITORY,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 2, ran.stderr
    assert "Traceback" not in ran.stderr
    assert told in ran.stderr


def test_a_request_file_that_is_not_there(yarnserve: Shell) -> None:
    """The usage error names it."""
    ran = yarnserve("predict", "anything", "/nonexistent/request.json")
    assert ran.status == 2
    assert "/nonexistent/request.json" in ran.stderr
    assert "Traceback" not in ran.stderr


BUG = """
import sys, types
import click
from yarnserve.cli import main

@click.command()
def broken():
    {code}

module = sys.modules["yarnserve.cli.broken"] = types.ModuleType("broken")
module.broken = broken
main.COMMANDS["broken"] = ("broken", "broken", "Has a bug.")
main.main()
"""


#: An error of ours, for code that has only the module of the command line.
NOT_FOUND = "__import__('yarnserve.errors').errors.NotFoundError('x')"


def run_broken(code: str, **streams: TextIO) -> subprocess.CompletedProcess[str]:
    """Run a command that consists of *code*; *streams* as `subprocess.run` has them, else its output is read."""
    return subprocess.run(
        [sys.executable, "-c", BUG.format(code=code), "broken"],
        cwd=REPOSITORY,
        text=True,
        timeout=60,
        check=False,
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams),  # type: ignore[call-overload]
    )


def test_a_bug_keeps_its_traceback_and_is_called_one() -> None:
    """Exit status 1, where it happened, and that it is not the user's mistake."""
    ran = run_broken("{}['nothing']")
    assert ran.returncode == 1
    assert "KeyError: 'nothing'" in ran.stderr
    assert "Traceback" in ran.stderr
    assert ran.stderr.startswith("this is a bug of yarnserve")


def test_a_failure_of_the_machine_is_not_called_a_bug() -> None:
    """A full disk is none of ours: an error like any other."""
    ran = run_broken("raise OSError(28, 'No space left on device')")
    assert ran.returncode == 1
    assert ran.stderr == "error: cannot write\n  why  : No space left on device\n"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("print('x', flush=True)", 1),
        (f"raise {NOT_FOUND}", 5),
        ("raise main.click.UsageError('x')", 2),
    ],
)
def test_where_nothing_can_be_told_the_status_tells(code: str, status: int) -> None:
    """Both streams go to a full disk: not another status, and no traceback in a log that has room again."""
    with Path("/dev/full").open("w") as full:
        assert run_broken(code, stdout=full, stderr=full).returncode == status
