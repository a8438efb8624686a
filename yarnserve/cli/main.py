"""``yarnserve``: the command group, and the one place where an error becomes an exit status."""

from __future__ import annotations

import os
import sys

import click

from yarnserve import __version__
from yarnserve.cli.launch import launch, render
from yarnserve.cli.logs import logs
from yarnserve.cli.models import models
from yarnserve.cli.operate import destroy, scale, start, stop
from yarnserve.cli.output import print_error
from yarnserve.cli.predict import predict
from yarnserve.cli.sandbox import sandbox
from yarnserve.cli.status import list_services, status
from yarnserve.errors import YarnserveError

#: Exit status of a command that Ctrl-C ended, as a shell would report it.
INTERRUPTED = 130

HELP = """Keep TensorFlow Serving replicas answering on a YARN cluster, and know how they are.

\b
  yarnserve launch service.yaml --wait    run it, until every replica is live
  yarnserve status NAME                   how it is, and why
  yarnserve predict NAME --example        ask it
  yarnserve stop NAME                     stop it; start brings it back
  yarnserve sandbox                       a cluster on this machine, to try all of it

\b
Exit status: 0 ok, 1 failed, 2 usage, 3 spec or configuration invalid, 4 access refused,
5 not found, 6 conflict, 7 cluster unreachable, 8 time-out while waiting, 9 unhealthy,
130 interrupted.
"""


class _InOrder(click.Group):
    """Lists commands in the order of a service's life, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="yarnserve")
def cli() -> None:
    """Group of all commands."""


for command in (launch, status, list_services, scale, logs, predict, stop, start, destroy, render, models, sandbox):
    cli.add_command(command)


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except YarnserveError as error:
        print_error(error)
        sys.exit(error.exit_status)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python must not complain again while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
