"""A promotion followed to its end: until every replica that is meant serves the version, or one refuses it.

A canary is compared with the others for a while, by golden predictions and by the part of requests that fail; then
the version is promoted for all, or the canary ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from yarnserve import probe
from yarnserve.config import hdfs_path
from yarnserve.errors import (
    ConflictError,
    MalformedAnswerError,
    NotFoundError,
    UnhealthyError,
    UnreachableError,
    UsageError,
    WaitTimeoutError,
    YarnserveError,
)
from yarnserve.judge.canary import Tally, objection
from yarnserve.records.agent import ModelReport
from yarnserve.records.replica import Replica
from yarnserve.repository.channels import ChannelEntry, Channels
from yarnserve.service.connection import Connection
from yarnserve.service.look import Snapshot, look
from yarnserve.serving.metrics import PATH, RequestCounts, request_counts

#: Seconds between two looks.
PAUSE = 1.0

#: Seconds beyond its time in which a canary is still compared while YARN does not answer, as in a fail-over.
UNSEEN = 60.0

#: Seconds that a replica has to tell its counters.
COUNT_DEADLINE = 3.0


@dataclass(frozen=True)
class Followed:
    """Which model of which service is followed."""

    name: str
    model: str
    base_path: str


class Rollout:
    """Follows promotions of one model through one service.

    Args:
        connection: the cluster.
        name: the service.
        base_path: the model's, a plain HDFS path.
        narrate: told, in words, what is waited for and what happened.
        clock: monotonic seconds.
        pause: waits that many seconds.

    Raises:
        UsageError: the service has no agents, or does not serve this model.
        NotFoundError: there is no such service.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        base_path: str,
        *,
        narrate: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._followed = _followed(connection, name, base_path)
        self._narrate = narrate
        self._clock = clock
        self._pause = pause
        self._told: dict[str, str] = {}

    def require(self, instances: Collection[str] = ()) -> None:
        """Refuse a service that does not run, and *instances* that it does not have.

        Raises:
            ConflictError: it does not run.
            NotFoundError: there is such an instance.
        """
        running = [replica.instance for replica in look(self._connection, self._followed.name).replicas]
        if not running:
            name = self._followed.name
            raise ConflictError(
                f"{name} is not running, so that nobody can be followed",
                fix="promote without --service: it serves the version when it is started",
                next=f"yarnserve start {name}",
            )
        for instance in instances:
            if instance not in running:
                raise NotFoundError(
                    f"{self._followed.name} runs no replica {instance!r}",
                    why=f"running: {', '.join(running) or 'none'}",
                    next=f"yarnserve status {self._followed.name}",
                )

    def wait_until_served(self, version: int, timeout: float, instances: Collection[str] = ()) -> Snapshot:
        """Wait until every replica, or each of *instances*, serves *version* and is ready.

        Raises:
            UnhealthyError: one of them has refused it.
            WaitTimeoutError: *timeout* seconds have passed.
        """
        ends = self._clock() + timeout
        while True:
            snapshot, why = self._glance(version, instances)
            if snapshot is not None and not why:
                return snapshot
            if self._clock() >= ends:
                raise WaitTimeoutError(
                    f"version {version} is not served everywhere after {timeout:g} s",
                    why=why,
                    next=f"yarnserve status {self._followed.name} -o wide",
                )
            self._pause(min(PAUSE, max(0.05, ends - self._clock())))

    def see_served(self, version: int, timeout: float) -> Snapshot:
        """Wait like :meth:`wait_until_served`; whoever does not wait any longer hears that *version* stays promoted."""
        try:
            return self.wait_until_served(version, timeout)
        except KeyboardInterrupt:
            self._narrate(
                f"no longer watching; version {version} stays promoted, and replicas go on to take it up. Look again: "
                f"yarnserve status {self._followed.name}; end it: yarnserve models rollback {self._followed.base_path}"
            )
            raise

    def bake(self, version: int, instances: Collection[str], seconds: float) -> None:
        """Watch the canary for *seconds*; nothing is said against it when this returns.

        Raises:
            UnhealthyError: it is worse than the others, or not ready any more; says why.
            WaitTimeoutError: at the end YARN does not say which replicas there are.
        """
        self._narrate(f"comparing {', '.join(instances)} with the others for {seconds:g} s")
        begun = self._clock()
        comparison = Comparison(instances)
        while True:
            snapshot, why = self._glance(version, instances)
            if snapshot is not None:
                if why:
                    raise UnhealthyError(f"the canary of version {version} is not well", why=why)
                comparison.take_in(self._counts(snapshot))
            canary, others = comparison.tallies()
            if objected := objection(canary, others):
                raise UnhealthyError(f"the canary of version {version} is worse than the others", why=objected)
            late = self._clock() - begun - seconds
            if snapshot is None and late >= UNSEEN:
                raise WaitTimeoutError(f"nobody can say how the canary of version {version} is", why=why)
            if snapshot is not None and late >= 0:
                self._narrate(
                    f"canary: {canary.failed:.0f} of {canary.requests:.0f} requests failed; "
                    f"others: {others.failed:.0f} of {others.requests:.0f}"
                )
                return
            self._pause(PAUSE)

    def _glance(self, version: int, instances: Collection[str]) -> tuple[Snapshot | None, str]:
        """Look once; return what was seen and what is still lacking."""
        try:
            snapshot = look(self._connection, self._followed.name)
        except UnreachableError as error:
            return None, error.what
        meant = [replica for replica in snapshot.replicas if not instances or replica.instance in instances]
        missing = set(instances) - {replica.instance for replica in meant}
        lacking = dict.fromkeys(missing, "there is no such replica")
        lacking |= {replica.instance: self._lacks(replica, version) for replica in meant}
        for instance, why in lacking.items():
            self._tell(instance, why or f"serves version {version}")
        if not instances and len(meant) < max(snapshot.wanted_replicas, 1):
            lacking["service"] = f"{len(meant)} of {snapshot.wanted_replicas} replicas are there"
        return snapshot, "; ".join(f"{instance}: {why}" for instance, why in lacking.items() if why)

    def _lacks(self, replica: Replica, version: int) -> str:
        """Why *replica* does not serve *version*; empty when it does.

        Raises:
            UnhealthyError: it never will.
        """
        if replica.agent is None:
            return f"its agent does not answer; {replica.verdict.reason}"
        report = next((model for model in replica.agent.models if model.name == self._followed.model), ModelReport(""))
        if report.wanted == version and report.refused:
            raise UnhealthyError(
                f"{replica.instance} refuses version {version}",
                why=report.refused,
                fix="publish the model anew under another number",
                next=f"yarnserve models rollback {self._followed.base_path}",
            )
        if report.version != version:
            return f"serves {report.version or 'nothing'}" + (f" ({report.trouble})" if report.trouble else "")
        return "" if replica.agent.is_ready else f"{replica.agent.state}: {replica.agent.why}"

    def _counts(self, snapshot: Snapshot) -> dict[str, RequestCounts]:
        """The requests that each replica has counted; those that do not tell are left out."""
        places = {each.instance: each.endpoint.rest_url for each in snapshot.replicas if each.endpoint}
        texts = probe.read_all([url + PATH for url in places.values()], deadline=COUNT_DEADLINE)
        counts = {}
        for instance, text in zip(places, texts, strict=True):
            with suppress(MalformedAnswerError):
                if text is not None:
                    counts[instance] = request_counts(text, {self._followed.model})
        return counts

    def _tell(self, instance: str, text: str) -> None:
        if self._told.get(instance) != text:
            self._told[instance] = text
            self._narrate(f"{instance}: {text}")


class Comparison:
    """What the canary on *instances* and the others were asked since each was first counted."""

    def __init__(self, instances: Collection[str]) -> None:
        self._instances = instances
        self._first: dict[str, RequestCounts] = {}
        self._last: dict[str, RequestCounts] = {}

    def take_in(self, counts: Mapping[str, RequestCounts]) -> None:
        """Take in what each instance has counted by now; one that does not tell keeps what it told last."""
        for instance, count in counts.items():
            self._first.setdefault(instance, count)
            self._last[instance] = count

    def tallies(self) -> tuple[Tally, Tally]:
        """What came meanwhile, of the canary and of the others."""
        canary = others = Tally()
        for instance, count in self._last.items():
            came = count.since(self._first[instance])
            tally = Tally(came.total, came.failed)
            if instance in self._instances:
                canary = canary.plus(tally)
            else:
                others = others.plus(tally)
        return canary, others


def promote_with_canary(
    rollout: Rollout,
    channels: Channels,
    version: int,
    instances: tuple[str, ...],
    *,
    bake: float,
    timeout: float,
    why: str,
    narrate: Callable[[str], None],
) -> None:
    """Let *instances* serve *version* first; after *bake* good seconds all do, else none does.

    Raises:
        NotFoundError: the service does not run one of *instances*; nothing was done.
        UnhealthyError, WaitTimeoutError: the canary failed, and was ended; says why.
        ConflictError: somebody else has promoted or rolled back meanwhile; what they said stays.
    """
    rollout.require(instances)
    begun = channels.promote(version, why=why, instances=instances)
    try:
        rollout.wait_until_served(version, timeout, instances)
        rollout.bake(version, instances, bake)
    except (UnhealthyError, WaitTimeoutError) as error:
        narrate(f"{error.what}: {error.why}; ending the canary")
        _require_unchanged(channels, begun)
        channels.rollback(why=f"canary of {version} failed: {error.why}"[:200])
        raise
    except (YarnserveError, KeyboardInterrupt):
        narrate(
            f"version {version} stays a canary on {', '.join(instances)}: promote it without --canary for all, or end "
            "it with yarnserve models rollback"
        )
        raise
    _require_unchanged(channels, begun)
    channels.promote(version, why=why or f"after a canary on {', '.join(instances)}")
    narrate(f"version {version} is promoted for all")
    rollout.see_served(version, timeout)


def _followed(connection: Connection, name: str, base_path: str) -> Followed:
    revision = connection.store(name).revisions.latest()
    if revision is None:
        raise NotFoundError(f"yarnserve has launched no service {name!r}", next="yarnserve list")
    spec = revision.record.spec
    if not spec.has_agent:
        raise UsageError(
            f"{name} has no agents that would take a promotion up",
            why="its models come with delivery: native",
            fix="launch it again with --replace: version: stable in its service.yaml takes the promoted version",
        )
    base = hdfs_path(base_path)
    model = next((model for model in spec.models if hdfs_path(model.base_path) == base), None)
    if model is None:
        served = ", ".join(model.base_path for model in spec.models)
        raise UsageError(f"{name} does not serve the model at {base}", why=f"it serves {served}")
    return Followed(name, model.name, base)


def _require_unchanged(channels: Channels, begun: ChannelEntry) -> None:
    """Raise ConflictError where the canary is not the last that was said of the model: a newer word is not undone."""
    latest = channels.latest()
    if latest is None or latest.number != begun.number:
        raise ConflictError(
            "somebody else has promoted or rolled back since the canary began",
            why=f"stable is {latest.channel.stable} now, by {latest.channel.who}" if latest else "nothing is promoted",
            fix="look at what is to be served now, and decide again",
        )
