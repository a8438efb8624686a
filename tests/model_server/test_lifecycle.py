"""Which version is loaded, served and forgotten, poll by poll, with the digits model on a local disk."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.model_server.processes import add_version
from tests.support import wait_until
from yarnserve.sandbox.model_server.loading import Job, Loading, in_threads, inline
from yarnserve.sandbox.model_server.manager import Manager
from yarnserve.sandbox.model_server.model_config import ModelConfig, VersionPolicy
from yarnserve.sandbox.model_server.models import Models
from yarnserve.sandbox.model_server.servable import Servable, load
from yarnserve.sandbox.model_server.shared import Shared
from yarnserve.sandbox.model_server.source import LocalSource, versions
from yarnserve.sandbox.model_server.status import Code, ServingError


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """An empty base path."""
    path = tmp_path / "model"
    path.mkdir()
    return path


@pytest.fixture
def pauses() -> list[float]:
    """Every pause between two attempts, instead of waiting."""
    return []


@pytest.fixture
def manager(base: Path, pauses: list[float]) -> Manager:
    """A manager that retries twice."""
    return Manager(ModelConfig("digits", str(base)), shared(max_retries=2, retry_seconds=60.0, sleep=pauses.append))


def shared(
    start: Callable[[Job], None] = inline,
    *,
    max_retries: int = 0,
    retry_seconds: float = 0,
    sleep: Callable[[float], None] = time.sleep,
) -> Shared:
    """Local models, loaded for real; without more, one attempt each."""
    loader = partial(load, prefer_tflite=True)
    return Shared(
        Loading(loader, max_retries=max_retries, retry_seconds=retry_seconds, sleep=sleep), LocalSource, start
    )


def served(manager: Manager, version: int | None = None) -> int:
    """The version that answers."""
    with manager.use(version) as (number, _):
        return number


def poll(manager: Manager) -> None:
    """Look once at the base path."""
    Models([manager]).poll()


def states(manager: Manager) -> dict[int, str]:
    """State by version, in the order of the status answer."""
    return {version: status.state for version, status in manager.statuses().items()}


def test_highest_version_only(manager: Manager, base: Path) -> None:
    """Of several versions the highest number is loaded, by number and not by name."""
    for name in ("9", "10", "2"):
        add_version(base, name)
    poll(manager)
    assert states(manager) == {10: "AVAILABLE"}
    assert served(manager) == 10


def test_newer_version(manager: Manager, base: Path) -> None:
    """A newer version takes over; the older one ends without an error and stays listed, below it."""
    for name in ("1", "2"):
        add_version(base, name)
        poll(manager)
    assert list(states(manager).items()) == [(2, "AVAILABLE"), (1, "END")]
    assert manager.statuses()[1].error is None
    with pytest.raises(ServingError, match=r"Servable not found for request: Specific\(digits, 1\)"):
        served(manager, 1)


def test_failed_version_is_not_tried_again(manager: Manager, base: Path, pauses: list[float]) -> None:
    """A newer version that cannot be loaded is retried, ends with its error, and the old one goes on serving."""
    add_version(base, "1")
    poll(manager)
    broken = add_version(base, "2", broken=True)
    poll(manager)
    error = manager.statuses()[2].error
    assert states(manager) == {2: "END", 1: "AVAILABLE"}
    assert error is not None
    assert error.message == f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {broken}"
    assert pauses == [60.0, 60.0]
    shutil.copytree(base / "1", broken, dirs_exist_ok=True)
    poll(manager)
    assert states(manager) == {2: "END", 1: "AVAILABLE"}
    assert pauses == [60.0, 60.0]


def test_failed_version_that_went_away(manager: Manager, base: Path) -> None:
    """Once its directory has gone and come back, a failed version is tried again."""
    add_version(base, "1")
    add_version(base, "2", broken=True)
    poll(manager)
    assert states(manager) == {2: "END"}
    (base / "2").rmdir()
    poll(manager)
    assert states(manager) == {2: "END", 1: "AVAILABLE"}
    add_version(base, "2")
    poll(manager)
    assert states(manager) == {2: "AVAILABLE", 1: "END"}


def test_rollback_by_removal(manager: Manager, base: Path) -> None:
    """When the newest directory is removed, the next lower version is loaded again and the removed one unloaded."""
    for name in ("1", "2"):
        add_version(base, name)
        poll(manager)
    shutil.rmtree(base / "2")
    poll(manager)
    assert states(manager) == {2: "END", 1: "AVAILABLE"}


def test_all_versions_removed(manager: Manager, base: Path) -> None:
    """An empty base path unloads everything."""
    add_version(base, "1")
    poll(manager)
    shutil.rmtree(base / "1")
    poll(manager)
    assert states(manager) == {1: "END"}
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(digits\)"):
        served(manager)


def test_base_path_removed(manager: Manager, base: Path) -> None:
    """A base path that is not there at all changes nothing."""
    add_version(base, "1")
    poll(manager)
    shutil.rmtree(base)
    poll(manager)
    assert states(manager) == {1: "AVAILABLE"}


def test_status_while_retrying(base: Path) -> None:
    """Between attempts a failing version is LOADING without an error."""
    seen = []
    manager = Manager(
        ModelConfig("digits", str(base)),
        shared(max_retries=1, retry_seconds=1.0, sleep=lambda _: seen.append(manager.statuses()[3])),
    )
    add_version(base, "3", broken=True)
    poll(manager)
    assert [(status.state, status.error) for status in seen] == [("LOADING", None)]


def test_truncated_model(manager: Manager, base: Path) -> None:
    """Half a model.tflite is a failed load, not a crash."""
    model = add_version(base, "1") / "model.tflite"
    model.write_bytes(model.read_bytes()[:50_000])
    poll(manager)
    error = manager.statuses()[1].error
    assert error is not None
    assert error.message.startswith("Failed to load model.tflite: ")


def test_unreadable_model(manager: Manager, base: Path) -> None:
    """A model that is there and cannot be read, and a version that is no directory, are failed loads too."""
    (base / "1" / "model.tflite").mkdir(parents=True)
    poll(manager)
    (base / "2").write_text("")
    poll(manager)
    assert states(manager) == {2: "END", 1: "END"}
    assert all(status.error for status in manager.statuses().values())


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["5", "00005"], {5: "00005"}),
        (["-3", "+4", " 6"], {-3: "-3", 4: "+4", 6: " 6"}),
        (["5.tmp", ".5", "_tmp_5", "5._COPYING_", "v5", "20240101T00", "", "٣"], {}),
        (["9223372036854775807", "9223372036854775808"], {9223372036854775807: "9223372036854775807"}),
    ],
)
def test_version_names(names: list[str], found: dict[int, str]) -> None:
    """Names that read as 64-bit numbers are versions, others are not (tf-serving.md 5.1)."""
    assert versions(names) == found


def with_policy(base: Path, policy: VersionPolicy) -> Manager:
    """A manager that does not retry, of versions 1, 2 and 3."""
    for name in ("1", "2", "3"):
        add_version(base, name)
    return Manager(ModelConfig("digits", str(base), policy), shared())


@pytest.mark.parametrize(
    ("policy", "loaded"),
    [
        (VersionPolicy(), [3]),
        (VersionPolicy(latest=2), [3, 2]),
        (VersionPolicy(latest=0), [3, 2, 1]),
        (VersionPolicy(specific=frozenset({1, 9})), [1]),
    ],
)
def test_version_policy(base: Path, policy: VersionPolicy, loaded: list[int]) -> None:
    """The latest ones, all, or those named are loaded; a named one that is not there is no error."""
    manager = with_policy(base, policy)
    poll(manager)
    assert states(manager) == dict.fromkeys(loaded, "AVAILABLE")


def test_of_two_latest_the_oldest_goes(base: Path) -> None:
    """With two versions served a third one that is new ends the lowest."""
    manager = with_policy(base, VersionPolicy(latest=2))
    poll(manager)
    add_version(base, "4")
    poll(manager)
    assert states(manager) == {4: "AVAILABLE", 3: "AVAILABLE", 2: "END"}


def test_one_missing_base_path_stops_discovery_for_all(tmp_path: Path) -> None:
    """While one model's base path is missing no other model is followed, whichever comes first in the file."""
    both = shared()
    managers = [Manager(ModelConfig(name, str(tmp_path / name)), both) for name in ("here", "missing")]
    models = Models(managers)
    add_version(tmp_path / "here", "1")
    models.poll()
    assert states(managers[0]) == {}
    assert not models.has_started
    add_version(tmp_path / "missing", "1")
    models.poll()
    assert states(managers[0]) == states(managers[1]) == {1: "AVAILABLE"}
    assert models.has_started
    assert models.failure() is None


def test_one_broken_model_takes_all_down(tmp_path: Path) -> None:
    """A server of several models cannot start when one of them cannot be loaded, and names that one alone."""
    both = shared()
    for name in ("good", "bad"):
        add_version(tmp_path / name, "7", broken=name == "bad")
    models = Models([Manager(ModelConfig(name, str(tmp_path / name)), both) for name in ("good", "bad")])
    models.poll()
    failure = models.failure()
    assert failure is not None
    assert failure.message.startswith("1 servable(s) did not become available: {{{name: bad version: 7} due to error: ")


def test_a_version_that_is_retried_holds_nothing_up(base: Path) -> None:
    """With a thread for loads the loop unloads, and other versions' statuses change, while a broken one is retried."""
    paused, goes_on = threading.Event(), threading.Event()

    def sleep(_: float) -> None:
        paused.set()
        assert goes_on.wait(10)

    manager = Manager(
        ModelConfig("digits", str(base), VersionPolicy(latest=0)),
        shared(in_threads(1), max_retries=9, retry_seconds=1, sleep=sleep),
    )
    for name in ("1", "2"):
        add_version(base, name)
    poll(manager)
    wait_until(lambda: states(manager) == {2: "AVAILABLE", 1: "AVAILABLE"})
    add_version(base, "3", broken=True)
    poll(manager)
    assert paused.wait(10)
    shutil.rmtree(base / "1")
    poll(manager)
    assert states(manager) == {3: "LOADING", 2: "AVAILABLE", 1: "END"}
    goes_on.set()
    wait_until(lambda: states(manager)[3] == "END")


def test_retries_end_when_the_version_goes(base: Path) -> None:
    """With a thread for loads a version that is wanted no longer has one attempt left; when it comes back it is new."""
    paused, goes_on, attempts = threading.Event(), threading.Event(), []

    def sleep(_: float) -> None:
        paused.set()
        assert goes_on.wait(10)

    loading = Loading(
        partial(load, prefer_tflite=True),
        max_retries=9,
        retry_seconds=1,
        sleep=sleep,
        count=lambda path, succeeded: attempts.append(succeeded),
    )
    manager = Manager(ModelConfig("digits", str(base)), Shared(loading, start=in_threads(1)))
    broken = add_version(base, "3", broken=True)
    poll(manager)
    assert paused.wait(10)
    broken.rmdir()
    poll(manager)
    goes_on.set()
    wait_until(lambda: states(manager) == {3: "END"})
    assert attempts == [False, False]
    add_version(base, "3")
    poll(manager)
    wait_until(lambda: states(manager) == {3: "AVAILABLE"})


def test_a_version_that_loads_after_it_went(base: Path) -> None:
    """What was wanted no longer when it was loaded does not serve, and its status says that it was cancelled."""
    loads, goes_on = threading.Event(), threading.Event()

    def wait_and_load(directory: Path, path: str) -> Servable:
        loads.set()
        assert goes_on.wait(10)
        return load(directory, path, prefer_tflite=True)

    loading = Loading(wait_and_load, max_retries=0, retry_seconds=0)
    manager = Manager(ModelConfig("digits", str(base)), Shared(loading, start=in_threads(1)))
    add_version(base, "3")
    poll(manager)
    assert loads.wait(10)
    manager.aspire({})
    manager.act()
    goes_on.set()
    error = wait_until(lambda: manager.statuses()[3].error)
    assert error.code is Code.CANCELLED
    with pytest.raises(ServingError, match="Servable not found"):
        served(manager)
