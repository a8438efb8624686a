"""Whether a server that keeps us waiting works for others, or for nobody. Pure."""

from __future__ import annotations


def is_busy(before: float | None, after: float | None) -> bool:
    """Whether its own count of predictions moved from *before* to *after*, while one of ours timed out.

    Then it is slow, and a restart would take from its callers what they still get. A count that went back is that of a
    server that has just begun anew. None: it did not tell, and nothing is known; a server of before 2.5 counts nothing
    (tf-serving.md 3.4), and one without a monitoring file shows nothing.
    """
    return before is not None and after is not None and before != after
