"""``supervise``, ``pause``, ``resume`` as an admin and systemd use them."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Service, Shell
from tests.support import claimed_ports, wait_until


@contextmanager
def supervising(yarnserve: Shell, *arguments: str, end: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    """A supervisor in the foreground, ended by SIGTERM, with 0, or by Ctrl-C; yield the address at which it tells."""
    with claimed_ports() as port:
        process = yarnserve.start("supervise", *arguments, "--listen", f"127.0.0.1:{port}")
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(end)
            _, told = process.communicate(timeout=30)
    assert process.returncode == (0 if end is signal.SIGTERM else 130), told


def mode(url: str) -> str:
    """What the only service's supervisor does; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"{url}/state", timeout=5) as answer:
            services = json.load(answer)["services"]
    except OSError:
        return ""
    return str(services[0]["mode"]) if services else ""


def test_once_shows_how_it_stands_and_ends(own: Service, yarnserve: Shell, tmp_path: Path) -> None:
    """The table is stdout, the story stderr; the journal is on this host and beside the service."""
    once = yarnserve("supervise", own.name, "--once", "--state", str(tmp_path / "state"))
    assert once.status == 0, once.stderr
    assert "own: acting, 1 of 1 replicas live" in once.stdout
    assert "own/serve-0 seen: live" in once.stderr
    lines = [json.loads(line) for line in (tmp_path / "state" / "journal.jsonl").read_text().splitlines()]
    assert {line["service"] for line in lines} == {"own"}
    story = yarnserve("events", own.name, "-o", "json").document["events"]
    assert any(each["what"] == "seen" and each["replica"] == "serve-0" for each in story)


def test_a_place_where_nothing_can_be_kept_is_told_and_services_are_supervised(
    own: Service, yarnserve: Shell, tmp_path: Path
) -> None:
    """A full or read-only disk on the supervisor's host is no reason to leave a cluster alone."""
    (tmp_path / "file").touch()
    once = yarnserve("supervise", own.name, "--once", "--state", str(tmp_path / "file" / "state"))
    assert once.status == 0, once.stderr
    assert "own: acting, 1 of 1 replicas live" in once.stdout
    assert "the journal cannot be written" in once.stderr
    assert "Traceback" not in once.stderr


def test_observing_leaves_nothing_behind(own: Service, yarnserve: Shell, tmp_path: Path) -> None:
    """No journal, no ledger, no lease: whoever only wants to know changes nothing."""
    seen = yarnserve("supervise", own.name, "--once", "--observe", "--state", str(tmp_path / "state"))
    assert seen.status == 0, seen.stderr
    assert "own: observing" in seen.stdout
    assert not (tmp_path / "state" / "journal.jsonl").exists()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_second_supervisor_takes_over_at_once_when_the_first_is_told_to_end(
    own: Service, yarnserve: Shell, tmp_path: Path, end: signal.Signals
) -> None:
    """SIGTERM and Ctrl-C give the lease back; nobody waits for it to run out."""
    with supervising(yarnserve, own.name, "--state", str(tmp_path / "first"), end=end) as first:
        wait_until(lambda: mode(first) == "acting", what="the first one")
        with supervising(yarnserve, own.name, "--state", str(tmp_path / "second")) as second:
            wait_until(lambda: mode(second) == "standby", what="the second one")
    with supervising(yarnserve, own.name, "--state", str(tmp_path / "third")) as third:
        # Sooner than a lease runs out.
        assert wait_until(lambda: mode(third) == "acting", deadline=15.0, what="the third one")


def test_all_finds_what_wants_it_and_a_pause_is_seen(own: Service, yarnserve: Shell, tmp_path: Path) -> None:
    """A service without supervise.enabled is left alone by --all; pause and resume reach a running supervisor."""
    path = own.write_spec("own", supervise={"enabled": True, "check_interval": "1s", "check_timeout": "1s"})
    assert yarnserve("launch", str(path), "--replace", "--wait").status == 0
    assert "no supervisor looks after it; next: yarnserve supervise own" in yarnserve("status", own.name).stderr
    assert yarnserve("status", own.name, "-o", "json").document["supervisor"]["state"] == "never"
    with supervising(yarnserve, "--all", "--state", str(tmp_path / "state")) as url:
        wait_until(lambda: mode(url) == "acting", what="own")
        assert re.search(r"^supervised by \S+@\S+.*: supervise$", yarnserve("status", own.name).stderr, re.MULTILINE)
        assert yarnserve("status", own.name, "-o", "json").document["supervisor"]["state"] == "running"
        paused = yarnserve("pause", own.name, "--for", "2h", "--why", "new driver")
        assert "paused, for 7200 s" in paused.stderr
        wait_until(lambda: mode(url) == "paused", what="the pause")
        assert "new driver; next: yarnserve resume own" in yarnserve("status", own.name).stderr
        assert yarnserve("status", own.name, "-o", "json").document["pause"]["why"] == "new driver"
        seen = yarnserve("supervise", own.name, "--once", "--observe", "--state", str(tmp_path / "other"))
        assert "paused by" in seen.stdout
        assert yarnserve("resume", own.name).status == 0
        wait_until(lambda: mode(url) == "acting", what="the end of it")
    assert yarnserve("status", own.name, "-o", "json").document["pause"] is None
    assert re.search(r"after it any more \(the last word of one was \d+s ago\)", yarnserve("status", own.name).stderr)
    assert yarnserve("status", own.name, "-o", "json").document["supervisor"]["state"] == "ended"
    assert yarnserve("stop", own.name).status == 0
    assert "supervis" not in yarnserve("status", own.name).stderr


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        ((), 2, "which services?"),
        (("own", "--all"), 2, "which services?"),
        (("nobody", "--once"), 5, "nobody"),
        (("nobody",), 5, "there is no service 'nobody'"),
        (("nobody", "--listen", "here"), 2, "not an address"),
        (("nobody", "--unit"), 2, "say --all"),
    ],
)
def test_what_cannot_be_supervised(
    yarnserve: Shell, tmp_path: Path, arguments: tuple[str, ...], status: int, word: str
) -> None:
    """Told at once, with the status that scripts rely on."""
    refused = yarnserve("supervise", *arguments, "--state", str(tmp_path / "state"))
    assert refused.status == status, refused.stderr
    assert word in refused.stderr


def test_pause_of_nothing(yarnserve: Shell) -> None:
    """A service that yarnserve has not launched has no supervisor to pause."""
    assert yarnserve("pause", "nobody").status == 5
    assert yarnserve("resume", "nobody").status == 5


def test_it_goes_on_where_this_host_takes_no_word(own: Service, yarnserve: Shell, tmp_path: Path) -> None:
    """Neither a full disk below its log nor a state directory that cannot be made ends a supervisor."""
    (tmp_path / "file").touch()
    with claimed_ports() as port, Path("/dev/full").open("w") as full:
        options = ("--state", str(tmp_path / "file" / "state"), "--listen", f"127.0.0.1:{port}")
        process = yarnserve.start("supervise", own.name, *options, terminal=full.fileno())
        try:
            wait_until(lambda: mode(f"http://127.0.0.1:{port}") == "acting", what="own")
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0


def test_once_goes_on_after_a_service_that_is_not_there(own: Service, yarnserve: Shell, tmp_path: Path) -> None:
    """The others are looked at all the same, and the status says that not all went well."""
    once = yarnserve("supervise", "nobody", own.name, "--once", "--state", str(tmp_path / "state"))
    assert once.status == 5
    assert "nobody" in once.stderr
    assert "own: acting, 1 of 1 replicas live" in once.stdout


@pytest.mark.parametrize("option", ["--alert-webhook", "--alertmanager"])
@pytest.mark.parametrize(
    "address", ["", "alerts:9093", "http://", "ftp://alerts/", "http://alerts:port/", "http://[::1"]
)
def test_whom_no_alert_could_reach_is_told_at_once(yarnserve: Shell, option: str, address: str) -> None:
    """An address that is none is a usage error, not a failure of the first alert."""
    ran = yarnserve("supervise", "--all", option, address)
    assert ran.status == 2, ran.stderr
    assert "write it as http://HOST:PORT" in ran.stderr
