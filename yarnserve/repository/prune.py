"""Remove what nobody needs: old versions, and what dead publishers left."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from yarnserve.errors import NotFoundError
from yarnserve.repository import layout
from yarnserve.repository.channels import Channels
from yarnserve.repository.publish import remove_quietly
from yarnserve.repository.versions import versions
from yarnserve.storage.client import Storage

#: Seconds after which what is staged belongs to nobody any more: a publisher that lives adds files to it.
ABANDONED_AFTER = 24 * 3600.0


@dataclass(frozen=True)
class Pruning:
    """What goes, and what stays although it is old, with the reason."""

    removed: tuple[int, ...]
    kept: dict[int, str]
    leftovers: tuple[str, ...]


def plan_pruning(storage: Storage, base_path: str, keep: int) -> Pruning:
    """Say what :func:`prune` would do: the *keep* newest versions stay, and whatever a channel names.

    The version that was stable before stays too, since ``rollback`` goes there.
    """
    base = layout.base(base_path)
    found = versions(storage, base)
    channels = Channels(storage, base)
    latest = channels.latest()
    kept: dict[int, str] = {}
    if latest:
        previous = channels.previous()
        if previous is not None:
            kept[previous] = "rollback goes there"
        if latest.channel.canary:
            kept[latest.channel.canary.version] = "canary"
        kept[latest.channel.stable] = "stable"
    old = found[: max(len(found) - keep, 0)]
    return Pruning(
        removed=tuple(version for version in old if version not in kept),
        kept={version: why for version, why in sorted(kept.items()) if version in old},
        leftovers=_leftovers(storage, base),
    )


def prune(storage: Storage, base_path: str, pruning: Pruning, *, on_step: Callable[[str], None]) -> None:
    """Carry *pruning* out. A version is renamed away first: nobody ever sees half of it under its number."""
    base = layout.base(base_path)
    storage.make_directories(layout.incoming(base))
    for version in pruning.removed:
        on_step(f"removing version {version}")
        aside = f"{layout.incoming(base)}/removed-{uuid.uuid4().hex}"
        storage.rename(layout.version_directory(base, version), aside)
        storage.delete(aside, recursive=True)
        remove_quietly(storage, f"{layout.claims(base)}/{version}")
    for name in pruning.leftovers:
        on_step(f"removing {name}, which nobody has touched for a day")
        storage.delete(f"{layout.incoming(base)}/{name}", recursive=True)


def _leftovers(storage: Storage, base: str) -> tuple[str, ...]:
    try:
        entries = storage.list(layout.incoming(base))
    except NotFoundError:
        return ()
    if not entries:
        return ()
    now = _namenode_now(storage, base)
    return tuple(sorted(entry.name for entry in entries if now - entry.modified_at > ABANDONED_AFTER))


def _namenode_now(storage: Storage, base: str) -> float:
    """Seconds since the epoch by the NameNode's clock, which also stamps what is staged."""
    probe = f"{layout.incoming(base)}/clock-{uuid.uuid4().hex}"
    storage.create(probe, b"")
    try:
        status = storage.status(probe)
        return status.modified_at if status else 0.0
    finally:
        storage.delete(probe)
