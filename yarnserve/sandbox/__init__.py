"""A mock ResourceManager, NodeManager, HDFS and TF Serving that behave; shipped, because users run it.

``Sandbox`` is loaded when it is asked for: every replica of the stand-in server imports this package too, and must
not pay for the cluster's web servers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yarnserve.sandbox.sandbox import Sandbox

__all__ = ["Sandbox"]


def __getattr__(name: str) -> Any:
    if name != "Sandbox":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from yarnserve.sandbox.sandbox import Sandbox

    return Sandbox
