"""Replicas of one service that serve different versions of a model: which, and since when. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from yarnserve.records.agent import AgentReport


@dataclass(frozen=True)
class Skew:
    """One model that is not served the same everywhere: instances by version (None: none), and since when each is."""

    model: str
    instances: Mapping[int | None, tuple[str, ...]]
    since: Mapping[int | None, float | None]

    def in_words(self, age: Callable[[float | None], str]) -> str:
        """Say it: ``skew of digits: 2 on serve-0 (for 5m); 1 on serve-1, serve-2 (for 3h)``."""
        parts = [
            f"{'none' if version is None else version} on {', '.join(instances)}"
            + (f" (for {age(self.since[version])})" if self.since[version] is not None else "")
            for version, instances in self.instances.items()
        ]
        return f"skew of {self.model}: {'; '.join(parts)}"


def skew(reports: Mapping[str, AgentReport]) -> tuple[Skew, ...]:
    """Return the models of which the replicas that report serve more than one version, the highest first."""
    served: dict[str, dict[int | None, list[tuple[str, float | None]]]] = {}
    for instance, report in reports.items():
        for model in report.models:
            served.setdefault(model.name, {}).setdefault(model.version, []).append((instance, model.since))
    return tuple(_skew(model, versions) for model, versions in served.items() if len(versions) > 1)


def _skew(model: str, versions: Mapping[int | None, list[tuple[str, float | None]]]) -> Skew:
    ordered = sorted(versions, key=lambda version: -1 if version is None else version, reverse=True)
    instances = {version: tuple(sorted(name for name, _ in versions[version])) for version in ordered}
    since = {
        version: min((moment for _, moment in versions[version] if moment is not None), default=None)
        for version in ordered
    }
    return Skew(model, instances, since)
