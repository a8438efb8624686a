"""An application of a service: its ApplicationMaster attempts, one after the other, and its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from yarnserve.sandbox import definition
from yarnserve.sandbox.definition import Document
from yarnserve.sandbox.master import ApplicationMaster, Scheduler
from yarnserve.sandbox.node import NODE_LOST, NodeContainer, Resource
from yarnserve.sandbox.profile import Profile
from yarnserve.sandbox.states import AppState

_NO_ROOM = "Application is Activated, waiting for resources to be assigned for AM. "
_LAUNCHED = "AM container is launched, waiting for AM container to Register with RM"


class Resources(Scheduler, Protocol):
    """What an application needs of its cluster."""

    @property
    def is_recovering(self) -> bool:
        """Whether no ApplicationMaster has come back to a new ResourceManager yet."""

    def activation(self, application: Application) -> str:
        """Return why an application has to wait before its ApplicationMaster is placed, empty when it need not."""

    def release_application(self, application_id: str, now: float) -> None:
        """Kill every container the application still has."""


@dataclass
class Attempt:
    """One attempt of an ApplicationMaster; *container* is None while no node has room for it."""

    number: int
    started_at: float
    container: NodeContainer | None = None
    master: ApplicationMaster | None = None
    finished_at: float | None = None


class Application:
    """One application; *service* is the stored definition, so that the next attempt starts with what a flex left."""

    def __init__(
        self,
        cluster: Resources,
        timestamp: int,
        sequence: int,
        user: str,
        service: Document,
        now: float,
        profile: Profile,
    ) -> None:
        self.cluster = cluster
        self.timestamp = timestamp
        self.sequence = sequence
        self.id = f"application_{timestamp}_{sequence:04d}"
        self.user = user
        self.service = service
        self.profile = profile
        self.name: str = service["name"]
        self.queue: str = service.get("queue", "default")
        self._state = AppState.ACCEPTED
        self.final_status = "UNDEFINED"
        self.diagnostics = ""
        self.started_at = now
        self.launched_at: float | None = None
        self.finished_at: float | None = None
        self.expires_at: float | None = None
        self.killing = ""
        self.attempts = [Attempt(1, now)]
        self._kill_at = 0.0
        self.set_lifetime(service["lifetime"], now)

    @property
    def state(self) -> AppState:
        """Its state as the ResourceManager sees it: not RUNNING before its master has come back to a new one."""
        is_back = self._state is not AppState.RUNNING or not self.cluster.is_recovering
        return self._state if is_back else AppState.ACCEPTED

    @property
    def am_resource(self) -> Resource:
        """What its ApplicationMaster asks for."""
        return definition.am_resource(self.service, self.profile)

    @property
    def am_used(self) -> Resource:
        """What its ApplicationMaster takes now."""
        container = self.attempts[-1].container
        return container.resource if container is not None and not container.completed else Resource()

    @property
    def is_between_attempts(self) -> bool:
        """Whether it counts as RUNNING although its ApplicationMaster has just died (real-hadoop.md 7, item 7)."""
        return self.state is AppState.RUNNING and self.master is None

    @property
    def is_cut_off(self) -> bool:
        """Whether its ApplicationMaster went with its node, and nobody knows yet."""
        container = self.attempts[-1].container
        return container is not None and not container.completed and container.node.off_since is not None

    @property
    def master(self) -> ApplicationMaster | None:
        """The ApplicationMaster that answers now, if one does."""
        return None if self.state.ended or self.cluster.is_recovering else self.attempts[-1].master

    def set_lifetime(self, seconds: int, now: float) -> None:
        """Let the application be killed *seconds* from now; not positive is unlimited."""
        self.expires_at = now + seconds if seconds > 0 else None

    def remaining(self, now: float) -> int:
        """Return the seconds left of the lifetime: -1 without one, 0 once the application has ended."""
        if self.expires_at is None:
            return -1
        return 0 if self.state.ended else max(0, int(self.expires_at - now))

    def document(self, now: float) -> Document | None:
        """Return the whole service as the ApplicationMaster shows it; None while none answers."""
        if self.master is None:
            return None
        return {**self.master.document(), "id": self.id, "lifetime": self.remaining(now)}

    def attempt_id(self, attempt: Attempt) -> str:
        """Return ``appattempt_<timestamp>_<application>_<attempt>``."""
        return f"appattempt_{self.timestamp}_{self.sequence:04d}_{attempt.number:06d}"

    def container_id(self, attempt: int, sequence: int) -> str:
        """Return ``container_<timestamp>_<application>_<attempt>_<sequence>``; the master's sequence is 1.

        After a fail-over there is ``e<epoch>_`` before the time stamp (real-hadoop-ha.md 1).
        """
        epoch = f"e{self.cluster.epoch:02d}_" if self.cluster.epoch else ""
        return f"container_{epoch}{self.timestamp}_{self.sequence:04d}_{attempt:02d}_{sequence:06d}"

    def stop(self, now: float) -> None:
        """End it as its user asks: gracefully where a master answers, by a kill where none does yet."""
        if self.master is not None:
            self.master.stop(now)
            return
        origin = f"was killed by user {self.user} at 127.0.0.1 with diagnostic message"
        self._finish(
            AppState.KILLED,
            "KILLED",
            f"Application {self.id} {origin}: {self.name} is at ACCEPTED, forcefully killed by user!",
            now,
        )

    def reject(self, reason: str, now: float) -> None:
        """End it as the ResourceManager does with an application that it never accepts."""
        self._finish(AppState.FAILED, "FAILED", reason, now)

    def kill(self, user: str, now: float, reason: str = "") -> None:
        """Order a kill; it is carried out a heartbeat later."""
        if self.killing or self.state.ended:
            return
        self.killing = reason or f"Application {self.id} was killed by user {user}"
        self._kill_at = now + self.profile.heartbeat

    def advance(self, now: float) -> None:
        """Do what is due by *now*."""
        if self.state.ended:
            return
        if self.expires_at is not None and now >= self.expires_at:
            reason = "Application is killed by ResourceManager as it has exceeded the lifetime period."
            self._finish(AppState.KILLED, "KILLED", reason, now)
        elif self.killing and now >= self._kill_at:
            self._finish(AppState.KILLED, "KILLED", self.killing, now)
        else:
            self._advance_attempt(self.attempts[-1], now)

    def _advance_attempt(self, attempt: Attempt, now: float) -> None:
        if attempt.container is None:
            if now >= attempt.started_at + self.profile.restart_gap or attempt.number == 1:
                self._state = AppState.ACCEPTED
                self._place_master(attempt, now)
        elif self.is_cut_off:
            return
        elif attempt.container.completed:
            self._attempt_died(attempt, attempt.container.exit_code, now)
        elif attempt.master is None:
            if now >= attempt.container.allocated_at + self.profile.am_start:
                self._start_master(attempt, attempt.container, now)
        else:
            attempt.master.advance(now)
            self._take_exit(attempt, attempt.master, now)

    def _place_master(self, attempt: Attempt, now: float) -> None:
        resource = self.am_resource
        self.diagnostics = self.cluster.activation(self)
        node = None if self.diagnostics else self.cluster.allocate(resource)
        if node is None:
            self.diagnostics = self.diagnostics or _NO_ROOM
            return
        self.diagnostics = _LAUNCHED
        container_id = self.container_id(attempt.number, 1)
        attempt.container = node.place_master(container_id, resource, self.user, self.id, now)
        self.launched_at = self.launched_at or now

    def _start_master(self, attempt: Attempt, container: NodeContainer, now: float) -> None:
        try:
            attempt.master = ApplicationMaster(self, self.cluster, attempt.number, self._kept(), now)
        except ValueError as error:
            container.complete(1, f"java.lang.NumberFormatException: {error}\n", now)
            return
        self._state, self.diagnostics = AppState.RUNNING, ""
        if self._previous is not None:
            for unrecorded in self._previous.unrecorded_containers():
                unrecorded.kill(now)

    @property
    def _previous(self) -> ApplicationMaster | None:
        return self.attempts[-2].master if len(self.attempts) > 1 else None

    def _kept(self) -> list[tuple[str, int, NodeContainer]]:
        # containers outlive their ApplicationMaster and are handed to the next attempt (yarn-services.md 4.2)
        return self._previous.live_containers() if self._previous is not None else []

    def _take_exit(self, attempt: Attempt, master: ApplicationMaster, now: float) -> None:
        leaving = master.exit
        if leaving is None or now < leaving.at:
            return
        if leaving.final_status:
            self._finish(AppState.FINISHED, leaving.final_status, leaving.diagnostics, now)
        elif attempt.container is not None:
            attempt.container.complete(leaving.code, "", now)
            self._attempt_died(attempt, leaving.code, now)

    def _attempt_died(self, attempt: Attempt, code: int, now: float) -> None:
        attempt.finished_at = now
        failed = [each for each in self.attempts if each.container is None or each.container.exit_code != NODE_LOST]
        if len(failed) < self.profile.am_max_attempts:
            self.attempts.append(Attempt(attempt.number + 1, now))
            return
        diagnostics = (
            f"Application {self.id} failed {len(failed)} times due to AM Container for "
            f"{self.attempt_id(attempt)} exited with  exitCode: {code}\nFailing this attempt."
            f"Diagnostics: Exception from container-launch.\n"
            f"Container id: {self.container_id(attempt.number, 1)}\nExit code: {code}\n"
            f"For more detailed output, check the application tracking page. Then click on links to logs of "
            f"each attempt.\n. Failing the application."
        )
        self._finish(AppState.FAILED, "FAILED", diagnostics, now)

    def _finish(self, state: AppState, final_status: str, diagnostics: str, now: float) -> None:
        self._state, self.final_status, self.diagnostics = state, final_status, diagnostics
        self.finished_at = self.attempts[-1].finished_at = now
        master = self.attempts[-1].container
        if state is AppState.FINISHED and master is not None:
            master.leave(now)
        self.cluster.release_application(self.id, now)
