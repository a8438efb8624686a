"""``yarnserve models`` and ``yarnserve sync`` as people and scripts run them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Shell
from tests.models import write_model
from tests.sandbox.storage_support import closed_port
from tests.support import wait_until


@pytest.fixture
def base(request: pytest.FixtureRequest) -> str:
    """A base path of the test's own."""
    return f"/models/{request.node.originalname.removeprefix('test_')}"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A serving host's directory."""
    return tmp_path / "host"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A version to publish."""
    return write_model(tmp_path / "export")


def lines(stdout: str) -> list[dict[str, Any]]:
    """The steps that were told."""
    return [json.loads(line) for line in stdout.splitlines()]


def published(yarnserve: Shell, model: Path, base: str) -> None:
    """The next version."""
    done = yarnserve("models", "publish", str(model), base)
    assert done.status == 0, done.stderr


def test_the_life_of_a_model(yarnserve: Shell, base: str, model: Path) -> None:
    """Published, listed, promoted with a canary, rolled back, compared, verified and pruned; JSON says the same."""
    published(yarnserve, model, base)
    published(yarnserve, write_model(model, index=b"other"), base)
    assert yarnserve("models", "promote", base, "1", "--why", "first").stdout == "stable: 1\n"
    assert yarnserve("models", "promote", base, "2", "--canary", "serve-0, serve-3").stdout == (
        "stable: 1, canary: 2 on serve-0, serve-3\n"
    )
    listed = yarnserve("models", "list", base, "-o", "json").document
    assert [(each["version"], each["channels"], each["complete"]) for each in listed["versions"]] == [
        (1, ["stable"], True),
        (2, ["canary"], True),
    ]
    assert "canary" in yarnserve("models", "list", base).stdout
    assert yarnserve("models", "rollback", base).stdout == "stable: 1\n"
    entries = yarnserve("models", "history", base, "-o", "json").document["history"]
    assert [(entry["stable"], entry["why"]) for entry in entries] == [(1, "first"), (1, ""), (1, "")]
    diff = yarnserve("models", "diff", base, "1", "2", "-o", "json").document
    assert (diff["changed"], diff["bytesToFetch"]) == (["variables/variables.index"], 5)
    assert "every byte as published" in yarnserve("models", "verify", base, "2").stdout
    assert "variables/variables.index" in yarnserve("models", "show", base, "2").stdout
    dry = yarnserve("models", "prune", base, "--keep", "1", "--dry-run")
    assert "version 1 stays: stable" in dry.stderr
    assert yarnserve("models", "prune", base, "--keep", "1", "--yes").status == 0


def test_a_model_that_could_not_be_served_is_refused(yarnserve: Shell, base: str, model: Path) -> None:
    """Everything at once, before anything is sent; --force takes it."""
    (model / "variables" / "variables.index").unlink()
    (model / "x.tmp").touch()
    refused = yarnserve("models", "publish", str(model), base)
    assert refused.status == 2
    assert "x.tmp: it is temporary" in refused.stderr
    assert "variables/variables.index: it is missing" in refused.stderr
    assert yarnserve("models", "list", base).status == 5
    assert yarnserve("models", "publish", str(model), base, "--force").status == 0


def test_a_spoilt_version_is_unhealthy(yarnserve: Shell, base: str, model: Path) -> None:
    """9, and the file."""
    published(yarnserve, model, base)
    other = yarnserve("models", "verify", base, "7")
    assert (other.status, "there is no version 7" in other.stderr) == (5, True)
    spoilt = yarnserve("models", "publish", f"{base}/1", base, "--in-place")
    assert (spoilt.status, "complete already" in spoilt.stderr) == (6, True)


def test_a_sync_tells_its_steps(yarnserve: Shell, base: str, host: Path, model: Path) -> None:
    """A JSON line each with the time, and nothing else on stdout; a second run has nothing to do."""
    published(yarnserve, model, base)
    first = yarnserve("sync", base, str(host), "--once")
    assert first.status == 0, first.stderr
    assert [line["step"] for line in lines(first.stdout)] == ["fetching", "verified", "online", "done"]
    assert all(line["time"] and line["version"] == 1 for line in lines(first.stdout))
    assert (host / "1" / "saved_model.pb").read_bytes() == (model / "saved_model.pb").read_bytes()
    again = yarnserve("sync", base, str(host), "--once")
    assert [line["step"] for line in lines(again.stdout)] == ["current"]


def test_a_plan_moves_nothing(yarnserve: Shell, base: str, host: Path, model: Path) -> None:
    """What would come and whether it can be in time: 9 where it cannot, with the rate that would do."""
    published(yarnserve, model, base)
    possible = yarnserve("sync", base, str(host), "--plan", "--rate", "100MB/s")
    assert (possible.status, possible.document["possible"], possible.document["waves"]) == (0, True, 1)
    slow = ("--rate", "1kB/s", "--fleet-rate", "2kB/s", "--hosts", "4", "--deadline", "60")
    impossible = yarnserve("sync", base, str(host), "--plan", *slow)
    assert (impossible.status, impossible.document["possible"], impossible.document["waves"]) == (9, False, 2)
    assert "or a later --deadline" in impossible.stderr
    assert not (host / "1").exists()


def test_what_fails_is_alerted_and_ends_once(yarnserve: Shell, base: str, host: Path, tmp_path: Path) -> None:
    """No version: 5. HDFS away: 7. Each by the command that was given, with the reason, and nothing is served."""
    told = tmp_path / "told"
    alert = ("--alert-command", f"cat >> {told}")
    nothing = yarnserve("sync", base, str(host), "--once", *alert)
    assert nothing.status == 5
    away = yarnserve("sync", base, str(host), "--once", "--namenode", closed_port(), *alert)
    assert away.status == 7
    assert [line["step"] for line in lines(away.stdout)] == ["failed"]
    (first,) = (json.loads(line) for line in told.read_text().splitlines())
    assert (first["key"], first["severity"]) == (f"sync {base}", "critical")
    assert [path.name for path in host.iterdir()] == [".yarnserve"]


def test_two_in_one_directory(yarnserve: Shell, base: str, host: Path, model: Path) -> None:
    """The second is refused with 6, and the first goes on."""
    published(yarnserve, model, base)
    with following(yarnserve, base, host) as first:
        wait_until(lambda: (host / "1").exists(), what="version 1")
        second = yarnserve("sync", base, str(host), "--once")
        assert second.status == 6
        assert first.poll() is None


class following:  # noqa: N801
    """A sync that follows, ended by SIGTERM, which it obeys."""

    def __init__(self, yarnserve: Shell, base: str, host: Path) -> None:
        self.process = yarnserve.start("sync", base, str(host), "--interval", "0.1")
        self.stdout = ""

    def __enter__(self) -> subprocess.Popen[str]:
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.stdout, stderr = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, stderr


def test_it_follows_promotions(yarnserve: Shell, base: str, host: Path, model: Path) -> None:
    """Forward and back while it runs: the highest number in the directory is what was promoted last."""
    for index in (b"one", b"two"):
        published(yarnserve, write_model(model, index=index), base)
    with following(yarnserve, base, host):
        wait_until(lambda: (host / "2").exists(), what="the highest")
        for version in (1, 2):
            assert yarnserve("models", "promote", base, str(version)).status == 0
            wait_until(lambda version=version: newest(host) == version, what=f"version {version}")


def newest(host: Path) -> int:
    """What a model server would serve."""
    return max((int(path.name) for path in host.iterdir() if path.name.isdecimal()), default=0)


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal of 100 columns: our side, and the program's."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    yield ours, theirs
    os.close(ours)


def test_a_terminal_gets_words_and_a_bar(
    yarnserve: Shell, base: str, host: Path, model: Path, terminal: tuple[int, int]
) -> None:
    """Sentences in place of JSON, and how far the bytes are."""
    published(yarnserve, model, base)
    ours, theirs = terminal
    process = yarnserve.start("sync", base, str(host), "--once", terminal=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:
        # Linux's way to say that nobody writes any more.
        pass
    assert process.wait(20) == 0
    text = shown.decode()
    assert "version 1: 321 kB in 3 files to fetch, 0 files are here" in text
    assert "100%" in text
    assert "version 1 is online" in text
    assert "{" not in text
