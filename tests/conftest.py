"""Every test starts without the caller's cluster: no YARNSERVE_*, Hadoop or proxy variables."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove what would point a test at somebody's real cluster or proxy."""
    for name in list(os.environ):
        if name.startswith(("YARNSERVE_", "HADOOP_", "YARN_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
