"""The systemd unit: what it runs, how it ends it, and that systemd takes it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from tests.unit.local.specs import spec
from yarnserve.config import Settings
from yarnserve.local.records import Asked, Way
from yarnserve.local.units import UnitFacts, run_command, unit, unit_name


def settings(origin: str) -> Settings:
    """A NameNode of which *origin* tells."""
    return Settings((), ("http://nn:9870",), "alice", None, Path("/etc/hadoop/conf"), {"namenodes": origin})


def unit_of(way: Way) -> str:
    """The unit of a service in *way*."""
    command = run_command(
        sys.executable,
        PurePosixPath("/srv/my models/100%.yaml"),
        settings("flag --namenode"),
        state=PurePosixPath("/var/lib/yarnserve"),
        options=["--no-docker"],
    )
    docker = "/usr/bin/docker" if way is Way.DOCKER else ""
    return unit(Asked(spec(), way), UnitFacts(command, "root", {"PATH": "/usr/bin:/opt/$x"}, docker))


def test_sigterm_goes_to_the_agent_alone_and_it_has_time_to_drain() -> None:
    """A server that gets it too would break off its requests."""
    lines = unit_of(Way.PROCESS).splitlines()
    assert {"KillMode=mixed", "KillSignal=SIGTERM", "TimeoutStopSec=50", "Restart=always", "Type=simple"} <= set(lines)
    assert "Environment=PATH=/usr/bin:/opt/$x" in lines
    (start,) = (line for line in lines if line.startswith("ExecStart="))
    assert '"/srv/my models/100%%.yaml"' in start
    assert "--namenode=http://nn:9870" in start
    assert start.endswith("--no-docker --replica %i")


def test_a_container_that_was_left_is_swept_up() -> None:
    """When docker run itself was killed; Docker is there before."""
    text = unit_of(Way.DOCKER)
    assert "ExecStopPost=-/usr/bin/docker rm --force yarnserve-digits-serve-%i" in text
    assert "After=network-online.target docker.service" in text


def test_a_namenode_of_hadoops_configuration_is_read_there_each_time() -> None:
    """It may be another one tomorrow."""
    words = run_command(
        "python3",
        PurePosixPath("/f"),
        settings("/etc/hadoop/conf/hdfs-site.xml"),
        state=PurePosixPath("/s"),
        options=[],
    )
    assert "--conf-dir=/etc/hadoop/conf" in words
    assert not [word for word in words if word.startswith("--namenode")]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("way", [Way.PROCESS, Way.DOCKER])
def test_systemd_takes_it(way: Way, tmp_path: Path) -> None:
    """Without a word of warning on what it says."""
    name = unit_name("digits").replace("@", "@0")
    (tmp_path / name).write_text(unit_of(way))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)], capture_output=True, text=True, check=False
    )
    told = [line for line in verified.stderr.splitlines() if name in line and "is not executable" not in line]
    assert told == []
