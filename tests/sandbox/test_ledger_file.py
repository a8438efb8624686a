"""The ledger on HDFS when HDFS does not answer: what may have been saved is no stranger's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sandbox.storage_support import Relay, connected, relaying, running_hdfs
from yarnserve.errors import ConflictError, RequestTimeoutError
from yarnserve.records.ledger import Ledger
from yarnserve.service.store import ServiceStore
from yarnserve.supervise.notes import LedgerFile


def go_silent_at_the_rename(relay: Relay) -> None:
    """Carry the next rename out, and answer nothing from then on."""

    def silence(operation: str) -> None:
        if operation == "RENAME":
            relay.ignored = {"GETFILESTATUS", "LISTSTATUS", "OPEN", "DELETE"}

    relay.before, relay.lost = silence, {"RENAME"}


def test_what_may_have_been_saved_does_not_stay_when_it_is_not_so_any_more(tmp_path: Path) -> None:
    """To be as before is no reason to save nothing, where HDFS may say otherwise."""
    with running_hdfs(tmp_path) as hdfs, relaying(hdfs.url) as relay, connected(relay.url) as storage:
        store = ServiceStore(storage, storage, "svc")
        file = LedgerFile(store)
        file.save(Ledger(order=1.0))
        go_silent_at_the_rename(relay)
        with pytest.raises(RequestTimeoutError):
            file.save(Ledger(order=2.0))
        relay.ignored, relay.lost, relay.before = set(), set(), lambda operation: None
        file.save(Ledger(order=1.0))
        assert [saved.record.order for saved in store.ledger.history()] == [1.0, 2.0, 1.0]


def test_what_may_have_been_saved_is_followed_by_the_next(tmp_path: Path) -> None:
    """The save that nobody answered was carried out: it is ours, and no other supervisor's; theirs is."""
    with running_hdfs(tmp_path) as hdfs, relaying(hdfs.url) as relay, connected(relay.url) as storage:
        store = ServiceStore(storage, storage, "svc")
        file, stranger = LedgerFile(store), LedgerFile(store)
        file.load()
        go_silent_at_the_rename(relay)
        with pytest.raises(RequestTimeoutError):
            file.save(Ledger(order=1.0))
        relay.ignored, relay.lost, relay.before = set(), set(), lambda operation: None
        file.save(Ledger(order=2.0))
        assert [saved.record.order for saved in store.ledger.history()] == [1.0, 2.0]
        stranger.load()
        file.save(Ledger(order=3.0))
        with pytest.raises(ConflictError):
            stranger.save(Ledger(order=4.0))
