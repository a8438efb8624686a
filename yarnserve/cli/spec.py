"""``init`` and ``spec``: a service.yaml to begin with, whether it is right, and its schema. None asks a cluster."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import click

from yarnserve.cli.output import narrate


@click.group()
def spec() -> None:
    """Check a service.yaml; its schema for editors."""


@spec.command()
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Take a TensorFlow Serving of your own: any version, any flags.")
def check(file: Path, force: bool) -> None:
    """Say what is wrong with FILE and its examples, everything at once; asks no cluster."""
    from yarnserve.cli.spec_options import load_spec

    found = load_spec(file, force=force)
    models = ", ".join(model.name for model in found.models)
    replicas = "1 replica" if found.replicas == 1 else f"{found.replicas} replicas"
    click.echo(f"{file} is sound: {found.name}, {replicas} of TensorFlow Serving {found.serving.version} with {models}")


@spec.command()
def schema() -> None:
    """Print the JSON Schema of service.yaml, for editors.

    An editor with a YAML language server takes it from a first line such as

        # yaml-language-server: $schema=service.schema.json
    """
    from yarnserve.spec.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option(
    "--file",
    "-f",
    metavar="FILE",
    default="service.yaml",
    show_default=True,
    type=click.Path(path_type=Path, allow_dash=True),
    help="Where to write it; - is stdout.",
)
def init(name: str | None, file: Path) -> None:
    """Write a commented service.yaml for service NAME (else my-model), never over one that is there."""
    from yarnserve.errors import ConflictError, UsageError, YarnserveError
    from yarnserve.spec.starter import starter

    to_stdout = str(file) == "-"
    try:
        text = starter(name or "my-model", file="service.yaml" if to_stdout else str(file))
    except ValueError as error:
        raise UsageError(f"{name} cannot be a service's name", fix=f"use {error}") from error
    if to_stdout:
        click.echo(text, nl=False)
        return
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(text)
    except FileExistsError as error:
        raise ConflictError(f"{file} exists", fix="name another one with --file") from error
    except FileNotFoundError as error:
        raise UsageError(f"{file.parent} is no directory", fix="make it first") from error
    except OSError as error:
        _remove_half(file)
        raise YarnserveError(f"{file} cannot be written", why=error.strerror or str(error)) from error
    narrate(f"wrote {file}")
    narrate(f"next: yarnserve spec check {file}")


def _remove_half(file: Path) -> None:
    """Leave no empty file behind, which the next attempt would not write over."""
    with suppress(OSError):
        file.unlink()
