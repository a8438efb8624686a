"""``--monitoring_config_file``, and the page of metrics beside the REST API (tf-serving.md 3.4)."""

from __future__ import annotations

from collections.abc import Callable

from yarnserve.sandbox.model_server.metrics import Metrics
from yarnserve.sandbox.model_server.proto_file import read
from yarnserve.sandbox.model_server.rest import Answer
from yarnserve.sandbox.model_server.text_format import Message

_PACKAGE = "tensorflow.serving"
_PROMETHEUS = Message(f"{_PACKAGE}.PrometheusConfig", {"enable": bool, "path": str})
_MONITORING = Message(f"{_PACKAGE}.MonitoringConfig", {"prometheus_config": _PROMETHEUS})
_DEFAULT_PATH = "/monitoring/prometheus/metrics"


def read_path(file: str) -> str | None:
    """Return the path that a monitoring file gives the page of metrics, None where it enables none.

    Raises:
        ServingError: the file cannot be read.
    """
    found = read(file, _MONITORING).get("prometheus_config", {})
    return (found.get("path") or _DEFAULT_PATH) if found.get("enable") else None


def with_page(
    handle: Callable[[str, str, bytes], Answer], path: str | None, metrics: Metrics
) -> Callable[[str, str, bytes], Answer]:
    """Return *handle* with the page of *metrics* at *path*, whatever the verb."""

    def handle_or_show(method: str, target: str, body: bytes) -> Answer:
        if target == path:
            return Answer(200, "text/plain", metrics.text().encode())
        return handle(method, target, body)

    return handle_or_show
