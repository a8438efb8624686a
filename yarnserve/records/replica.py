"""A replica of a model server: where it answers, what was seen of it, and what that means.

Endpoint and ModelCheck say where and what to ask; an Observation is what came back, unjudged; a Verdict is the
judge's conclusion. All durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from yarnserve.records.agent import AgentReport


@dataclass(frozen=True)
class Endpoint:
    """Where one replica answers: REST and gRPC ports on one host, and its agent's where it has one."""

    host: str
    rest_port: int
    grpc_port: int
    agent_port: int | None = None

    @property
    def rest_url(self) -> str:
        """Base URL of the REST API, without a trailing slash."""
        return f"http://{self.host}:{self.rest_port}"

    @property
    def agent_url(self) -> str | None:
        """Base URL of the agent, without a trailing slash; None where there is no agent."""
        return None if self.agent_port is None else f"http://{self.host}:{self.agent_port}"


@dataclass(frozen=True)
class Example:
    """A golden request: a whole REST predict body, and what it must answer.

    *expected* is a whole REST answer body, or None when any 200 will do; numbers may differ by *tolerance*
    (absolute).
    """

    request: Mapping[str, Any]
    expected: Mapping[str, Any] | None = None
    tolerance: float = 1e-3


@dataclass(frozen=True)
class ModelCheck:
    """One model a replica must serve, and the example that proves it (None: build one from its metadata).

    *version* is the one that is to be proved; None for whichever the server answers with.
    """

    name: str
    example: Example | None = None
    version: int | None = None


@dataclass(frozen=True)
class Target:
    """One replica to look at."""

    instance: str
    endpoint: Endpoint
    models: tuple[ModelCheck, ...]


class Contact(str, Enum):
    """How an HTTP exchange with a replica went."""

    ANSWERED = "answered"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed out"
    BROKEN = "broken"


class ModelState(str, Enum):
    """TF Serving's own states of a model version (tf-serving.md 4.2)."""

    UNKNOWN = "UNKNOWN"
    START = "START"
    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    END = "END"


@dataclass(frozen=True)
class ModelVersion:
    """One version in TF Serving's status answer; *error* is empty for error_code OK."""

    version: int
    state: ModelState
    error: str = ""


class Proof(str, Enum):
    """Where the request of a prediction came from."""

    EXAMPLE = "example"
    METADATA = "metadata"


@dataclass(frozen=True)
class Prediction:
    """The outcome of one prediction.

    *status* is the HTTP status (0 without an answer); *mismatch* says, in words, where the answer differs from
    the expected one, and is empty when it matches or nothing was expected; *error* is the server's own text.
    """

    proof: Proof
    contact: Contact
    status: int = 0
    error: str = ""
    mismatch: str = ""
    seconds: float = 0.0

    @property
    def server_failed(self) -> bool:
        """Whether the server answered that it could not, whatever it had been asked.

        Over REST 429 is never for want of patience: it says that memory is exhausted (tf-serving.md 4.1, 7.8).
        """
        return self.status == 429 or self.status >= 500

    @property
    def found_no_room(self) -> bool:
        """Whether it came to nothing as it does where a server has too much to do.

        It was late, or the queue of batches was full: 503 (tf-serving.md 7.8).
        """
        return self.contact is Contact.TIMED_OUT or self.status == 503


@dataclass(frozen=True)
class ModelObservation:
    """What one replica said about one model.

    *contact* is that of the status request; *error* is the reason when it is not ANSWERED, or the server's text
    when *http_status* is not 200. *prediction* is None where none could be tried.
    """

    name: str
    contact: Contact
    http_status: int = 0
    versions: tuple[ModelVersion, ...] = ()
    error: str = ""
    prediction: Prediction | None = None


@dataclass(frozen=True)
class Observation:
    """What one replica said when looked at."""

    instance: str
    endpoint: Endpoint
    models: tuple[ModelObservation, ...]

    @property
    def available(self) -> Mapping[str, tuple[int, ...]]:
        """The versions that TF Serving calls AVAILABLE, by model."""
        return {
            model.name: tuple(each.version for each in model.versions if each.state is ModelState.AVAILABLE)
            for model in self.models
        }


class Health(str, Enum):
    """The judge's word for a replica, best first."""

    LIVE = "live"
    AVAILABLE = "available"
    DRAINING = "draining"
    LOADING = "loading"
    STARTING = "starting"
    FAILING = "failing"
    PENDING = "pending"
    GONE = "gone"
    UNKNOWN = "unknown"

    @property
    def serving(self) -> bool:
        """Whether requests may be sent to the replica."""
        return self in (Health.LIVE, Health.AVAILABLE)


@dataclass(frozen=True)
class Verdict:
    """A replica's health and the reason for it, in words an admin understands.

    *fix* says what to change, where that is known; *certain* that without a change it can never serve.
    """

    health: Health
    reason: str
    fix: str = ""
    certain: bool = False


@dataclass(frozen=True)
class LastExit:
    """How the process of an instance last ended, as its NodeManager told.

    *cause* and *fix* are words; *certain* says that without a change it will end so again. *container_id* may be
    an earlier container's; *text* is the end of what the NodeManager wrote.
    """

    code: int
    cause: str
    fix: str
    certain: bool
    container_id: str
    text: str = ""


@dataclass(frozen=True)
class Replica:
    """One wanted component instance: what YARN runs for it, where it answers, and how it is.

    *container_id* and *node* are empty and *endpoint* None while YARN has not placed it; *versions* are the model
    versions that are AVAILABLE, by model name; *restarts* counts container ids seen beyond the first, and the starts
    in place that YARN's services API hides. *last_exit* is None while no end was seen, *agent* where none answers.
    *was_ordered*: an act of ours has ended it last; *node_answers*: its NodeManager or its agent has told of it in this
    look, so that its host is not cut off; *runs*: they have told that its process, or its agent, runs.
    """

    instance: str
    verdict: Verdict
    container_id: str = ""
    node: str = ""
    endpoint: Endpoint | None = None
    versions: Mapping[str, tuple[int, ...]] | None = None
    restarts: int = 0
    started_at: float | None = None
    last_exit: LastExit | None = None
    agent: AgentReport | None = None
    was_ordered: bool = False
    node_answers: bool = False
    runs: bool = False
