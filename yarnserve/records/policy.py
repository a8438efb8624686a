"""Settings of the supervisor's policy: spec fills them, render and judge read them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SupervisePolicy:
    """*enabled*: a supervisor owns the restarts of this service, so YARN must not count them against it."""

    enabled: bool = False
