"""Alerts as records."""

from __future__ import annotations

from yarnserve.alerts.records import Alert
from yarnserve.errors import UnreachableError


def test_an_error_is_an_alert() -> None:
    """What it says becomes the details."""
    error = UnreachableError("HDFS is away", where="http://nn:9870", why="refused", fix="start it")
    assert Alert.of("k", error, severity="critical") == Alert(
        "k", "HDFS is away", "critical", {"where": "http://nn:9870", "why": "refused", "fix": "start it"}
    )
