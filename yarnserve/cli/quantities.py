"""Sizes, rates and bytes as people write and read them."""

from __future__ import annotations

import re
from typing import Any

import click

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?(?:/s|ps)?", re.IGNORECASE)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)", re.IGNORECASE)


class Rate(click.ParamType):  # type: ignore[type-arg]
    """Bytes a second: ``100MB/s``, ``50M``, ``1GiB/s``."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return bytes a second."""
        match = _RATE.fullmatch(str(value).strip())
        if match is None or float(match[1]) <= 0:
            self.fail(f"{value!r} is no rate; write it as 100MB/s", param, ctx)
        return float(match[1]) * _UNITS[match[2].lower()]


class Duration(click.ParamType):  # type: ignore[type-arg]
    """Seconds, or ``90s``, ``30m``, ``4h``, ``2d``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        match = _DURATION.fullmatch(str(value).strip())
        if match is None or float(match[1]) <= 0:
            self.fail(f"{value!r} is no time; write it as 90s, 30m, 4h or 2d", param, ctx)
        return float(match[1]) * _SECONDS[match[2].lower()]


DURATION = Duration()


def bytes_in_words(count: float) -> str:
    """Say a number of bytes in three digits: ``1.07 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(count) < 999.5:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
