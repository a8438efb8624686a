"""Which versions answer, and who still uses what answered before (tf-serving.md 5.5)."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from yarnserve.sandbox.model_server.servable import Servable
from yarnserve.sandbox.model_server.status import not_found


@dataclass
class _Generation:
    """One state of the map, never changed, and how many requests are under way with it."""

    serving: Mapping[str, Mapping[int, Servable]]
    users: int = 0

    def servable(self, model: str, version: int | None) -> tuple[int, Servable]:
        found = self.serving.get(model, {})
        number = version if version is not None else max(found, default=None)
        if number is None or number not in found:
            raise not_found(model, version)
        return number, found[number]


class ServingMap:
    """The versions that answer, by model.

    A change is seen at once by new requests, and returns when no request is left that began before it, of whatever
    model: TF Serving does so with its manager locked, which is why one prediction that hangs stops every change.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._condition = threading.Condition()
        self._now = _Generation({})

    def versions(self, model: str) -> set[int]:
        """Return the versions of *model* that answer."""
        return set(self._now.serving.get(model, ()))

    @contextmanager
    def use(self, model: str, version: int | None) -> Iterator[tuple[int, Servable]]:
        """Hand out a version that answers, the highest without a number, and keep it loaded for as long.

        Raises:
            ServingError: NOT_FOUND.
        """
        with self._condition:
            generation = self._now
            generation.users += 1
        try:
            yield generation.servable(model, version)
        finally:
            with self._condition:
                generation.users -= 1
                if not generation.users:
                    self._condition.notify_all()

    def put(self, model: str, version: int, servable: Servable) -> None:
        """Let a version answer."""
        with self._changing:
            self._replace(model, {**self._now.serving.get(model, {}), version: servable})

    def drop(self, model: str, version: int) -> None:
        """Let a version answer no longer."""
        with self._changing:
            serving = self._now.serving[model]
            self._replace(model, {number: each for number, each in serving.items() if number != version})

    def _replace(self, model: str, serving: Mapping[int, Servable]) -> None:
        with self._condition:
            before = self._now
            self._now = _Generation({**before.serving, model: serving})
            self._condition.wait_for(lambda: not before.users)
