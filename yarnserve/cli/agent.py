"""``agent``: what runs in the container of a replica with ``delivery: sync``, or on a host."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yarnserve.cli.output import print_error, timestamp

if TYPE_CHECKING:
    from yarnserve.spec.assignment import Assignment


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--instance", required=True, metavar="NAME", help="Which replica this is, such as serve-0.")
@click.option("--directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False), default=Path(),
              help="For models and state; else the working directory.")  # fmt: skip
def agent(file: Path, instance: str, directory: Path) -> None:
    """Run the model server of one replica: bring its models, steer it, watch it, drain it.

    YARN runs this in each container of a service with delivery: sync, and `yarnserve local` on one host; FILE is what
    launch has written for it. It fetches what the channels say, lets the server load it beside what is served, and
    makes the change when the new version is AVAILABLE and has answered; what fails is taken back. A server that hangs
    or dies is started again.

    \b
    Its own port (ports.agent) answers
      /healthz   the agent works
      /readyz    callers may be sent here
      /status    versions, trials, refusals, as JSON
      /metrics   the same for Prometheus
    and takes orders from `yarnserve order`. SIGTERM lets requests out before the server ends.
    """  # noqa: D301  click's mark for lines that stay as they are
    # PID 1 without a handler does not even notice SIGTERM; until the agent has its own, there is nobody to let out.
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    from yarnserve.agent.credentials import agent_authentication
    from yarnserve.agent.hosting import end_process, run_agent
    from yarnserve.errors import YarnserveError

    assignment = _read(file)
    _require_ports(assignment, instance)
    try:
        code = run_agent(
            assignment,
            instance,
            directory.absolute(),
            authentication=agent_authentication(assignment, os.environ, narrate=_say),
            narrate=_say,
            tell=_tell,
        )
    except YarnserveError as error:
        print_error(error)
        code = error.exit_status
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    end_process(code)


def _require_ports(assignment: Assignment, instance: str) -> None:
    from yarnserve.errors import MalformedAnswerError, UsageError
    from yarnserve.spec.endpoints import instance_number, most_replicas, used_ports

    fix = "give the name of a replica, such as serve-0"
    try:
        number = instance_number(instance)
    except MalformedAnswerError as error:
        raise UsageError(f"{instance!r} is not the name of a replica", fix=fix) from error
    spec = assignment.spec
    most = most_replicas(*used_ports(spec)) if spec.ports.per_replica else number + 1
    if number >= most:
        why = f"at most {most} replicas find ports below 65536"
        raise UsageError(f"{instance} has no ports", why=why, fix=f"{fix}, or take lower ports")


def _read(file: Path) -> Assignment:
    from yarnserve.errors import ConfigurationError
    from yarnserve.spec.assignment import Assignment

    try:
        return Assignment.from_text(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            "the agent's assignment cannot be read",
            where=str(file),
            why=str(error),
            fix="launch the service again, with the yarnserve that is in the image or an older one",
        ) from error


def _say(text: str) -> None:
    # A full disk takes no log either, and must not end a server that serves.
    with suppress(OSError):
        print(f"{timestamp(time.time())} agent: {text}", file=sys.stderr, flush=True)


def _tell(step: str, about: Mapping[str, Any]) -> None:
    from yarnserve.cli.sync import in_words

    if step != "current":
        _say(f"{about.get('model', '')}: {in_words(step, about)}")
