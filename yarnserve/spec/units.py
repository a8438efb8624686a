"""Units of service.yaml."""

from __future__ import annotations

import re

_MEMORY = re.compile(r"([0-9]{1,9})([mg])", re.IGNORECASE)
_MIB = {"m": 1, "g": 1024}


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
