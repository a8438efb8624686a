"""Amounts of memory, and what a version of TF Serving can do."""

from __future__ import annotations

from typing import Any

import pytest

from yarnserve.records.version import Version
from yarnserve.spec.units import memory_mb
from yarnserve.spec.versions import announced_version, reads_hdfs


@pytest.mark.parametrize(("written", "size"), [("8g", 8192), ("512m", 512), ("1G", 1024), (700, 700), ("08m", 8)])
def test_memory_is_counted_in_mib(written: str | int, size: int) -> None:
    """A suffix of g is 1024 MiB; a bare number is MiB."""
    assert memory_mb(written) == size


@pytest.mark.parametrize(
    "written", ["8", "8k", "8 g", "g", "-1g", "1.5g", "", 0, -1, 2**31, "9999999g", True, None, 1.5]
)
def test_other_amounts_are_refused(written: Any) -> None:
    """Whatever is not a whole, positive amount that YARN can count is refused in words."""
    with pytest.raises(ValueError, match="such as 8g or 512m"):
        memory_mb(written)


@pytest.mark.parametrize(
    ("version", "reads"),
    [("0.5.1", False), ("0.6", True), ("1.15", True), ("2.6.5", True), ("2.7", False), ("3.0", False)],
)
def test_only_some_versions_read_hdfs(version: str, reads: bool) -> None:
    """The HDFS reader was in the official builds from 0.6 to 2.6."""
    assert reads_hdfs(Version.parse(version)) is reads


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("registry.example.org:5000/tf:2.6-gpu", "2.6"),
        ("tf:2.6.3", "2.6.3"),
        ("tf:v2.5_rc", "2.5"),
        ("tf:latest", None),
        ("tf:2", None),
        ("tf:2.6.3.4", None),
        ("tf:cuda11.2", None),
    ],
)
def test_a_tag_announces_the_version_it_begins_with(image: str, version: str | None) -> None:
    """Nothing is read into a tag that does not begin with a version."""
    assert announced_version(image) == version
