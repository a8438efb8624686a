"""Wait until a launched service is live, or certain not to become so. Only looks, never acts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from yarnserve.errors import (
    UnreachableError,
    WaitTimeoutError,
    YarnserveError,
)
from yarnserve.judge.explain import Kind, explain_exit, explain_text
from yarnserve.judge.listening import listens
from yarnserve.judge.progress import Phase, Progress, judge_progress
from yarnserve.judge.words import last_words
from yarnserve.records.replica import Contact, Health, LastExit, Replica
from yarnserve.service.connection import Connection
from yarnserve.service.finding import newest_application, require_known
from yarnserve.service.look import Snapshot, look
from yarnserve.service.reading import Reader

#: Seconds between two looks; grows to the maximum while nothing changes, so that a long model load costs YARN little.
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0

#: Bytes of a failing replica's stderr that are read for its last words.
LAST_WORDS_BYTES = 8192

#: Seconds after the first sight of a container in which its server may not have logged yet that it begins.
SILENT_BEGINNING = 5.0


def wait_until_live(
    connection: Connection,
    name: str,
    *,
    timeout: float,
    on_look: Callable[[Snapshot, Progress], None] = lambda snapshot, progress: None,
    on_trouble: Callable[[str], None] = lambda reason: None,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Snapshot:
    """Look at service *name* until every wanted replica is live, for at most *timeout* seconds.

    *on_look* is told every look, *on_trouble* why there was none. A replica whose model gives no way to prove it counts
    as soon as it is available.

    Raises:
        YarnserveError: it is certain to fail; the error carries the cause and the replica's last words.
        WaitTimeoutError: *timeout* has passed; the error says what each replica lacks.
    """
    ends = clock() + timeout
    delay = FIRST_PAUSE
    last_reason = ""
    watch = _Watch(connection, name, clock)
    while True:
        snapshot, progress = watch.glance()
        if snapshot is not None:
            on_look(snapshot, progress)
        else:
            on_trouble(progress.reason)
        if progress.phase is Phase.LIVE and snapshot is not None:
            return snapshot
        if progress.phase is Phase.FAILED:
            raise YarnserveError(
                f"{name} does not become live",
                why=_with_last_words(connection, snapshot, progress.reason),
                fix=progress.fix,
                next=f"yarnserve logs {name}",
            )
        if clock() >= ends:
            raise WaitTimeoutError(
                f"{name} is not live after {timeout:g} s",
                why=_with_last_words(connection, snapshot, progress.reason),
                fix=_fix_in_logs(connection, snapshot)
                or _fix_of_failing(snapshot)
                or _fix_of_application(snapshot)
                or "give it more time with --timeout, or read its logs",
                next=f"yarnserve logs {name}" if _first_lagging(snapshot) else "yarnserve doctor",
            )
        delay = FIRST_PAUSE if progress.reason != last_reason else min(LONGEST_PAUSE, delay * 1.5)
        last_reason = progress.reason
        pause(min(delay, max(0.0, ends - clock())))


def _fix_of_failing(snapshot: Snapshot | None) -> str:
    """What to change for a replica that fails, as its verdict has it; empty where none says."""
    replicas = snapshot.replicas if snapshot is not None else ()
    verdicts = (replica.verdict for replica in replicas)
    return next((verdict.fix for verdict in verdicts if verdict.health is Health.FAILING and verdict.fix), "")


def _fix_of_application(snapshot: Snapshot | None) -> str:
    """What to change for an application that waits to begin, by YARN's own words; empty where they say nothing."""
    application = snapshot.application if snapshot is not None else None
    told = explain_text(application.diagnostics) if application is not None else None
    return told.fix if told is not None else ""


def wait_until_stopped(
    connection: Connection,
    name: str,
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until no application of service *name* runs, for at most *timeout* seconds.

    Raises:
        NotFoundError: neither YARN nor the saved state knows it.
        WaitTimeoutError: *timeout* has passed.
    """
    ends = clock() + timeout
    delay = FIRST_PAUSE
    while True:
        why = "it runs"
        try:
            application = newest_application(connection, name)
            if application is None or application.state.ended:
                require_known(connection, name)
                return
            why = f"{application.id} is {application.state.value}"
        except UnreachableError as error:
            why = error.what
        if clock() >= ends:
            raise WaitTimeoutError(
                f"{name} has not stopped after {timeout:g} s", why=why, next=f"yarnserve status {name}"
            )
        pause(min(delay, max(0.0, ends - clock())))
        delay = min(LONGEST_PAUSE, delay * 1.5)


class _Watch:
    """Looks again and again, and remembers since when each replica has not served."""

    def __init__(self, connection: Connection, name: str, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._name = name
        self._clock = clock
        self._reader = Reader(connection, name)
        self._restarts_when_well: dict[str, int] = {}
        self._before: set[str] | None = None
        self._ours: set[str] = set()
        self._seen_since: dict[str, float] = {}

    def glance(self) -> tuple[Snapshot | None, Progress]:
        """Look once; a cluster that cannot be asked for a moment is no verdict on the service."""
        try:
            snapshot = look(self._connection, self._name, reader=self._reader)
        except UnreachableError as error:
            return None, Progress(Phase.WAITING, f"{error.what}: {error.where or error.why}")
        progress = judge_progress(
            snapshot.service,
            snapshot.application,
            snapshot.replicas,
            snapshot.observations,
            wanted=snapshot.wanted_replicas,
            restarts=self._restarts(snapshot),
            exits=self._exits(snapshot),
        )
        if progress.phase is Phase.LIVE and not snapshot.complete:
            progress = Progress(Phase.WAITING, "; ".join(snapshot.notes))
        self._note_silence(snapshot)
        if progress.phase is Phase.LIVE and (doubtful := self._doubtful(snapshot)):
            progress = Progress(Phase.WAITING, doubtful)
        return snapshot, progress

    def _note_silence(self, snapshot: Snapshot) -> None:
        """Remember who is there, and on whose ports nobody listened: whoever answers there later is that replica."""
        containers = {replica.instance: replica.container_id for replica in snapshot.replicas}
        for container in containers.values():
            self._seen_since.setdefault(container, self._clock())
        for seen in snapshot.observations:
            if any(model.contact is Contact.REFUSED for model in seen.models):
                self._ours.add(containers[seen.instance])

    def _doubtful(self, snapshot: Snapshot) -> str:
        """Say of which replica it is not sure that it is the one that answers; nothing where all are, or tell nothing.

        A service on the same ports of the same node answers the same prediction until our own server, which may load
        for minutes, has found the ports taken.
        """
        unsure = [each for each in snapshot.replicas if each.container_id not in self._ours]
        addresses = _log_addresses(self._connection, snapshot) if unsure else {}
        for replica in unsure:
            if replica.endpoint is None:
                continue
            if not self._may_listen(replica, addresses):
                address = f"{replica.endpoint.host}:{replica.endpoint.rest_port}"
                return (
                    f"{replica.instance}: {address} answers, but its own log does not say yet that it listens: "
                    "another service's server may have the port"
                )
            self._ours.add(replica.container_id)
        return ""

    def _may_listen(self, replica: Replica, addresses: Mapping[str, str]) -> bool:
        """Whether the server's own log does not speak against it: says the contrary, or nothing yet."""
        said = listens("\n".join(_tails(self._connection, addresses, replica)))
        if said is not None:
            return said
        return self._clock() - self._seen_since[replica.container_id] >= SILENT_BEGINNING

    def _restarts(self, snapshot: Snapshot) -> dict[str, int]:
        """By instance, how often it was started again since this watch began, or since it last served."""
        for replica in snapshot.replicas:
            if replica.verdict.health.serving or replica.instance not in self._restarts_when_well:
                self._restarts_when_well[replica.instance] = replica.restarts
        return {
            replica.instance: replica.restarts - self._restarts_when_well[replica.instance]
            for replica in snapshot.replicas
        }

    def _exits(self, snapshot: Snapshot) -> dict[str, LastExit]:
        """By instance that does not serve, how it ended since this watch began.

        What ended before, in another container than the one there was then, may have been mended since.
        """
        ended = [
            (each, each.last_exit)
            for each in snapshot.replicas
            if each.last_exit is not None and not each.verdict.health.serving
        ]
        if self._before is None:
            self._before = {died.container_id for each, died in ended if died.container_id != each.container_id}
        news = [(each, died) for each, died in ended if died.container_id not in self._before]
        exits = {each.instance: died for each, died in news}
        unclear = next(((each, died) for each, died in news if not died.certain), None)
        if unclear is not None and not any(died.certain for died in exits.values()):
            # One log tells for all: replicas of one service fail alike.
            exits[unclear[0].instance] = self._read_log(snapshot, *unclear)
        return exits

    def _read_log(self, snapshot: Snapshot, replica: Replica, died: LastExit) -> LastExit:
        """Explain an exit once more, by the server's log: TF Serving says on stdout why it could not start."""
        if died.code <= 0 or died.container_id != replica.container_id:
            return died
        found = explain_exit(died.code, last_words="\n".join(log_tails(self._connection, snapshot, replica)))
        if found.kind is Kind.UNKNOWN:
            return died
        return LastExit(died.code, found.cause, found.fix, found.certain, died.container_id)


def _with_last_words(connection: Connection, snapshot: Snapshot | None, reason: str) -> str:
    lagging = _first_lagging(snapshot)
    words = last_words(*log_tails(connection, snapshot, lagging)) if snapshot and lagging else ""
    return f"{reason}; {lagging.instance}'s last words: {words}" if words and lagging else reason


def _first_lagging(snapshot: Snapshot | None) -> Replica | None:
    replicas = snapshot.replicas if snapshot else ()
    lagging = (replica for replica in replicas if replica.container_id and not replica.verdict.health.serving)
    return next(lagging, None)


def _fix_in_logs(connection: Connection, snapshot: Snapshot | None) -> str:
    """What the log of the first lagging replica leads to; a server that waits for its model says so only there."""
    lagging = _first_lagging(snapshot)
    if snapshot is None or lagging is None:
        return ""
    found = explain_text("\n".join(log_tails(connection, snapshot, lagging)))
    # Much of what a server logs is harmless, such as a GPU that it looked for in vain.
    telling = found is not None and (found.certain or found.kind is Kind.MODEL)
    return f"{found.fix} ({found.cause})" if found is not None and telling else ""


def log_tails(connection: Connection, snapshot: Snapshot, replica: Replica) -> list[str]:
    """Return the ends of *replica*'s stderr and stdout, those that are there and can be read and are not empty."""
    return _tails(connection, _log_addresses(connection, snapshot), replica)


def _log_addresses(connection: Connection, snapshot: Snapshot) -> dict[str, str]:
    """Return the NodeManagers' web addresses by container; empty where nobody tells."""
    if snapshot.application is None:
        return {}
    with suppress(YarnserveError):
        placed = connection.cluster.placed_containers(snapshot.application.id)
        return {container.id: container.node_http_address for container in placed}
    return {}


def _tails(connection: Connection, addresses: Mapping[str, str], replica: Replica) -> list[str]:
    address = addresses.get(replica.container_id)
    tails: list[str] = []
    if not address:
        return tails
    with suppress(YarnserveError):
        # TF Serving says on stdout why it could not start (tf-serving.md 1.1).
        for file in ("stderr.txt", "stdout.txt"):
            text = connection.nodes.log(address, replica.container_id, file, last_bytes=LAST_WORDS_BYTES)
            if text.strip():
                tails.append(text)
    return tails
