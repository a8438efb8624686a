"""The repository: claims of the dead are taken over, channels remember, what is damaged is found, old things go."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.models import write_model
from tests.sandbox.storage_support import HOME, Hdfs
from tests.sandbox.test_lease import HandClock
from yarnserve.errors import (
    AccessError,
    ConflictError,
    LeaseHeldError,
    NotFoundError,
    RefusedError,
    UnhealthyError,
    UsageError,
)
from yarnserve.records.repository import MANIFEST, Canary
from yarnserve.repository import catalog, layout
from yarnserve.repository.channels import Channels
from yarnserve.repository.claims import Claimant
from yarnserve.repository.in_place import publish_in_place
from yarnserve.repository.prune import plan_pruning, prune
from yarnserve.repository.publish import Publishing, publish
from yarnserve.repository.versions import versions
from yarnserve.storage.client import Storage
from yarnserve.storage.lease import TTL, Lease
from yarnserve.storage.rate import RateLimit
from yarnserve.storage.series import Series

BASE = f"{HOME}/models/digits"
INDEX = "variables/variables.index"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A version to publish."""
    return write_model(tmp_path / "export", data=b"data" * 100)


def publisher_that_died(storage: Storage, version: int, staged: str) -> Lease:
    """A claim that nobody renews, and half an upload."""
    lease = Lease(
        Series(storage, f"{layout.claims(BASE)}/{version}"), subject="x", look="", holder="bob@edge2", clock=HandClock()
    )
    lease.acquire()
    lease.mark(staged)
    storage.create(f"{layout.incoming(BASE)}/{staged}/saved_model.pb", b"half")
    return lease


def by_hand(clock: HandClock) -> Publishing:
    """A publisher whose time passes only while it waits."""
    return Publishing(claimant=Claimant("alice@edge1", clock=clock, pause=clock.pause))


def wrong(storage: Storage, version: int) -> tuple[str, ...]:
    """What verify says."""
    manifest = catalog.read_manifest(storage, BASE, version)
    return catalog.verify(storage, f"{BASE}/{version}", manifest, rate=RateLimit(None))


def test_the_claim_of_a_dead_publisher_is_taken_over(hdfs: Hdfs, storage: Storage, model: Path) -> None:
    """After the time to live of its lease, and what it had staged is gone before anything is uploaded."""
    publisher_that_died(storage, 7, "0" * 32)
    clock = HandClock()
    publish(storage, model, BASE, 7, by_hand(clock))
    assert clock.now - 1000.0 == TTL
    assert hdfs.names(layout.incoming(BASE)) == []
    assert wrong(storage, 7) == ()


def test_a_publisher_that_was_only_suspended_cannot_go_on(hdfs: Hdfs, storage: Storage, model: Path) -> None:
    """Another took over: the first has nothing left to rename, and is told before it tries."""
    suspended = publisher_that_died(storage, 7, "0" * 32)
    publish(storage, model, BASE, 7, by_hand(HandClock()))
    assert not hdfs.exists(f"{layout.incoming(BASE)}/{'0' * 32}")
    suspended.renew()
    with pytest.raises(ConflictError, match="was lost"):
        suspended.check()


def test_the_next_number_passes_over_what_others_publish(storage: Storage, model: Path) -> None:
    """Whether its publisher lives or not: nobody waits."""
    publisher_that_died(storage, 1, "0" * 32)
    clock = HandClock()
    assert publish(storage, model, BASE, None, by_hand(clock)).version == 2
    assert clock.now == 1000.0


def test_a_living_publisher_is_not_disturbed(storage: Storage, model: Path) -> None:
    """Whoever wants its number is told who has it."""
    lease = publisher_that_died(storage, 7, "0" * 32)
    clock = HandClock(lambda now: lease.renew() if now % 10 == 0 else None)
    with pytest.raises(LeaseHeldError) as caught:
        publish(storage, model, BASE, 7, by_hand(clock))
    assert "bob@edge2" in caught.value.why
    assert versions(storage, BASE) == ()


def test_what_was_promoted_stays_known(storage: Storage, model: Path) -> None:
    """Promotions, a canary and roll-backs, with who and why; a repetition writes nothing."""
    for number in (1, 2, 3):
        publish(storage, model, BASE, number)
    channels = Channels(storage, BASE, who="alice@edge1", now=lambda: 1.5)
    assert channels.latest() is None
    channels.promote(1, why="first")
    channels.promote(2)
    assert channels.promote(2).number == 2
    channels.promote(3, instances=("serve-0",))
    latest = channels.latest()
    assert latest is not None
    assert (latest.channel.stable, latest.channel.canary) == (2, Canary(3, ("serve-0",)))
    assert [latest.channel.version_for(name) for name in ("serve-0", "serve-1", "")] == [3, 2, 2]
    assert channels.rollback(why="errors").channel.canary is None
    assert channels.rollback().channel.stable == 1
    assert channels.rollback(3).channel.stable == 3
    history = [(entry.number, entry.channel.stable, entry.channel.why) for entry in channels.history()]
    assert history == [(1, 1, "first"), (2, 2, ""), (3, 2, ""), (4, 2, "errors"), (5, 1, ""), (6, 3, "")]
    assert {(entry.channel.who, entry.channel.at) for entry in channels.history()} == {("alice@edge1", 1.5)}


def test_what_cannot_be_promoted(storage: Storage, model: Path) -> None:
    """No such version, half of one, a canary of nothing, and a roll-back to nowhere: each is told, none is written."""
    publish(storage, model, BASE, 1)
    storage.create(f"{BASE}/2/saved_model.pb", b"half")
    channels = Channels(storage, BASE)
    with pytest.raises(NotFoundError, match="nothing was ever promoted"):
        channels.rollback()
    with pytest.raises(NotFoundError, match="there is no version 3"):
        channels.promote(3)
    with pytest.raises(NotFoundError, match="version 2 is not complete"):
        channels.promote(2)
    with pytest.raises(ConflictError, match="no stable version"):
        channels.promote(1, instances=("serve-0",))
    assert channels.latest() is None
    channels.promote(1)
    with pytest.raises(NotFoundError, match="no other version was stable before 1"):
        channels.rollback()


def test_a_channel_that_cannot_be_read_is_told(storage: Storage, model: Path) -> None:
    """From a newer yarnserve, say: no version is guessed."""
    publish(storage, model, BASE, 1)
    channels = Channels(storage, BASE)
    channels.promote(1)
    Series(storage, layout.channels(BASE)).append({"stable": "one"}, after=1)
    with pytest.raises(RefusedError, match="the channels cannot be read"):
        channels.latest()


def test_the_history_is_bounded(storage: Storage, model: Path) -> None:
    """The oldest entries go; what is served does not."""
    for number in (1, 2):
        publish(storage, model, BASE, number)
    channels = Channels(storage, BASE, kept=3)
    for number in range(5):
        channels.promote(1 + number % 2)
    assert [entry.number for entry in channels.history()] == [3, 4, 5]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda storage: storage.delete(f"{BASE}/1/{INDEX}"), f"{INDEX} is missing"),
        (lambda storage: storage.create(f"{BASE}/1/more", b""), "more is not in the manifest"),
        (lambda storage: rewrite(storage, b"short"), f"{INDEX} has 5 bytes instead of 200"),
        (lambda storage: rewrite(storage, b"INDEX" * 40), f"{INDEX} differs in the 200 bytes from 0 on"),
    ],
)
def test_verify_finds_what_differs(storage: Storage, model: Path, spoil: object, told: str) -> None:
    """A file that is missing, too much, of another size, or of other bytes, by its name."""
    publish(storage, model, BASE, 1)
    assert wrong(storage, 1) == ()
    assert callable(spoil)
    spoil(storage)
    assert wrong(storage, 1) == (told,)


def rewrite(storage: Storage, content: bytes) -> None:
    """Put other bytes where a published file was."""
    storage.delete(f"{BASE}/1/{INDEX}")
    storage.create(f"{BASE}/1/{INDEX}", content)


def uploaded(storage: Storage, directory: Path, target: str) -> None:
    """What a training job does."""
    for path in (path for path in directory.rglob("*") if path.is_file()):
        storage.create(f"{target}/{path.relative_to(directory).as_posix()}", path.read_bytes())


def sums(directory: Path) -> bytes:
    """What ``md5sum`` prints of *directory*."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.md5(path.read_bytes()).hexdigest()}  ./{path.relative_to(directory).as_posix()}\n" for path in files
    ]
    return "".join(lines).encode()


def test_a_version_that_a_job_left_is_completed_where_it_is(hdfs: Hdfs, storage: Storage, model: Path) -> None:
    """It gets a manifest of what lies there, and is promoted like any other."""
    uploaded(storage, model, f"{BASE}/4")
    published = publish_in_place(storage, f"{BASE}/4", BASE, None)
    assert (published.version, published.path) == (4, f"{BASE}/4")
    assert wrong(storage, 4) == ()
    assert published.manifest.by_path()[INDEX].md5 == hashlib.md5((model / INDEX).read_bytes()).hexdigest()
    Channels(storage, BASE).promote(4)
    assert [name for name in hdfs.names(BASE) if name.startswith(".manifest")] == []


def test_a_directory_elsewhere_becomes_the_next_number(storage: Storage, model: Path) -> None:
    """It is renamed: no byte is copied."""
    publish(storage, model, BASE, 1)
    uploaded(storage, model, f"{HOME}/job/output")
    assert publish_in_place(storage, f"{HOME}/job/output", BASE, None).version == 2
    assert wrong(storage, 2) == ()
    assert storage.status(f"{HOME}/job/output") is None


def test_sums_beside_the_files_are_compared(storage: Storage, model: Path) -> None:
    """Right ones are good; a wrong one, or one of a file that is not there, is refused and leaves no manifest."""
    uploaded(storage, model, f"{BASE}/1")
    storage.create(f"{BASE}/1/md5sum.txt", sums(model))
    publish_in_place(storage, f"{BASE}/1", BASE, None)
    (model / "variables" / "variables.index").write_bytes(b"was cut")
    uploaded(storage, model, f"{BASE}/2")
    storage.create(f"{BASE}/2/md5sum.txt", sums(write_model(model)) + b"0" * 32 + b" *gone\n")
    with pytest.raises(UnhealthyError) as caught:
        publish_in_place(storage, f"{BASE}/2", BASE, None)
    assert f"{INDEX} is not what md5sum.txt says" in caught.value.why
    assert "md5sum.txt names gone, which is not there" in caught.value.why
    assert storage.status(f"{BASE}/2/{MANIFEST}") is None


@pytest.mark.parametrize("name", ["part-0000.tmp", "saved_model.pb._COPYING_", "_temporary/0/x"])
def test_what_is_still_being_written_is_refused(storage: Storage, model: Path, name: str) -> None:
    """A job's or an upload's temporary files."""
    uploaded(storage, model, f"{BASE}/1")
    storage.create(f"{BASE}/1/{name}", b"half")
    with pytest.raises(UsageError, match="still writing"):
        publish_in_place(storage, f"{BASE}/1", BASE, None)


def test_a_version_that_changes_meanwhile_is_refused(storage: Storage, model: Path) -> None:
    """Whoever writes it has not finished."""
    uploaded(storage, model, f"{BASE}/1")
    how = Publishing(on_file=lambda path, size: storage.create(f"{BASE}/1/of-{path.rpartition('/')[2]}", b""))
    with pytest.raises(ConflictError, match="changed while it was read"):
        publish_in_place(storage, f"{BASE}/1", BASE, None, how)


def test_in_place_refuses_what_it_cannot_complete(storage: Storage, model: Path) -> None:
    """Nothing there, no model in it, complete already, another number than its own."""
    with pytest.raises(NotFoundError):
        publish_in_place(storage, f"{BASE}/1", BASE, None)
    storage.create(f"{BASE}/1/notes.txt", b"")
    with pytest.raises(UsageError, match="holds no model"):
        publish_in_place(storage, f"{BASE}/1", BASE, None)
    publish(storage, model, BASE, 2)
    with pytest.raises(ConflictError, match="complete already"):
        publish_in_place(storage, f"{BASE}/2", BASE, None)
    with pytest.raises(UsageError, match="is version 2, not 3"):
        publish_in_place(storage, f"{BASE}/2", BASE, 3)


def test_old_versions_go_and_what_is_needed_stays(hdfs: Hdfs, storage: Storage, model: Path) -> None:
    """Stable, canary, and where rollback goes; and what dead publishers left, after a day."""
    for number in range(1, 8):
        publish(storage, model, BASE, number)
    channels = Channels(storage, BASE)
    for number in (1, 2):
        channels.promote(number)
    channels.promote(3, instances=("serve-0",))
    storage.create(f"{layout.incoming(BASE)}/old/saved_model.pb", b"half")
    hdfs.clock.now += 25 * 3600
    storage.create(f"{layout.incoming(BASE)}/new/saved_model.pb", b"half")
    planned = plan_pruning(storage, BASE, 2)
    assert planned.removed == (4, 5)
    assert planned.kept == {1: "rollback goes there", 2: "stable", 3: "canary"}
    assert planned.leftovers == ("old",)
    prune(storage, BASE, planned, on_step=lambda text: None)
    assert versions(storage, BASE) == (1, 2, 3, 6, 7)
    assert hdfs.names(layout.incoming(BASE)) == ["new"]


def test_a_manifest_that_is_too_new_or_damaged_is_told(storage: Storage, model: Path) -> None:
    """Neither is taken for no manifest."""
    publish(storage, model, BASE, 1)
    document = json.loads(storage.read(layout.manifest(BASE, 1)))
    storage.delete(layout.manifest(BASE, 1))
    storage.create(layout.manifest(BASE, 1), json.dumps({**document, "format": 2}).encode())
    with pytest.raises(RefusedError) as caught:
        catalog.read_manifest(storage, BASE, 1)
    assert "newer yarnserve" in caught.value.why
    (report,) = catalog.reports(storage, BASE, (1,))
    assert "newer yarnserve" in report.problem


def test_a_model_of_somebody_else_is_not_published_into(hdfs: Hdfs, storage: Storage, model: Path) -> None:
    """HDFS's refusal, and no directory of ours."""
    hdfs.namespace.make_directories("/models/theirs", user="hdfs")
    with pytest.raises(AccessError):
        publish(storage, model, "/models/theirs", 1)
    assert hdfs.names("/models/theirs") == []
