"""``models``: the model repository on HDFS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from yarnserve.cli.options import with_connection
from yarnserve.cli.output import narrate

if TYPE_CHECKING:
    from yarnserve.service.connection import Connection


@click.group()
def models() -> None:
    """Bring models to HDFS."""


@models.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("base_path", metavar="BASE_PATH")
@click.option("--version", required=True, type=click.IntRange(min=1), help="The number it is served under.")
@with_connection
def publish(connection: Connection, directory: Path, base_path: str, version: int) -> None:
    """Publish the exported model in DIR as BASE_PATH/VERSION on HDFS.

    It is uploaded beside the numbers and appears under its own with one rename: a server never sees half of it.
    """
    from yarnserve.config import hdfs_path
    from yarnserve.repository.publish import publish as publish_version

    storage = connection.storage_at(base_path)
    published = publish_version(
        storage,
        directory,
        hdfs_path(base_path),
        version,
        on_file=lambda path, size: narrate(f"uploaded {path} ({size} bytes)"),
    )
    narrate(f"published {published.uploaded.files} files, {published.uploaded.bytes} bytes")
    click.echo(published.path)
