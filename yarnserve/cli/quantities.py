"""Sizes, rates and bytes as people write and read them."""

from __future__ import annotations

import datetime
import re
import time
from typing import Any

import click

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?(?:/s|ps)?", re.IGNORECASE)


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
    """A time as service.yaml has it, in seconds: ``90s``, ``30m``, ``4h``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        from yarnserve.spec.units import seconds

        try:
            return value if isinstance(value, float) else float(seconds(str(value).strip()))
        except ValueError as error:
            self.fail(f"{value!r} is no time: {error}", param, ctx)


class Since(click.ParamType):  # type: ignore[type-arg]
    """A time that has passed, as seconds since the epoch: ``30m`` or ``12h`` ago, or ``2026-11-03T02:00``, local."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds since the epoch."""
        from yarnserve.spec.units import seconds

        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            return time.time() - seconds(text)
        except ValueError:
            pass
        try:
            return datetime.datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text)).timestamp()
        except (ValueError, OverflowError, OSError):
            self.fail(f"{value!r} is no time; write it as 30m, 12h, or 2026-11-03T02:00", param, ctx)


def bytes_in_words(count: float) -> str:
    """Say a number of bytes in three digits: ``1.07 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(count) < 999.5:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
