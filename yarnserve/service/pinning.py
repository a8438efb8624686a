"""Which version of a model a launch means by ``stable``: the channels of the repository say it."""

from __future__ import annotations

from dataclasses import replace

from yarnserve.config import hdfs_path
from yarnserve.errors import NotFoundError
from yarnserve.repository.channels import Channels
from yarnserve.repository.sync import find_wanted
from yarnserve.repository.versions import require_version
from yarnserve.service.connection import Connection
from yarnserve.spec.model import STABLE, Delivery, ModelSpec, ServiceSpec


def pin_versions(connection: Connection, spec: ServiceSpec) -> ServiceSpec:
    """Return *spec* with a number in place of each ``version: stable``; what a server would load is there.

    Agents follow the channels by themselves: for them it is only looked that there is something to bring.

    A server that reads HDFS itself takes one configuration for good, since YARN copies it once into a container: a
    promotion reaches it by the next launch.

    Raises:
        NotFoundError: nothing was promoted, or the version is not there, or holds no model.
    """
    if spec.has_agent:
        for model in spec.models:
            served_version(connection, model)
        return spec
    return replace(spec, models=tuple(_pinned(connection, model) for model in spec.models))


def served_version(connection: Connection, model: ModelSpec) -> int:
    """Return the version of *model* that a server would load; raises what :func:`pin_versions` does."""
    storage, base = connection.storage_at(model.base_path), hdfs_path(model.base_path)
    if model.delivery is Delivery.SYNC:
        return find_wanted(storage, base, version=model.pinned).version
    if model.version != STABLE:
        return require_version(storage, base, model.pinned)
    latest = Channels(storage, base).latest()
    if latest is None:
        raise NotFoundError(
            f"no version of {model.name} was promoted",
            where=base,
            why="service.yaml wants version: stable of it",
            next=f"yarnserve models promote {base} VERSION",
        )
    return require_version(storage, base, latest.channel.stable)


def _pinned(connection: Connection, model: ModelSpec) -> ModelSpec:
    version = served_version(connection, model)
    return replace(model, version=str(version)) if model.version == STABLE else model
