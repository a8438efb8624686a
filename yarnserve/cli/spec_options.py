"""A spec for ``launch`` and ``render``: from a service.yaml, or from options that say the same."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from yarnserve.spec.model import ServiceSpec

#: What stands in place of a file's name in messages.
OPTIONS = "the command line"

#: By option, the field of service.yaml that it fills.
_FIELDS = {
    "name": ("name",),
    "model": ("model", "base_path"),
    "model_name": ("model", "name"),
    "example": ("model", "example"),
    "image": ("image",),
    "serving_version": ("serving", "version"),
    "replicas": ("replicas",),
    "cpus": ("resources", "cpus"),
    "memory": ("resources", "memory"),
    "gpus": ("resources", "gpus"),
    "queue": ("queue",),
}

_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.argument(
        "file", metavar="[FILE]", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
    ),
    click.option(
        "--force", is_flag=True, help="Accept a server version that cannot read hdfs:// (native, 2.7 and later)."
    ),
    click.option("--name", metavar="NAME", help="Without FILE: the service's name."),
    click.option("--model", metavar="HDFS_PATH", help="Without FILE: the directory above the version numbers."),
    click.option("--model-name", metavar="NAME", help="Without FILE: the model's name; else the directory's."),
    click.option("--example", metavar="FILE", help="Without FILE: a request, and the answer of a healthy replica."),
    click.option("--image", metavar="IMAGE:TAG", help="Without FILE: the Docker image; else a plain process."),
    click.option("--serving-version", metavar="VERSION", help="Without FILE: TensorFlow Serving's version."),
    click.option(
        "--flag", "flags", metavar="NAME=VALUE", multiple=True, help="Without FILE: a server flag; may be given again."
    ),
    click.option("--replicas", type=int, metavar="N", help="Without FILE: how many; else 1."),
    click.option("--cpus", type=int, metavar="N", help="Without FILE: vcores of each; else 1."),
    click.option("--memory", metavar="AMOUNT", help="Without FILE: memory of each, e.g. 512m or 8g."),
    click.option("--gpus", type=int, metavar="N", help="Without FILE: GPUs of each; else none."),
    click.option("--queue", metavar="QUEUE", help="Without FILE: YARN's queue."),
)


def with_spec(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* FILE and the options in its place, and what they say: ``spec``, and ``origin`` for messages."""

    @functools.wraps(command)
    def loaded(*arguments: Any, file: Path | None, force: bool, flags: tuple[str, ...], **options: Any) -> Any:
        said = {name: options.pop(name) for name in _FIELDS}
        given = {name: value for name, value in said.items() if value is not None}
        if file is not None and (given or flags):
            names = [f"--{name.replace('_', '-')}" for name in given] or ["--flag"]
            raise click.UsageError(f"FILE says everything: {', '.join(names)} is for a launch without one")
        if file is None and not given:
            raise click.UsageError("give FILE, or --name, --model and --memory")
        spec = load_options(given, flags, force=force) if file is None else load_spec(file, force=force)
        return command(*arguments, spec=spec, origin=str(file or OPTIONS), **options)

    decorated: Callable[..., Any] = loaded
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def load_spec(file: Path, *, force: bool) -> ServiceSpec:
    """Read a service.yaml and the example files beside it."""
    from yarnserve.spec.loader import parse_spec

    return parse_spec(
        file.read_text(encoding="utf-8", errors="replace"),
        file=str(file),
        read_text=lambda name: (file.parent / name).read_text(encoding="utf-8"),
        force=force,
    )


def load_options(given: dict[str, Any], flags: tuple[str, ...], *, force: bool) -> ServiceSpec:
    """Read what the options say as the service.yaml that they stand for; its lines are nobody's and not named."""
    from yarnserve.errors import SpecError
    from yarnserve.spec.loader import parse_spec
    from yarnserve.spec.text import dump_yaml

    try:
        return parse_spec(
            dump_yaml(_document(given, flags)),
            file=OPTIONS,
            read_text=lambda name: Path(name).read_text(encoding="utf-8"),
            force=force,
        )
    except SpecError as error:
        problems = tuple(replace(each, line=0) if each.file == OPTIONS else each for each in error.problems)
        raise SpecError(error.what, problems=problems, fix=error.fix) from error


def _document(given: dict[str, Any], flags: tuple[str, ...]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, value in given.items():
        *sections, field = _FIELDS[name]
        place = document
        for section in sections:
            place = place.setdefault(section, {})
        place[field] = value
    if flags:
        document.setdefault("serving", {})["flags"] = dict(map(_flag, flags))
    return document


def _flag(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.UsageError(f"--flag {text}: not NAME=VALUE")
    if value in ("true", "false"):
        return name, value == "true"
    for number in (int, float):
        try:
            return name, number(value)
        except ValueError:
            continue
    return name, value
