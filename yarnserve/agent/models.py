"""Every model of one server: what was fetched, what is on trial, what is good, and so what the server is to have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from yarnserve.agent.fetching import Fetcher
from yarnserve.agent.state import AgentDirectory
from yarnserve.alerts.records import Alarm, Alert
from yarnserve.errors import YarnserveError
from yarnserve.judge.steering import (
    Candidate,
    Sight,
    Steering,
    SteeringPolicy,
    Turn,
    failed_load,
    failure_of,
    forgive,
    judge_trial,
    refuse,
    take_up,
)
from yarnserve.records.agent import ModelReport
from yarnserve.records.replica import ModelCheck, Prediction
from yarnserve.serving.config_files import ServedModel
from yarnserve.spec.model import ServiceSpec, Swap

#: Seconds after it has read its configuration in which the server looks at the disk, twice (tf-serving.md 1.2).
FILE_POLL = 3.0

#: Seconds after which a version that did not fit into the memory is measured again: other versions go meanwhile, and
#: the server gives back some of what it holds.
UNFIT = 300.0

#: TF Serving's own estimate of a model's memory, from its size on the disk (tf-serving.md 7.1).
MEMORY_FACTOR = 1.2

_MIB = 1024 * 1024

_TOLD = {"good": "is served", "trying": "is tried", "retrying": "is taken back for now", "refused": "is refused"}

#: What a server has, or is to have: versions by model.
Served = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Failure:
    """Why a *model* is not well, and the *prediction* that says so; None where not even that could be asked."""

    model: str
    why: str
    prediction: Prediction | None = None


class Models:
    """The models of *spec*, each with who fetches it.

    Args:
        spec: the service.
        fetchers: one for each model.
        directory: where it is remembered what was good.
        alarm: told of versions that fail.
        narrate: told what happens to each version, in words.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        spec: ServiceSpec,
        fetchers: Sequence[Fetcher],
        directory: AgentDirectory,
        *,
        alarm: Alarm,
        narrate: Callable[[str], None],
        now: Callable[[], float],
    ) -> None:
        self._spec = spec
        self._specs = {model.name: model for model in spec.models}
        self._fetchers = {fetcher.model.name: fetcher for fetcher in fetchers}
        self._directory = directory
        self._alarm = alarm
        self._narrate = narrate
        self._now = now
        pause = max(SteeringPolicy.first_pause, 2.0 * spec.agent.poll + FILE_POLL)
        self._policy = SteeringPolicy(
            deadline=float(spec.supervise.startup_deadline), settle=spec.agent.poll + FILE_POLL, first_pause=pause
        )
        self._steering = {name: self._remembered(name) for name in self._specs}
        # Whose alarm may last: also from an agent that was here before.
        self._accused = set(self._specs)

    def start(self) -> None:
        """Begin to fetch."""
        for fetcher in self._fetchers.values():
            fetcher.start()

    def end(self) -> None:
        """End it soon."""
        for fetcher in self._fetchers.values():
            fetcher.end()

    def take_up(self, held: int | None, now: float) -> None:
        """Begin the trials of versions that came.

        Args:
            held: bytes of memory that the running server holds; None while none runs.
            now: monotonic seconds.
        """
        for name, fetcher in self._fetchers.items():
            fetched = fetcher.fetched
            steering, turn = take_up(self._steering[name], fetched.candidate if fetched else None, now)
            if turn is not None and turn.what == "trying" and not self._may_try(name):
                continue
            self._turned(name, steering, turn)
            if turn is not None and turn.what == "trying" and (why := self._does_not_fit(name, held)):
                self._turned(name, *refuse(self._steering[name], why, until=now + UNFIT))
            fetcher.pin(self._steering[name].served)
            self._absolve(name)

    def judge(self, sights: Mapping[str, Sight], now: float) -> None:
        """Say how the trials go on after a look at the server."""
        for name, steering in self._steering.items():
            is_back = steering.trial is not None and steering.trial.resume_at is not None
            if is_back and not self._may_try(name):
                continue
            others = self._has_others(name)
            self._turned(name, *judge_trial(steering, sights.get(name), now, self._policy, others=others))

    def blame_trials(self, why: str, now: float) -> bool:
        """The server has died, or does not answer: what was on trial is the likely cause.

        Returns whether anything was that a good version takes the place of again.
        """
        is_excused = any(steering.can_go_back for steering in self._steering.values())
        for name, steering in self._steering.items():
            self._turned(name, *failed_load(steering, why, now, self._policy, others=self._has_others(name)))
        return is_excused

    def forgive(self) -> None:
        """Try again what was refused."""
        self._steering = {name: forgive(steering) for name, steering in self._steering.items()}

    def failure(self, served: Served, sights: Mapping[str, Sight]) -> Failure | None:
        """The first of the good versions that is not well; None where all are.

        A model that has no good version yet says nothing about a server that answers for another.
        """
        good = {name: steering.good for name in served if (steering := self._steering[name]).good is not None}
        if not good:
            return Failure(next(iter(served), ""), "no version has answered yet")
        for name, candidate in good.items():
            failure = _failure(name, candidate, sights.get(name))
            if failure is not None:
                return failure
        return None

    @property
    def are_trying(self) -> bool:
        """Whether anything is on trial."""
        return any(steering.trial for steering in self._steering.values())

    @property
    def can_be_served(self) -> bool:
        """Whether each is here, or cannot be had now while another can."""
        here = [bool(steering.served) for steering in self._steering.values()]
        tried = [fetcher.has_tried for fetcher in self._fetchers.values()]
        return any(here) and all(one or done for one, done in zip(here, tried, strict=True))

    def wanted_of_server(self) -> dict[str, tuple[int, ...]]:
        """The versions of each model that the server is to have; a model that has none yet is left out."""
        wanted = {}
        for name, steering in self._steering.items():
            trial, versions = steering.trial, steering.served
            if self._replaces(name) and trial is not None and trial.resume_at is None:
                versions = (trial.candidate.version,)
            if versions:
                wanted[name] = versions
        return wanted

    def needs_restart(self, served: Served, wanted: Served) -> bool:
        """Whether the server has to be started anew to come from *served* to *wanted*."""
        return any(self._replaces(name) and served.get(name, wanted[name]) != wanted[name] for name in wanted)

    def configured(self) -> list[ServedModel]:
        """What the server is to be told."""
        wanted = self.wanted_of_server().items()
        return [
            ServedModel(name, str(self._fetchers[name].directory), versions, self._labels(name, versions))
            for name, versions in wanted
        ]

    def checks(self, served: Served) -> list[ModelCheck]:
        """What to ask a server that has *served*: a prediction of each version."""
        return [
            ModelCheck(name, self._specs[name].example, version)
            for name, versions in served.items()
            for version in versions
        ]

    def lacking(self, served: Served) -> str:
        """Why a model of a server that has *served* is not served; empty when all are."""
        for name, fetcher in self._fetchers.items():
            steering = self._steering[name]
            if name not in served and steering.trial is None:
                return f"model {name} is not here: {fetcher.trouble or 'it is being fetched'}"
            if steering.good is None:
                return f"no version of {name} has answered yet"
        return ""

    def reports(self) -> tuple[ModelReport, ...]:
        """How each of them is."""
        return tuple(map(self._report, self._specs))

    def _report(self, name: str) -> ModelReport:
        steering, fetcher = self._steering[name], self._fetchers[name]
        fetched = fetcher.fetched
        refusal = steering.refused.get(fetched.candidate.identity) if fetched else None
        return ModelReport(
            name,
            version=steering.good.version if steering.good else None,
            since=steering.since if steering.good else None,
            wanted=fetched.candidate.version if fetched else None,
            is_canary=fetched is not None and fetched.is_canary,
            trial=steering.trial.candidate.version if steering.trial else None,
            refused=refusal.why if refusal else "",
            trouble=fetcher.trouble,
        )

    def _remembered(self, name: str) -> Steering:
        """What was good, as long as it is still here."""
        steering = self._directory.remembered().get(name, Steering())
        if steering.good is not None and not self._fetchers[name].holds(steering.good):
            return replace(steering, good=None)
        return steering

    def _absolve(self, name: str) -> None:
        """End the alarm of a version that failed once nobody wants it any more."""
        steering, fetched = self._steering[name], self._fetchers[name].fetched
        is_at_peace = steering.good is not None and steering.trial is None
        if name in self._accused and is_at_peace and fetched is not None and fetched.candidate == steering.good:
            self._accused.discard(name)
            self._alarm.resolve(f"version {name}", f"version {fetched.candidate.version} is wanted, and served")

    def _remember(self) -> None:
        """Save what was decided, if the disk lets us: what is served does not depend on it."""
        try:
            self._directory.remember(self._steering)
        except YarnserveError as error:
            self._narrate(f"{error.what}: the next agent here will not know what is good: {error.why}")
            self._alarm.fire(Alert.of("state", error, severity="warning"))
        else:
            self._alarm.resolve("state", "what is good was saved")

    def _may_try(self, name: str) -> bool:
        """Whether a version may be tried in place of a good one: one at a time, so that it is known whose fault it is.

        A server that dies would else have two versions refused for what one of them did.
        """
        others = (steering.trial for other, steering in self._steering.items() if other != name)
        return self._steering[name].good is None or not any(trial and trial.resume_at is None for trial in others)

    def _has_others(self, name: str) -> bool:
        """Whether a good version of another model than *name* can be served."""
        return any(steering.good for other, steering in self._steering.items() if other != name)

    def _replaces(self, name: str) -> bool:
        return self._specs[name].swap is Swap.REPLACE

    def _labels(self, name: str, versions: Sequence[int]) -> Mapping[str, int]:
        good, fetched = self._steering[name].good, self._fetchers[name].fetched
        if good is None or good.version not in versions:
            return {}
        is_canary = fetched is not None and fetched.is_canary and fetched.candidate == good
        return {"stable": good.version, **({"canary": good.version} if is_canary else {})}

    def _does_not_fit(self, name: str, held: int | None) -> str:
        """Why the version on trial cannot be loaded beside the good one; empty when it can."""
        steering = self._steering[name]
        if held is None or steering.good is None or steering.trial is None or self._replaces(name):
            return ""
        need, limit = steering.trial.candidate.bytes * MEMORY_FACTOR, self._spec.resources.memory_mb * _MIB
        if held + need <= limit:
            return ""
        return (
            f"there is no memory to load it beside the one that is served: it takes about {need / _MIB:.0f} MiB, "
            f"{held / _MIB:.0f} of {limit / _MIB:.0f} are held; give more (resources.memory), or say swap: replace"
        )

    def _turned(self, name: str, steering: Steering, turn: Turn | None) -> None:
        """Take over what was decided of a model, and tell of it."""
        before, self._steering[name] = self._steering[name], steering
        if turn is None:
            return
        if turn.what == "good":
            if steering.good != before.good:
                self._steering[name] = replace(steering, since=self._now())
            self._accused.discard(name)
            self._alarm.resolve(f"version {name}", f"version {turn.version} is served")
        if turn.what in ("good", "refused"):
            self._remember()
        what = f"version {turn.version} of {name} {_TOLD[turn.what]}"
        self._narrate(f"{what}: {turn.why}" if turn.why else what)
        if turn.what in ("retrying", "refused"):
            self._accused.add(name)
            severity = "critical" if turn.what == "refused" else "warning"
            self._alarm.fire(Alert(f"version {name}", what, severity, {"why": turn.why}))


def _failure(name: str, good: Candidate, sight: Sight | None) -> Failure | None:
    if sight is None:
        return Failure(name, f"no status of {name}")
    if good.version not in sight.predictions:
        return Failure(name, f"version {good.version} of {name} is not AVAILABLE")
    prediction = sight.predictions[good.version]
    why = failure_of(prediction)
    return Failure(name, f"version {good.version} of {name}: {why}", prediction) if why else None
