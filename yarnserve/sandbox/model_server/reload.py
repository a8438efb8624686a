"""The file of models, read again and again while the server runs (tf-serving.md 1.2, 3.1, 3.2, 5.6)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from yarnserve.sandbox.model_server.labels import resolve
from yarnserve.sandbox.model_server.log import log
from yarnserve.sandbox.model_server.manager import Manager
from yarnserve.sandbox.model_server.model_config import ModelConfig, check_models, read_models
from yarnserve.sandbox.model_server.models import Models
from yarnserve.sandbox.model_server.shared import Shared
from yarnserve.sandbox.model_server.status import Code, ServingError

_SERVER = "model_servers/server.cc"
_CORE = "model_servers/server_core.cc"


class Reloader:
    """Takes configurations into a server that runs, in TF Serving's order.

    Labels come first: they can only go to versions that serve already, and when one cannot, nothing else of the
    configuration is taken over either. Whoever moves a label has to load the version with one configuration and
    move the label with the next.

    Args:
        models: what is served.
        shared: what new models have in common with them.
        allow_unavailable: whether a new label may stand for a version that does not serve.
    """

    def __init__(self, models: Models, shared: Shared, *, allow_unavailable: bool) -> None:
        self._models = models
        self._shared = shared
        self._allow_unavailable = allow_unavailable

    def reload(self, configs: Sequence[ModelConfig] | None) -> None:
        """Serve *configs* and nothing else; wait for models that are new, for ever if need be.

        None is a file without any list, such as an empty one, and not a list of no models.

        Raises:
            ServingError: INVALID_ARGUMENT or FAILED_PRECONDITION, and nothing has changed; UNKNOWN, a new model cannot
                be loaded, and all else has changed.
        """
        if configs is None:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                "Cannot transition to requested config."
                " It is only legal to transition from one ModelConfigList to another.",
            )
        check_models(configs)
        models = self._models
        models.labels = resolve(configs, models.available, models.labels, allow_unavailable=self._allow_unavailable)
        log("I", _CORE, "Adding/updating models.")
        for config in configs:
            log("I", _CORE, f" (Re-)adding model: {config.name}")
        new = models.configure(configs, lambda config: Manager(config, self._shared))
        self._shared.changes.note()
        self._shared.changes.wait_for(lambda: all(manager.outcome is not None for manager in new))
        _check(new)
        log("I", _CORE, "Finished adding/updating models")


def _check(new: Sequence[Manager]) -> None:
    ends = [
        f"{{{{name: {manager.model} version: {version}}} due to error: {status.error}}}, "
        for manager in new
        for version, status in manager.statuses().items()
        if status.error is not None and status == manager.outcome
    ]
    if ends:
        raise ServingError(Code.UNKNOWN, f"{len(ends)} model(s) did not become available: {{{''.join(ends)}}}")


def follow(file: str, seconds: int, reload: Callable[[Sequence[ModelConfig] | None], None]) -> None:
    """Read *file* now and every so many *seconds*, changed or not, in a thread; mistakes are only logged."""

    def run() -> None:
        while True:
            read_again(file, reload)
            time.sleep(seconds)

    threading.Thread(target=run, daemon=True, name="config").start()


def read_again(file: str, reload: Callable[[Sequence[ModelConfig] | None], None]) -> None:
    """Read *file* once and take it over; a mistake is logged, and what is served stays."""
    try:
        configs = read_models(file)
    except ServingError as error:
        log("E", _SERVER, f"Failed to read ModelServerConfig file: {error.message}")
        return
    try:
        reload(configs)
    except ServingError as error:
        log("E", _SERVER, f"PollFilesystemAndReloadConfig failed to ReloadConfig: {error.message}")
