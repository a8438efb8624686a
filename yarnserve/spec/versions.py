"""What follows from TF Serving's version."""

from __future__ import annotations

import re

from yarnserve.records.version import Version

_ANNOUNCED = re.compile(r"v?([0-9]{1,4}\.[0-9]{1,4}(\.[0-9]{1,4})?)(?![0-9.])")


def reads_hdfs(version: Version) -> bool:
    """Whether the official builds of this version read ``hdfs://``: 0.6 to 2.6 do (tf-serving.md 6.1)."""
    return version.at_least(0, 6) and not version.at_least(2, 7)


def announced_version(image: str) -> str | None:
    """Return the version of TF Serving that an image's tag begins with (``2.6`` of ``2.6-gpu``), if it does."""
    match = _ANNOUNCED.match(image.rpartition(":")[2])
    return match.group(1) if match else None
