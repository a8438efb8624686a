"""Options that several commands share, each written once."""

from __future__ import annotations

import functools
import logging
import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem


def complete_service(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a service when TAB is pressed; what it needs is imported only then."""
    from yarnserve.cli.completion import service_names

    return service_names(context, incomplete)


if TYPE_CHECKING:
    from yarnserve.config import Settings

#: Names a service may have; YARN's own rule (yarn-services.md 3).
SERVICE_NAME = click.argument("name", metavar="NAME", shell_complete=complete_service)


def _output(*formats: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "-o", "--output", type=click.Choice(formats), default="table", show_default=True, help="Output format."
    )


OUTPUT = _output("table", "json", "yaml")

#: For what has more to tell than fits a terminal.
WIDE_OUTPUT = _output("table", "wide", "json", "yaml")

#: Output formats for machines.
DOCUMENTS = ("json", "yaml")

WAIT = click.option(
    "--wait/--no-wait", default=False, help="Wait until every replica is live, or certain not to become so."
)


class _Seconds(click.FloatRange):
    """Seconds from 0 on; nan would be a wait without an end."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return seconds


TIMEOUT = click.option(
    "--timeout",
    type=_Seconds(),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait.",
)

YES = click.option("-y", "--yes", is_flag=True, help="Do not ask.")

_YARN_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option(
        "--resource-manager",
        metavar="URL[,URL]",
        help="ResourceManager web address(es). Else YARNSERVE_RESOURCE_MANAGER, else yarn-site.xml.",
    ),
    click.option("--hadoop-version", metavar="VERSION", help="Treat the cluster as this version; else it is asked."),
)

_HDFS_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option(
        "--namenode",
        metavar="URL[,URL]",
        help="NameNode HTTP or HttpFS address(es). Else YARNSERVE_NAMENODE, else hdfs-site.xml.",
    ),
    click.option(
        "--user", metavar="NAME", help="Act as this user. Else YARNSERVE_USER, HADOOP_USER_NAME, the OS user."
    ),
    click.option(
        "--conf-dir",
        metavar="DIR",
        help="Hadoop configuration. Else YARNSERVE_CONF_DIR, HADOOP_CONF_DIR, /etc/hadoop/conf.",
    ),
    click.option(
        "--principal", metavar="NAME", help="With Kerberos: whose ticket to use. Else that of the ticket cache (kinit)."
    ),
    click.option("--keytab", metavar="FILE", help="With Kerberos: the principal's keytab, in place of a ticket."),
    click.option("-v", "--verbose", is_flag=True, help="Show every request."),
)


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the cluster options, and the Settings they lead to as its first argument."""
    return _with_settings(command, (*_YARN_OPTIONS, *_HDFS_OPTIONS), needs_yarn=True)


def with_hdfs_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the options that say where HDFS is, and the Settings they lead to; YARN may be unknown."""
    return _with_settings(command, _HDFS_OPTIONS, needs_yarn=False)


def _with_settings(
    command: Callable[..., Any],
    cluster_options: Sequence[Callable[[Callable[..., Any]], Callable[..., Any]]],
    *,
    needs_yarn: bool,
) -> Callable[..., Any]:
    @functools.wraps(command)
    def settled(
        *arguments: Any,
        namenode: str | None,
        user: str | None,
        conf_dir: str | None,
        principal: str | None,
        keytab: str | None,
        verbose: bool,
        resource_manager: str | None = None,
        hadoop_version: str | None = None,
        **options: Any,
    ) -> Any:
        from yarnserve.config import Flags, resolve

        if verbose:
            _show_requests()
        flags = Flags(
            resource_manager=resource_manager,
            namenode=namenode,
            user=user,
            hadoop_version=hadoop_version,
            conf_dir=conf_dir,
            principal=principal,
            keytab=keytab,
        )
        settings = resolve(flags, os.environ, needs_yarn=needs_yarn)
        return command(settings, *arguments, **options)

    decorated: Callable[..., Any] = settled
    for option in reversed(cluster_options):
        decorated = option(decorated)
    return decorated


class _Discreet(logging.Formatter):
    """Leaves passwords and tokens out of what it writes, as errors do: requests are shown with their whole address."""

    def format(self, record: logging.LogRecord) -> str:
        from yarnserve.errors import without_credentials

        return without_credentials(super().format(record))


def _show_requests() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Discreet("%(asctime)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG, handlers=[handler])


def with_connection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the cluster options, and the Connection they lead to as its first argument."""

    @functools.wraps(command)
    def connected(settings: Settings, *arguments: Any, **options: Any) -> Any:
        from yarnserve.cli.output import narrate
        from yarnserve.service.connection import connect

        with connect(settings, on_wait=narrate) as connection:
            return command(connection, *arguments, **options)

    return with_settings(connected)


def confirm(question: str, *, yes: bool, typed: str) -> None:
    """Ask before something that cannot be undone, to be answered with *typed*.

    Without a terminal only ``--yes`` will do.

    Raises:
        UsageError: nobody can be asked, or the answer was another.
        click.Abort: Ctrl-C, or the end of the input, in place of an answer.
    """
    from yarnserve.errors import UsageError

    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(question.rstrip("?") + ": nobody can be asked here", fix="say --yes")
    answer = click.prompt(f"{question} Type {typed} to confirm", err=True, default="", show_default=False)
    if answer != typed:
        raise UsageError("nothing was changed", why=f"the answer was not {typed}")
