"""Times as machines read them."""

from __future__ import annotations

import datetime


def timestamp(seconds_since_epoch: float | None) -> str | None:
    """ISO 8601 in UTC; None for no time, and for one that no calendar has."""
    if seconds_since_epoch is None:
        return None
    try:
        moment = datetime.datetime.fromtimestamp(seconds_since_epoch, datetime.timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
