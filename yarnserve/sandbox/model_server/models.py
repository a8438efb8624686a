"""All the models of one server: one look over their base paths, and who answers for which name and label."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from yarnserve.sandbox.model_server.labels import Labels
from yarnserve.sandbox.model_server.manager import Manager, VersionStatus
from yarnserve.sandbox.model_server.model_config import Batching, ModelConfig
from yarnserve.sandbox.model_server.servable import Servable
from yarnserve.sandbox.model_server.status import Code, ServingError, invalid_argument, not_found


class Models:
    """The models of *managers*, and *labels* of their versions.

    *batching* limits the size of requests, None where it is off.
    """

    def __init__(
        self, managers: Sequence[Manager], batching: Batching | None = None, labels: Labels | None = None
    ) -> None:
        #: Replaced as a whole when they move, so that every request sees all of them as they were or as they are.
        self.labels: Labels = labels or {}
        self._configured = list(managers)
        self._managers = {manager.model: manager for manager in managers}
        self._source_lock = threading.Lock()
        self._batching = batching
        self._answers = threading.Event()
        self._answers.set()

    def hang(self) -> None:
        """Let every prediction wait from now on, as a wedged session does (tf-serving.md 7.5)."""
        self._answers.clear()

    def recover(self) -> None:
        """Let predictions go on."""
        self._answers.set()

    def run(self, servable: Servable, signature: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Infer; raises ServingError."""
        if self._batching is not None:
            self._batching.check(max((len(tensor) for tensor in inputs.values() if tensor.ndim), default=1))
        self._answers.wait()
        return servable.run(signature, inputs)

    def poll(self) -> None:
        """Look once at every base path, and only then load and unload."""
        self.look()
        self.act()

    def look(self) -> None:
        """Look once at every base path and take over what is wanted.

        The first path that cannot be listed ends the whole look, and nothing is taken over (tf-serving.md 5.1).
        """
        with self._source_lock:
            seen = []
            for manager in self._configured:
                wanted = manager.look()
                if wanted is None:
                    return
                seen.append((manager, wanted))
            for manager, wanted in seen:
                manager.aspire(wanted)

    def act(self) -> None:
        """Load and unload what has been taken over, also of models that are configured no longer."""
        for manager in list(self._managers.values()):
            manager.act()

    def configure(self, configs: Sequence[ModelConfig], manage: Callable[[ModelConfig], Manager]) -> list[Manager]:
        """Serve *configs* from the next look on, and nothing of any other model; return those that are new.

        A model that is gone keeps its manager, for its versions' statuses are never forgotten (tf-serving.md 4.2).
        """
        with self._source_lock:
            before, self._configured = self._configured, []
            for config in configs:
                manager = self._managers.get(config.name)
                if manager is None:
                    manager = self._managers[config.name] = manage(config)
                manager.configure(config)
                self._configured.append(manager)
            for manager in before:
                if manager not in self._configured:
                    manager.aspire({})
            new = [manager for manager in self._configured if manager not in before]
            for manager in new:
                manager.await_outcome()
        return new

    def statuses(self, model: str) -> dict[int, VersionStatus]:
        """Return every version of *model* ever seen, highest first; none of a model that is not known."""
        manager = self._managers.get(model)
        return manager.statuses() if manager else {}

    def available(self, model: str) -> set[int]:
        """Return the versions of *model* whose status is AVAILABLE."""
        return {version for version, status in self.statuses(model).items() if status.state == "AVAILABLE"}

    @contextmanager
    def use(self, model: str, version: int | None, label: str | None) -> Iterator[tuple[int, Servable]]:
        """Hand out a version that serves, the highest without a number and a label; it stays loaded for as long.

        Raises:
            ServingError: INVALID_ARGUMENT for a label that is not known, NOT_FOUND for anything else that is not.
        """
        if label is not None:
            version = self.labels.get(model, {}).get(label)
            if version is None:
                raise invalid_argument(f"Unrecognized servable version label: {label}")
        manager = self._managers.get(model)
        if manager is None:
            raise not_found(model, version)
        with manager.use(version) as found:
            yield found

    @property
    def has_started(self) -> bool:
        """Whether each model has a version that serves or has ended: the ports open, or the server ends."""
        return all(manager.outcome is not None for manager in self._configured)

    def failure(self) -> ServingError | None:
        """Return what a server that has started has to end with, None when every model serves."""
        failed = [manager for manager in self._configured if manager.outcome is not None and manager.outcome.error]
        if not failed:
            return None
        ends = [
            f"{{{{name: {manager.model} version: {version}}} due to error: {status.error}}}, "
            for manager in failed
            for version, status in manager.statuses().items()
        ]
        return ServingError(Code.UNKNOWN, f"{len(ends)} servable(s) did not become available: {{{''.join(ends)}}}")
