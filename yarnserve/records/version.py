"""Hadoop and TF Serving version numbers, vendor builds included."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, order=True)
class Version:
    """Three numbers that order as releases do.

    *vendor* is whatever follows them (``3.1.0.0-78`` of HDP's ``3.1.1.3.1.0.0-78``); it takes no part in
    comparisons as long as the numbers differ.
    """

    major: int
    minor: int
    patch: int = 0
    vendor: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read ``3.1.4``, ``2.6``, ``3.1.1.7.1.7.0-551`` or ``3.4.0-SNAPSHOT``.

        Raises:
            ValueError: *text* does not start with two numbers.
        """
        match = _NUMBERS.match(text.strip())
        if match is None:
            raise ValueError(f"not a version: {text!r}")
        major, minor, patch = match.groups()
        return cls(int(major), int(minor), int(patch or 0), text.strip()[match.end() :].lstrip(".-"))

    def at_least(self, major: int, minor: int, patch: int = 0) -> bool:
        """Whether this release is *major.minor.patch* or later."""
        return (self.major, self.minor, self.patch) >= (major, minor, patch)

    def __str__(self) -> str:
        numbers = f"{self.major}.{self.minor}.{self.patch}"
        return f"{numbers}.{self.vendor}" if self.vendor else numbers
