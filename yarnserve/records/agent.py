"""What an agent says of its replica, at /status of its port: the agent makes it, whoever looks reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from yarnserve.records.document import from_document, to_document

#: Version of the JSON document at /status; a change that breaks a reader raises it.
API_VERSION = "yarnserve/v1"


@dataclass(frozen=True)
class ModelReport:
    """One model.

    Attributes:
        name: the model.
        version: the one that is served and has answered; None before there is one.
        since: when it began to be served, in seconds since the epoch; None before.
        wanted: the one that is to be served, as far as HDFS was asked.
        is_canary: whether only some instances are to serve it.
        trial: the one that is being tried.
        refused: why *wanted* was given up; empty when it was not.
        trouble: why the last look at HDFS failed; empty when it went well.
    """

    name: str
    version: int | None = None
    since: float | None = None
    wanted: int | None = None
    is_canary: bool = False
    trial: int | None = None
    refused: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class AgentReport:
    """Everything.

    Attributes:
        service: its name.
        instance: which replica.
        boot: of this run of the agent; orders are for one of them.
        state: ``starting``, ``ready``, ``failing``, ``draining``, ``drained`` or ``ending``.
        why: the state in words.
        server_pid: None while no server runs.
        server_starts: how often it was started.
        last_exit: how it ended last; None before it did.
        requests: predictions it has counted since it started; None where it does not tell.
        failed: those of them that it did not answer with OK.
        at: when this was so, monotonic seconds.
    """

    service: str
    instance: str
    boot: str
    state: str = "starting"
    why: str = "beginning"
    models: tuple[ModelReport, ...] = ()
    server_pid: int | None = None
    server_starts: int = 0
    last_exit: int | None = None
    requests: float | None = None
    failed: float | None = None
    at: float = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether callers may be sent here."""
        return self.state == "ready"

    def is_of(self, service: str, instance: str) -> bool:
        """Whether it is *instance* of *service* that says so."""
        return (self.service, self.instance) == (service, instance)

    def to_document(self) -> dict[str, Any]:
        """What stands at /status."""
        return {"apiVersion": API_VERSION, "kind": "AgentStatus", **to_document(self)}

    @classmethod
    def from_document(cls, document: object) -> AgentReport:
        """Read it.

        Raises:
            ValueError: it is none.
        """
        return from_document(cls, document)
