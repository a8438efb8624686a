"""A systemd unit that keeps a supervisor of all of a user's services on this host. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yarnserve.config import Settings
from yarnserve.errors import UsageError
from yarnserve.local.units import argument, hdfs_options, word

#: The file that the unit goes to, below ``/etc/systemd/system``.
UNIT_NAME = "yarnserve-supervise.service"

#: Seconds without a sign of life after which systemd starts it anew, and that it may take to end.
WATCHDOG = 60
STOP = 60


@dataclass(frozen=True)
class SupervisorFacts:
    """What a unit says of this host.

    Attributes:
        command: the words of ``yarnserve supervise --all`` and its options.
        user: whose process it is, and whose services it supervises.
        environment: what the command needs in its environment.
    """

    command: Sequence[str]
    user: str
    environment: Mapping[str, str]


def supervise_command(python: str, settings: Settings, *, options: Sequence[str]) -> tuple[str, ...]:
    """Return the words that supervise all services of the cluster of *settings*; *options* are further ones."""
    told = []
    if settings.resource_managers and not settings.origins.get("resource_managers", "").endswith(".xml"):
        told.append(f"--resource-manager={','.join(settings.resource_managers)}")
    if settings.hadoop_version is not None:
        told.append(f"--hadoop-version={settings.hadoop_version}")
    return (python, "-m", "yarnserve", "supervise", "--all", *options, *told, *hdfs_options(settings))


def supervisor_unit(facts: SupervisorFacts) -> str:
    """Return the unit's text.

    Raises:
        UsageError: it would run as root, which it needs for nothing.
    """
    if facts.user == "root":
        raise UsageError(
            "a supervisor does not run as root",
            why="it talks to YARN and HDFS only, as the user whose services they are",
            fix="run this as that user",
        )
    lines = [
        f"# {UNIT_NAME}: systemctl enable --now {UNIT_NAME.removesuffix('.service')}",
        "[Unit]",
        f"Description=Supervisor of the model servers of {facts.user} on YARN",
        "Wants=network-online.target",
        "After=network-online.target",
        "# It is started again for ever: the cluster may be away for a while.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        f"User={facts.user}",
        *(f"Environment={word(f'{name}={value}')}" for name, value in sorted(facts.environment.items())),
        f"ExecStart={' '.join(argument(each) for each in facts.command)}",
        "Restart=always",
        "RestartSec=5",
        "# It says that it is alive only while every service is looked at.",
        f"WatchdogSec={WATCHDOG}",
        "# SIGTERM to the supervisor alone: it gives its leases back, and tells what it was about to tell.",
        "KillMode=mixed",
        "KillSignal=SIGTERM",
        f"TimeoutStopSec={STOP}",
        "# Its journal: /var/lib/yarnserve/supervise.",
        "StateDirectory=yarnserve",
        "NoNewPrivileges=yes",
        "# No PrivateTmp: ticket caches of Kerberos lie in /tmp.",
        "ProtectSystem=full",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"
