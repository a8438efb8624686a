"""Can it be done in time? What size, rate, fleet and deadline say before anything is moved. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """The limits: *rate* of this host and *fleet_rate* of all *hosts* together, in bytes a second; None for none."""

    rate: float | None = None
    fleet_rate: float | None = None
    hosts: int = 1

    @property
    def host_rate(self) -> float | None:
        """What this host may take while its wave runs."""
        if self.fleet_rate is None:
            return self.rate
        return min(self.rate, self.fleet_rate) if self.rate is not None else self.fleet_rate / self.hosts

    @property
    def waves(self) -> int:
        """In how many groups, one after the other, the hosts fetch, so that together they keep to the fleet's rate."""
        rate = self.host_rate
        if self.fleet_rate is None or rate is None:
            return 1
        return math.ceil(self.hosts / max(int(self.fleet_rate / rate + 1e-9), 1))

    def seconds(self, size: int) -> float:
        """How long one host needs for *size* bytes at its rate; 0 without a limit, where nobody knows."""
        return size / self.host_rate if self.host_rate else 0.0

    def delay(self, size: int, fraction: float) -> float:
        """Seconds that a host waits before it begins; *fraction*, 0 to 1, is drawn by each host for itself.

        It picks the wave, and the rest of it the moment within the first tenth of the wave.
        """
        place = min(fraction, 1 - 1e-9) * self.waves
        wave = int(place)
        length = self.seconds(size)
        return wave * length + (place - wave) * length * (0.1 if self.waves > 1 else 0.0)


@dataclass(frozen=True)
class Outlook:
    """Whether a version of *total* bytes, *size* of which must be moved, can be here within *deadline* seconds."""

    total: int
    size: int
    pace: Pace
    deadline: float

    @property
    def seconds(self) -> float:
        """When the last wave has it, at the earliest."""
        return self.pace.waves * self.pace.seconds(self.size)

    @property
    def is_possible(self) -> bool:
        """Whether the limits and the deadline agree."""
        return self.seconds <= self.deadline

    @property
    def needed_rate(self) -> float:
        """Bytes a second that each host, or the fleet where it has a rate, would need."""
        hosts = self.pace.hosts if self.pace.fleet_rate is not None else 1
        return self.size * hosts / self.deadline
