"""What a Hadoop version can take, held to the table of the facts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.errors import ConfigurationError
from yarnserve.records.version import Version
from yarnserve.render import features
from yarnserve.render.features import FEATURES, Feature, require

LAST_PATCHES = {1: 4, 2: 4, 3: 6, 4: 2, 5: 0}
VERSIONS = [Version(3, minor, patch) for minor, last in LAST_PATCHES.items() for patch in range(last + 1)]


def having(feature: Feature) -> str:
    """The versions among VERSIONS that have *feature*."""
    return " ".join(str(version) for version in VERSIONS if feature.on(version))


@pytest.mark.parametrize(
    ("feature", "lacking"),
    [
        (features.SERVICES, "3.1.0"),
        (features.PORTS_MAPPING, "3.1.0 3.1.1 3.2.0"),
        (features.DECOMMISSION, "3.1.0 3.1.1 3.1.2 3.2.0"),
        (features.SIGNALS, "3.1.0 3.1.1 3.1.2 3.1.3 3.1.4 3.2.0 3.2.1 3.2.2 3.2.3 3.2.4"),
        (
            features.IMAGE_DIGEST,
            "3.1.0 3.1.1 3.1.2 3.1.3 3.1.4 3.2.0 3.2.1 3.2.2 3.2.3 3.2.4 3.3.0 3.3.1 3.3.2 3.3.3 3.3.4",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Feature) else "",
)
def test_features_by_version(feature: Feature, lacking: str) -> None:
    """Every release but these has it (yarn-services.md 5.2, 7): 3.2.0 is older than 3.1.4 in several points."""
    assert having(feature) == " ".join(str(version) for version in VERSIONS if str(version) not in lacking.split())


@pytest.mark.parametrize(
    ("text", "has_ports"), [("3.1.1.3.1.0.0-78", False), ("3.1.1.7.1.7.0-551", False), ("3.3.6.5.1-1", True)]
)
def test_a_vendors_build_counts_as_the_release_it_is_based_on(text: str, has_ports: bool) -> None:
    """What a vendor has ported back is not to be known from its version."""
    assert features.PORTS_MAPPING.on(Version.parse(text)) is has_ports


def test_every_feature_has_a_source() -> None:
    """A line of the table without its place in the facts could not be checked."""
    assert features.SIGNALS in FEATURES
    for feature in FEATURES:
        assert feature.source.startswith(("yarn-services.md", "real-hadoop.md"))


@given(st.sampled_from(FEATURES), st.integers(0, 9), st.integers(0, 9))
def test_no_feature_is_lost_later_on_its_line(feature: Feature, minor: int, patch: int) -> None:
    """Within a line, what one release has the next has too."""
    assert not feature.on(Version(3, minor, patch)) or feature.on(Version(3, minor, patch + 1))


def test_a_refusal_names_field_version_and_way_out() -> None:
    """The user learns what to change, and since when it would work."""
    with pytest.raises(ConfigurationError) as refused:
        require(features.PORTS_MAPPING, Version(3, 2, 0), field="network", fix="use network: host")
    assert refused.value.what == "network needs port mappings of a bridge network, which Hadoop 3.2.0 does not have"
    assert refused.value.why == "it came with Hadoop 3.1.2, 3.2.1, 3.3.0"
    assert refused.value.fix == "use network: host"
