"""The agent: one turn after the other it looks at what was fetched and what the server answers, and does what follows.

What takes its time (fetching, looking, answering, alarms) happens in threads of its own and leaves its newest result;
a turn only reads these, decides by ``judge``, and writes the server's configuration or starts and ends the server.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from yarnserve import probe
from yarnserve.agent.eyes import Eyes, Look
from yarnserve.agent.fetching import Fetcher
from yarnserve.agent.server import Reaper, ServerProcess
from yarnserve.agent.state import AgentDirectory
from yarnserve.alerts import Alarm, Alert
from yarnserve.judge.backoff import Backoff
from yarnserve.judge.drain import Drain
from yarnserve.judge.pulse import Pulse, beat, is_wedged
from yarnserve.judge.steering import (
    Steering,
    SteeringPolicy,
    Turn,
    failed_load,
    failure_of,
    forgive,
    judge_trial,
    refuse,
    take_up,
)
from yarnserve.orders import Order
from yarnserve.records.agent import AgentReport, ModelReport
from yarnserve.records.replica import Contact, Endpoint, ModelCheck, Prediction
from yarnserve.serving import config_files
from yarnserve.serving.arguments import steered_arguments
from yarnserve.serving.config_files import ServedModel
from yarnserve.spec.model import ModelSpec, ServiceSpec, Swap

#: Seconds between two turns.
TURN = 0.1

#: Seconds between two looks: while something changes or fails, and while requests are let out.
SOON = 0.5
DRAINING = 0.2

#: Seconds after a first failure until the next look (design.md 7).
AFTER_FAILURE = 2.0

#: Failed looks in a row after which callers are sent elsewhere.
NOT_READY = 2

#: Seconds that gRPC may be open before REST is, and somebody else may answer, at a start.
BOTH_PORTS = 15.0

#: Seconds after it has read its configuration in which the server looks at the disk, twice (tf-serving.md 1.2).
FILE_POLL = 3.0

#: TF Serving's own estimate of a model's memory, from its size on the disk (tf-serving.md 7.1).
MEMORY_FACTOR = 1.2

#: Exit status with which YARN replaces a container without starting it again in place (yarn-services.md 4.1).
LEFT = 143

_MIB = 1024 * 1024


class _Then(Enum):
    """What comes when all requests are out."""

    HOLD = "hold"
    RESTART = "restart"
    END = "end"


@dataclass
class _Run:
    """One life of the model server."""

    process: ServerProcess
    begun: float
    served: Mapping[str, tuple[int, ...]]
    judged: int
    pulse: Pulse = field(default_factory=Pulse)


class Agent:
    """Runs the model server of one replica.

    Args:
        spec: its service.
        instance: which replica.
        endpoint: where the server and the agent listen.
        directory: the agent's own, locked.
        fetchers: of each model, not yet started.
        alarm: whom troubles are told.
        boot: names this run.
        narrate: told each thing that happens, in words.
        clock: monotonic seconds.
        now: seconds since the epoch, for people.
    """

    def __init__(
        self,
        spec: ServiceSpec,
        instance: str,
        endpoint: Endpoint,
        directory: AgentDirectory,
        fetchers: Sequence[Fetcher],
        alarm: Alarm,
        *,
        boot: str,
        narrate: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._spec = spec
        self._endpoint = endpoint
        self._directory = directory
        self._fetchers = {fetcher.model.name: fetcher for fetcher in fetchers}
        self._alarm = alarm
        self._narrate = narrate
        self._clock = clock
        self._now = now
        self._eyes = Eyes(endpoint, instance, deadline=float(spec.supervise.check_timeout), clock=clock)
        self._reaper = Reaper()
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._term = threading.Event()
        self._policy = SteeringPolicy(
            deadline=float(spec.supervise.startup_deadline),
            settle=spec.agent.poll + FILE_POLL,
            first_pause=max(SteeringPolicy.first_pause, 2.0 * spec.agent.poll + FILE_POLL),
        )
        remembered = directory.remembered()
        self._steering = {model.name: remembered.get(model.name, Steering()) for model in spec.models}
        self._run: _Run | None = None
        self._written = ""
        self._backoff = Backoff()
        self._next_start = 0.0
        self._drain: Drain | None = None
        self._then = _Then.HOLD
        self._code = 0
        self._ended = False
        self._starts = 0
        self._last_exit: int | None = None
        self._report = AgentReport(spec.name, instance, boot, at=clock(), ports=_ports(endpoint))

    @property
    def report(self) -> AgentReport:
        """How everything is; may be read from any thread."""
        return self._report

    def obey(self, order: Order) -> None:
        """Take an order; from any thread, and at once."""
        self._orders.put(order)

    def terminate(self) -> None:
        """Take SIGTERM; from a signal handler."""
        self._term.set()

    def run(self) -> int:
        """Work until an order or SIGTERM ends it; return what to exit with. The server is started by this thread."""
        for fetcher in self._fetchers.values():
            fetcher.start()
        self._eyes.start()
        try:
            while not self._ended:
                self.turn()
                self._term.wait(TURN) if not self._term.is_set() else time.sleep(TURN)
        finally:
            for fetcher in self._fetchers.values():
                fetcher.end()
            if self._run is not None:
                self._run.process.stop()
        return self._code

    def turn(self) -> None:
        """Do what is due."""
        now = self._clock()
        self._reaper.reap([self._run.process.pid] if self._run else [])
        self._take_orders(now)
        for name in self._steering:
            self._take_up(name, now)
        if self._run is None:
            self._start_server(now)
        else:
            self._attend(self._run, now)
        self._let_out(now)
        self._say_how_it_is(now)

    def _take_orders(self, now: float) -> None:
        if self._term.is_set() and self._then is not _Then.END:
            self._begin_drain(now, "SIGTERM", _Then.END)
        while not self._orders.empty():
            order = self._orders.get()
            self._narrate(f"ordered: {order.value}")
            if self._then is _Then.END:
                continue
            if order is Order.LEAVE:
                self._code = LEFT
                self._begin_drain(now, "ordered to leave", _Then.END)
            elif order is Order.DRAIN:
                self._begin_drain(now, "ordered to drain", _Then.HOLD)
            elif order is Order.RESTART_SERVER:
                self._steering = {name: forgive(steering) for name, steering in self._steering.items()}
                self._begin_drain(now, "ordered to restart the server", _Then.RESTART)
            elif self._then is _Then.HOLD:
                self._drain = None

    def _begin_drain(self, now: float, why: str, then: _Then) -> None:
        self._drain, self._then = Drain(now, why), then

    def _let_out(self, now: float) -> None:
        """Go on with a draining, and do what it was for once all requests are out."""
        if self._drain is None:
            return
        if self._run is not None and not self._is_drained(now):
            return
        if self._then is _Then.HOLD:
            return
        if self._run is not None:
            self._narrate(f"ending the server: {self._drain.why}")
            self._last_exit = self._run.process.stop()
            self._run = None
        if self._then is _Then.END:
            self._ended = True
            return
        self._drain, self._then, self._next_start = None, _Then.HOLD, now

    def _is_drained(self, now: float) -> bool:
        drain, agent = self._drain, self._spec.agent
        if drain is None:
            return False
        look = self._eyes.newest
        if look.at >= drain.since and look.counts is not None:
            drain = self._drain = drain.observe(look.counts.total, now)
        return drain.is_settled(now, quiet=float(agent.quiet), longest=float(agent.drain))

    def _take_up(self, name: str, now: float) -> None:
        """Begin the trial of a version that came; keep what is served."""
        fetcher, steering = self._fetchers[name], self._steering[name]
        fetched = fetcher.fetched
        steering, turn = take_up(steering, fetched.candidate if fetched else None, now)
        self._turned(name, steering, turn)
        if turn is not None and turn.what == "trying" and (why := self._does_not_fit(name)):
            self._turned(name, *refuse(self._steering[name], why))
        fetcher.pin(self._steering[name].served)

    def _does_not_fit(self, name: str) -> str:
        """Why the version on trial cannot be loaded beside the good one; empty when it can."""
        steering, run = self._steering[name], self._run
        if run is None or steering.good is None or steering.trial is None or self._model(name).swap is Swap.REPLACE:
            return ""
        held, need = run.process.memory_bytes(), steering.trial.candidate.bytes * MEMORY_FACTOR
        limit = self._spec.resources.memory_mb * _MIB
        if held + need <= limit:
            return ""
        return (
            f"there is no memory to load it beside the one that is served: it takes about {need / _MIB:.0f} MiB, "
            f"{held / _MIB:.0f} of {limit / _MIB:.0f} are held; give more (resources.memory), or say swap: replace"
        )

    def _start_server(self, now: float) -> None:
        if self._drain is not None or now < self._next_start or not self._can_start():
            return
        for port in (self._endpoint.rest_port, self._endpoint.grpc_port):
            if probe.accepts("127.0.0.1", port, deadline=1.0):
                self._count_end(now, 0.0, f"port {port} is another process's")
                return
        served = self._write_configuration()
        try:
            process = ServerProcess(self._arguments(), self._directory.path)
        except Exception:
            self._ended = True
            raise
        self._starts += 1
        self._run = _Run(process, now, served, judged=self._eyes.newest.number)
        self._narrate(f"started the server, process {process.pid}")

    def _can_start(self) -> bool:
        """Whether every model has a version here, or cannot have one now while another has."""
        ready = [bool(steering.served) for steering in self._steering.values()]
        tried = [fetcher.has_tried for fetcher in self._fetchers.values()]
        return any(ready) and all(here or done for here, done in zip(ready, tried, strict=True))

    def _arguments(self) -> list[str]:
        path = self._directory.path
        monitoring = self._directory.write(config_files.MONITORING, config_files.monitoring_config())
        batching, spec = path / config_files.BATCHING, self._spec
        if spec.serving.batching is not None:
            text = config_files.batching_parameters(spec.serving.batching, spec.resources.cpus)
            self._directory.write(config_files.BATCHING, text)
        models = path / config_files.MODELS
        return steered_arguments(
            spec, self._endpoint, models=str(models), monitoring=str(monitoring), batching=str(batching)
        )

    def _write_configuration(self) -> Mapping[str, tuple[int, ...]]:
        """Tell the server what to serve, where that has changed."""
        served = self._wanted_of_server()
        models = [
            ServedModel(name, str(self._fetchers[name].directory), versions, self._labels(name))
            for name, versions in served.items()
        ]
        text = config_files.steering_config(models)
        if text != self._written:
            self._directory.write(config_files.MODELS, text)
            self._written = text
        return served

    def _wanted_of_server(self) -> dict[str, tuple[int, ...]]:
        """The versions of each model that the server is to have; a model that has none yet is left out."""
        wanted = {}
        for name, steering in self._steering.items():
            versions = steering.served
            if self._model(name).swap is Swap.REPLACE and steering.trial and steering.trial.resume_at is None:
                versions = (steering.trial.candidate.version,)
            if versions:
                wanted[name] = versions
        return wanted

    def _labels(self, name: str) -> Mapping[str, int]:
        good, fetched = self._steering[name].good, self._fetchers[name].fetched
        if good is None:
            return {}
        is_canary = fetched is not None and fetched.is_canary and fetched.candidate == good
        return {"stable": good.version, **({"canary": good.version} if is_canary else {})}

    def _attend(self, run: _Run, now: float) -> None:
        """Look after the server that runs."""
        code = run.process.exit_code()
        if code is not None:
            self._server_died(run, code, now)
            return
        wanted = self._wanted_of_server()
        if wanted != run.served:
            if self._needs_restart(run, wanted):
                if self._drain is None:
                    self._begin_drain(now, "another version takes the place of the one in memory", _Then.RESTART)
            elif self._drain is None:
                run.served = self._write_configuration()
        elif self._drain is None:
            self._write_configuration()
        self._watch(run)
        look = self._eyes.newest
        if look.number > run.judged and look.at >= run.begun and self._drain is None:
            run.judged = look.number
            self._judge(run, look, now)

    def _needs_restart(self, run: _Run, wanted: Mapping[str, tuple[int, ...]]) -> bool:
        return any(
            self._model(name).swap is Swap.REPLACE and name in run.served and run.served[name] != versions
            for name, versions in wanted.items()
        )

    def _watch(self, run: _Run) -> None:
        """Say what to look at, and how often."""
        if self._drain is not None:
            checks = [ModelCheck(name) for name in run.served]
            self._eyes.watch(checks, interval=DRAINING, predict=False)
            return
        checks = [
            ModelCheck(name, self._model(name).example, version)
            for name, versions in run.served.items()
            for version in versions
        ]
        steady = run.pulse.proved and not any(steering.trial for steering in self._steering.values())
        interval = float(self._spec.supervise.check_interval) if steady else SOON
        if steady and run.pulse.failures:
            interval = AFTER_FAILURE
        self._eyes.watch(checks, interval=interval, predict=True)

    def _judge(self, run: _Run, look: Look, now: float) -> None:
        for name in run.served:
            steering, turn = judge_trial(self._steering[name], look.sights.get(name), now, self._policy)
            self._turned(name, steering, turn)
        why, prediction = self._failure(run, look)
        before = run.pulse
        run.pulse = beat(before, why, prediction, look.counts.total if look.counts else None)
        if run.pulse.proved and not before.proved:
            self._alarm.resolve("server", "it answers")
            self._narrate("the server answers")
        if is_wedged(run.pulse, self._spec.supervise.failures):
            self._end_server(run, now, f"it does not recover: {why}")
        elif not run.pulse.proved and (why := self._hopeless(look, now - run.begun)):
            self._end_server(run, now, why)

    def _failure(self, run: _Run, look: Look) -> tuple[str, Prediction | None]:
        """Why the good versions are not all well, and the prediction that says so; nothing where they are."""
        for name in run.served:
            good = self._steering[name].good
            sight = look.sights.get(name)
            if sight is None:
                told = look.error or f"HTTP {look.status}"
                return f"no status of {name}: {look.contact.value}, {told}", None
            if good is None:
                return f"no version of {name} has answered yet", None
            if good.version not in sight.predictions:
                return f"version {good.version} of {name} is not AVAILABLE", None
            prediction = sight.predictions[good.version]
            if why := failure_of(prediction):
                return f"version {good.version} of {name}: {why}", prediction
        return "", None

    def _hopeless(self, look: Look, age: float) -> str:
        """Why a server that has not yet answered never will; empty while it may."""
        if age > self._spec.supervise.startup_deadline:
            return f"it did not answer within {self._spec.supervise.startup_deadline} s"
        if age < BOTH_PORTS:
            return ""
        if look.contact is Contact.REFUSED and probe.accepts("127.0.0.1", self._endpoint.grpc_port, deadline=1.0):
            return "it opened gRPC and not REST: another process has the port"
        if look.contact is Contact.ANSWERED and look.status == 404:
            return f"another server answers on port {self._endpoint.rest_port}: {look.error}"
        return ""

    def _end_server(self, run: _Run, now: float, why: str) -> None:
        self._last_exit = run.process.stop()
        self._run = None
        self._blame_trials(now, why)
        self._count_end(now, now - run.begun, why)

    def _server_died(self, run: _Run, code: int, now: float) -> None:
        self._run, self._last_exit = None, code
        why = f"the server ended with {code}"
        if self._drain is None or self._then is _Then.HOLD:
            self._blame_trials(now, why)
            self._count_end(now, now - run.begun, why)

    def _blame_trials(self, now: float, why: str) -> None:
        for name, steering in self._steering.items():
            self._turned(name, *failed_load(steering, why, now, self._policy))

    def _count_end(self, now: float, lived: float, why: str) -> None:
        policy = self._spec.supervise
        self._backoff = self._backoff.ended(now, lived, float(policy.restart_window))
        pause = self._backoff.pause(float(policy.max_backoff))
        self._next_start = now + pause
        self._narrate(f"{why}; starting it again in {pause:g} s")
        self._alarm.fire(Alert("server", "the model server had to be started again", "warning", {"why": why}))
        if self._backoff.exhausted(policy.restarts):
            window = policy.restart_window
            what = f"the model server ended more than {policy.restarts} times in {window} s: leaving this container"
            self._narrate(what)
            self._alarm.fire(Alert("server", what, "critical", {"why": why}))
            self._code, self._ended = LEFT, True

    def _turned(self, name: str, steering: Steering, turn: Turn | None) -> None:
        """Take over what was decided of a model, and tell of it."""
        self._steering[name] = steering
        if turn is None:
            return
        if turn.what == "good":
            self._steering[name] = replace(steering, since=self._now())
            self._alarm.resolve(f"version {name}", f"version {turn.version} is served")
        if turn.what in ("good", "refused"):
            self._directory.remember(self._steering)
        told = {"good": "is served", "trying": "is tried", "retrying": "is taken back for now", "refused": "is refused"}
        self._narrate(f"{name}: version {turn.version} {told[turn.what]}" + (f": {turn.why}" if turn.why else ""))
        if turn.what in ("retrying", "refused"):
            severity = "critical" if turn.what == "refused" else "warning"
            what = f"version {turn.version} of {name} {told[turn.what]}"
            self._alarm.fire(Alert(f"version {name}", what, severity, {"why": turn.why}))

    def _say_how_it_is(self, now: float) -> None:
        state, why = self._state(now)
        if state != self._report.state:
            self._narrate(f"{state}: {why}")
        run, look = self._run, self._eyes.newest
        counts = look.counts if run is not None and look.at >= run.begun else None
        self._report = replace(
            self._report,
            state=state,
            why=why,
            models=tuple(map(self._model_report, self._spec.models)),
            server_pid=run.process.pid if run else None,
            server_starts=self._starts,
            last_exit=self._last_exit,
            requests=counts.total if counts else self._report.requests if run else None,
            failed=counts.failed if counts else self._report.failed if run else None,
            at=now,
        )

    def _state(self, now: float) -> tuple[str, str]:
        if self._drain is not None:
            if self._then is _Then.END:
                return "ending", self._drain.why
            drained = self._then is _Then.HOLD and self._is_drained(now)
            return ("drained" if drained else "draining"), self._drain.why
        if self._run is None:
            if self._starts:
                return "failing", "the server is started again"
            missing = next((each.trouble for each in self._fetchers.values() if each.trouble), "")
            return "starting", missing or "the models are being fetched"
        pulse = self._run.pulse
        if not pulse.proved:
            return "starting", pulse.why or "the server loads"
        if pulse.failures >= NOT_READY:
            return "failing", pulse.why
        missing = next((name for name in self._steering if name not in self._run.served), "")
        if missing:
            return "failing", f"model {missing} is not here: {self._fetchers[missing].trouble}"
        return "ready", "every model has answered"

    def _model_report(self, model: ModelSpec) -> ModelReport:
        steering, fetcher = self._steering[model.name], self._fetchers[model.name]
        fetched = fetcher.fetched
        return ModelReport(
            model.name,
            version=steering.good.version if steering.good else None,
            since=steering.since if steering.good else None,
            wanted=fetched.candidate.version if fetched else None,
            is_canary=fetched is not None and fetched.is_canary,
            trial=steering.trial.candidate.version if steering.trial else None,
            refused=steering.refused.get(fetched.candidate.identity, "") if fetched else "",
            trouble=fetcher.trouble,
        )

    def _model(self, name: str) -> ModelSpec:
        return next(model for model in self._spec.models if model.name == name)


def _ports(endpoint: Endpoint) -> dict[str, int]:
    return {"rest": endpoint.rest_port, "grpc": endpoint.grpc_port, "agent": endpoint.agent_port or 0}
