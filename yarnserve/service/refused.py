"""What follows a launch that YARN refused: no taken name is left behind, and what ran before runs again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from yarnserve.errors import ConflictError, LeaseLostError, YarnserveError
from yarnserve.service import sending
from yarnserve.service.changing import Held, Seen
from yarnserve.service.state import Revision, Wanted
from yarnserve.service.store import Saved
from yarnserve.spec.model import COMPONENT
from yarnserve.yarn.resource_managers import OUTCOME_UNKNOWN


def clear_refused(held: Held, error: YarnserveError, *, known: bool, was_wanted: bool = False) -> bool:
    """Leave no taken name behind a launch that YARN refused after it had stored the definition.

    All versions do so for some mistakes, those before 3.3.1 for more (yarn-services.md 1.7). There was no definition
    right before; one that is there now, with nothing running, is the refused one, unless the refusal was that the name
    is taken. Where that cannot be seen nothing is removed.

    *known* when yarnserve had launched it before. *was_wanted* when the refused launch was only to bring back what is
    to run: then that is still wanted, for what refuses it may pass, and STOPPED would be a person's word.

    Returns whether the name is seen to be free now.
    """
    if not _is_refusal(error):
        return False
    with suppress(YarnserveError):
        if not isinstance(error, ConflictError):
            if held.unfinished():
                return False
            if held.exists():
                held.narrate(
                    f"YARN kept the definition that it refused: removing it, so that {held.name} is free again"
                )
                sending.remove(held)
        if not known:
            held.discard()
        elif not was_wanted:
            held.want(Wanted.STOPPED, None, "the launch was refused")
        return not isinstance(error, ConflictError)
    return False


def bring_back(held: Held, before: Saved[Revision], seen: Seen) -> None:
    """Run again what ran before YARN refused its replacement: a mistake in a file must end no service."""
    held.narrate(f"YARN refused it: bringing back revision {before.number} of {held.name}, which ran before")
    try:
        again = replace(before.record, by=held.connection.actor, at=held.changing.now())
        held.store.revisions.append(again, after=held.store.revisions.latest())
        create_again(held, again, seen.replicas or before.record.spec.replicas, "launch --replace")
    except YarnserveError as failure:
        held.narrate(f"it could not be brought back: {failure.what}; launch its file again")


def create_again(held: Held, revision: Revision, replicas: int, why: str) -> str:
    """Give YARN the definition of *revision* anew, with *replicas*; return the application's id."""
    held.want(Wanted.RUNNING, replicas, why)
    return sending.create(held, _resized(revision.rendered, replicas))


def _is_refusal(error: YarnserveError) -> bool:
    """Whether it is certain that YARN does not carry it out, and the service still ours to mend."""
    return not isinstance(error, (LeaseLostError, *OUTCOME_UNKNOWN))


def _resized(document: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """Return the rendered *document* with another number of replicas."""
    components = [
        {**each, "number_of_containers": replicas} if each["name"] == COMPONENT else each
        for each in document["components"]
    ]
    return {**document, "components": components}
