"""``yarnserve``: the command group, and the one place where an error becomes an exit status."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from yarnserve import __version__
from yarnserve.cli.output import narrate, print_error
from yarnserve.errors import YarnserveError

#: Every command in the order of a service's life: its module under yarnserve.cli, its function, its short help.
#: A module is imported when its command runs, so that --help is quick.
COMMANDS = {
    "init": ("spec", "init", "Write a service.yaml to begin with."),
    "spec": ("spec", "spec", "Check a service.yaml; its schema for editors."),
    "launch": ("launch", "launch", "Make YARN run what a service.yaml says."),
    "status": ("status", "status", "Show how a service is, and why."),
    "list": ("status", "list_services", "List your services."),
    "wait": ("wait", "wait", "Wait until a service is live, or has stopped."),
    "events": ("events", "events", "Print what its supervisors have seen and done, and what YARN tells now."),
    "history": ("history", "history", "List what was launched, by whom, and what changed."),
    "scale": ("operate", "scale", "Change the number of replicas."),
    "restart": ("operate", "restart", "Replace one replica by a new one."),
    "order": ("operate", "order", "Drain or restart one replica by its agent."),
    "supervise": ("supervise", "supervise", "Relaunch what is not well, for as long as it runs."),
    "pause": ("supervise", "pause", "Have supervisors keep still."),
    "resume": ("supervise", "resume", "Have them act again."),
    "logs": ("logs", "logs", "Print what the replicas wrote."),
    "explain": ("explain", "explain", "Say what an exit code or an error text means, and what to do."),
    "predict": ("predict", "predict", "Ask a running service for a prediction."),
    "stop": ("operate", "stop", "Stop a service; it stays known."),
    "start": ("operate", "start", "Start a stopped service again."),
    "destroy": ("operate", "destroy", "Stop a service and forget it."),
    "render": ("launch", "render", "Print the YARN Services JSON of a service.yaml."),
    "doctor": ("doctor", "doctor", "Find what on the cluster stands in the way."),
    "nodes": ("nodes", "nodes", "Show which nodes are avoided; quarantine or release one."),
    "config": ("config", "config", "Show the settings, and where each comes from."),
    "models": ("models", "models", "Bring models to HDFS, and say which is to be served."),
    "sync": ("sync", "sync", "Bring the version to be served to this host, and keep it so."),
    "local": ("local", "local", "Serve a service.yaml on this host, without YARN."),
    "agent": ("agent", "agent", "Run the model server of one replica, and its models."),
    "completion": ("completion", "completion", "Print the completion script of a shell."),
    "sandbox": ("sandbox", "sandbox", "Run a cluster on this machine, to try things."),
}

#: Exit status of a command that Ctrl-C ended, as a shell would report it.
INTERRUPTED = 130

HELP = """Keep TensorFlow Serving replicas answering on a YARN cluster, and know how they are.

\b
  yarnserve launch FILE --wait        run it, until every replica is live
  yarnserve status NAME               how it is, and why
  yarnserve predict NAME --example    ask it
  yarnserve stop NAME                 stop it; start brings it back
  yarnserve sandbox                   a cluster on this machine, to try it

\b
Exit status: 0 ok, 1 failed, 2 usage, 3 spec or configuration invalid,
4 access refused, 5 not found, 6 conflict, 7 cluster unreachable,
8 time-out while waiting, 9 unhealthy, 130 interrupted.
"""


#: What a disk, or the device that is our output, says when it takes no more.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _OutputClosed(BaseException):
    """Whoever read our output (head, less) has seen enough; no failure, and so no Exception."""


@contextmanager
def _past_click() -> Iterator[None]:
    """Bring a BrokenPipeError past click, which would make it exit status 1."""
    try:
        yield
    except BrokenPipeError as error:
        raise _OutputClosed from error


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called, listed in the order of COMMANDS."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _past_click():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _past_click():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"yarnserve.cli.{module}"), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            import difflib

            close = difflib.get_close_matches(name, COMMANDS, n=1)
            meant = f" Did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"No such command {name!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, short_help) for name, (_, _, short_help) in COMMANDS.items()])


@click.group(cls=_LazyGroup, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="yarnserve")
def cli() -> None:
    """Group of all commands."""


def main() -> None:
    """Run the command line and exit with its status; what nobody expected keeps its traceback and exits with 1."""
    _open_streams()
    status = 0
    try:
        try:
            status = cli.main(prog_name="yarnserve", standalone_mode=False) or 0
        except YarnserveError as error:
            status = error.exit_status
            _tell(partial(print_error, error))
        except click.ClickException as error:
            status = error.exit_code
            _tell(error.show)
        except (click.Abort, KeyboardInterrupt):
            status = INTERRUPTED
            narrate("interrupted")
        except OSError as error:
            # The reader has left, or a failure that no module knows as its own.
            if error.errno not in _FULL:
                raise
            status = 1
            told = YarnserveError("cannot write", where=error.filename or "", why=error.strerror or str(error))
            _tell(partial(print_error, told))
            _discard_output()
        except Exception:
            status = 1
            narrate("this is a bug of yarnserve; please report it with the following traceback")
            raise
    except (_OutputClosed, BrokenPipeError):
        _discard_output()
    sys.exit(status)


def _open_streams() -> None:
    """Put /dev/null where the caller has closed a stream.

    Else the next file that is opened gets its number, and what a child process, such as a model server, writes to it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  as long as the process lives
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


def _tell(show: Callable[[], None]) -> None:
    """Have an error told; where the log's disk is full it is lost, and the exit status is kept."""
    try:
        show()
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _discard_output()


def _discard_output() -> None:
    # What is still buffered must not fail once more while Python closes the streams.
    devnull = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(devnull, stream)
