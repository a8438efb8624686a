"""``scale``, ``restart``, ``stop``, ``start``, ``destroy``: change a service that was launched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yarnserve.cli.launch import follow
from yarnserve.cli.options import SERVICE_NAME, TIMEOUT, WAIT, YES, confirm, with_connection
from yarnserve.cli.output import narrate

if TYPE_CHECKING:
    from yarnserve.service.connection import Connection


def _count(context: click.Context, parameter: click.Parameter, value: str) -> int:
    """A number of replicas; ``+1`` is refused, because it would be read as one."""
    if not (value.isascii() and value.isdecimal()):
        raise click.BadParameter(f"{value!r} is not the number of replicas to run, such as 3; it is not a change")
    return int(value)


@click.command()
@SERVICE_NAME
@click.argument("replicas", callback=_count)
@WAIT
@TIMEOUT
@with_connection
def scale(connection: Connection, name: str, replicas: int, wait: bool, timeout: float) -> None:
    """Run REPLICAS replicas of the running service NAME."""
    from yarnserve.judge.plan import Step
    from yarnserve.service.actions import Actions

    outcome = Actions(connection, narrate=narrate, patience=timeout).scale(name, replicas)
    if outcome.step is Step.NOTHING:
        narrate(f"{name} has {replicas} replicas: nothing to do")
    if wait:
        follow(connection, name, timeout)


@click.command()
@SERVICE_NAME
@click.option("--replica", metavar="INSTANCE", required=True, help="Which one, e.g. serve-0 (or 0).")
@WAIT
@TIMEOUT
@with_connection
def restart(connection: Connection, name: str, replica: str, wait: bool, timeout: float) -> None:
    """Replace one replica of the running service NAME by a new one.

    Where it has an agent (delivery: sync), that lets callers out before it goes. Else, from Hadoop 3.3 on its container
    is killed and YARN replaces it under the same name. Before, YARN can only decommission it and make another, which
    gets a new number (and ports).
    """
    from yarnserve.service.actions import Actions

    outcome = Actions(connection, narrate=narrate, patience=timeout).restart(name, replica)
    narrate(f"{name}: {', '.join(outcome.instances)} takes over from {replica}")
    if wait:
        follow(connection, name, timeout)


@click.command()
@SERVICE_NAME
@click.argument("what", metavar="ORDER", type=click.Choice(["drain", "resume", "restart-server", "leave"]))
@click.option("--replica", metavar="INSTANCE", required=True, help="Whose agent, e.g. serve-0 (or 0).")
@with_connection
def order(connection: Connection, name: str, what: str, replica: str) -> None:
    """Give the agent of one replica of service NAME an order (delivery: sync).

    \b
      drain           callers are let out and none are taken, until resume
      resume          callers are taken again
      restart-server  callers are let out, then the model server begins anew; refused versions are tried again
      leave           callers are let out, then YARN replaces the container
    """  # noqa: D301  click's mark for lines that stay as they are
    from yarnserve.orders import Order
    from yarnserve.service.actions import Actions

    report = Actions(connection, narrate=narrate).order(name, replica, Order(what))
    narrate(f"{report.instance} of {name}, until now {report.state}: {what} is accepted")
    narrate(f"next: yarnserve status {name}")


@click.command()
@SERVICE_NAME
@with_connection
def stop(connection: Connection, name: str) -> None:
    """Stop service NAME. What was launched stays saved: start brings it back."""
    from yarnserve.judge.plan import Step
    from yarnserve.service.actions import Actions

    outcome = Actions(connection, narrate=narrate).stop(name)
    narrate(f"{name} was not running: nothing to do" if outcome.step is Step.NOTHING else f"{name} has stopped")
    narrate(f"next: yarnserve start {name}, or yarnserve destroy {name}")


@click.command()
@SERVICE_NAME
@WAIT
@TIMEOUT
@with_connection
def start(connection: Connection, name: str, wait: bool, timeout: float) -> None:
    """Start the stopped service NAME again, as it was launched."""
    from yarnserve.judge.plan import Step
    from yarnserve.service.actions import Actions

    outcome = Actions(connection, narrate=narrate, patience=timeout).start(name)
    if outcome.step is Step.NOTHING:
        narrate(f"{name} runs: nothing to do")
    else:
        narrate(f"{name}: YARN accepted it as {outcome.application_id}" if outcome.application_id else f"{name} starts")
    if wait:
        follow(connection, name, timeout)


@click.command()
@SERVICE_NAME
@YES
@with_connection
def destroy(connection: Connection, name: str, yes: bool) -> None:
    """Stop service NAME, and remove its definition and everything saved of it. The models stay."""
    from yarnserve.service.actions import Actions

    confirm(f"Destroy {name} and forget how it was launched?", yes=yes, typed=name)
    Actions(connection, narrate=narrate).destroy(name)
    narrate(f"{name} is destroyed; its models are untouched")
