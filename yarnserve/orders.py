"""Orders to an agent, and who may give them: whoever can read the service's secret on HDFS.

The secret itself never travels. An order is signed with it, together with the run of the agent that it is for and a
number that is good once: what somebody has overheard is worth nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from enum import Enum

#: Carries the signature, and the number that is good once.
SIGNATURE = "X-Yarnserve-Signature"
NONCE = "X-Yarnserve-Nonce"

#: An agent that got so many orders takes no more: it has to remember each number.
MOST_ORDERS = 10_000


class Order(str, Enum):
    """What an agent can be told to do.

    DRAIN: no longer ready, callers are let out. RESUME: ready again. RESTART_SERVER: drained, then the server anew;
    what was refused is tried again. LEAVE: drained, then the agent ends in such a way that YARN replaces the
    container, here or elsewhere, without starting it again in place.
    """

    DRAIN = "drain"
    RESUME = "resume"
    RESTART_SERVER = "restart-server"
    LEAVE = "leave"


def new_secret() -> str:
    """Draw a secret."""
    return secrets.token_hex(32)


def sign(secret: str, boot: str, order: Order) -> Mapping[str, str]:
    """Return the headers of *order* for the agent's run *boot*."""
    nonce = secrets.token_hex(16)
    return {NONCE: nonce, SIGNATURE: _signature(secret, boot, order, nonce)}


class Gate:
    """Lets signed orders pass, each once."""

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._seen: set[str] = set()

    def admits(self, secret: str, order: Order, headers: Mapping[str, str]) -> bool:
        """Whether *headers* sign *order* with *secret*, for this run and for the first time."""
        nonce, signature = headers.get(NONCE, ""), headers.get(SIGNATURE, "")
        expected = _signature(secret, self._boot, order, nonce)
        if not secret or not nonce or not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            return False
        if nonce in self._seen or len(self._seen) >= MOST_ORDERS:
            return False
        self._seen.add(nonce)
        return True


def _signature(secret: str, boot: str, order: Order, nonce: str) -> str:
    # What a header holds besides UTF-8 comes as surrogates.
    text = f"{boot}\n{order.value}\n{nonce}".encode("utf-8", "surrogatepass")
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
