"""Decisions carried out: when what was seen is too old to act by."""

from __future__ import annotations

import pytest

from yarnserve.errors import ConflictError
from yarnserve.supervise.acts import RECENT, recent


def test_what_was_seen_is_acted_by_at_once_or_not_at_all() -> None:
    """Who had to wait for a lease or a fail-over looks again: a dead replica may be live by then."""
    waited = 100.0
    still = recent(lambda: waited)
    waited += RECENT
    still()
    waited += 0.1
    with pytest.raises(ConflictError, match="15 s old"):
        still()
