"""A systemd unit that keeps a replica on this host. Pure.

It is a template: ``yarnserve-NAME@0`` is replica 0. It runs ``yarnserve local run``, which becomes the agent (or the
server, or docker run): the unit's main process is the one that drains on SIGTERM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from yarnserve.config import Settings
from yarnserve.local.docker_arguments import STOP_MARGIN, container_name, stop_seconds
from yarnserve.local.records import Asked, Way
from yarnserve.spec.model import COMPONENT


@dataclass(frozen=True)
class UnitFacts:
    """What a unit says of this host.

    Attributes:
        command: the words of ``yarnserve local run FILE`` and its options, without the instance.
        user: whose process it is.
        environment: what the command needs in its environment.
        docker: the absolute path of the docker program; empty for plain processes.
    """

    command: Sequence[str]
    user: str
    environment: Mapping[str, str]
    docker: str = ""


def run_command(
    python: str, file: PurePath, settings: Settings, *, state: PurePath, options: Sequence[str]
) -> tuple[str, ...]:
    """Return the words that run a replica with the *settings* that are in force now; *options* are further ones."""
    return (python, "-m", "yarnserve", "local", "run", str(file), f"--state={state}", *hdfs_options(settings), *options)


def hdfs_options(settings: Settings) -> list[str]:
    """Return the options that lead to what *settings* say of HDFS; what Hadoop's files say is read there each time."""
    told = [f"--user={settings.user}"]
    if settings.conf_dir is not None:
        told.append(f"--conf-dir={settings.conf_dir.absolute()}")
    if settings.namenodes and not settings.origins.get("namenodes", "").endswith(".xml"):
        told.append(f"--namenode={','.join(settings.namenodes)}")
    if settings.principal:
        told.append(f"--principal={settings.principal}")
    if settings.keytab is not None:
        told.append(f"--keytab={settings.keytab.absolute()}")
    return told


def unit_name(service: str) -> str:
    """The file that the unit goes to, below ``/etc/systemd/system``."""
    return f"yarnserve-{service}@.service"


def unit(asked: Asked, facts: UnitFacts) -> str:
    """Return the unit's text."""
    service = asked.spec.name
    needs = "network-online.target" + (" docker.service" if asked.way is Way.DOCKER else "")
    variables = [f"Environment={word(f'{name}={value}')}" for name, value in sorted(facts.environment.items())]
    # What docker run could not take along when it was killed itself.
    container = container_name(service, f"{COMPONENT}-%i")
    swept = [f"ExecStopPost=-{facts.docker} rm --force {container}"] if facts.docker else []
    lines = [
        f"# {unit_name(service)}: systemctl enable --now yarnserve-{service}@0",
        "[Unit]",
        f"Description=Model server of {service}, replica %i",
        f"Wants={needs}",
        f"After={needs}",
        "# It is started again for ever: HDFS may be away for a while.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=simple",
        f"User={facts.user}",
        *variables,
        f"ExecStart={' '.join(argument(each) for each in facts.command)} --replica %i",
        *swept,
        "Restart=always",
        "RestartSec=5",
        "# SIGTERM to the agent alone: it lets requests out before it ends the server.",
        "KillMode=mixed",
        "KillSignal=SIGTERM",
        f"TimeoutStopSec={stop_seconds(asked.spec) + STOP_MARGIN}",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def argument(text: str) -> str:
    """*text* as an argument of a command, where $ would begin a variable."""
    return word(text.replace("$", "$$"))


def word(text: str) -> str:
    """*text* as systemd reads it: % stands for itself, blanks and quotes are in quotes."""
    text = text.replace("%", "%%")
    if text and not any(character in text for character in " \t\"'\\;"):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
