"""``completion``: the script that lets a shell complete commands, options and service names."""

from __future__ import annotations

import os
from contextlib import suppress

import click
from click.shell_completion import CompletionItem, get_completion_class

#: Seconds that completing a name may take: whoever pressed TAB waits for it.
PATIENCE = 2.0


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL; source it, e.g. from ~/.bashrc: source <(yarnserve completion bash)."""
    from yarnserve.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None, "click knows the shells of the choice"
    click.echo(kind(cli, {}, "yarnserve", "_YARNSERVE_COMPLETE").source())


def service_names(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """Complete a service's name from those that run or were launched; whatever goes wrong completes nothing."""
    from concurrent.futures import TimeoutError

    from yarnserve.errors import YarnserveError
    from yarnserve.service.background import in_background

    options = context.params
    try:
        names = in_background(lambda: _names(options)).result(timeout=PATIENCE)
    except (YarnserveError, TimeoutError, OSError, ValueError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _names(options: dict[str, str | None]) -> list[str]:
    from yarnserve.config import Flags, resolve
    from yarnserve.errors import YarnserveError
    from yarnserve.records.yarn import NOT_ENDED
    from yarnserve.service.connection import connect

    given = ("resource_manager", "namenode", "user", "conf_dir", "hadoop_version", "principal", "keytab")
    flags = Flags(**{name: options.get(name) for name in given})
    with connect(resolve(flags, os.environ)) as connection:
        found = connection.cluster.applications(user=connection.settings.user, states=NOT_ENDED)
        names = {each.name for each in found}
        with suppress(YarnserveError):
            names.update(connection.saved_services())
        return sorted(names)
