"""How replicas and their agents are reached: over the network, or in a simulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from yarnserve import probe
from yarnserve.records.agent import AgentReport
from yarnserve.records.replica import Observation
from yarnserve.service.background import in_background


@dataclass(frozen=True)
class Eyes:
    """How replicas and their agents are looked at: many at once, each within its deadline (see :mod:`probe`).

    *beside* begins a blocking read, of YARN or HDFS, while others go on; *post* brings an agent an order.
    """

    observe: Callable[..., tuple[Observation, ...]] = probe.observe
    agents_at: Callable[..., Mapping[str, AgentReport]] = probe.agents_at
    read_all: Callable[..., Sequence[str | None]] = probe.read_all
    post: Callable[..., tuple[int, str]] = probe.post
    beside: Callable[[Callable[[], Any]], Future[Any]] = in_background


#: Over the network.
EYES = Eyes()
