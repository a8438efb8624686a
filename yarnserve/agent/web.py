"""The agent's own port: health for load balancers, state for people and tools, orders for who may give them.

Its own thread and its own event loop answer from the last report: whatever a sync or the model server does, it answers.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from yarnserve.errors import ConfigurationError
from yarnserve.orders import Gate, Order
from yarnserve.records.agent import AgentReport
from yarnserve.web_thread import WebThread

#: Seconds without a report after which the agent itself counts as stuck.
STUCK = 15.0


class AgentServer:
    """Serves *report* on *port*, in a daemon thread.

    Args:
        port: on every address.
        report: returns the newest report, at once.
        secret: returns what orders have to be signed with, empty for none; may take its time.
        obey: takes an order; at once.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        port: int,
        *,
        report: Callable[[], AgentReport],
        secret: Callable[[], str],
        obey: Callable[[Order], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._port = port
        self._report = report
        self._secret = secret
        self._obey = obey
        self._clock = clock
        self._gate = Gate(report().boot)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Metrics(report))

    def start(self) -> None:
        """Begin to answer.

        Raises:
            ConfigurationError: somebody else has the port.
        """
        routes = [
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
            web.get("/status", self._status),
            web.get("/metrics", self._metrics),
            web.post("/orders/{order}", self._order),
        ]
        try:
            WebThread(routes, None, self._port).start()
        except OSError as error:
            raise ConfigurationError(
                f"the agent's port {self._port} cannot be opened",
                why=error.strerror or str(error),
                fix="end who has it, or choose others: ports in service.yaml",
            ) from error

    async def _healthz(self, request: web.Request) -> web.Response:
        silent = self._clock() - self._report().at
        if silent > STUCK:
            return web.Response(status=503, text=f"the agent is stuck: nothing for {silent:.0f} s\n")
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        report = self._report()
        ready = report.is_ready and self._clock() - report.at <= STUCK
        return web.Response(status=200 if ready else 503, text=f"{report.state}: {report.why}\n")

    async def _status(self, request: web.Request) -> web.Response:
        return web.Response(
            text=json.dumps(self._report().to_document(), indent=2) + "\n", content_type="application/json"
        )

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _order(self, request: web.Request) -> web.Response:
        try:
            order = Order(request.match_info["order"])
        except ValueError:
            known = ", ".join(each.value for each in Order)
            return _answer(404, f"no such order; there are {known}")
        secret = await asyncio.get_running_loop().run_in_executor(None, self._secret)
        if not secret:
            return _answer(503, "the service's secret could not be read from HDFS yet; try again")
        if not self._gate.admits(secret, order, request.headers):
            return _answer(403, "not signed with the service's secret, for this run of the agent, for the first time")
        self._obey(order)
        return _answer(202, "accepted")


def _answer(status: int, what: str) -> web.Response:
    return web.Response(status=status, text=json.dumps({"what": what}) + "\n", content_type="application/json")


class _Metrics(Collector):
    """Makes metrics of the newest report whenever somebody asks."""

    def __init__(self, report: Callable[[], AgentReport]) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        report = self._report()
        labels = {"service": report.service, "instance": report.instance}
        names, values = list(labels), list(labels.values())
        yield _gauge("ready", "1 while callers may be sent here.", names, [(values, float(report.is_ready))])
        yield _gauge(
            "server_up", "1 while a model server runs.", names, [(values, float(report.server_pid is not None))]
        )
        starts = CounterMetricFamily("yarnserve_agent_server_starts", "Starts of the model server.", labels=names)
        starts.add_metric(values, report.server_starts)
        yield starts
        served = [([*values, model.name], float(model.version)) for model in report.models if model.version is not None]
        wanted = [([*values, model.name], float(model.wanted)) for model in report.models if model.wanted is not None]
        since = [([*values, model.name], model.since) for model in report.models if model.since is not None]
        refused = [([*values, model.name], float(bool(model.refused))) for model in report.models]
        troubled = [([*values, model.name], float(bool(model.trouble))) for model in report.models]
        of_model = [*names, "model"]
        yield _gauge("model_version", "The version that is served and has answered.", of_model, served)
        yield _gauge("model_wanted_version", "The version that is to be served.", of_model, wanted)
        yield _gauge("model_since_seconds", "When the version began to be served, since the epoch.", of_model, since)
        yield _gauge("model_refused", "1 while the wanted version is refused.", of_model, refused)
        yield _gauge("model_sync_failing", "1 while the last look at HDFS failed.", of_model, troubled)


def _gauge(name: str, meaning: str, labels: list[str], samples: list[tuple[list[str], float]]) -> Metric:
    family = GaugeMetricFamily(f"yarnserve_agent_{name}", meaning, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family
