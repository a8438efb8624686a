"""Disks that take nothing more, HDFS's and a node's: what is said, that nothing half is left, and that it goes on."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import DIGITS, Shell, SpecWriter
from tests.support import wait_until
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_3_6


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[Path, Shell]]:
    """A cluster of one node, by the directory that it keeps everything in."""
    directory = tmp_path / "cluster"
    quick = replace(HADOOP_3_3_6, readiness_interval=0.2, am_start=0.1)
    uploads = [(DIGITS / "model", "/models/digits")]
    with Sandbox(user="alice", nodes=1, profile=quick, directory=directory, uploads=uploads) as cluster:
        yield directory, Shell(dict(cluster.environment))


@contextmanager
def unwritable(directory: Path) -> Iterator[None]:
    """A file in the place of *directory*: whoever runs the tests, root too, can write nothing there."""
    aside = directory.with_name(f"{directory.name}.aside")
    directory.mkdir(exist_ok=True)
    directory.rename(aside)
    directory.touch()
    try:
        yield
    finally:
        directory.unlink()
        shutil.move(aside, directory)


def test_hdfs_that_is_full(kept: tuple[Path, Shell], write_spec: SpecWriter) -> None:
    """A launch is refused with what makes room, and leaves no service; with room the same launch goes live."""
    directory, yarnserve = kept
    spec = str(write_spec("digits"))
    with unwritable(directory / "hdfs"):
        refused = yarnserve("launch", spec)
        assert refused.status == 1
        assert "could only be written to 0 of" in refused.stderr
        assert "hdfs dfsadmin -report" in refused.stderr
        assert "Traceback" not in refused.stderr
        home = yarnserve("doctor", "--only", "hdfs")
        assert home.status == 9
        assert "could only be written to 0 of" in home.stdout
    assert yarnserve("status", "digits").status == 5
    assert yarnserve("launch", spec, "--wait", "--timeout", "30").status == 0


def test_a_node_whose_disk_is_full(kept: tuple[Path, Shell], write_spec: SpecWriter) -> None:
    """A replica whose files cannot be written is told with the reason; with room it goes live after stop and launch.

    By then YARN avoids the node, which a wait tells too.
    """
    spec = str(write_spec("digits"))
    directory, yarnserve = kept
    with unwritable(directory / "nm-local"):
        assert yarnserve("launch", spec).status == 0
        # A NodeManager forgets an ended container after a moment.
        told = wait_until(lambda: re.search(r".*exit code -1000.*", yarnserve("events", "digits").stdout))
        assert "Failed to localize" in told[0]
        avoided = yarnserve("wait", "digits", "--timeout", "30")
        assert avoided.status == 1
        assert "YARN avoids every node" in avoided.stderr
    assert yarnserve("stop", "digits").status == 0
    assert yarnserve("launch", spec, "--wait", "--timeout", "30").status == 0
