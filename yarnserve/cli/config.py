"""``config``: which cluster, as whom, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yarnserve.cli.options import DOCUMENTS, OUTPUT, with_settings
from yarnserve.cli.output import print_document, print_table

if TYPE_CHECKING:
    from yarnserve.config import Settings


_HELP = """Print every setting; asks no cluster.

\b
The strongest place that names a setting wins:
  1. an option            --resource-manager rm:8088
  2. the environment      YARNSERVE_RESOURCE_MANAGER
  3. the project's file   .yarnserve.yaml in this directory
  4. the user's file      ~/.config/yarnserve/config.yaml
  5. Hadoop               HADOOP_CONF_DIR, HADOOP_USER_NAME, *-site.xml
  6. a default            /etc/hadoop/conf, the operating system's user

The files hold the options' names as keys, such as resource-manager: rm:8088
"""


@click.group()
def config() -> None:
    """Show the settings that commands run with."""


@config.command(help=_HELP)
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@OUTPUT
@with_settings
def show(settings: Settings, origin: bool, output: str) -> None:
    """Print every setting, and with --origin where each comes from."""
    values = {
        "resource-manager": ",".join(settings.resource_managers),
        "namenode": ",".join(settings.namenodes),
        "user": settings.user,
        "conf-dir": str(settings.conf_dir or ""),
        "hadoop-version": str(settings.hadoop_version or ""),
        "principal": settings.principal,
        "keytab": str(settings.keytab or ""),
    }
    origins = {
        "resource-manager": settings.origins.get("resource_managers", ""),
        "namenode": settings.origins.get("namenodes", ""),
        "user": settings.origins.get("user", ""),
        "conf-dir": settings.origins.get("conf_dir", ""),
        "hadoop-version": settings.origins.get("hadoop_version", "") or "the cluster is asked",
        "principal": settings.origins.get("principal", ""),
        "keytab": settings.origins.get("keytab", ""),
    }
    if output in DOCUMENTS:
        settings_document = {name: {"value": values[name] or None, "origin": origins[name] or None} for name in values}
        print_document(output, "Settings", {"settings": settings_document})
        return
    columns = ("setting", "value", "origin") if origin else ("setting", "value")
    rows = [(name, values[name] or "-", origins[name] or "-")[: len(columns)] for name in values]
    print_table(columns, rows)
