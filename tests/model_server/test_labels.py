"""Which labels a configuration may give, whatever serves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.sandbox.model_server.labels import Labels, resolve
from yarnserve.sandbox.model_server.model_config import ModelConfig
from yarnserve.sandbox.model_server.status import Code, ServingError

_LABELS = st.dictionaries(st.sampled_from("abc"), st.integers(1, 4), max_size=3)


def test_labels_at_the_start() -> None:
    """Before anything is loaded every label is refused."""
    with pytest.raises(ServingError, match="assign label to version 4 of model m, which is not currently available"):
        resolve([ModelConfig("m", "/a", labels={"stable": 4})], lambda model: (), {}, allow_unavailable=False)


@given(wanted=_LABELS, current=_LABELS, available=st.sets(st.integers(1, 4)), allowed=st.booleans())
def test_every_label_can_be_told_why(
    wanted: dict[str, int], current: dict[str, int], available: set[int], allowed: bool
) -> None:
    """All labels are taken over as they are, or one of them moves to, or is new on, a version that does not serve."""
    before: Labels = {"m": current}
    refused = {
        version
        for label, version in wanted.items()
        if version not in available and not (allowed and current.get(label) in (None, version))
    }
    config = ModelConfig("m", "/a", labels=wanted)
    if not refused:
        assert resolve([config], lambda model: available, before, allow_unavailable=allowed) == {"m": wanted}
        return
    with pytest.raises(ServingError) as caught:
        resolve([config], lambda model: available, before, allow_unavailable=allowed)
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert any(f"to version {version} of" in caught.value.message for version in refused)
