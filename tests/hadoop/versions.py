"""The Hadoop versions that every test of a real cluster runs on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

#: 3.2.4 boots, too, and is there on request: make hadoop HADOOP=3.2.4.
VERSIONS = ("3.1.4", "3.3.6", "3.4.2")


def real_versions(prefix: str = "", only: Sequence[str] = VERSIONS, *, apart: str = "") -> list[Any]:
    """Return ``PREFIXversion`` of each, in the tier hadoop; one worker boots a version and runs all its tests.

    What runs on one version alone has a cluster of its own, so that this version does not take longest of all; so has
    what is *apart*, by that name, because it waits for long.
    """
    group = "{}" if len(only) > 1 else "{} alone"
    group += f" {apart}" if apart else ""
    return [
        pytest.param(f"{prefix}{version}", marks=[pytest.mark.hadoop, pytest.mark.xdist_group(group.format(version))])
        for version in only
    ]
