"""The replicas that did not answer in time, told apart by their own counters: busy ones, and those that may hang.

Only predictions that were answered count (tf-serving.md 3.4): the count of all requests has our own looks in it, which
a server with a wedged session still answers. For that reason what an agent reports as its requests is no evidence
either; the page of counters is the server's own, with an agent or without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from yarnserve import probe
from yarnserve.errors import MalformedAnswerError
from yarnserve.judge.busy import is_busy
from yarnserve.records.replica import Contact, Endpoint, ModelObservation, Observation
from yarnserve.serving.metrics import PATH, request_counts

#: Seconds that a replica has to tell its counters.
COUNT_DEADLINE = 3.0


class Counting:
    """Counts what the replicas that time out answer to others, from look to look.

    Args:
        read_all: reads pages, as :func:`probe.read_all` does.
        deadline: seconds for a page.
    """

    def __init__(
        self, read_all: Callable[..., Sequence[str | None]] = probe.read_all, *, deadline: float = COUNT_DEADLINE
    ) -> None:
        self._read_all = read_all
        self._deadline = deadline
        self._before: dict[tuple[str, Endpoint], float] = {}

    def busy(self, observations: Sequence[Observation]) -> frozenset[str]:
        """Return which instances timed out in this look and have answered others since the one before.

        The first time-out has nothing to be compared with, so that whoever is busy is told from the second on.
        A replica that has answered in between begins anew.
        """
        late = [each for each in observations if timed_out(each)]
        counts = self._counts(late)
        found = {instance for (instance, place), count in counts.items() if self._is_busy(instance, place, count)}
        self._before = counts
        return frozenset(found)

    def _is_busy(self, instance: str, place: Endpoint, count: float) -> bool:
        return is_busy(self._before.get((instance, place)), count)

    def _counts(self, late: Sequence[Observation]) -> dict[tuple[str, Endpoint], float]:
        pages = self._read_all([each.endpoint.rest_url + PATH for each in late], deadline=self._deadline)
        counts: dict[tuple[str, Endpoint], float] = {}
        for observation, page in zip(late, pages, strict=True):
            with suppress(MalformedAnswerError):
                if page is not None:
                    models = {model.name for model in observation.models}
                    counts[observation.instance, observation.endpoint] = request_counts(page, models).answered
        return counts


def timed_out(observation: Observation) -> bool:
    """Whether a model of the replica accepted a request and did not answer it in time."""
    return any(_timed_out(model) for model in observation.models)


def _timed_out(model: ModelObservation) -> bool:
    prediction = model.prediction
    return model.contact is Contact.TIMED_OUT or (prediction is not None and prediction.contact is Contact.TIMED_OUT)
