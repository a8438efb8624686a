"""The table of means: which Hadoop can restart one replica, and how."""

from __future__ import annotations

import pytest

from yarnserve.records.ledger import Do
from yarnserve.records.version import Version
from yarnserve.service.means import Means, means_for


@pytest.mark.parametrize(
    ("version", "means"),
    [
        ("3.1.1", None),
        ("3.1.2", None),
        ("3.1.3", Means.DECOMMISSION),
        ("3.1.4", Means.DECOMMISSION),
        ("3.2.0", None),
        ("3.2.4", Means.DECOMMISSION),
        ("3.3.0", Means.SIGNAL),
        ("3.3.6", Means.SIGNAL),
        ("3.4.2", Means.SIGNAL),
        ("4.0.0", Means.SIGNAL),
        ("3.1.1.7.1.7.0-551", None),
    ],
)
def test_each_hadoop_has_its_means(version: str, means: Means | None) -> None:
    """Decommissioning came with 3.1.3 and 3.2.1, so 3.2.0 lacks it; signals came with 3.3."""
    assert means_for(Do.RESTART, Version.parse(version)) is means
