"""Whether a service runs: stopped, started, stopped and started, or gone for good."""

from __future__ import annotations

from yarnserve.errors import YarnserveError
from yarnserve.judge.plan import Step
from yarnserve.service import sending
from yarnserve.service.changing import Held, Outcome
from yarnserve.service.finding import no_service
from yarnserve.service.refused import clear_refused, create_again
from yarnserve.service.state import Wanted


def stop(held: Held) -> Outcome:
    """Stop it and wait until YARN says so; its definition stays."""
    held.revision()
    seen = held.see()
    held.want(Wanted.STOPPED, seen.replicas or 0, "stop")
    if not seen.runs:
        return Outcome(Step.NOTHING)
    sending.stop(held)
    return Outcome(Step.STOP)


def start(held: Held) -> Outcome:
    """Start it with the size that it had, from our own record where YARN has lost it."""
    revision = held.revision()
    seen = held.see()
    if seen.service is None and not seen.runs:
        held.narrate(f"YARN has no definition of {held.name} any more: launching what was saved of it")
        replicas = seen.wanted or seen.replicas or revision.spec.replicas
        try:
            return Outcome(Step.START, create_again(held, revision, replicas, "start"))
        except YarnserveError as error:
            # Read before this start recorded what it wants: a supervisor starts again only what was to run already.
            clear_refused(held, error, known=True, was_wanted=seen.wanted is not None)
            raise
    held.want(Wanted.RUNNING, seen.wanted or seen.replicas or 0, "start")
    if seen.runs:
        return Outcome(Step.NOTHING)
    return Outcome(Step.START, sending.start(held))


def relaunch(held: Held) -> Outcome:
    """Stop it where it runs, and start it again; what is wanted of it stays."""
    held.revision()
    if held.see().runs:
        sending.stop(held)
    return Outcome(Step.START, sending.start(held))


def destroy(held: Held) -> None:
    """Stop it, remove its definition from YARN and everything saved of it.

    Raises:
        NotFoundError: neither YARN nor the saved state knows it.
    """
    known = held.store.revisions.latest() is not None
    if known:
        held.want(Wanted.STOPPED, None, "destroy")
    gone = sending.remove(held)
    held.discard()
    if not gone and not known:
        raise no_service(held.connection, held.name)
