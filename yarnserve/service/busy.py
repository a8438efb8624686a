"""The replicas that did not answer in time, told apart by their own counters: busy ones, and those that may hang.

Only predictions that were answered count (tf-serving.md 3.4): the count of all requests has our own looks in it, which
a server with a wedged session still answers. For that reason what an agent reports as its requests is no evidence
either; the page of counters is the server's own, with an agent or without. Our own predictions are in the count too,
also those that it answered after we had gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from yarnserve import probe
from yarnserve.errors import MalformedAnswerError
from yarnserve.judge.busy import Count, follow, ours_of
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
        self._known: dict[tuple[str, Endpoint], Count] = {}

    def busy(self, observations: Sequence[Observation]) -> frozenset[str]:
        """Return which instances had no room for us in this look, and have answered others since they began to.

        The first of these looks has nothing to be compared with, so that whoever is busy is told from the second on.
        A replica that has answered in between begins anew.
        """
        late = [each for each in observations if found_no_room(each)]
        pages = self._read_all([each.endpoint.rest_url + PATH for each in late], deadline=self._deadline)
        known, found = dict[tuple[str, Endpoint], Count](), set[str]()
        for observation, page in zip(late, pages, strict=True):
            place = observation.instance, observation.endpoint
            ours = ours_of(model.prediction for model in observation.models)
            known[place], is_busy = follow(self._known.get(place), _answered(observation, page), ours)
            found |= {observation.instance} if is_busy else set()
        self._known = known
        return frozenset(found)


def found_no_room(observation: Observation) -> bool:
    """Whether a model of the replica accepted a request and did not answer it in time, or had no room in its queue."""
    return any(_found_no_room(model) for model in observation.models)


def _answered(observation: Observation, page: str | None) -> float | None:
    """How many predictions a replica has answered by its *page* of counters; None where that does not tell."""
    with suppress(MalformedAnswerError):
        if page is not None:
            return request_counts(page, {model.name for model in observation.models}).answered
    return None


def _found_no_room(model: ModelObservation) -> bool:
    prediction = model.prediction
    return model.contact is Contact.TIMED_OUT or (prediction is not None and prediction.found_no_room)
