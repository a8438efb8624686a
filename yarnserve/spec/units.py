"""Units of service.yaml."""

from __future__ import annotations

import re

_MEMORY = re.compile(r"([0-9]{1,9})([mg])", re.IGNORECASE)
_MIB = {"m": 1, "g": 1024}

_RATE = re.compile(r"([0-9]{1,9}) ?([kmg]?)b/s", re.IGNORECASE)
_THOUSANDS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}

_DURATION = re.compile(r"([0-9]{1,10})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def memory_mb(written: str | int) -> int:
    """Return MiB for ``8g``, ``512m`` or a whole number of MiB: YARN counts memory in MiB.

    Raises:
        ValueError: it is none of these, or less than one MiB.
    """
    if isinstance(written, int) and not isinstance(written, bool):
        size = written
    else:
        match = _MEMORY.fullmatch(written) if isinstance(written, str) else None
        size = int(match.group(1)) * _MIB[match.group(2).lower()] if match else 0
    if not 0 < size < 2**31:
        raise ValueError("an amount such as 8g or 512m, or a whole number of MiB")
    return size


def seconds(written: str | int) -> int:
    """Return the seconds of ``90s``, ``30m``, ``12h``, ``7d`` or a whole number of seconds.

    Raises:
        ValueError: it is none of these, less than one second, or more than YARN can count.
    """
    if isinstance(written, int) and not isinstance(written, bool):
        length = written
    else:
        match = _DURATION.fullmatch(written) if isinstance(written, str) else None
        length = int(match.group(1)) * _SECONDS[match.group(2)] if match else 0
    if not 0 < length < 2**31:
        raise ValueError("a time such as 12h, 30m or 7d, or a whole number of seconds")
    return length


def bytes_per_second(written: str | int) -> int:
    """Return the bytes a second of ``50MB/s``, ``800kB/s`` or a whole number of bytes.

    Raises:
        ValueError: it is none of these, or nothing at all.
    """
    if isinstance(written, int) and not isinstance(written, bool):
        rate = written
    else:
        match = _RATE.fullmatch(written) if isinstance(written, str) else None
        rate = int(match.group(1)) * _THOUSANDS[match.group(2).lower()] if match else 0
    if not 0 < rate < 2**63:
        raise ValueError("a rate such as 50MB/s, or a whole number of bytes a second")
    return rate
