"""``launch`` and ``render``: from a service.yaml to a service on YARN."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from yarnserve.cli.options import TIMEOUT, WAIT, with_connection
from yarnserve.cli.output import ProgressLines, narrate
from yarnserve.cli.spec_options import with_spec

if TYPE_CHECKING:
    from yarnserve.service.connection import Connection
    from yarnserve.spec.model import ServiceSpec


@click.command()
@click.option(
    "--replace",
    is_flag=True,
    help="Stop and remove whatever has this name and differs in more than its size, or is not yarnserve's.",
)
@WAIT
@TIMEOUT
@with_connection
@with_spec
def launch(connection: Connection, spec: ServiceSpec, origin: str, replace: bool, wait: bool, timeout: float) -> None:
    """Make YARN run what FILE says, or the options without a FILE.

    Nothing is sent when it already does; a change of replicas alone is a scaling. With --wait the command ends
    when every replica has answered its example, or with the cause why one will not.
    """
    from yarnserve.judge.plan import Step
    from yarnserve.render.settings import describe
    from yarnserve.service.actions import Actions

    outcome = Actions(connection, narrate=narrate, patience=timeout).launch(spec, replace=replace)
    if outcome.step is Step.NOTHING:
        narrate(f"{spec.name} runs as {origin} says: nothing to do")
    else:
        told = f" as {outcome.application_id}" if outcome.application_id else ""
        narrate(f"{spec.name}: YARN accepted it{told}")
        narrate(f"YARN-level settings: {describe(spec.supervise)}")
    if wait:
        follow(connection, spec.name, timeout)
    else:
        narrate(f"next: yarnserve status {spec.name}")


def follow(connection: Connection, name: str, timeout: float) -> None:
    """Wait until *name* is live, saying what changes; Ctrl-C only ends the watching."""
    from yarnserve.judge.progress import summary
    from yarnserve.service.waiting import wait_until_live

    lines = ProgressLines()
    try:
        snapshot = wait_until_live(
            connection,
            name,
            timeout=timeout,
            on_look=lines,
            on_trouble=lambda reason: lines.trouble(name, reason),
        )
    except KeyboardInterrupt:
        narrate(f"\nno longer watching; {name} goes on. Look again: yarnserve status {name}")
        raise
    narrate(f"{name}: {summary(snapshot.replicas)}")
    narrate(f"next: yarnserve status {name}")


@click.command()
@with_spec
@click.option("--hadoop-version", metavar="VERSION", default="3.1.1", show_default=True, help="Render for this Hadoop.")
@click.option(
    "--template-dir",
    "template_dirs",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Look here for service.json.j2 first; may be given again.",
)
@click.option(
    "--conf-dir",
    metavar="DIR",
    help="Hadoop configuration, for images. Else YARNSERVE_CONF_DIR, HADOOP_CONF_DIR, /etc/hadoop/conf.",
)
def render(
    spec: ServiceSpec, origin: str, hadoop_version: str, template_dirs: tuple[Path, ...], conf_dir: str | None
) -> None:
    """Print the YARN Services JSON of FILE, or of the options without one, as ``yarn app -launch`` takes it.

    Asks no cluster, and so refuses a model's version: stable, which only HDFS can tell.
    """
    from yarnserve.config import Flags, hdfs_client, resolve
    from yarnserve.errors import UsageError
    from yarnserve.records.version import Version
    from yarnserve.render.service import ClusterFacts, canonical
    from yarnserve.render.service import render as render_spec
    from yarnserve.service.assigning import hdfs_access
    from yarnserve.spec.model import STABLE

    try:
        version = Version.parse(hadoop_version)
    except ValueError as error:
        raise UsageError(str(error), fix="give a version such as 3.1.4") from error
    for model in spec.models:
        if model.version == STABLE and not spec.has_agent:
            what = f"which version of {model.name} is stable only HDFS can tell, and render asks no cluster"
            raise UsageError(
                what, fix="write its number in place of stable", next=f"yarnserve models list {model.base_path}"
            )
    access = None
    if spec.has_agent:
        settings = resolve(Flags(conf_dir=conf_dir), os.environ, needs_yarn=False)
        access = hdfs_access(settings, spec, f"/user/{settings.user}")
    facts = ClusterFacts(version, hdfs_client(Flags(conf_dir=conf_dir), os.environ), access)
    document = render_spec(spec, facts, template_dirs=template_dirs)
    click.echo(canonical(document), nl=False)
