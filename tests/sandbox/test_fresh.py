"""Which model version came last to the agents of a service, and which one is gone back to."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.sandbox.yarn_support import connection_to
from yarnserve.judge.decisions import FreshModel
from yarnserve.records.repository import Manifest, ManifestFile
from yarnserve.repository.channels import Channels
from yarnserve.repository.publish import write_manifest
from yarnserve.sandbox import Sandbox
from yarnserve.service.connection import Connection
from yarnserve.service.fresh import newest_change
from yarnserve.service.state import Revision
from yarnserve.spec.loader import parse_spec

BASE = "/user/alice/fresh"
BEGIN = 1_700_000_000.0
SPEC = f"""
name: svc
model: {{base_path: {BASE}, delivery: sync, name: digits}}
serving: {{version: "2.6"}}
resources: {{memory: 512m}}
"""


@dataclass
class Story:
    """What persons said of the versions 1 to 4, a minute between two words."""

    connection: Connection
    now: float = BEGIN
    channels: Channels = field(init=False)

    def __post_init__(self) -> None:
        manifest = Manifest("0" * 32, BEGIN, "bob", (ManifestFile("saved_model.pb", 7, "0" * 32, ("0" * 32,)),))
        for version in range(1, 5):
            write_manifest(self.connection.storage, f"{BASE}/{version}", manifest)
        self.channels = Channels(self.connection.storage, BASE, now=lambda: self.now)

    def say(self, version: int, *canaries: str) -> None:
        """Promote *version*, with *canaries* to these instances only."""
        self.now += 60.0
        self.channels.promote(version, instances=canaries)

    def newest(self, *, since: float = BEGIN) -> FreshModel | None:
        """What came last."""
        spec = parse_spec(SPEC, file="service.yaml", read_text=lambda path: json.dumps({}))
        revision = Revision(spec, {}, "bob", BEGIN)
        return newest_change(self.connection, revision, since=since, now=lambda: self.now)


@pytest.fixture
def story() -> Iterator[Story]:
    """A model of which nothing was said yet."""
    # The NameNode's clock is later than that of who promotes: it counts where that is ahead.
    with Sandbox(user="alice", simulated=True) as running, connection_to(running) as connection:
        yield Story(connection)


def test_the_version_before_is_gone_back_to(story: Story) -> None:
    """From the newest, while it is fresh; a first version has none before it."""
    story.say(1)
    assert story.newest() is None
    story.say(2)
    assert story.newest() == FreshModel("digits", 2, 1, story.now)
    assert story.newest(since=story.now + 1.0) is None


def test_a_clock_that_is_ahead_makes_no_version_younger(story: Story) -> None:
    """Else what has failed since it came would seem to have failed before, and it would never be taken back."""
    story.say(1)
    story.now = time.time() + 90.0
    story.say(2)
    newest = story.newest()
    assert newest is not None
    assert newest.at <= time.time()


def test_a_canary_makes_what_is_stable_no_fresher(story: Story) -> None:
    """Else a version of last year would be taken back for what fails beside its canary."""
    story.say(1)
    story.say(2)
    came = story.now
    story.say(3, "serve-0")
    assert story.newest() == FreshModel("digits", 2, 1, came)
    assert story.newest(since=came + 1.0) is None


def test_what_was_gone_back_from_is_never_come_back_to(story: Story) -> None:
    """After 3 was taken back 2 is fresh again, and may be left for 1, not for 3."""
    for version in (1, 2, 3, 2):
        story.say(version)
    assert story.newest() == FreshModel("digits", 2, 1, story.now)
