"""Configurations that a running server takes over, or refuses, with the digits model on a local disk."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.model_server.processes import add_version
from tests.support import wait_until
from yarnserve.sandbox.model_server.loading import Loading
from yarnserve.sandbox.model_server.loop import Loop
from yarnserve.sandbox.model_server.manager import Manager
from yarnserve.sandbox.model_server.model_config import ModelConfig, VersionPolicy
from yarnserve.sandbox.model_server.models import Models
from yarnserve.sandbox.model_server.reload import Reloader
from yarnserve.sandbox.model_server.servable import Servable, load
from yarnserve.sandbox.model_server.shared import Shared
from yarnserve.sandbox.model_server.status import ServingError


class Steered:
    """A server without ports: the model ``digits`` with versions 1, 2 and 3 on disk and version 1 served."""

    def __init__(self, base: Path, *, allow_unavailable: bool = False) -> None:
        self.base = base
        self.seen_while_loading: list[dict[int, str]] = []
        self.shared = Shared(Loading(self._load, max_retries=0, retry_seconds=0))
        for name in ("1", "2", "3"):
            add_version(base, name)
        self.models = Models([Manager(self.config(1), self.shared)])
        self.models.poll()
        self.reloader = Reloader(self.models, self.shared, allow_unavailable=allow_unavailable)

    def config(self, *versions: int, labels: Mapping[str, int] | None = None) -> ModelConfig:
        """The model with these versions, and labels."""
        return ModelConfig("digits", str(self.base), VersionPolicy(specific=frozenset(versions)), labels or {})

    def reload(self, *configs: ModelConfig) -> None:
        """Take configurations over, and look."""
        self.reloader.reload(configs)
        self.models.poll()

    def states(self, model: str = "digits") -> dict[int, str]:
        """State by version."""
        return {version: status.state for version, status in self.models.statuses(model).items()}

    def served(self, *, model: str = "digits", label: str | None = None) -> int:
        """The version that answers."""
        with self.models.use(model, None, label) as (number, _):
            return number

    def _load(self, directory: Path, path: str) -> Servable:
        if hasattr(self, "models"):
            self.seen_while_loading.append(self.states())
        return load(directory, path, prefer_tflite=True)


@pytest.fixture
def server(tmp_path: Path) -> Steered:
    """See there."""
    return Steered(tmp_path / "digits")


def test_a_second_version_joins(server: Steered) -> None:
    """A version that is added is served beside the first, and as the highest it answers."""
    server.reload(server.config(1, 2))
    assert server.states() == {2: "AVAILABLE", 1: "AVAILABLE"}
    assert server.served() == 2


def test_swap(server: Steered) -> None:
    """When one version takes another's place, the old one serves until the new one does."""
    server.reload(server.config(2))
    assert server.states() == {2: "AVAILABLE", 1: "END"}
    assert server.seen_while_loading[-1] == {2: "LOADING", 1: "AVAILABLE"}


def test_of_two_that_go_one_is_kept(server: Steered) -> None:
    """Two versions that are wanted no longer: the lower goes before the new one is loaded, the higher after it."""
    server.reload(server.config(1, 2))
    server.reload(server.config(3))
    assert server.seen_while_loading[-1] == {3: "LOADING", 2: "AVAILABLE", 1: "END"}
    assert server.states() == {3: "AVAILABLE", 2: "END", 1: "END"}


def test_another_base_path(server: Steered, tmp_path: Path) -> None:
    """After a move to another base path what is there is served; a number that serves already is not loaded anew."""
    add_version(tmp_path / "other", "1")
    add_version(tmp_path / "other", "9")
    loads = len(server.seen_while_loading)
    server.reload(ModelConfig("digits", str(tmp_path / "other"), VersionPolicy(latest=0)))
    assert server.states() == {9: "AVAILABLE", 1: "AVAILABLE"}
    assert len(server.seen_while_loading) == loads + 1


def test_a_model_that_is_removed(server: Steered) -> None:
    """Its versions are unloaded without a look at the disk, its statuses stay, and nobody finds it any more."""
    server.reloader.reload([])
    server.models.act()
    assert server.states() == {1: "END"}
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(digits\)"):
        server.served()


def test_a_model_that_comes_back(server: Steered) -> None:
    """A model that was removed is waited for like one that is new."""
    server.reload()
    with ThreadPoolExecutor(1) as pool:
        reloading = pool.submit(server.reloader.reload, [server.config(1)])
        wait_until(lambda: server.models.poll() or reloading.done())
        reloading.result()
    assert server.states() == {1: "AVAILABLE"}


@pytest.mark.parametrize("broken", [False, True])
def test_a_new_model_is_waited_for(server: Steered, tmp_path: Path, broken: bool) -> None:
    """A new model serves when its reload ends; if it cannot be loaded that is the error, and all else holds."""
    add_version(tmp_path / "new", "5", broken=broken)
    configs = [server.config(2), ModelConfig("new", str(tmp_path / "new"))]
    with ThreadPoolExecutor(1) as pool:
        reloading = pool.submit(server.reloader.reload, configs)
        wait_until(lambda: server.models.poll() or reloading.done())
        if broken:
            with pytest.raises(ServingError, match=r"Unknown: 1 model\(s\) did not become available: {{{name: new ver"):
                reloading.result()
        else:
            reloading.result()
    assert server.states("new") == {5: "END" if broken else "AVAILABLE"}
    assert server.states() == {2: "AVAILABLE", 1: "END"}


def test_a_label_moves(server: Steered) -> None:
    """A label goes to another version that serves, and requests by it follow."""
    server.reload(server.config(1, 2, labels={"stable": 1}))
    assert server.served(label="stable") == 1
    server.reload(server.config(1, 2, labels={"stable": 2}))
    assert server.served(label="stable") == 2


def test_a_label_that_is_gone(server: Steered) -> None:
    """A label that the next configuration does not have is unknown from then on."""
    server.reload(server.config(1, labels={"stable": 1}))
    server.reload(server.config(1))
    with pytest.raises(ServingError, match="Unrecognized servable version label: stable"):
        server.served(label="stable")


def test_a_label_of_what_does_not_serve(server: Steered) -> None:
    """It is refused, and so is all else of its configuration, however often it comes: labels are looked at first."""
    server.reload(server.config(1, labels={"stable": 1}))
    for _ in range(2):
        with pytest.raises(ServingError, match=r"^Failed precondition: Request to assign label to version 2 of model"):
            server.reload(server.config(1, 2, labels={"stable": 2}))
        server.models.poll()
    assert server.states() == {1: "AVAILABLE"}
    assert server.served(label="stable") == 1


def test_a_new_label_of_what_does_not_serve_yet(tmp_path: Path) -> None:
    """Where that is allowed, a new label comes with its version, and one in use still does not move there."""
    server = Steered(tmp_path / "digits", allow_unavailable=True)
    server.reload(server.config(1, 2, labels={"stable": 1, "canary": 2}))
    assert server.served(label="canary") == 2
    with pytest.raises(ServingError, match="assign label to version 3 of model digits"):
        server.reload(server.config(1, 2, 3, labels={"stable": 1, "canary": 3}))


@pytest.mark.parametrize(
    ("configs", "error"),
    [
        (None, "It is only legal to transition from one ModelConfigList to another."),
        ([ModelConfig("m", "/a"), ModelConfig("m", "/b")], "Illegal to list model m multiple times"),
        ([ModelConfig("m", "relative")], "to have an absolute path"),
    ],
)
def test_refused_configurations(server: Steered, configs: list[ModelConfig] | None, error: str) -> None:
    """A file without a list, a name twice and a relative path change nothing."""
    with pytest.raises(ServingError, match=error):
        server.reloader.reload(configs)
    server.models.poll()
    assert server.states() == {1: "AVAILABLE"}


def test_a_failed_version_has_to_go_first(server: Steered) -> None:
    """A version that has failed is tried again when it was not wanted in between, and not before."""
    model = server.base / "2" / "model.tflite"
    model.rename(server.base / "2" / "away")
    server.reload(server.config(1, 2))
    (server.base / "2" / "away").rename(model)
    server.reload(server.config(1, 2))
    assert server.states() == {2: "END", 1: "AVAILABLE"}
    server.reload(server.config(1))
    server.reload(server.config(1, 2))
    assert server.states() == {2: "AVAILABLE", 1: "AVAILABLE"}


def test_without_looks_what_is_removed_goes_at_once(server: Steered) -> None:
    """A loop that looks once acts on later removals all the same."""
    loop = Loop(server.models, server.shared.changes, 0)
    loop.turn()
    server.reloader.reload([])
    loop.turn()
    assert server.states() == {1: "END"}
