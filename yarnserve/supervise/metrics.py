"""The states of services as metrics for Prometheus (peers.md 5.2): base units, states as 0 and 1, no timestamps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from yarnserve import __version__
from yarnserve.records.replica import Health
from yarnserve.records.supervision import Mode, ReplicaState, ServiceState

CONTENT_TYPE = CONTENT_TYPE_LATEST

_Sample = tuple[Sequence[str], float]

_OF_SERVICE = ("service",)
_OF_REPLICA = ("service", "instance")


class Metrics:
    """Makes metrics of *states* whenever somebody asks.

    Args:
        states: returns the newest states, at once.
        now: seconds since the epoch.
    """

    def __init__(self, states: Callable[[], Sequence[ServiceState]], *, now: Callable[[], float]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collector(states, now))

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)


class _Collector(Collector):
    def __init__(self, states: Callable[[], Sequence[ServiceState]], now: Callable[[], float]) -> None:
        self._states = states
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        states = self._states()
        yield _gauge("build_info", "Always 1; the version is a label.", ("version",), [((__version__,), 1.0)])
        yield from _of_services(states)
        yield from _of_replicas([(state, each) for state in states for each in state.replicas], self._now())


def _of_services(states: Sequence[ServiceState]) -> Iterator[Metric]:
    def gauge(name: str, meaning: str, value: Callable[[ServiceState], float]) -> Metric:
        return _gauge(name, meaning, _OF_SERVICE, [((state.name,), float(value(state))) for state in states])

    yield gauge("replicas_wanted", "Replicas that a person wants.", lambda state: state.wanted)
    yield gauge("replicas_live", "Replicas that have proved themselves by a prediction.", lambda state: state.live)
    yield gauge("replicas_least", "Live replicas below which nothing is restarted.", lambda state: state.least)
    yield gauge("supervisor_held", "1 while something forbids to act.", lambda state: bool(state.hold))
    yield gauge("supervisor_troubled", "1 while the service cannot be looked at.", lambda state: bool(state.trouble))
    yield _gauge(
        "supervisor_last_success_timestamp_seconds",
        "When the service was last looked at, since the epoch.",
        _OF_SERVICE,
        # Whoever stands by has not looked: another's trouble must not be hidden by that.
        [((state.name,), state.at) for state in states if not _stands_by(state)],
    )
    yield _gauge(
        "supervisor_mode",
        "1 for what the supervisor does for the service.",
        ("service", "mode"),
        [((state.name, mode.value), float(state.mode is mode)) for state in states for mode in Mode],
    )
    restarts = CounterMetricFamily(
        "yarnserve_restarts", "Actions carried out since the supervisor began.", labels=("service", "means")
    )
    for state in states:
        for means, count in sorted(state.actions.items()):
            restarts.add_metric((state.name, means), count)
    yield restarts


def _of_replicas(replicas: Sequence[tuple[ServiceState, ReplicaState]], now: float) -> Iterator[Metric]:
    def gauge(name: str, meaning: str, value: Callable[[ReplicaState], float]) -> Metric:
        samples = [((state.name, each.instance), float(value(each))) for state, each in replicas]
        return _gauge(name, meaning, _OF_REPLICA, samples)

    yield _gauge(
        "replica_health",
        "1 for how the replica is.",
        (*_OF_REPLICA, "health"),
        [
            ((state.name, each.instance, health.value), float(each.health is health))
            for state, each in replicas
            for health in Health
        ],
    )
    yield gauge(
        "replica_given_up",
        "1 while the replica is not restarted any more.",
        lambda each: each.given_up_until is not None and each.given_up_until > now,
    )
    yield gauge("replica_restarts_counted", "Restarts that count against its budget now.", lambda each: each.restarts)
    yield gauge("replica_deaths_counted", "Deaths of its own that count now.", lambda each: each.deaths)
    yield _gauge(
        "replica_model_version",
        "The highest version of the model that is AVAILABLE.",
        (*_OF_REPLICA, "model"),
        [
            ((state.name, each.instance, model), float(max(versions)))
            for state, each in replicas
            for model, versions in sorted(each.versions.items())
            if versions
        ],
    )


def _stands_by(state: ServiceState) -> bool:
    """Whether another supervises it, as far as can be seen."""
    return state.mode is Mode.STANDBY and bool(state.hold) and not state.trouble


def _gauge(name: str, meaning: str, labels: Sequence[str], samples: Iterable[_Sample]) -> Metric:
    family = GaugeMetricFamily(f"yarnserve_{name}", meaning, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family
