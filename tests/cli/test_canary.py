"""What becomes of a canary whose watching ends early, and of one that nobody can serve."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.cli.conftest import DIGITS, Shell
from tests.sandbox.local_support import BASE, hdfs_with_digits
from tests.support import claimed_ports

SERVICE = """
name: digits
model: {{base_path: {model}, delivery: sync, example: {digits}/example.json}}
serving: {{version: "2.6", flags: {{prefer_tflite_model: true}}}}
resources: {{memory: 512m}}
ports: {{grpc: {grpc}, rest: {rest}, agent: {agent}}}
"""


def test_a_canary_is_refused_where_it_cannot_be_and_told_where_it_stays(tmp_path: Path) -> None:
    """No such replica: nothing is promoted. Ctrl-C while it is compared: it stays, and is said to."""
    with hdfs_with_digits() as cluster, claimed_ports() as base:
        service = SERVICE.format(model=BASE, digits=DIGITS, grpc=base, rest=base + 1, agent=base + 2)
        (tmp_path / "service.yaml").write_text(service)
        yarnserve = Shell(dict(cluster.environment))
        assert yarnserve("order", "nobody", "drain", "--replica", "0").status == 5
        assert yarnserve("models", "promote", BASE, "1").status == 0
        assert yarnserve("launch", str(tmp_path / "service.yaml"), "--wait", "--timeout", "30").status == 0
        canary = ("models", "promote", BASE, "1", "--service", "digits", "--canary")
        absent = yarnserve(*canary, "serve-7")
        assert absent.status == 5
        assert "running: serve-0" in absent.stderr
        assert "canary" not in yarnserve("models", "history", BASE).stdout
        watching = yarnserve.start(*canary, "serve-0", "--bake", "60")
        assert watching.stderr is not None
        assert any("comparing serve-0" in line for line in watching.stderr)
        watching.send_signal(signal.SIGINT)
        _, told = watching.communicate(timeout=20)
        assert watching.returncode == 130
        assert "version 1 stays a canary on serve-0" in told
