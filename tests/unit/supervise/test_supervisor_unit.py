"""The supervisor's systemd unit: what it runs, that it is watched, and that systemd takes it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from yarnserve.config import Settings
from yarnserve.errors import UsageError
from yarnserve.records.version import Version
from yarnserve.supervise.journal import default_directory
from yarnserve.supervise.units import UNIT_NAME, SupervisorFacts, supervise_command, supervisor_unit

SETTINGS = Settings(
    ("http://rm1:8088", "http://rm2:8088"),
    ("http://nn:9870",),
    "alice",
    Version.parse("3.1.4"),
    Path("/etc/hadoop/conf"),
    {"resource_managers": "flag --resource-manager", "namenodes": "/etc/hadoop/conf/hdfs-site.xml"},
    principal="alice@EXAMPLE.ORG",
    keytab=Path("/etc/security/alice 100%.keytab"),
)


def unit(user: str = "daemon") -> str:
    """The unit of somebody."""
    command = supervise_command(
        sys.executable, SETTINGS, options=["--listen=127.0.0.1:9118", "--alert-command=$HOME/x"]
    )
    return supervisor_unit(SupervisorFacts(command, user, {"PATH": "/usr/bin:/opt/$x"}))


def test_it_is_watched_started_again_and_nobodys_root() -> None:
    """What makes systemd see a supervisor that hangs."""
    lines = set(unit().splitlines())
    assert {"Type=notify", "WatchdogSec=60", "Restart=always", "User=daemon", "NoNewPrivileges=yes"} <= lines
    with pytest.raises(UsageError, match="does not run as root"):
        unit("root")


def test_it_runs_with_the_settings_of_now() -> None:
    """What came from Hadoop's configuration is read there each time; blanks, percents and dollars stay."""
    (start,) = (line for line in unit().splitlines() if line.startswith("ExecStart="))
    assert "-m yarnserve supervise --all --listen=127.0.0.1:9118 --alert-command=$$HOME/x" in start
    assert "--resource-manager=http://rm1:8088,http://rm2:8088 --hadoop-version=3.1.4 --user=alice" in start
    assert '"--keytab=/etc/security/alice 100%%.keytab"' in start
    assert "--namenode" not in start


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_it(tmp_path: Path) -> None:
    """Without a word of warning on what it says."""
    (tmp_path / UNIT_NAME).write_text(unit())
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT_NAME)],
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line for line in verified.stderr.splitlines() if UNIT_NAME in line and "is not executable" not in line]
    assert told == []


def test_the_journal_lies_where_the_unit_may_write() -> None:
    """Else where programs of a user keep what they remember."""
    assert default_directory({"STATE_DIRECTORY": "/var/lib/yarnserve:/x"}) == Path("/var/lib/yarnserve/supervise")
    assert default_directory({"XDG_STATE_HOME": "/s"}) == Path("/s/yarnserve/supervise")
    assert default_directory({"HOME": "/h"}) == Path("/h/.local/state/yarnserve/supervise")
