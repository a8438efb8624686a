"""Orders about a whole service: YARN is to create its definition, start it, stop it, or remove it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from yarnserve.errors import AccessError, NotFoundError, YarnserveError
from yarnserve.records.yarn import Accepted
from yarnserve.service.changing import Held
from yarnserve.yarn.resource_managers import OUTCOME_UNKNOWN


def create(held: Held, document: Mapping[str, Any]) -> str:
    """Have YARN run a definition that it has not got yet; return the application's id."""
    return _submit(held, lambda: held.connection.services.create(document))


def start(held: Held) -> str:
    """Have YARN run the definition that it has; return the application's id."""
    return _submit(held, lambda: held.connection.services.start(held.name))


def stop(held: Held) -> None:
    """Have YARN stop it, and wait for that; Ctrl-C says how far it came."""
    name, result = held.name, f"{held.name} to stop"
    sent = False
    try:
        held.order(
            lambda: held.connection.services.stop(name),
            done=lambda: not held.unfinished(),
            what="the stop",
            result=result,
        )
        sent = True
        held.orders.settle(lambda: not held.unfinished(), result)
    except KeyboardInterrupt:
        said = "was told to YARN and goes on" if sent else "may or may not have been told to YARN"
        held.narrate(f"\nno longer waiting; the stop of {name} {said}. Look: yarnserve wait {name} --for stopped")
        raise


def remove(held: Held) -> bool:
    """Have YARN delete the definition; False when there was none."""
    try:
        held.order(
            lambda: held.connection.services.destroy(held.name),
            done=lambda: not held.exists(),
            what="the removal",
            result=f"{held.name} to disappear",
        )
    except NotFoundError:
        return False
    except AccessError as error:
        # From 3.3.0 a second user is refused after the definition is gone (real-hadoop.md 7, item 9).
        if held.exists():
            raise
        held.narrate(f"YARN removed {held.name} and could not clean up after it: {error.fix}")
    return True


def _submit(held: Held, send: Callable[[], Accepted]) -> str:
    """Send the write that makes an application, once, and return the application's id.

    It is marked in the lease, so that whoever comes after an interrupted or killed yarnserve waits for it too
    (real-hadoop-ha.md 4, 6).
    """
    accepted: list[Accepted] = []

    def submit() -> None:
        held.lease.check()
        accepted.append(send())

    def submit_again() -> None:
        held.lease.check()
        # Its definition may be saved without an application (real-hadoop-ha.md 4).
        accepted.append(held.connection.services.start(held.name) if held.exists() else send())

    held.lease.mark("submit")
    try:
        held.orders.give(
            submit,
            done=held.unfinished,
            what=f"the launch of {held.name}",
            result=f"{held.name} to appear",
            again=submit_again,
        )
        application_id = accepted[-1].application_id if accepted else held.orders.patiently(held.unfinished)
    except KeyboardInterrupt:
        held.narrate(f"YARN may still carry it out; look with: yarnserve status {held.name}")
        raise
    except OUTCOME_UNKNOWN:
        raise
    except YarnserveError:
        held.lease.mark("")
        raise
    held.lease.mark("")
    return application_id
