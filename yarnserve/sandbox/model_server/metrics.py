"""Counters and histograms, and Prometheus's text of them as TF Serving writes it (tf-serving.md 3.4)."""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

#: Upper limits of the histograms of microseconds: 10, 18, 32.4 ... (about 20 minutes).
_LIMITS = tuple(10 * 1.8**power for power in range(33))


class Counter:
    """How often something happened, by the values of its *labels*; *name* is TensorFlow's, with slashes."""

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        self._name = exposed_name(name)
        self._labels = labels
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, ...], int] = {}

    def add(self, *values: str) -> None:
        """Count one more; *values* are those of the labels, in their order."""
        with self._lock:
            self._counts[values] = self._counts.get(values, 0) + 1

    def lines(self) -> Iterator[str]:
        """Yield its type, and a line for each combination of values seen."""
        with self._lock:
            counts = sorted(self._counts.items())
        yield f"# TYPE {self._name} counter"
        for values, count in counts:
            yield f"{self._name}{{{label_text(self._labels, values)}}} {count}"


@dataclass
class _Distribution:
    counts: list[int] = field(default_factory=lambda: [0] * (len(_LIMITS) + 1))
    total: float = 0.0


class Histogram:
    """How long something took, in microseconds, by the values of its *labels*."""

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        self._name = exposed_name(name)
        self._labels = labels
        self._lock = threading.Lock()
        self._distributions: dict[tuple[str, ...], _Distribution] = {}

    def observe(self, microseconds: float, *values: str) -> None:
        """Add one duration; *values* are those of the labels, in their order."""
        with self._lock:
            distribution = self._distributions.setdefault(values, _Distribution())
            distribution.counts[bisect_right(_LIMITS, microseconds)] += 1
            distribution.total += microseconds

    def lines(self) -> Iterator[str]:
        """Yield its type, and for each combination of values its buckets, each with all below it, sum and count."""
        with self._lock:
            copies = [(values, list(each.counts), each.total) for values, each in self._distributions.items()]
        yield f"# TYPE {self._name} histogram"
        for values, counts, total in sorted(copies):
            labels = label_text(self._labels, values)
            below = 0
            for limit, count in zip([*(f"{limit:g}" for limit in _LIMITS), "+Inf"], counts, strict=True):
                below += count
                yield f'{self._name}_bucket{{{labels},le="{limit}"}} {below}'
            yield f"{self._name}_sum{{{labels}}} {total:g}"
            yield f"{self._name}_count{{{labels}}} {below}"


class Metrics:
    """What the stand-in counts of what TF Serving 2.6 counts."""

    def __init__(self) -> None:
        self.load_attempts = Counter("/tensorflow/cc/saved_model/load_attempt_count", ("model_path", "status"))
        self.requests = Counter("/tensorflow/serving/request_count", ("model_name", "status"))
        self.latencies = Histogram("/tensorflow/serving/request_latency", ("model_name", "API", "entrypoint"))

    def count_load(self, path: str, succeeded: bool) -> None:
        """Count an attempt at loading the version in *path*."""
        self.load_attempts.add(path, "success" if succeeded else "fail")

    def count_request(self, model: str, api: str, status: str, microseconds: float) -> None:
        """Count a REST request that ended with the code named *status*; failed ones have no latency."""
        self.requests.add(model, status)
        if status == "OK":
            self.latencies.observe(microseconds, model, api, "REST")

    def text(self) -> str:
        """Return the whole page."""
        metrics = (self.load_attempts, self.requests, self.latencies)
        return "".join(f"{line}\n" for metric in metrics for line in metric.lines())


def exposed_name(name: str) -> str:
    """Return how Prometheus sees TensorFlow's *name* of a metric."""
    return re.sub(r"[^a-zA-Z0-9_]", ":", name)


def label_text(names: Sequence[str], values: Sequence[str]) -> str:
    """Return labels as they stand between braces; of what could end a value only quotes and backslashes are escaped."""
    pairs: Mapping[str, str] = dict(zip(names, values, strict=True))
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
