"""``predict``: ask a running service."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import click

from yarnserve.cli.options import SERVICE_NAME, with_connection
from yarnserve.cli.output import narrate

if TYPE_CHECKING:
    from yarnserve.service.connection import Connection


@click.command()
@SERVICE_NAME
@click.argument("file", metavar="[FILE]", required=False, type=click.File("r", encoding="utf-8"))
@click.option("--example", "use_example", is_flag=True, help="Send the example that was launched with the service.")
@click.option("--model", metavar="MODEL", help="Which model; else the service's first.")
@with_connection
def predict(connection: Connection, name: str, file: IO[str] | None, use_example: bool, model: str | None) -> None:
    """Send the prediction in FILE (TF Serving's REST body; - is stdin) to one replica of NAME, print its answer.

    With --example the answer is also compared with what the example expects.
    """
    from yarnserve.client import discover, example_of, model_of
    from yarnserve.errors import UnhealthyError, UsageError
    from yarnserve.serving.rest import mismatch

    if use_example == (file is not None):
        raise UsageError("give either FILE or --example, not both" if file else "give FILE or --example")
    body = _read_body(file) if file else None
    revision, client = discover(connection, name)
    wanted = model_of(revision, model)
    if body is not None:
        click.echo(json.dumps(client.predict(wanted.name, body)))
        return
    example = example_of(wanted)
    answer = client.predict(wanted.name, example.request)
    click.echo(json.dumps(answer))
    difference = mismatch(answer, example)
    if difference:
        raise UnhealthyError(f"{name} answers its example wrongly", why=difference, next=f"yarnserve status {name}")
    narrate("as expected" if example.expected is not None else "answered (the example expects nothing in particular)")


def _read_body(file: IO[str]) -> dict[str, Any]:
    from yarnserve.errors import UsageError

    try:
        body = json.load(file)
    except RecursionError as error:
        raise UsageError("the request is nested too deeply", where=file.name) from error
    except UnicodeDecodeError as error:
        raise UsageError("the request is not UTF-8", where=file.name, why=str(error)) from error
    except ValueError as error:
        raise UsageError("the request is not JSON", where=file.name, why=str(error)) from error
    if not isinstance(body, dict):
        raise UsageError("the request is not a JSON object", where=file.name, fix='write {"instances": [...]}')
    return body
