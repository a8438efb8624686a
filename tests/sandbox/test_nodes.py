"""The ledger of nodes that supervisors share: no strike gets lost, and nothing unreadable is written over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sandbox.hdfs_support import put_file
from tests.sandbox.storage_support import HOME, Hdfs, connected
from tests.sandbox.yarn_support import connection_to
from yarnserve.errors import YarnserveError
from yarnserve.judge.nodes import quarantined
from yarnserve.records.nodes import NodeLedger, Strike
from yarnserve.sandbox import Sandbox
from yarnserve.service.nodes import SharedNodes
from yarnserve.storage.client import Storage

DIRECTORY = f"{HOME}/.yarnserve/.nodes"
NOW = 1_800_000_000.0
NODES = ("n1", "n2", "n3", "n4")


def strike(instance: str, at: float = NOW) -> Strike:
    """A strike because of a replica's death."""
    return Strike(at, "digits", instance, "node", "the disks are full")


def test_a_ledger_that_nobody_has_saved_is_empty(hdfs: Hdfs, storage: Storage) -> None:
    """Looking at it, and releasing a node against which nothing is held, makes no directory."""
    shared = SharedNodes(storage)
    assert shared.read() == NodeLedger()
    assert shared.glance() == (NodeLedger(), "")
    assert shared.release("n1") is False
    assert not hdfs.exists(DIRECTORY)


def test_strikes_of_one_supervisor_count_for_the_others(hdfs: Hdfs, storage: Storage) -> None:
    """Each has seen one death; the second quarantines the node for both."""
    with connected(hdfs.url) as other:
        assert SharedNodes(other).strike("n1", strike("serve-0"), NOW, NODES) is None
    told = SharedNodes(storage).strike("n1", strike("serve-1"), NOW, NODES)
    assert told is not None
    assert "node n1 is quarantined for 60 min" in told
    assert list(quarantined(SharedNodes(storage).read(), NOW)) == ["n1"]


def test_a_person_quarantines_and_releases(storage: Storage) -> None:
    """Both are saved, and a second release has nothing to do."""
    shared = SharedNodes(storage)
    shared.quarantine("n1", "ops@edge", "new driver", NOW, 3600.0)
    assert quarantined(shared.read(), NOW)["n1"].why == "new driver"
    assert shared.release("n1") is True
    assert shared.read() == NodeLedger()
    assert shared.release("n1") is False


def test_of_strikes_at_once_none_gets_lost(hdfs: Hdfs) -> None:
    """Several supervisors strike different nodes at the same time, and each strike is there in the end."""
    writers, each = 4, 5

    def write(me: int) -> None:
        with connected(hdfs.url) as storage:
            for number in range(each):
                SharedNodes(storage).strike(f"n{me}-{number}", strike("serve-0"), NOW, NODES)

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    with connected(hdfs.url) as storage:
        struck = SharedNodes(storage).read().strikes
    assert set(struck) == {f"n{me}-{number}" for me in range(writers) for number in range(each)}


def of_newer_format(data: bytes) -> bytes:
    """What a yarnserve with another format of files would have written."""
    return data.replace(b'"format": 1', b'"format": 2')


def of_other_body(data: bytes) -> bytes:
    """An entry that is intact and no ledger."""
    body = {"quarantines": {"n1": {"at": "yesterday"}}}
    document = {**json.loads(data), "body": body}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return json.dumps({**document, "checksum": "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()}).encode()


@pytest.mark.parametrize("change", [of_newer_format, of_other_body])
def test_what_cannot_be_read_is_told_and_never_written_over(
    hdfs: Hdfs, storage: Storage, change: Callable[[bytes], bytes]
) -> None:
    """Who looks goes on with an empty ledger and says why; who would change it fails and leaves it as it is."""
    SharedNodes(storage).quarantine("n1", "ops@edge", "new driver", NOW, None)
    put_file(hdfs.namespace, f"{DIRECTORY}/1.json", change(hdfs.content(f"{DIRECTORY}/1.json")), "alice")
    before = hdfs.content(f"{DIRECTORY}/1.json")
    # Another process: whoever has read an entry does not read it again, for it never changes.
    shared = SharedNodes(storage)
    ledger, told = shared.glance()
    assert ledger == NodeLedger()
    assert "no node counts as quarantined" in told
    assert f"{DIRECTORY}/1.json" in told
    for act in (
        lambda: shared.strike("n2", strike("serve-0"), NOW, NODES),
        lambda: shared.quarantine("n2", "ops@edge", "", NOW, None),
        lambda: shared.release("n1"),
    ):
        with pytest.raises(YarnserveError):
            act()
    assert hdfs.names(DIRECTORY) == ["1.json"]
    assert hdfs.content(f"{DIRECTORY}/1.json") == before


def test_of_an_entry_that_was_cut_off_the_one_before_counts(hdfs: Hdfs, storage: Storage) -> None:
    """As in every series; the next change is saved under a number of its own."""
    shared = SharedNodes(storage)
    shared.quarantine("n1", "ops@edge", "new driver", NOW, None)
    shared.quarantine("n2", "ops@edge", "new driver", NOW, None)
    put_file(hdfs.namespace, f"{DIRECTORY}/2.json", hdfs.content(f"{DIRECTORY}/2.json")[:-40], "alice")
    assert list(shared.read().quarantines) == ["n1"]
    shared.quarantine("n3", "ops@edge", "new driver", NOW, None)
    assert list(shared.read().quarantines) == ["n1", "n3"]
    assert "3.json" in hdfs.names(DIRECTORY)


def test_without_hdfs_nothing_counts_as_quarantined_and_that_is_told() -> None:
    """Nobody answers at the address."""
    with connected("http://127.0.0.1:9") as storage:
        ledger, told = SharedNodes(storage).glance()
    assert ledger == NodeLedger()
    assert "the ledger of nodes cannot be read" in told


def test_the_ledger_is_no_service(sandbox: Sandbox) -> None:
    """It lies beside the services' state, and list does not take it for one."""
    with connection_to(sandbox) as connection:
        SharedNodes(connection.storage).quarantine("n1", "ops@edge", "", NOW, 60.0)
        assert ".nodes" not in connection.saved_services()
