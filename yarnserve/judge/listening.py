"""Whether a model server's own log says that it listens. Pure.

Whoever answers on a replica's port need not be the replica: a server that loads has its ports still closed, and
another service's server on the same node may hold them. TensorFlow Serving names no process in its answers, but logs
when it begins and when it listens (tf-serving.md 5.3).
"""

from __future__ import annotations

#: Logged when a server of one model begins, before it loads; those of several models log nothing so certain.
_BEGINS = "Building single TensorFlow model file config"

_LISTENS = "Exporting HTTP/REST API at"


def listens(log: str) -> bool | None:
    """Return what the end of a server's *log* says of its newest start; None where it says neither."""
    begun, listening = log.rfind(_BEGINS), log.rfind(_LISTENS)
    if begun < 0 and listening < 0:
        return None
    return listening > begun
