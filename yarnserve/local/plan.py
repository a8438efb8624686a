"""What has to be done so that this host runs what is wanted? Pure; carried out by ``local.acts``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from yarnserve.local.records import Seen, Start
from yarnserve.spec.endpoints import instance_number


@dataclass(frozen=True)
class Plan:
    """Instances by what happens to them, in the order of their numbers.

    *replace* run something else, *start* do not run, *remove* are not wanted, *keep* are as they should be.
    """

    keep: tuple[str, ...]
    replace: tuple[str, ...]
    start: tuple[str, ...]
    remove: tuple[str, ...]

    @property
    def changes_nothing(self) -> bool:
        """Whether everything is as it should be."""
        return not (self.replace or self.start or self.remove)

    def in_words(self) -> str:
        """``1 to start, 2 to replace, 1 as it should be``."""
        counts = (
            (self.start, "to start"),
            (self.replace, "to replace"),
            (self.remove, "to remove"),
            (self.keep, "as it should be"),
        )
        return ", ".join(f"{len(instances)} {what}" for instances, what in counts if instances)


def plan_up(wanted: Sequence[Start], seen: Mapping[str, Seen]) -> Plan:
    """Return what takes the replicas *seen* to those *wanted*; one that has ended is started, whatever it was."""
    marks = {start.launch.instance: start.mark for start in wanted}
    running = {instance for instance, each in seen.items() if each.is_running}
    return Plan(
        keep=_sorted(name for name in marks if name in running and seen[name].mark == marks[name]),
        replace=_sorted(name for name in marks if name in running and seen[name].mark != marks[name]),
        start=_sorted(name for name in marks if name not in running),
        remove=_sorted(name for name in seen if name not in marks),
    )


def _sorted(instances: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(instances, key=instance_number))
