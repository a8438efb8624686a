"""What several tests of alerts need."""

from __future__ import annotations

import pytest


@pytest.fixture
def lines() -> list[str]:
    """What the log got."""
    return []
