"""Keeps one model server running: tells it what to serve, starts it, watches it, ends it when nothing else helps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from yarnserve import probe
from yarnserve.agent.eyes import Eyes, Look
from yarnserve.agent.models import Models, Served
from yarnserve.agent.server import ServerProcess
from yarnserve.agent.state import AgentDirectory
from yarnserve.alerts.records import Alarm, Alert
from yarnserve.errors import YarnserveError
from yarnserve.judge.backoff import FIRST, Backoff
from yarnserve.judge.busy import Ours, ours_of
from yarnserve.judge.pulse import Pulse, beat, is_wedged
from yarnserve.records.replica import Contact, Endpoint, ModelCheck
from yarnserve.serving import config_files
from yarnserve.serving.arguments import steered_arguments
from yarnserve.spec.model import ServiceSpec

#: Seconds between two looks: while something changes, and while requests are let out.
SOON = 0.5
DRAINING = 0.2

#: Seconds after a first failure until the next look (design.md 7).
AFTER_FAILURE = 2.0

#: Failed looks in a row after which callers are sent elsewhere.
NOT_READY = 2

#: Seconds that gRPC may be open before REST is, and that somebody else may answer, at a start.
BOTH_PORTS = 5.0


@dataclass
class _Run:
    """One life of the model server; *judged* is the number of the last look that was judged."""

    process: ServerProcess
    begun: float
    served: Served
    judged: int
    has_answered: bool = False
    pulse: Pulse = field(default_factory=Pulse)


class Keeper:
    """The model server of one replica.

    Args:
        spec: the service.
        endpoint: where the server listens.
        models: what it is to serve.
        directory: its working directory.
        eyes: what looks at it.
        alarm: told when it had to be started again.
        narrate: told what happens, in words.
    """

    def __init__(
        self,
        spec: ServiceSpec,
        endpoint: Endpoint,
        models: Models,
        directory: AgentDirectory,
        eyes: Eyes,
        *,
        alarm: Alarm,
        narrate: Callable[[str], None],
    ) -> None:
        self._spec = spec
        self._endpoint = endpoint
        self._models = models
        self._directory = directory
        self._eyes = eyes
        self._alarm = alarm
        self._narrate = narrate
        self._run: _Run | None = None
        self._written = ""
        self._is_untold = False
        self._backoff = Backoff()
        self._next_start = 0.0
        self.starts = 0
        self.last_exit: int | None = None

    @property
    def pid(self) -> int | None:
        """The server's process; None while none runs."""
        return self._run.process.pid if self._run else None

    @property
    def memory_bytes(self) -> int | None:
        """What it holds in memory; None while none runs."""
        return self._run.process.memory_bytes() if self._run else None

    @property
    def is_hopeless(self) -> bool:
        """Whether it ended so often that it will not get well in this container."""
        return self._backoff.exhausted(self._spec.supervise.restarts)

    @property
    def wants_restart(self) -> bool:
        """Whether another version has to take the place of the one in memory."""
        return self._run is not None and self._models.needs_restart(self._run.served, self._models.wanted_of_server())

    @property
    def look(self) -> Look | None:
        """The newest look at the server that runs; None before there is one."""
        look = self._eyes.newest
        return look if self._run is not None and look.at >= self._run.begun else None

    @property
    def may_have_callers(self) -> bool:
        """Whether it has answered anything: before that its ports are closed."""
        return self._run is not None and self._run.has_answered

    def keep(self, now: float, *, draining: bool) -> None:
        """Do what is due: start a server, tell it what is new, judge what was seen of it.

        Raises:
            ConfigurationError: there is no model server here.
        """
        if self._run is None:
            if not draining and now >= self._next_start and self._models.can_be_served:
                self._start(now)
            return
        code = self._run.process.exit_code()
        if code is not None:
            self._died(self._run, code, now)
            return
        if not draining and not self.wants_restart:
            self._tell(self._run)
        self._watch(self._run, draining=draining)
        look = self._eyes.newest
        if not draining and look.number > self._run.judged and look.at >= self._run.begun:
            self._run.judged = look.number
            self._judge(self._run, look, now)

    def stop(self, now: float) -> None:
        """End the server, if one runs; the next may start at once."""
        if self._run is not None:
            self.last_exit = self._run.process.stop()
            self._run = None
        self._next_start = now

    def state(self) -> tuple[str, str]:
        """How it is in a word and in a sentence: ``starting``, ``ready`` or ``failing``."""
        if self._run is None:
            if self.starts:
                return "failing", "the server is started again"
            return "starting", self._models.lacking({}) or "the server is about to be started"
        pulse = self._run.pulse
        if not pulse.proved:
            return "starting", pulse.why or "the server loads"
        if pulse.failures >= NOT_READY:
            return "failing", pulse.why
        lacking = self._models.lacking(self._run.served)
        return ("failing", lacking) if lacking else ("ready", "every model has answered")

    def _start(self, now: float) -> None:
        # Somebody may have removed the file, without which no server starts.
        self._written = ""
        for port in (self._endpoint.rest_port, self._endpoint.grpc_port):
            if probe.accepts("127.0.0.1", port, deadline=1.0):
                self._count_end(now, 0.0, f"port {port} is another process's")
                return
        try:
            served, arguments = self._configure(), self._arguments()
        except YarnserveError as error:
            self._count_end(now, 0.0, f"{error.what}: {error.why}")
            return
        process = ServerProcess(arguments, self._directory.path)
        self.starts += 1
        self._run = _Run(process, now, served, judged=self._eyes.newest.number)
        self._narrate(f"started the server, process {process.pid}")

    def _arguments(self) -> list[str]:
        spec, path = self._spec, self._directory.path
        monitoring = self._directory.write(config_files.MONITORING, config_files.monitoring_config())
        if spec.serving.batching is not None:
            text = config_files.batching_parameters(spec.serving.batching, spec.resources.cpus)
            self._directory.write(config_files.BATCHING, text)
        return steered_arguments(
            spec,
            self._endpoint,
            models=str(path / config_files.MODELS),
            monitoring=str(monitoring),
            batching=str(path / config_files.BATCHING),
        )

    def _tell(self, run: _Run) -> None:
        """Tell a server that runs what to serve; on a full disk it goes on with what it has."""
        try:
            run.served = self._configure()
        except YarnserveError as error:
            if not self._is_untold:
                self._narrate(f"the server cannot be told what to serve, and goes on as it is: {error.why}")
                self._alarm.fire(Alert.of("directory", error, severity="critical"))
            self._is_untold = True
        else:
            if self._is_untold:
                self._alarm.resolve("directory", "the server was told what to serve")
            self._is_untold = False

    def _configure(self) -> Served:
        """Write what the server is to serve, where that has changed, and return it."""
        text = config_files.steering_config(self._models.configured())
        if text != self._written:
            self._directory.write(config_files.MODELS, text)
            self._written = text
        return self._models.wanted_of_server()

    def _watch(self, run: _Run, *, draining: bool) -> None:
        """Say what to look at, and how often."""
        if draining:
            # A prediction of ours would be counted as a caller's.
            self._eyes.watch([ModelCheck(name) for name in run.served], interval=DRAINING, predict=False)
            return
        interval = SOON
        if run.pulse.proved and not self._models.are_trying:
            interval = AFTER_FAILURE if run.pulse.failures else float(self._spec.supervise.check_interval)
        self._eyes.watch(self._models.checks(run.served), interval=interval, predict=True)

    def _judge(self, run: _Run, look: Look, now: float) -> None:
        run.has_answered |= look.contact is Contact.ANSWERED
        self._models.judge(look.sights, now)
        failure = self._models.failure(run.served, look.sights)
        why = failure.why if failure else ""
        if look.contact is Contact.REFUSED and not run.pulse.proved:
            why = "the server loads"
        elif why and look.contact is not Contact.ANSWERED:
            why = f"{why}: {look.contact.value}, {look.error}"
        was_proved = run.pulse.proved
        # The model's own: predictions that others answer do not make it well.
        counts = look.counts.get(failure.model) if look.counts is not None and failure else None
        sight = look.sights.get(failure.model) if failure else None
        run.pulse = beat(
            run.pulse,
            why,
            failure.prediction if failure else None,
            counts.answered if counts else None,
            ours_of(sight.predictions.values()) if sight else Ours(),
        )
        if run.pulse.proved and not was_proved:
            self._alarm.resolve("server", "it answers")
            self._narrate("the server answers")
        if is_wedged(run.pulse, self._spec.supervise.failures):
            self._give_up(run, now, f"it does not recover: {why}")
        elif not run.pulse.proved and (why := self._never(look, now - run.begun)):
            self._give_up(run, now, why)

    def _never(self, look: Look, age: float) -> str:
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

    def _give_up(self, run: _Run, now: float, why: str) -> None:
        self.last_exit = run.process.stop()
        self._run = None
        self._ended(run, now, why)

    def _died(self, run: _Run, code: int, now: float) -> None:
        self._run, self.last_exit = None, code
        why = f"the server ended with {code}"
        self._ended(run, now, why)

    def _ended(self, run: _Run, now: float, why: str) -> None:
        if self._models.blame_trials(why, now):
            # A bad version is tried a few times and then refused; its ends must not use up those of the good one.
            self._start_again(now, FIRST, why)
        else:
            self._count_end(now, now - run.begun, why)

    def _count_end(self, now: float, lived: float, why: str) -> None:
        policy = self._spec.supervise
        self._backoff = self._backoff.ended(now, lived, float(policy.restart_window))
        self._start_again(now, self._backoff.pause(float(policy.max_backoff)), why)

    def _start_again(self, now: float, pause: float, why: str) -> None:
        self._next_start = now + pause
        self._narrate(f"{why}; starting it again in {pause:g} s")
        self._alarm.fire(Alert("server", "the model server had to be started again", "warning", {"why": why}))
