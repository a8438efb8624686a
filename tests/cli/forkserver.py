"""Commands as forks of one process that has imported yarnserve: each new interpreter would spend a third of a second.

    python -m tests.cli.forkserver DESCRIPTOR

The descriptor is a socket; a message on it is a command (``Command``), with its stdin, stdout, stderr and a pipe that
is told its process id and its exit status. Each command is a process of its own, with the environment, the working
directory and the streams of a new one.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import pkgutil
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn, TextIO, TypedDict, cast

import yarnserve
from tests.support import REPOSITORY

if TYPE_CHECKING:
    from io import TextIOWrapper

#: An interpreter reads these as it begins, and a fork is past that.
_READ_AT_THE_START = ("PYTHON", "LC_", "LANG")

_LONGEST_MESSAGE = 2**20


class Command(TypedDict):
    """A command line of yarnserve, and where it runs."""

    arguments: list[str]
    environment: dict[str, str]
    directory: str


def run(
    arguments: Sequence[str], environment: Mapping[str, str], directory: Path, stdin: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run` would.

    Raises:
        subprocess.TimeoutExpired: it took longer than *timeout* seconds, and was killed.
    """
    if _at_the_start(environment) != _server().environment:
        return run_anew(arguments, environment, directory, stdin, timeout)
    with _text() as given, _text() as out, _text() as err:
        given.write(stdin)
        given.flush()
        given.seek(0)
        status = _status(
            Command(arguments=list(arguments), environment=dict(environment), directory=str(directory)),
            (given, out, err),
            timeout,
        )
        return subprocess.CompletedProcess(arguments, status, _read(out), _read(err))


def run_anew(
    arguments: Sequence[str], environment: Mapping[str, str], directory: Path, stdin: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """The same in an interpreter of its own."""
    return subprocess.run(
        [sys.executable, "-m", "yarnserve", *arguments],
        env=environment,
        cwd=directory,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _at_the_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_THE_START)}


def _text() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8")


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def _status(command: Command, streams: Sequence[IO[str]], timeout: float) -> int:
    told, tells = os.pipe()
    with os.fdopen(told, "rb", buffering=0) as report:
        try:
            descriptors = [*(stream.fileno() for stream in streams), tells]
            socket.send_fds(_server().channel, [json.dumps(command).encode()], descriptors)
        finally:
            os.close(tells)
        ends, told_so_far = time.monotonic() + timeout, b""
        while select.select([report], [], [], max(0.0, ends - time.monotonic()))[0]:
            words = report.read(64)
            if not words:
                return int(told_so_far.split()[1])
            told_so_far += words
    os.kill(int(told_so_far.split()[0]), signal.SIGKILL)
    raise subprocess.TimeoutExpired(command["arguments"], timeout)


class _Server(NamedTuple):
    """The channel to the process that forks, and what its interpreter read of its environment."""

    channel: socket.socket
    environment: dict[str, str]


@functools.cache
def _server() -> _Server:
    """Begin it, and wait until it has imported all; it ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.forkserver", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    assert ours.recv(1), "it has ended"
    return _Server(ours, _at_the_start(os.environ))


def next_command(channel: socket.socket) -> None:
    """Fork for each command, and return in the process that is to be it.

    Raises:
        SystemExit: nobody has commands any more.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    channel.send(b"r")
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, _LONGEST_MESSAGE, 4)
        if not message:
            sys.exit()
        if os.fork() == 0:
            break
        for descriptor in descriptors:
            os.close(descriptor)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    channel.close()
    *streams, report = descriptors
    child = os.fork()
    if child:
        for descriptor in (0, 1, 2, *streams):
            os.close(descriptor)
        _attend(child, report)
    os.close(report)
    _become(json.loads(message), streams)


def _attend(child: int, report: int) -> NoReturn:
    os.write(report, f"{child} ".encode())
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.write(report, str(status).encode())
    os._exit(0)


def _become(command: Command, streams: Sequence[int]) -> None:
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = _anew(sys.stdin, "r"), _anew(sys.stdout, "w"), _anew(sys.stderr, "w")
    os.chdir(command["directory"])
    os.environ.clear()
    os.environ.update(command["environment"])
    time.tzset()
    random.seed()
    sys.path[0] = command["directory"]
    sys.argv = ["yarnserve", *command["arguments"]]


def _anew(stream: TextIO, mode: str) -> TextIO:
    """As the interpreter would have made it for what its descriptor is now."""
    anew: Any = os.fdopen(stream.fileno(), mode, encoding=stream.encoding, errors=stream.errors, closefd=False)
    anew.reconfigure(line_buffering=cast("TextIOWrapper", stream).line_buffering)
    anew.buffer.raw.name = stream.name
    return cast("TextIO", anew)


def _import_all() -> None:
    for module in pkgutil.walk_packages(yarnserve.__path__, "yarnserve."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


if __name__ == "__main__":
    _import_all()
    next_command(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("yarnserve", run_name="__main__", alter_sys=True)
