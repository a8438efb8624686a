"""The one place that changes what runs on this host: brings up, replaces one after the other, takes down.

Whoever acts holds the lock of the service (:meth:`yarnserve.local.state.Place.locked`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from yarnserve import probe
from yarnserve.errors import ConflictError
from yarnserve.local.docker_arguments import ports, stop_seconds
from yarnserve.local.host import Host
from yarnserve.local.look import HERE, see
from yarnserve.local.plan import Plan, plan_up
from yarnserve.local.records import Asked, Seen, Start, Way
from yarnserve.local.state import Place

#: Seconds that connecting to a port of this host may take, that a port may still be taken by what has just ended, and
#: between two looks at it.
PORT_DEADLINE = 1.0
PORT_PATIENCE = 5.0
PORT_PAUSE = 0.05


class Acts:
    """Acts on the service of *place*; *narrate* is told each act before it is done."""

    def __init__(
        self,
        place: Place,
        hosts: Mapping[Way, Host],
        *,
        narrate: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._place = place
        self._hosts = hosts
        self._narrate = narrate
        self._clock = clock
        self._pause = pause

    def up(
        self, asked: Asked, starts: Sequence[Start], *, patience: float, between: Callable[[Sequence[str]], object]
    ) -> Plan:
        """Make this host run *starts*, and return what that took.

        Args:
            asked: what is remembered.
            starts: how each wanted replica is started.
            patience: seconds that replicas which run now get to end.
            between: waits until replicas are live: a replica is replaced when the one before it is.

        Raises:
            ConflictError: somebody else keeps a replica that has to change, or has its port.
            YarnserveError: a replica cannot be started, or *between* raised: those that are left run as before.
        """
        seen = see(self._hosts)
        plan = plan_up(starts, seen)
        self._refuse_kept({name: seen[name] for name in (*plan.replace, *plan.remove)})
        self._place.remember(asked)
        by_name = {start.launch.instance: start for start in starts}
        if not plan.changes_nothing:
            self._narrate(f"{self._place.name}: {plan.in_words()}")
        if plan.remove:
            self._narrate(f"removing {', '.join(plan.remove)}")
            self._stop(plan.remove, seen, patience)
        for index, name in enumerate(plan.replace):
            self._narrate(f"replacing {name}: requests are let out first")
            self._stop([name], seen, patience)
            self._start(by_name[name], asked)
            if index + 1 < len(plan.replace):
                self._narrate(f"waiting for {name} before {plan.replace[index + 1]} is replaced")
                between([name])
        # What an earlier run has left is in the way of a new one.
        self._stop([name for name in plan.start if name in seen], seen, patience)
        for name in plan.start:
            self._narrate(f"starting {name}")
            self._start(by_name[name], asked)
        # Nothing of an earlier one is left now.
        self._place.remember(replace(asked, may_have_containers=False))
        return plan

    def down(self, *, patience: float) -> tuple[str, ...]:
        """End every replica and return which there were.

        Raises:
            ConflictError: somebody else keeps one.
        """
        seen = see(self._hosts)
        self._refuse_kept(seen)
        if seen:
            self._narrate(f"ending {', '.join(seen)}: requests are let out first")
        self._stop(list(seen), seen, patience)
        return tuple(seen)

    def become(self, asked: Asked, start: Start) -> None:
        """Become the replica of *start*, in the foreground; returns never.

        Raises:
            ConflictError: it runs already.
        """
        instance = start.launch.instance
        found = see(self._hosts).get(instance)
        if found is not None and found.is_running:
            raise ConflictError(
                f"{instance} runs already, as {found.id}",
                fix="end it first",
                next=f"yarnserve local status {self._place.name}",
            )
        self._place.remember(asked)
        if found is not None:
            self._hosts[found.way].stop([instance], 0.0)
        self._prepare(start, asked)
        self._hosts[asked.way].run_in_foreground(start)

    def _start(self, start: Start, asked: Asked) -> None:
        self._prepare(start, asked)
        self._hosts[asked.way].start(start)

    def _prepare(self, start: Start, asked: Asked) -> None:
        launch = start.launch
        for port in ports(asked.spec, launch.instance):
            self._require_free(port, launch.instance)
        self._place.make_work(launch.instance)
        for name, text in launch.files.items():
            self._place.write(self._place.work(launch.instance) / name, text)

    def _require_free(self, port: int, instance: str) -> None:
        """A process that has just ended may keep its port until the last of its threads is gone."""
        ends = self._clock() + PORT_PATIENCE
        while probe.accepts(HERE, port, deadline=PORT_DEADLINE):
            if self._clock() >= ends:
                raise ConflictError(
                    f"port {port} of {instance} is taken",
                    where=f"{HERE}:{port}",
                    why="a process of this host listens there",
                    fix="end it, or choose other ports in service.yaml; where it is another replica of this service, "
                    f"yarnserve local down {self._place.name} first",
                )
            self._pause(PORT_PAUSE)

    def _stop(self, names: Sequence[str], seen: Mapping[str, Seen], patience: float) -> None:
        for way, host in self._hosts.items():
            host.stop([name for name in names if seen[name].way is way], patience)

    def _refuse_kept(self, seen: Mapping[str, Seen]) -> None:
        for instance, each in seen.items():
            if each.is_running and each.is_foreground:
                raise ConflictError(
                    f"{instance} is kept by somebody else",
                    where=f"{each.way.value} {each.id}",
                    why="it was started in the foreground: by systemd, or at a terminal",
                    fix=f"end it there: systemctl stop yarnserve-{self._place.name}@{instance.rpartition('-')[2]}, or "
                    "Ctrl-C",
                )


def patience_with(*asked: Asked | None) -> float:
    """Seconds that replicas of any of these get to end."""
    return float(max(stop_seconds(each.spec) for each in asked if each is not None))
