"""An agent put together from its assignment, and run until it ends."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from yarnserve.agent.agent import Agent
from yarnserve.agent.eyes import Eyes
from yarnserve.agent.fetching import Fetcher
from yarnserve.agent.keeper import Keeper
from yarnserve.agent.models import Models
from yarnserve.agent.secret import SecretFile
from yarnserve.agent.server import adopt_orphans
from yarnserve.agent.state import AgentDirectory
from yarnserve.agent.web import AgentServer
from yarnserve.alerts.background import BackgroundAlerts
from yarnserve.alerts.delivery import Alerts
from yarnserve.alerts.records import Sink
from yarnserve.alerts.sinks import LogSink, WebhookSink
from yarnserve.hadoop.authentication import Authentication
from yarnserve.hadoop.session import HadoopSession, Timeouts
from yarnserve.records.agent import AgentReport
from yarnserve.spec.assignment import Assignment
from yarnserve.spec.endpoints import endpoint
from yarnserve.storage.client import Storage

#: Patience with HDFS for the secret: whoever gives an order waits for it.
_SECRET_TIMEOUTS = Timeouts(connect=2.0, read=3.0)

#: Seconds that the last alarms have to be sent: why an agent leaves is the one that matters most.
LAST_WORDS = 5.0


def run_agent(
    assignment: Assignment,
    instance: str,
    directory: Path,
    *,
    authentication: Authentication,
    narrate: Callable[[str], None],
    tell: Callable[[str, Mapping[str, Any]], None],
) -> int:
    """Run the agent of *instance* in *directory*; return what to exit with.

    Args:
        assignment: the service and its HDFS.
        instance: such as ``serve-0``.
        directory: its own; models go below it unless there is a cache.
        authentication: who it is to HDFS.
        narrate: told what happens, in words.
        tell: told each step of a sync.

    Raises:
        ConflictError: another agent works in *directory*.
        ConfigurationError: its port is taken, or there is no model server.
    """
    spec, hdfs = assignment.spec, assignment.hdfs
    place = endpoint(spec, instance=instance, bare_host="127.0.0.1")
    with ExitStack() as stack:
        own = stack.enter_context(AgentDirectory(directory))
        session = stack.enter_context(HadoopSession(authentication))
        alarm = BackgroundAlerts(_alerts(assignment, own, narrate), on_failure=narrate)
        stack.callback(alarm.finish, LAST_WORDS)
        fetchers = [
            Fetcher(
                model,
                spec,
                Storage(session, hdfs.endpoints[model.name]),
                _models_directory(assignment, directory, instance, model.name),
                instance=instance,
                alarm=alarm,
                tell=tell,
            )
            for model in spec.models
        ]
        models = Models(spec, fetchers, own, alarm=alarm, narrate=narrate, now=time.time)
        eyes = Eyes(place, instance, deadline=float(spec.supervise.check_timeout), narrate=narrate)
        keeper = Keeper(spec, place, models, own, eyes, alarm=alarm, narrate=narrate)
        report = AgentReport(spec.name, instance, boot=secrets.token_hex(8))
        agent = Agent(spec, models, keeper, report, alarm=alarm, narrate=narrate)
        secret_file = (
            SecretFile(Storage(session, hdfs.secret_endpoints, timeouts=_SECRET_TIMEOUTS, sweeps=1), hdfs.secret)
            if hdfs.secret
            else lambda: ""
        )
        if place.agent_port is not None:
            AgentServer(place.agent_port, report=lambda: agent.report, secret=secret_file, obey=agent.obey).start()
        eyes.start()
        adopt_orphans()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda number, frame: agent.terminate())
            signal.signal(signal.SIGINT, lambda number, frame: agent.terminate())
        return agent.run()


def _models_directory(assignment: Assignment, directory: Path, instance: str, model: str) -> Path:
    cache = assignment.spec.agent.cache
    return Path(cache) / assignment.spec.name / instance / model if cache else directory / "models" / model


def _alerts(assignment: Assignment, directory: AgentDirectory, narrate: Callable[[str], None]) -> Alerts:
    sinks: list[Sink] = [LogSink(narrate)]
    if assignment.spec.agent.webhook:
        sinks.append(WebhookSink(assignment.spec.agent.webhook))
    return Alerts(sinks, clock=time.time, state=directory.path / "alerts.json", on_failure=narrate)


def end_process(code: int) -> None:
    """Exit at once: threads that wait for an HDFS that is away must not keep the container."""
    os._exit(code)
