"""HDFS in safe mode, as a NameNode is after its start or by an admin's order: read, and not written."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import DIGITS, Shell, SpecWriter
from tests.contract.clusters import Cluster, sleeper
from tests.hadoop.jars import class_path
from tests.hadoop.versions import real_versions
from tests.sandbox.cluster_support import send
from tests.support import claimed_ports

#: One of each: yarnserve waits for safe mode to end as for a fail-over, three quarters of a minute.
pytestmark = pytest.mark.parametrize(
    "cluster", ["sandbox-3.1.4", *real_versions("hadoop-", only=["3.1.4"])], indirect=True
)

MODEL = "/user/alice/safe"


@contextmanager
def safe_mode(cluster: Cluster) -> Iterator[None]:
    """Nothing can be written inside."""
    _order(cluster, "enter")
    try:
        yield
    finally:
        _order(cluster, "leave")


def _order(cluster: Cluster, what: str) -> None:
    control = cluster.environment.get("YARNSERVE_SANDBOX")
    if control:
        method = "PUT" if what == "enter" else "DELETE"
        assert send(method, f"{control}/faults/safe-mode").status == 204
        return
    jars = f"{cluster.environment['HADOOP_CONF_DIR']}:{class_path(cluster.version)}"
    order = ["java", "-cp", jars, "org.apache.hadoop.hdfs.tools.DFSAdmin", "-safemode", what]
    # As who started the daemons: HDFS's superuser.
    environment = {**os.environ, **cluster.environment, "HADOOP_USER_NAME": getpass.getuser()}
    subprocess.run(order, env=environment, check=True)


def test_what_is_told(cluster: Cluster, yarnserve: Shell, tmp_path: Path) -> None:
    """Reads go on; ``doctor`` and ``launch`` name safe mode and what ends it, and nothing is left of the launch."""
    published = yarnserve("models", "publish", str(DIGITS / "model" / "1"), MODEL, "--version", "1")
    assert published.status == 0, published.stderr
    with claimed_ports() as base:
        spec = str(SpecWriter(tmp_path, base, f"hdfs://{MODEL}")("safe"))
        with safe_mode(cluster):
            assert yarnserve("list").status == 0
            refused = cluster.services("POST", body=sleeper("raw"))
            assert refused.status == 500
            assert "Name node is in safe mode" in refused.document()["diagnostics"]
            launched = yarnserve("launch", spec)
            assert launched.status == 7
            assert "safe mode" in launched.stderr
        assert cluster.services("GET", "/raw").status == 404
        assert yarnserve("status", "safe").status == 5
        again = yarnserve("launch", spec)
        assert again.status == 0, again.stderr
    assert yarnserve("destroy", "safe", "--yes").status == 0
