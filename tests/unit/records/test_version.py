"""Version numbers, vendor builds included."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.records.version import Version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3.1.4", Version(3, 1, 4)),
        ("2.6", Version(2, 6)),
        (" 3.3.6\n", Version(3, 3, 6)),
        ("3.1.1.3.1.0.0-78", Version(3, 1, 1, "3.1.0.0-78")),
        ("3.1.1.7.1.7.0-551", Version(3, 1, 1, "7.1.7.0-551")),
        ("3.4.0-SNAPSHOT", Version(3, 4, 0, "SNAPSHOT")),
        ("3.2.1-amzn-7", Version(3, 2, 1, "amzn-7")),
    ],
)
def test_versions_as_clusters_tell_them(text: str, version: Version) -> None:
    """Apache, HDP, CDP and EMR builds: three numbers, and the rest is the vendor's."""
    assert Version.parse(text) == version


@given(st.text())
def test_only_a_value_error_comes_out(text: str) -> None:
    """Whatever a cluster calls its version, parsing gives one or says that it is none."""
    with suppress(ValueError):
        version = Version.parse(text)
        assert version.at_least(version.major, version.minor, version.patch)


@given(st.tuples(*[st.integers(0, 99)] * 3), st.tuples(*[st.integers(0, 99)] * 3))
def test_versions_order_as_releases_do(first: tuple[int, int, int], second: tuple[int, int, int]) -> None:
    """By number, not by text: 3.10 comes after 3.9."""
    assert Version.parse("{}.{}.{}".format(*first)).at_least(*second) is (first >= second)
