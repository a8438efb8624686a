"""What TF Serving counts of itself, in Prometheus' text form (tf-serving.md 3.4); read by prometheus-client."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

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
    """Return how many requests for *models* were counted; what belongs to no model (status requests) is not.

    Raises:
        MalformedAnswerError: it is no text of Prometheus.
    """
    total = failed = answered = 0.0
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.labels.get("model_name") not in models:
                    continue
                # What only asks for status or metadata names no API.
                if sample.name == _ANSWERED and sample.labels.get("API"):
                    answered += sample.value
                # A counter is read as name_total, whatever its server calls it.
                elif sample.name.removesuffix("_total") == _REQUESTS:
                    total += sample.value
                    failed += sample.value if sample.labels.get("status") != "OK" else 0.0
    except (ValueError, KeyError, IndexError) as error:
        raise MalformedAnswerError("the server's counters cannot be read", why=str(error)) from error
    return RequestCounts(total, failed, answered)
