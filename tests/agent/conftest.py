"""A machine for an agent, with an HDFS that has one version of the digits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.support import Host, hosted
from tests.sandbox.storage_support import running_hdfs
from tests.support import claimed_ports


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A machine of the test's own."""
    with running_hdfs(tmp_path / "hdfs") as hdfs, claimed_ports() as port, hosted(tmp_path, hdfs, port) as machine:
        yield machine
