"""What lasts is remembered by a file, which may be damaged, or not be written."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.unit.alerts.given import ALERT, Time
from yarnserve.alerts.delivery import Alerts
from yarnserve.alerts.sinks import LogSink


def test_another_process_does_not_repeat_it(tmp_path: Path, lines: list[str]) -> None:
    """The state file remembers; a clock that was set back does not silence it for ever."""
    time = Time()
    for _ in range(3):
        Alerts([LogSink(lines.append)], clock=time, state=tmp_path / "alerts.json").fire(ALERT)
    assert len(lines) == 1
    time.now -= 7 * 24 * 3600
    Alerts([LogSink(lines.append)], clock=time, state=tmp_path / "alerts.json").fire(ALERT)
    assert len(lines) == 2
    Alerts([LogSink(lines.append)], clock=time, state=tmp_path / "alerts.json").resolve(ALERT.key)
    assert lines[2].startswith("ALERT resolved")


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"a": 1}', b"[" * 100_000])
def test_a_damaged_state_is_told_and_not_in_the_way(tmp_path: Path, lines: list[str], content: bytes) -> None:
    """It is as none."""
    state, failures = tmp_path / "alerts.json", list[str]()
    state.write_bytes(content)
    alerts = Alerts([LogSink(lines.append)], clock=Time(), state=state, on_failure=failures.append)
    alerts.fire(ALERT)
    assert len(lines) == 1
    assert "cannot be read" in failures[0]


def test_a_state_that_cannot_be_written_is_told(tmp_path: Path, lines: list[str]) -> None:
    """The alert itself goes out."""
    failures: list[str] = []
    alerts = Alerts(
        [LogSink(lines.append)], clock=Time(), state=tmp_path / "no" / "alerts.json", on_failure=failures.append
    )
    alerts.fire(ALERT)
    assert len(lines) == 1
    assert "cannot be remembered" in failures[0]


def test_a_state_that_stays_unwritable_is_told_once(tmp_path: Path, lines: list[str]) -> None:
    """A full disk is no reason for a line each second."""
    failures: list[str] = []
    state = tmp_path / "no" / "alerts.json"
    alerts = Alerts([LogSink(lines.append)], clock=Time(), state=state, on_failure=failures.append)
    for _ in range(5):
        alerts.fire(ALERT)
    assert len(failures) == 1


def test_the_state_is_nobody_elses(tmp_path: Path) -> None:
    """Whoever may write it could silence alerts."""
    state = tmp_path / "alerts.json"
    Alerts([], clock=Time(), state=state).fire(ALERT)
    assert not stat.S_IMODE(state.stat().st_mode) & 0o022
