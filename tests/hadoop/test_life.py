"""A service's life on a real cluster, each verb of the command line as a person uses it."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell, SpecWriter

pytestmark = pytest.mark.hadoop


def test_every_verb(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """From doctor to destroy: launched, live, predicted, looked at, scaled, restarted, stopped, started, forgotten."""
    spec = str(write_spec("digits", replicas=2))

    def ran(*arguments: str) -> str:
        run = yarnserve(*arguments)
        assert run.status == 0, f"{arguments}: {run.stdout}{run.stderr}"
        return run.stdout

    ran("doctor", spec)
    ran("launch", spec, "--wait", "--timeout", "120")
    assert '"live": 2' in ran("status", "digits", "-o", "json", "--exit-status")
    assert "answered the example" in ran("status", "digits", "-o", "wide")
    assert "predictions" in ran("predict", "digits", "--example")
    assert "READY" in ran("events", "digits")
    assert "Exporting HTTP/REST API" in ran("logs", "digits", "--replica", "0")
    ran("scale", "digits", "1", "--wait", "--timeout", "120")
    ran("scale", "digits", "2", "--wait", "--timeout", "120")
    ran("restart", "digits", "--replica", "0", "--wait", "--timeout", "120")
    ran("stop", "digits")
    ran("wait", "digits", "--for", "stopped", "--timeout", "60")
    ran("start", "digits", "--wait", "--timeout", "120")
    assert "digits" in ran("list")
    assert "1" in ran("history", "digits")
    ran("destroy", "digits", "--yes")
    assert yarnserve("status", "digits").status == 5
