"""Who may publish a number: a claim is a lease on it, so that two publishers never upload the same version.

A claim that is not renewed is taken over after its time to live, as every lease is. The new holder first deletes what
the old one staged: a publisher that was only suspended then has nothing left that it could rename to the number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from yarnserve.errors import ConflictError, LeaseHeldError
from yarnserve.repository import layout
from yarnserve.repository.versions import versions_or_none
from yarnserve.storage.client import Storage
from yarnserve.storage.lease import RENEW_EVERY, TTL, Lease, boot_clock
from yarnserve.storage.series import Series

#: How many numbers that others claim are passed over in the search for the next free one.
MOST_CLAIMED = 100


@dataclass(frozen=True)
class Claimant:
    """How claims are made.

    *holder* is who we are, for people; *on_wait* is told who holds the claim that is waited for; *clock* is in
    monotonic seconds, and *pause* how to wait.
    """

    holder: str = "yarnserve"
    on_wait: Callable[[str], None] = lambda holder: None
    clock: Callable[[], float] = boot_clock
    pause: Callable[[float], None] = time.sleep
    patience: float = TTL + RENEW_EVERY
    renew_every: float = RENEW_EVERY


class Claim:
    """The right to publish *version*."""

    def __init__(self, version: int, lease: Lease) -> None:
        self.version = version
        self._lease = lease

    def check(self) -> None:
        """Make sure that it is still ours; LeaseLostError when somebody took it over."""
        self._lease.check()

    def begin(self, staged: str) -> None:
        """Write down under which name the version is staged."""
        self._lease.mark(staged)

    def end(self) -> None:
        """Write down that nothing is staged any more."""
        self._lease.mark("")


@contextmanager
def claimed(
    storage: Storage, base_path: str, version: int | None, claimant: Claimant, *, is_new: bool = True
) -> Iterator[Claim]:
    """Claim *version*, or the next free number for None, for as long as the block lasts.

    *is_new* False is for a version that stands there already and is to be completed.

    Raises:
        LeaseHeldError: another publisher has it and is alive.
        ConflictError: the version exists.
    """
    if version is not None:
        with _claim(storage, base_path, version, claimant, claimant.patience) as claim:
            if is_new and version in versions_or_none(storage, base_path):
                raise taken(layout.version_directory(base_path, version))
            yield claim
        return
    with _claim_next(storage, base_path, claimant) as claim:
        yield claim


def taken(target: str) -> ConflictError:
    """The error for a version that exists."""
    return ConflictError(
        "this version exists already",
        where=target,
        why="a version that servers may have loaded is never changed; they would not notice",
        fix="publish under the next number: --version next",
    )


@contextmanager
def _claim_next(storage: Storage, base_path: str, claimant: Claimant) -> Iterator[Claim]:
    first = max(versions_or_none(storage, base_path), default=0) + 1
    for number in range(first, first + MOST_CLAIMED):
        with ExitStack() as stack:
            try:
                claim = stack.enter_context(_claim(storage, base_path, number, claimant, patience=0.0))
            except LeaseHeldError:
                continue
            # Somebody may have published it between the two looks.
            if number not in versions_or_none(storage, base_path):
                yield claim
                return
    raise ConflictError(f"{MOST_CLAIMED} numbers from {first} on are being published by others", where=base_path)


@contextmanager
def _claim(storage: Storage, base_path: str, version: int, claimant: Claimant, patience: float) -> Iterator[Claim]:
    target = layout.version_directory(base_path, version)
    lease = Lease(
        Series(storage, f"{layout.claims(base_path)}/{version}"),
        subject=target,
        look=f"yarnserve models list {base_path}",
        holder=claimant.holder,
        patience=patience,
        renew_every=claimant.renew_every,
        on_wait=claimant.on_wait,
        clock=claimant.clock,
        pause=claimant.pause,
    )
    with lease:
        if lease.unsettled:
            storage.delete(f"{layout.incoming(base_path)}/{lease.unsettled}", recursive=True)
            lease.mark("")
        yield Claim(version, lease)
