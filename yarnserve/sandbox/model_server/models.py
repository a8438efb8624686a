"""All the models of one server: one poll over their base paths, and who answers for which name."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from yarnserve.sandbox.model_server.manager import Manager, VersionStatus
from yarnserve.sandbox.model_server.model_config import Batching
from yarnserve.sandbox.model_server.servable import Servable
from yarnserve.sandbox.model_server.status import Code, ServingError, invalid_argument, not_found


class Models:
    """The models of *managers*; *batching* limits the size of requests, None where it is off."""

    def __init__(self, managers: Sequence[Manager], batching: Batching | None = None) -> None:
        self._managers = {manager.model: manager for manager in managers}
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
        """Look once at every base path, and only then load and unload.

        The first path that cannot be listed ends the whole look, and no model is followed (tf-serving.md 5.1).
        """
        seen = []
        for manager in self._managers.values():
            found = manager.look()
            if found is None:
                return
            seen.append((manager, found))
        for manager, found in seen:
            manager.follow(found)

    def statuses(self, model: str) -> dict[int, VersionStatus]:
        """Return every version of *model* ever seen, highest first; none of a model that is not known."""
        manager = self._managers.get(model)
        return manager.statuses() if manager else {}

    def servable(self, model: str, version: int | None, label: str | None) -> tuple[int, Servable]:
        """Return a version that serves, the highest without a number and a label.

        Raises:
            ServingError: INVALID_ARGUMENT for a label that is not known, NOT_FOUND for anything else that is not.
        """
        manager = self._managers.get(model)
        if label is not None:
            if manager is None or label not in manager.labels:
                raise invalid_argument(f"Unrecognized servable version label: {label}")
            version = manager.labels[label]
        if manager is None:
            raise not_found(model, version)
        return manager.servable(version)

    @property
    def has_started(self) -> bool:
        """Whether each model has a version that serves or has ended: the ports open, or the server ends."""
        return all(manager.first_outcome() is not None for manager in self._managers.values())

    def failure(self) -> ServingError | None:
        """Return what a server that has started has to end with, None when every model serves."""
        outcomes = [(manager, manager.first_outcome()) for manager in self._managers.values()]
        failed = [manager for manager, outcome in outcomes if outcome is not None and outcome.error is not None]
        if not failed:
            return None
        ends = [
            f"{{{{name: {manager.model} version: {version}}} due to error: {status.error}}}, "
            for manager in failed
            for version, status in manager.statuses().items()
        ]
        return ServingError(Code.UNKNOWN, f"{len(ends)} servable(s) did not become available: {{{''.join(ends)}}}")
