"""The journal on this host: every line kept, the files bounded, and no trouble of the disk raised."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from yarnserve.records.journal import JournalEntry, What, from_line, to_line
from yarnserve.supervise.journal import MOST_LINES, FileJournal


def entry(number: int, text: str = "") -> JournalEntry:
    """An entry that is told from others by its time."""
    return JournalEntry(float(number), "digits", What.SEEN, text or f"look {number}")


@pytest.fixture
def told() -> list[str]:
    """What was said of troubles."""
    return []


def entries(path: Path) -> list[JournalEntry]:
    """What a file holds."""
    return [from_line(line) for line in path.read_text().splitlines()]


def test_a_line_is_there_when_write_returns(tmp_path: Path, told: list[str]) -> None:
    """The directory is made; another process goes on where this one was killed."""
    directory = tmp_path / "state" / "supervise"
    FileJournal(directory, on_trouble=told.append).write(entry(1))
    FileJournal(directory, on_trouble=told.append).write(entry(2))
    assert entries(directory / "journal.jsonl") == [entry(1), entry(2)]
    assert told == []


def test_the_files_are_bounded(tmp_path: Path, told: list[str]) -> None:
    """The newest lines are kept, in order, in as many files as are wanted."""
    journal = FileJournal(tmp_path, on_trouble=told.append, most_bytes=1000, kept=3)
    for number in range(200):
        journal.write(entry(number))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["journal.jsonl", "journal.jsonl.1", "journal.jsonl.2"]
    kept = [each for name in reversed(names) for each in entries(tmp_path / name)]
    assert kept == [entry(number) for number in range(200)][-len(kept) :]
    assert all(path.stat().st_size < 1200 for path in tmp_path.iterdir())


def test_one_file_is_enough(tmp_path: Path, told: list[str]) -> None:
    """With one file to keep it begins anew when that is full."""
    journal = FileJournal(tmp_path, on_trouble=told.append, most_bytes=300, kept=1)
    for number in range(20):
        journal.write(entry(number))
    assert [path.name for path in tmp_path.iterdir()] in ([], ["journal.jsonl"])


def test_two_supervisors_share_a_directory(tmp_path: Path, told: list[str]) -> None:
    """Each finds the file that the other has begun; no line is lost or torn."""
    two = [FileJournal(tmp_path, on_trouble=told.append, most_bytes=2000, kept=9) for _ in range(2)]
    for number in range(100):
        two[number % 2].write(entry(number))
    kept = [each for path in sorted(tmp_path.iterdir(), reverse=True) for each in entries(path)]
    assert kept == [entry(number) for number in range(100)]


def test_half_a_line_spoils_no_other(tmp_path: Path, told: list[str]) -> None:
    """What a power cut has left is ended, and the next line is whole."""
    path = tmp_path / "journal.jsonl"
    path.write_text(to_line(entry(1)) + "\n" + to_line(entry(2))[:20])
    FileJournal(tmp_path, on_trouble=told.append).write(entry(3))
    lines = path.read_text().splitlines()
    assert from_line(lines[2]) == entry(3)
    assert len(lines) == 3


def test_a_directory_that_cannot_be_is_told_once_and_tried_again(tmp_path: Path, told: list[str]) -> None:
    """A file stands in its place; when that is gone, what waited is written in its order."""
    place = tmp_path / "supervise"
    place.write_text("")
    journal = FileJournal(place, on_trouble=told.append)
    for number in range(3):
        journal.write(entry(number))
    assert len(told) == 1
    assert "cannot be written" in told[0]
    place.unlink()
    journal.write(entry(3))
    assert entries(place / "journal.jsonl") == [entry(number) for number in range(4)]
    assert len(told) == 2
    assert "written again" in told[1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_told(tmp_path: Path, told: list[str]) -> None:
    """The words are the system's."""
    tmp_path.chmod(0o500)
    try:
        FileJournal(tmp_path, on_trouble=told.append).write(entry(1))
    finally:
        tmp_path.chmod(0o700)
    assert "Permission denied" in told[0]


def test_what_waits_for_the_disk_is_bounded(tmp_path: Path, told: list[str]) -> None:
    """The newest lines wait; how many are lost is said."""
    place = tmp_path / "supervise"
    place.write_text("")
    journal = FileJournal(place, on_trouble=told.append)
    for number in range(MOST_LINES + 7):
        journal.write(entry(number))
    place.unlink()
    journal.write(entry(5000))
    assert len(entries(place / "journal.jsonl")) == MOST_LINES
    assert "8 lines of it are lost" in told[1]


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from yarnserve.records.journal import JournalEntry, What
from yarnserve.supervise.journal import FileJournal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = FileJournal(Path(sys.argv[1]), on_trouble=print)
for number in range(10):
    if number == 5:
        resource.setrlimit(resource.RLIMIT_FSIZE, (450, resource.RLIM_INFINITY))
    if number == 9:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.write(JournalEntry(float(number), "digits", What.SEEN, "look"))
"""


def test_a_disk_that_fills_in_the_middle_of_a_line(tmp_path: Path) -> None:
    """Nothing is raised; when there is room again every line is there whole, beside the half one."""
    ran = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [line.partition(":")[0] for line in ran.stdout.splitlines()] == [
        "the journal cannot be written",
        "the journal is written again",
    ]
    whole = []
    for line in (tmp_path / "journal.jsonl").read_text().splitlines():
        try:
            whole.append(from_line(line).at)
        except ValueError:
            continue
    assert whole == [float(number) for number in range(10)]
