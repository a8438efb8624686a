"""A command of ``yarnserve`` run to its end in this process, and what it says with ids, ports and times masked."""

from __future__ import annotations

import getpass
import io
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import click

from yarnserve.cli.main import cli
from yarnserve.cli.output import print_error
from yarnserve.errors import YarnserveError
from yarnserve.sandbox import Sandbox

#: What changes from run to run, and what stands for it on the page.
_MASKS = tuple(
    (re.compile(pattern), stands)
    for pattern, stands in (
        (r"(application|appattempt)_\d{13}_", r"\1_1700000000000_"),
        (r"container_(e\d+_)?\d{13}_(\d{4}_\d\d_\d{6})", r"container_1700000000000_\2"),
        (r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\]", "[2026-01-01 12:00:00.000]"),
        (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", "2026-01-01 12:00:00.000000"),
        (r"\b\d\d:\d\d:\d\d\b", "12:00:00"),
        (r"\b(localhost|127\.0\.0\.1):\d{4,5}\b", r"worker:port"),
        (r" in \d+ ms\b", " in 5 ms"),
        (r"\.yarnserve-doctor-[0-9a-f]+", ".yarnserve-doctor-0"),
        (r"\.tmp-[0-9a-f]{32}", ".tmp-0"),
        (r"read timeout=[0-9.]+", "read timeout=30"),
        # The words of OpenSSL and of the resolver are their own.
        (r"\[SSL[^\]]*\] [^(]*\(_ssl\.c:\d+\)", "[SSL] wrong version number (_ssl.c)"),
        (r"\[Errno -\d+\] [^)\n]*", "[Errno -2] Name or service not known"),
    )
)


@dataclass(frozen=True)
class Ran:
    """A command that has ended: its status, the class of its error (empty where it had none), and what it said."""

    status: int
    error: str
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Sample:
    """One thing that goes wrong on the page: what, by which command, and what is printed, ready for the page."""

    title: str
    command: str
    error: str
    status: int
    printed: str


def run(*arguments: str, environment: Mapping[str, str], directory: Path) -> Ran:
    """Run ``yarnserve`` with *arguments* in *directory*, with *environment* alone and a home without settings."""
    stdout, stderr = io.StringIO(), io.StringIO()
    variables = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment}
    error, status = "", 0
    with (
        mock.patch.dict(os.environ, variables, clear=True),
        _inside(directory),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
    ):
        try:
            status = cli.main(args=list(arguments), prog_name="yarnserve", standalone_mode=False) or 0
        except YarnserveError as raised:
            error, status = type(raised).__name__, raised.exit_status
            print_error(raised)
        except click.ClickException as raised:
            error, status = type(raised).__name__, raised.exit_code
            raised.show()
    return Ran(status, error, stdout.getvalue(), stderr.getvalue())


@contextmanager
def _inside(directory: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


def masked(text: str, names: Mapping[str, str]) -> str:
    """Return *text* with each key of *names* replaced by its value, and ids, ports and times by ones that stay."""
    for found in sorted(names, key=len, reverse=True):
        text = text.replace(found, names[found])
    for pattern, stands in _MASKS:
        text = pattern.sub(stands, text)
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    return text.replace(who, "alice@edge1")


def block(text: str) -> str:
    """Return *text* as a block of Markdown, without empty lines at its ends."""
    return "".join(f"    {line}".rstrip() + "\n" for line in text.strip("\n").splitlines())


class Bench:
    """A sandbox, and a directory for files, in which commands are tried; *names* are what stands for addresses."""

    def __init__(self, sandbox: Sandbox, directory: Path) -> None:
        self.sandbox = sandbox
        self.directory = directory
        self.names = {
            sandbox.resource_manager_url: "http://rm:8088",
            sandbox.namenode_url: "http://nn:9870",
            sandbox.environment["HADOOP_CONF_DIR"]: "/etc/hadoop/conf",
            f"{directory}/": "",
            str(directory): ".",
        }

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ran:
        """Run a command in the sandbox's environment, or in *environment*."""
        variables = self.sandbox.environment if environment is None else environment
        return run(*arguments, environment=variables, directory=self.directory)

    def sample(
        self,
        title: str,
        *arguments: str,
        names: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Sample:
        """Run a command that fails; *names* are further addresses, and what stands for them on the page."""
        ran = self.run(*arguments, environment=environment)
        assert ran.error, f"{title}: this did not fail: {ran.stdout}{ran.stderr}"
        every = {**self.names, **(names or {})}
        command = masked(" ".join(("yarnserve", *arguments)), every)
        return Sample(title, command, ran.error, ran.status, masked(ran.stdout + ran.stderr, every))


def sample_of(title: str, fails: Callable[[], object], names: Mapping[str, str], command: str = "") -> Sample:
    """Call *fails*, which raises one of our errors: what a command that ends in it prints."""
    stderr = io.StringIO()
    try:
        fails()
    except YarnserveError as raised:
        with redirect_stderr(stderr):
            print_error(raised)
        return Sample(title, command, type(raised).__name__, raised.exit_status, masked(stderr.getvalue(), names))
    raise AssertionError(f"{title}: this did not fail")
