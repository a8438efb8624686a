"""Following a model: an alarm for each trouble and its end, other tries ever later, and waves of hosts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.models import write_model
from tests.sandbox.storage_support import HOME, closed_port, connected
from yarnserve.alerts.delivery import Alerts
from yarnserve.alerts.records import Notice, Sink
from yarnserve.errors import NotFoundError
from yarnserve.repository.channels import Channels
from yarnserve.repository.follow import Follower
from yarnserve.repository.local import LocalStore
from yarnserve.repository.pace import Pace
from yarnserve.repository.publish import publish
from yarnserve.repository.sync import Sync, SyncOptions
from yarnserve.storage.client import Storage

BASE = f"{HOME}/models/digits"


#: The steps that were told.
Told = list[tuple[str, Mapping[str, Any]]]


class Phone(Sink):
    """A sink that keeps what it gets."""

    words = "the phone"

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []

    def send(self, notice: Notice) -> None:
        """Take a call."""
        self.calls.append((notice.status, notice.alert.severity, notice.alert.summary))


class Naps:
    """Waits by hand: *acts* happen one after the other, each at the end of a wait; after the last one it is enough."""

    def __init__(self, *acts: Any) -> None:
        self.acts = list(acts)
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> bool:
        """Wait; whether it is enough."""
        self.seconds.append(seconds)
        if not self.acts:
            return True
        act = self.acts.pop(0)
        act()
        return False


def follower(sync: Sync, phone: Phone, naps: Naps, told: Told, seed: int = 1) -> Follower:
    """One with everything by hand."""
    alerts = Alerts([phone], clock=lambda: 1.0)
    return Follower(sync, alerts, "digits", Random(seed), naps, lambda step, about: told.append((step, about)))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A version to publish."""
    return write_model(tmp_path / "export", data=b"data")


def test_a_trouble_is_one_call_and_its_end_another(storage: Storage, model: Path, tmp_path: Path) -> None:
    """Nothing is published for three rounds, then it is: one alarm, tries ever later, then all is well."""
    phone, told = Phone(), Told()
    naps = Naps(lambda: None, lambda: None, lambda: publish(storage, model, BASE, 1), lambda: None)
    with LocalStore(tmp_path / "host") as store:
        follower(Sync(storage, BASE, store, SyncOptions()), phone, naps, told).run()
    assert [(status, severity) for status, severity, _ in phone.calls] == [
        ("firing", "critical"),
        ("resolved", "critical"),
    ]
    assert [step for step, _ in told] == ["failed"] * 3
    first, second, third, calm, _ = naps.seconds
    assert 0.8 <= first <= 1.2
    assert 1.6 <= second <= 2.4
    assert 3.2 <= third <= 4.8
    assert 8.0 <= calm <= 12.0


def test_hdfs_away_is_a_warning_and_what_is_served_stays(storage: Storage, model: Path, tmp_path: Path) -> None:
    """It may come back; nothing is removed."""
    publish(storage, model, BASE, 1)
    phone = Phone()
    with LocalStore(tmp_path / "host") as store:
        engine = Sync(storage, BASE, store, SyncOptions())
        engine.run(engine.wanted())
        with connected(closed_port()) as nobody:
            follower(Sync(nobody, BASE, store, SyncOptions()), phone, Naps(lambda: None), []).run()
    assert [(status, severity) for status, severity, _ in phone.calls] == [("firing", "warning")]
    assert (tmp_path / "host" / "1").exists()


def test_once_raises_what_failed(storage: Storage, tmp_path: Path) -> None:
    """For whoever started it, after the alarm."""
    phone = Phone()
    with LocalStore(tmp_path / "host") as store, pytest.raises(NotFoundError):
        follower(Sync(storage, BASE, store, SyncOptions()), phone, Naps(), []).once()
    assert len(phone.calls) == 1


@pytest.mark.parametrize("seed", range(4))
def test_hosts_wait_for_their_wave_once(storage: Storage, model: Path, tmp_path: Path, seed: int) -> None:
    """A version that has to be fetched waits for the wave that was drawn; what is here already does not wait."""
    publish(storage, model, BASE, 1)
    told: Told = []
    pace = Pace(rate=1000.0, fleet_rate=1000.0, hosts=4)
    with LocalStore(tmp_path / "host") as store:
        sync = Sync(storage, BASE, store, SyncOptions(pace=pace, sleep=lambda seconds: None))
        naps = Naps(lambda: None, lambda: None)
        follower(sync, Phone(), naps, told, seed).run()
        waited = [about["seconds"] for step, about in told if step == "waiting"]
        size = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
        assert len(waited) == 1
        assert 0 <= waited[0] < 4 * size / 1000.0
        assert (tmp_path / "host" / "1").exists()


def test_an_order_to_end_ends_the_wait_for_a_wave(storage: Storage, model: Path, tmp_path: Path) -> None:
    """Nothing is fetched after it, and it is no alarm."""
    publish(storage, model, BASE, 1)
    phone = Phone()
    pace = Pace(rate=1.0, fleet_rate=1.0, hosts=4)
    with LocalStore(tmp_path / "host") as store:
        follower(Sync(storage, BASE, store, SyncOptions(pace=pace)), phone, Naps(), []).run()
    assert phone.calls == []
    assert not (tmp_path / "host" / "1").exists()


def test_a_canary_comes_to_its_instance_only(storage: Storage, model: Path, tmp_path: Path) -> None:
    """Two followers of one model, told apart by their instance's name."""
    for number in (1, 2):
        publish(storage, model, BASE, number)
    channels = Channels(storage, BASE)
    channels.promote(1)
    channels.promote(2, instances=("serve-0",))
    for name, version in (("serve-0", 2), ("serve-1", 1)):
        with LocalStore(tmp_path / name) as store:
            sync = Sync(storage, BASE, store, SyncOptions(instance=name))
            assert follower(sync, Phone(), Naps(), []).once().version == version
