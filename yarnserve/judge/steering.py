"""Which versions of a model its server is to serve: what is here, what was seen of it -> what comes next. Pure.

A version that was brought here is on trial until the server has it AVAILABLE and it has answered; only then the one
before goes. Whatever fails on trial is taken back, tried again where that may help, and refused when it does not:
the last good version stays served all the while.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from yarnserve.records.replica import Contact, ModelState, ModelVersion, Prediction, Proof


@dataclass(frozen=True)
class Candidate:
    """A whole version on this host's disk; *identity* is its publisher's, *bytes* what it takes there."""

    version: int
    identity: str
    bytes: int


@dataclass(frozen=True)
class Trial:
    """A version that has to show itself.

    Attributes:
        candidate: the version.
        since: when it began; begins anew with each load.
        loads: how often the server failed to load it.
        wrong: predictions in a row that it failed.
        resume_at: it is taken back until then; None while the server is told to load it.
    """

    candidate: Candidate
    since: float
    loads: int = 0
    wrong: int = 0
    resume_at: float | None = None


@dataclass(frozen=True)
class Refusal:
    """Why a version was given up: for good, or *until* then, where the reason passes by itself."""

    why: str
    until: float | None = None

    def holds(self, now: float) -> bool:
        """Whether it still counts."""
        return self.until is None or now < self.until


@dataclass(frozen=True)
class Steering:
    """Where one model is: the *good* version, served since *since* (epoch), and the one on *trial*.

    *refused* is what was given up, by identity.
    """

    good: Candidate | None = None
    since: float = 0.0
    trial: Trial | None = None
    refused: Mapping[str, Refusal] = field(default_factory=dict)

    @property
    def served(self) -> tuple[int, ...]:
        """The versions that the server is to have, lowest first."""
        trial = self.trial.candidate if self.trial is not None and self.trial.resume_at is None else None
        return tuple(sorted({each.version for each in (self.good, trial) if each is not None}))

    @property
    def can_go_back(self) -> bool:
        """Whether a version is tried now in place of one that is good."""
        return self.good is not None and self.trial is not None and self.trial.resume_at is None


@dataclass(frozen=True)
class Sight:
    """What the server said of one model: its *versions*, and the outcome of a *prediction* by each that was asked.

    *predictions* of None are versions whose request could not be built.
    """

    versions: Mapping[int, ModelVersion]
    predictions: Mapping[int, Prediction | None]


@dataclass(frozen=True)
class SteeringPolicy:
    """How patient a trial is; times in seconds.

    Attributes:
        loads: failed loads after which a version is refused. What a full disk or a lack of memory caused passes.
        first_pause: before the second load; three times as long before each further one.
        wrong: failed predictions in a row after which it is refused, or taken back where they were not answered.
        deadline: for a load to end.
        settle: how long the server may still tell of the load before: it never forgets one (tf-serving.md 4.2).
    """

    loads: int = 3
    first_pause: float = 10.0
    wrong: int = 3
    deadline: float = 600.0
    settle: float = 4.0


@dataclass(frozen=True)
class Turn:
    """Something that happened to a version: ``trying``, ``good``, ``retrying``, ``refused``."""

    what: str
    version: int
    why: str = ""


def take_up(steering: Steering, wanted: Candidate | None, now: float) -> tuple[Steering, Turn | None]:
    """Begin a trial of *wanted*, unless it is good, tried or refused already.

    While what is wanted is refused nothing else is tried in its place.
    """
    if wanted is None:
        return steering, None
    refusal = steering.refused.get(wanted.identity)
    if refusal is not None and refusal.holds(now):
        return (replace(steering, trial=None) if steering.good is not None else steering), None
    if steering.good == wanted:
        if steering.trial is None:
            return steering, None
        return replace(steering, trial=None), Turn("good", wanted.version, "it is wanted again")
    if steering.trial is not None and steering.trial.candidate == wanted:
        return steering, None
    refused = {identity: each for identity, each in steering.refused.items() if identity != wanted.identity}
    return replace(steering, trial=Trial(wanted, now), refused=refused), Turn("trying", wanted.version)


def judge_trial(
    steering: Steering, sight: Sight | None, now: float, policy: SteeringPolicy, *, others: bool = False
) -> tuple[Steering, Turn | None]:
    """Say how the trial goes on.

    Args:
        steering: where the model is.
        sight: what was seen of it; None while the server says nothing.
        now: seconds, by the clock of the trial.
        policy: how patient it is.
        others: whether the server has a good version of another model.
    """
    trial = steering.trial
    if trial is None:
        return steering, None
    if trial.resume_at is not None:
        if now < trial.resume_at or _still_there(trial, sight):
            return steering, None
        begun = replace(trial, since=now, resume_at=None, wrong=0)
        return replace(steering, trial=begun), Turn("trying", trial.candidate.version, "once more")
    seen = sight.versions.get(trial.candidate.version) if sight is not None else None
    if seen is not None and seen.state is ModelState.END and seen.error:
        if now - trial.since < policy.settle:
            return steering, None
        return failed_load(steering, seen.error, now, policy, others=others)
    if sight is None or seen is None or seen.state is not ModelState.AVAILABLE:
        if now - trial.since > policy.deadline:
            why = f"it did not become AVAILABLE within {policy.deadline:g} s"
            return failed_load(steering, why, now, policy, others=others)
        return steering, None
    return _judge_answer(steering, trial, sight, now, policy)


def failed_load(
    steering: Steering, why: str, now: float, policy: SteeringPolicy, *, others: bool = False
) -> tuple[Steering, Turn | None]:
    """Say what follows when the server failed to load the version on trial, or died of it.

    A model's first version is never given up, for there is nothing else to serve of it; where there are *others* it is
    taken back for a while, so that it does not end them with it at each start.
    """
    trial = steering.trial
    if trial is None or trial.resume_at is not None:
        return steering, None
    loads = trial.loads + 1
    if loads >= policy.loads and steering.good is not None:
        return _refuse(steering, trial, why)
    pause = policy.first_pause * 3.0 ** min(loads - 1, 3)
    is_left_out = steering.good is not None or others
    again = replace(trial, loads=loads, resume_at=now + pause if is_left_out else None, since=now)
    return replace(steering, trial=again), Turn("retrying", trial.candidate.version, why)


def refuse(steering: Steering, why: str, *, until: float | None = None) -> tuple[Steering, Turn | None]:
    """Give up the version on trial, for a reason that no trial can mend; for good, or *until* then."""
    return _refuse(steering, steering.trial, why, until) if steering.trial is not None else (steering, None)


def lasting(steering: Steering) -> Steering:
    """Return what the next agent in the directory has to know: what is on trial, or refused for a time, begins anew."""
    refused = {identity: refusal for identity, refusal in steering.refused.items() if refusal.until is None}
    return replace(steering, trial=None, refused=refused)


def forgive(steering: Steering) -> Steering:
    """Forget what was refused, so that it is tried again."""
    return replace(steering, refused={})


def failure_of(prediction: Prediction | None) -> str:
    """Say in words why *prediction* proves nothing good; empty when the version may serve.

    A request that the server does not understand (4xx) is no proof against a version where it was built from the
    model's own metadata; an example is what callers send, so there it is.
    """
    if prediction is None:
        return ""
    if prediction.contact is not Contact.ANSWERED:
        return f"it does not answer a prediction: {prediction.error or prediction.contact.value}"
    if prediction.server_failed or (prediction.status != 200 and prediction.proof is Proof.EXAMPLE):
        return f"it answers a prediction with {prediction.status}: {prediction.error}"
    return f"it answers the example wrongly: {prediction.mismatch}" if prediction.mismatch else ""


def _still_there(trial: Trial, sight: Sight | None) -> bool:
    """Whether the server has not yet let go of the load that failed: only then it tries again (tf-serving.md 5.2)."""
    seen = sight.versions.get(trial.candidate.version) if sight is not None else None
    return seen is not None and seen.state in (ModelState.START, ModelState.LOADING, ModelState.UNLOADING)


def _judge_answer(
    steering: Steering, trial: Trial, sight: Sight, now: float, policy: SteeringPolicy
) -> tuple[Steering, Turn | None]:
    version = trial.candidate.version
    if version not in sight.predictions:
        return steering, None
    prediction = sight.predictions[version]
    why = failure_of(prediction)
    if not why:
        return replace(steering, good=trial.candidate, since=now, trial=None), Turn("good", version)
    wrong = trial.wrong + 1
    if wrong >= policy.wrong and steering.good is not None:
        # No answer may be the server's fault: it hangs, or has more to do than it can.
        if prediction is not None and prediction.contact is not Contact.ANSWERED:
            return failed_load(steering, why, now, policy)
        return _refuse(steering, trial, why)
    return replace(steering, trial=replace(trial, wrong=wrong)), None


def _refuse(steering: Steering, trial: Trial, why: str, until: float | None = None) -> tuple[Steering, Turn]:
    refused = {**steering.refused, trial.candidate.identity: Refusal(why, until)}
    return replace(steering, trial=None, refused=refused), Turn("refused", trial.candidate.version, why)
