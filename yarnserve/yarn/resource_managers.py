"""The ResourceManagers of a cluster: which one is active, and asking only that one.

Only ``/ws/v1/cluster/info`` tells, for a standby answers it itself and redirects everything else
(real-hadoop-ha.md 2, 6).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from yarnserve.errors import (
    AccessError,
    MalformedAnswerError,
    NotListeningError,
    RequestTimeoutError,
    StandbyError,
    UnreachableError,
    YarnserveError,
    first_line,
)
from yarnserve.hadoop.session import HadoopSession, Reply
from yarnserve.records.yarn import ClusterInfo
from yarnserve.yarn.answers import reply_error
from yarnserve.yarn.parsing import parse_cluster_info

INFO = "/ws/v1/cluster/info"

#: Seconds to wait for ``/info``: it answers at once or not at all (real-hadoop-ha.md 6).
PROBE_TIMEOUT = 3.0

# A standby that has looked for the active one in vain answers with a text, after a while even with status 200.
_STANDBY_TEXTS = ("This is standby RM", "Can not find any active RM", "There is no active RM")

#: After these a write may have been carried out, or still will be (real-hadoop-ha.md 6).
OUTCOME_UNKNOWN = (RequestTimeoutError, MalformedAnswerError)

_WAIT = "wait: a fail-over takes 5 to 20 seconds"


@dataclass(frozen=True)
class _Process:
    """One run of a ResourceManager; *started_at* is its start in seconds since the epoch, where it tells."""

    url: str
    started_at: float | None


class _LastWrite(threading.local):
    """Who got the last write of this thread: many services are supervised over one connection, each in a thread."""

    to: _Process | None = None


class ResourceManagers:
    """One or more ResourceManagers; reads remember the active one, writes look again each time.

    Args:
        session: how to ask.
        urls: base URLs, at least one.
        probe_timeout: seconds to wait for the answer to "are you active?".

    Attributes:
        answers: how many an active one has given.
    """

    def __init__(self, session: HadoopSession, urls: tuple[str, ...], *, probe_timeout: float = PROBE_TIMEOUT) -> None:
        self.urls = urls
        self.answers = 0
        self._session = session
        self._probe_timeout = probe_timeout
        self._remembered = ""
        self._last_write = _LastWrite()

    def active(self) -> str:
        """Ask every ResourceManager, at the same time, and return the base URL of the active one.

        Raises:
            StandbyError: none is active, or more than one claims to be.
            UnreachableError: none answers.
            AccessError: none is active, and one does not let us ask.
        """
        return self._only_active().url

    def read(self, ask: Callable[[str], Reply]) -> Reply:
        """Call *ask* with the active one's base URL; when it fails, once with another that is active by then.

        Raises:
            UnreachableError: no active ResourceManager answers (StandbyError, RequestTimeoutError, ...).
        """
        url = self._remembered or self._claiming()[0].url
        try:
            return self._read(url, ask)
        except UnreachableError:
            self._remembered = ""
            other = next((each.url for each in self._claiming() if each.url != url), None)
            if other is None:
                raise
        return self._read(other, ask)

    def write(self, ask: Callable[[str], Reply]) -> Reply:
        """Call *ask* with the active one's base URL, once, and only while exactly one is active.

        Raises:
            RequestTimeoutError, MalformedAnswerError: it was sent, and its outcome is unknown.
            StandbyError: nothing was carried out, and somebody else will be active soon.
            UnreachableError: any other kind; nothing was carried out.
        """
        self._last_write.to = writer = self._only_active()
        try:
            return self._answered(ask(writer.url))
        except OUTCOME_UNKNOWN:
            self._remembered = ""
            raise
        except UnreachableError as error:
            self._remembered = ""
            if len(self.urls) == 1 or isinstance(error, StandbyError):
                raise
            why = error.why or error.what
            raise StandbyError("the active ResourceManager has ended", where=error.where, why=why, fix=_WAIT) from error

    def writer_is_gone(self) -> bool:
        """Whether the process that got this thread's last write has ended: what it had not done, it never will.

        A refused connection or another start prove it. Silence does not, nor does another's being active: a frozen
        ResourceManager carries out what waits for it when it wakes up (real-hadoop-ha.md 4).
        """
        writer = self._last_write.to
        if writer is None:
            return False
        try:
            started_at = self._info(writer.url).started_at
        except NotListeningError:
            return True
        except YarnserveError:
            return False
        return None not in (started_at, writer.started_at) and started_at != writer.started_at

    def _read(self, url: str, ask: Callable[[str], Reply]) -> Reply:
        reply = self._answered(ask(url))
        self._remembered = url
        return reply

    def _answered(self, reply: Reply) -> Reply:
        reply = _from_active(reply)
        self.answers += 1
        return reply

    def _only_active(self) -> _Process:
        claiming = self._claiming()
        if len(claiming) > 1:
            raise StandbyError(
                "more than one ResourceManager says that it is active",
                where=", ".join(each.url for each in claiming),
                why="one of them is cut off and has not noticed yet",
                fix="wait a few seconds and repeat",
            )
        self._remembered = claiming[0].url
        return claiming[0]

    def _claiming(self) -> list[_Process]:
        """Return who says that it is active, at least one."""
        if len(self.urls) == 1:
            outcomes = [self._probe(self.urls[0])]
        else:
            with ThreadPoolExecutor(len(self.urls)) as pool:
                outcomes = list(pool.map(self._probe, self.urls))
        claiming = [
            _Process(url, outcome.started_at)
            for url, outcome in zip(self.urls, outcomes, strict=True)
            if isinstance(outcome, ClusterInfo) and outcome.ha_state == "ACTIVE"
        ]
        if not claiming:
            raise self._none_active(outcomes)
        return claiming

    def _probe(self, url: str) -> ClusterInfo | YarnserveError:
        try:
            return self._info(url)
        except YarnserveError as error:
            return error

    def _info(self, url: str) -> ClusterInfo:
        reply = self._session.request("GET", url + INFO, read_timeout=self._probe_timeout)
        if reply.status != 200:
            raise _no_state(reply)
        return parse_cluster_info(reply.document(), reply.url)

    def _none_active(self, outcomes: list[ClusterInfo | YarnserveError]) -> YarnserveError:
        errors = [outcome for outcome in outcomes if isinstance(outcome, YarnserveError)]
        refused = next((error for error in errors if isinstance(error, AccessError)), None)
        if refused or len(errors) == len(self.urls) == 1:
            return refused or errors[0]
        states = "; ".join(
            f"{url}: {outcome.why or outcome.what if isinstance(outcome, YarnserveError) else outcome.ha_state}"
            for url, outcome in zip(self.urls, outcomes, strict=True)
        )
        if len(errors) == len(self.urls):
            return UnreachableError(
                "no ResourceManager answers", where=", ".join(self.urls), why=states, fix="check the addresses"
            )
        return StandbyError(
            "no ResourceManager is active",
            where=", ".join(self.urls),
            why=states,
            fix=_WAIT,
        )


def _from_active(reply: Reply) -> Reply:
    """Return *reply*, unless it is a standby's."""
    is_text = reply.content_type.startswith("text/plain")
    if reply.status == 307 or (is_text and reply.text.startswith(_STANDBY_TEXTS)):
        raise StandbyError(
            "the ResourceManager has become the standby",
            where=reply.url,
            why=first_line(reply.text),
            fix="wait: a fail-over takes 5 to 20 seconds",
        )
    return reply


def _no_state(reply: Reply) -> YarnserveError:
    error = reply_error(reply, "the ResourceManager does not tell its state")
    if isinstance(error, AccessError):
        return error
    fix = "check that this is a ResourceManager's web address, and look into its log"
    return UnreachableError(error.what, where=error.where, why=error.why, fix=fix)
