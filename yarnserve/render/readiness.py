"""What YARN itself waits for before it calls a replica READY (yarn-services.md 2, ReadinessCheck)."""

from __future__ import annotations

from yarnserve.spec.model import Readiness, ServiceSpec

#: Milliseconds to connect. All replicas of a service are asked one after the other.
_TIMEOUT = "1000"


def readiness_check(spec: ServiceSpec) -> dict[str, object] | None:
    """Return the check, or None for YARN's own default: the container runs."""
    if spec.readiness is Readiness.PROCESS:
        return None
    if spec.readiness is Readiness.PORT:
        return {"type": "PORT", "properties": {"port": str(spec.ports.rest), "timeout": _TIMEOUT}}
    if spec.has_agent:
        url = f"http://${{THIS_HOST}}:{spec.ports.agent}/readyz"
        return {"type": "HTTP", "properties": {"url": url, "timeout": _TIMEOUT}}
    url = f"http://${{THIS_HOST}}:{spec.ports.rest}/v1/models/{spec.models[0].name}"
    return {"type": "HTTP", "properties": {"url": url, "timeout": _TIMEOUT}}
