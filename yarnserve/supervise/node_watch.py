"""The nodes that a supervisor holds replicas' deaths against, and those that it avoids."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from yarnserve.errors import YarnserveError
from yarnserve.judge.deaths import treatment_of
from yarnserve.judge.memory import News
from yarnserve.judge.nodes import quarantined
from yarnserve.records.nodes import Strike
from yarnserve.service.connection import Connection
from yarnserve.service.nodes import SharedNodes

#: Seconds for which what was read of quarantines is good.
FRESH = 60.0


class NodeWatch:
    """The shared ledger of nodes as service *name* uses it; *now* gives seconds since the epoch.

    Attributes:
        trouble: why it could not be read the last time; empty when it could.
    """

    def __init__(self, connection: Connection, name: str, now: Callable[[], float]) -> None:
        self._connection = connection
        self._name = name
        self._now = now
        self._shared = SharedNodes(connection.eyes)
        self.trouble = ""
        self._read_at: float | None = None
        self._shunned: Mapping[str, str] = {}

    def shunned(self) -> Mapping[str, str]:
        """The quarantined nodes by their host names, and why in words; none where that cannot be read."""
        now = self._now()
        if self._read_at is None or not 0 <= now - self._read_at < FRESH:
            ledger, self.trouble = self._shared.glance()
            self._shunned = {
                node: f"{node} is quarantined ({held.why})" for node, held in quarantined(ledger, now).items()
            }
            self._read_at = now
        return self._shunned

    def strike(self, news: News, *, needs_gpus: bool) -> str:
        """Hold a death against its node; return what follows for the node, in words.

        Of the nodes that the service can run on, those with GPUs where it *needs_gpus*, a share stays in use.
        """
        death = news.death
        if death is None or not news.node or not treatment_of(death.kind).node_cost:
            return ""
        strike = Strike(death.at, self._name, news.instance, death.kind, death.cause, death.is_hardware)
        try:
            nodes = self._connection.cluster.nodes()
            fit = [node.host for node in nodes if node.gpus or not needs_gpus]
            told = self._shared.strike(news.node, strike, self._now(), fit)
        except YarnserveError as error:
            return f"{news.node} has caused a death, and that cannot be saved: {error.what}"
        self._read_at = None
        return told or ""
