"""What TF Serving counts of itself, in Prometheus' text form (tf-serving.md 3.4); read by prometheus-client."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from yarnserve.errors import MalformedAnswerError

#: Where the server shows its counters unless its monitoring file says otherwise.
PATH = "/monitoring/prometheus/metrics"

_REQUESTS = ":tensorflow:serving:request_count"

#: Of predictions alone, and only of those that went well; requests for the status count above as well.
_ANSWERED = ":tensorflow:serving:request_latency_count"


@dataclass(frozen=True)
class RequestCounts:
    """Requests since the server began: all of them, those not answered with OK, and the predictions that were made."""

    total: float = 0.0
    failed: float = 0.0
    answered: float = 0.0

    def since(self, before: RequestCounts) -> RequestCounts:
        """What came since *before*; all, where the server has begun anew."""
        if self.total < before.total or self.failed < before.failed:
            return self
        return RequestCounts(self.total - before.total, self.failed - before.failed, self.answered - before.answered)


def request_counts(text: str, models: Collection[str]) -> RequestCounts:
    """Return how many requests for all of *models* were counted.

    Raises:
        MalformedAnswerError: it is no text of Prometheus.
    """
    return sum_of(counts_by_model(text, models))


def sum_of(counts: Mapping[str, RequestCounts]) -> RequestCounts:
    """Return the counts of several models together."""
    return RequestCounts(
        sum(each.total for each in counts.values()),
        sum(each.failed for each in counts.values()),
        sum(each.answered for each in counts.values()),
    )


def counts_by_model(text: str, models: Collection[str]) -> dict[str, RequestCounts]:
    """Return how many requests for each of *models* were counted; what belongs to no model (status requests) is not.

    Raises:
        MalformedAnswerError: it is no text of Prometheus.
    """
    counts = dict.fromkeys(models, RequestCounts())
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                model = sample.labels.get("model_name", "")
                if model in counts:
                    counts[model] = _counted(counts[model], sample)
    except (ValueError, KeyError, IndexError) as error:
        raise MalformedAnswerError("the server's counters cannot be read", why=str(error)) from error
    return counts


def _counted(counts: RequestCounts, sample: Sample) -> RequestCounts:
    # What only asks for status or metadata names no API.
    if sample.name == _ANSWERED and sample.labels.get("API"):
        return replace(counts, answered=counts.answered + sample.value)
    # A counter is read as name_total, whatever its server calls it.
    if sample.name.removesuffix("_total") == _REQUESTS:
        failed = sample.value if sample.labels.get("status") != "OK" else 0.0
        return replace(counts, total=counts.total + sample.value, failed=counts.failed + failed)
    return counts
