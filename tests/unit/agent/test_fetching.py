"""The thread that keeps a model new outlives what goes wrong in it."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yarnserve.agent.fetching import Fetcher
from yarnserve.alerts.records import Alert
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.hadoop.session import HadoopSession, Timeouts
from yarnserve.spec.loader import parse_spec
from yarnserve.storage.client import Storage

SPEC = """
name: digits
model: {base_path: /models/digits, delivery: sync}
serving: {version: "2.6"}
resources: {memory: 1g}
agent: {poll: 1s}
"""


class Fired:
    """Keeps what is fired."""

    def __init__(self) -> None:
        self.alerts: queue.SimpleQueue[Alert] = queue.SimpleQueue()

    def fire(self, alert: Alert) -> None:
        """Keep it."""
        self.alerts.put(alert)

    def resolve(self, key: str, summary: str = "") -> None:
        """Nothing is over here."""


def test_a_failure_that_nobody_foresaw_is_told_and_the_next_round_comes(tmp_path: Path) -> None:
    """Else new versions would stop to arrive, and nobody would know."""

    def tell(step: str, about: Mapping[str, Any]) -> None:
        raise OSError(28, "No space left on device")

    spec, fired = parse_spec(SPEC, file="service.yaml", read_text=lambda name: ""), Fired()
    with HadoopSession(SimpleAuthentication("alice")) as session:
        nowhere = Storage(session, ("http://127.0.0.1:1",), timeouts=Timeouts(connect=1.0, read=1.0), sweeps=1)
        fetcher = Fetcher(
            spec.models[0], spec, nowhere, tmp_path / "digits", instance="serve-0", alarm=fired, tell=tell
        )
        fetcher.start()
        try:
            unforeseen = [fired.alerts.get(timeout=10) for _ in range(2)]
        finally:
            fetcher.end()
    assert all("No space left" in alert.details["why"] for alert in unforeseen)
    assert "the sync of digits failed" in fetcher.trouble
