"""The ledger of nodes that all supervisors of one user share, kept on HDFS: ``<home>/.yarnserve/.nodes/``.

It is a series like those of a service (:mod:`yarnserve.service.store`), and behaves as they do: of a damaged entry
the one before it counts; one that a newer yarnserve wrote, or that is no ledger, is an error, and nothing is saved
over it. Whoever only looks takes an empty ledger then, and is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TypeVar

from yarnserve.errors import YarnserveError
from yarnserve.judge import nodes as judge
from yarnserve.records.nodes import NodeLedger, Strike
from yarnserve.service.store import KEPT_ENTRIES, STATE_DIRECTORY, StateSeries
from yarnserve.storage.client import Storage
from yarnserve.storage.series import Series

T = TypeVar("T")

#: No service can have this name, so that it is in nobody's way.
DIRECTORY = ".nodes"

#: How often a change is tried again on top of somebody else's: half a cluster may strike at once.
TRIES = 20


class SharedNodes:
    """The ledger on *storage*, the user's HDFS; nothing is asked of it before it is needed."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @cached_property
    def directory(self) -> str:
        """Where it lies."""
        return f"{self._storage.home()}/{STATE_DIRECTORY}/{DIRECTORY}"

    @cached_property
    def _series(self) -> StateSeries[NodeLedger]:
        return StateSeries(Series(self._storage, self.directory), NodeLedger, keep=KEPT_ENTRIES)

    def read(self) -> NodeLedger:
        """Return the newest ledger, an empty one where nobody has saved any.

        Raises:
            RefusedError: a newer yarnserve wrote it.
            YarnserveError: it cannot be read, or HDFS does not answer.
        """
        saved = self._series.latest()
        return NodeLedger() if saved is None else saved.record

    def glance(self) -> tuple[NodeLedger, str]:
        """Return the same for whoever only looks, and why it is empty in place of what was saved, if it is."""
        try:
            return self.read(), ""
        except YarnserveError as error:
            details = "".join(f"; {label}: {text}" for label, text in error.details() if label in ("where", "why"))
            return NodeLedger(), f"the ledger of nodes cannot be read, no node counts as quarantined: {error}{details}"

    def strike(self, node: str, strike: Strike, now: float, gpu_nodes: Iterable[str]) -> str | None:
        """Save a *strike* against *node*; return what happened to the node, by :func:`yarnserve.judge.nodes.strike`.

        Raises:
            YarnserveError: as for :meth:`read`; ConflictError when others are always faster. Nothing is saved then,
                but for a RequestTimeoutError, after which it may have been: the same strike counts only once.
        """
        nodes = tuple(gpu_nodes)
        return self._update(lambda ledger: judge.strike(ledger, node, strike, now, nodes))

    def quarantine(self, node: str, by: str, why: str, now: float, ttl: float | None) -> None:
        """Quarantine *node* because a person says so; raises what :meth:`strike` does."""
        self._update(lambda ledger: (judge.quarantine(ledger, node, by, why, now, ttl), None))

    def release(self, node: str) -> bool:
        """Use *node* again; return whether anything was held against it. Raises what :meth:`strike` does."""

        def change(ledger: NodeLedger) -> tuple[NodeLedger, bool]:
            after = judge.release(ledger, node)
            return after, after != ledger

        return self._update(change)

    def _update(self, change: Callable[[NodeLedger], tuple[NodeLedger, T]]) -> T:
        """Save what the pure *change* makes of the newest ledger, and return what it says."""

        def on_top(saved: NodeLedger | None) -> tuple[NodeLedger | None, T]:
            before = saved or NodeLedger()
            after, said = change(before)
            return (None if after == before else after), said

        return self._series.update(on_top, tries=TRIES)
