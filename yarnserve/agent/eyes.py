"""What the server answers, looked at in a thread of its own: a server that hangs keeps only this one waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from yarnserve import probe
from yarnserve.errors import MalformedAnswerError
from yarnserve.judge.steering import Sight
from yarnserve.records.replica import Contact, Endpoint, ModelCheck, ModelObservation, Target
from yarnserve.serving.metrics import PATH, RequestCounts, counts_by_model, sum_of


@dataclass(frozen=True)
class Look:
    """One look at the server.

    Attributes:
        number: how many looks there were before.
        at: monotonic seconds, when it began.
        sights: what it said of each model that it answered for.
        contact: how asking for the first model went.
        status: HTTP status of that answer, 0 without one.
        error: the reason where it failed.
        counts: requests for each model by the server's own count; None where it does not tell.
    """

    number: int
    at: float
    sights: Mapping[str, Sight] = field(default_factory=dict)
    contact: Contact = Contact.REFUSED
    status: int = 0
    error: str = ""
    counts: Mapping[str, RequestCounts] | None = None

    @property
    def total(self) -> RequestCounts | None:
        """Requests for all models; None where the server does not tell."""
        return None if self.counts is None else sum_of(self.counts)


class Eyes:
    """Looks at the server on *endpoint* for ever, in a daemon thread.

    Args:
        endpoint: where it is.
        instance: which replica it is.
        deadline: seconds for an answer.
        narrate: told when a look itself fails.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        instance: str,
        *,
        deadline: float,
        narrate: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._instance = instance
        self._deadline = deadline
        self._narrate = narrate
        self._clock = clock
        self._wake = threading.Event()
        self._checks: tuple[ModelCheck, ...] = ()
        self._interval = 1.0
        self._predicts = True
        self._look = Look(0, 0.0)

    @property
    def newest(self) -> Look:
        """The last look that ended."""
        return self._look

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, daemon=True, name="eyes").start()

    def watch(self, checks: Sequence[ModelCheck], *, interval: float, predict: bool) -> None:
        """Look at *checks* every *interval* seconds from now on; without *predict* only at what the server counts."""
        changed = tuple(checks) != self._checks or predict != self._predicts or interval < self._interval
        self._checks, self._interval, self._predicts = tuple(checks), interval, predict
        if changed:
            self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.clear()
            begun = self._clock()
            try:
                self._look = self._once(begun)
            except Exception as error:  # noqa: BLE001  without its thread a hung server would stay unseen for ever
                self._narrate(f"the server could not be looked at: {type(error).__name__}: {error}")
            self._wake.wait(max(0.05, self._interval - (self._clock() - begun)))

    def _once(self, begun: float) -> Look:
        checks, number = self._checks, self._look.number + 1
        if not checks:
            return Look(number, begun)
        models = {check.name for check in checks}
        if not self._predicts:
            return Look(number, begun, counts=self._counts(models))
        (seen,) = probe.observe([Target(self._instance, self._endpoint, tuple(checks))], deadline=self._deadline)
        first = seen.models[0]
        counts = self._counts(models) if first.contact is Contact.ANSWERED else None
        return Look(number, begun, _sights(checks, seen.models), first.contact, first.http_status, first.error, counts)

    def _counts(self, models: set[str]) -> Mapping[str, RequestCounts] | None:
        text = probe.read(self._endpoint.rest_url + PATH, deadline=self._deadline)
        with suppress(MalformedAnswerError):
            return counts_by_model(text, models) if text is not None else None
        return None


def _sights(checks: Sequence[ModelCheck], observed: Sequence[ModelObservation]) -> dict[str, Sight]:
    sights: dict[str, Sight] = {}
    for check, model in zip(checks, observed, strict=True):
        if model.contact is not Contact.ANSWERED or model.http_status != 200:
            continue
        before = sights.get(check.name, Sight({}, {}))
        versions = {version.version: version for version in model.versions}
        predictions = dict(before.predictions)
        if check.version is not None and (model.prediction is not None or _is_available(model, check.version)):
            predictions[check.version] = model.prediction
        sights[check.name] = Sight(versions, predictions)
    return sights


def _is_available(model: ModelObservation, number: int) -> bool:
    return any(version.version == number and version.state == "AVAILABLE" for version in model.versions)
