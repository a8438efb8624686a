"""``yarnserve sandbox``: signals end it, CMD and every container, and leave nothing behind."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.support import wait_until

#: Seconds within which a sandbox must have ended; CMD alone may use up 5 of them.
DEADLINE = 20


def python(code: str) -> list[str]:
    """A command that runs *code*."""
    return ["--", sys.executable, "-u", "-c", code]


def lines(process: subprocess.Popen[str], until: str) -> list[str]:
    """What *process* prints, up to a line that has *until* in it."""
    assert process.stdout is not None
    seen: list[str] = []
    while not seen or until not in seen[-1]:
        line = process.stdout.readline()
        assert line, f"ended early: {seen}"
        seen.append(line.strip())
    return seen


def running(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def started(tmp_path: Path, code: str = "", before: str = "pass") -> tuple[subprocess.Popen[str], list[str]]:
    """A sandbox with its files in *tmp_path*: with CMD that runs *before*, prints its pid, and then *code*."""
    shell = Shell({"TMPDIR": str(tmp_path)})
    if not code:
        process = shell.start("sandbox")
        return process, lines(process, "YARNSERVE_SANDBOX=")
    announce = f"import os, signal, sys, time; {before}; print(os.getpid()); "
    process = shell.start("sandbox", *python(announce + code))
    return process, lines(process, "")


@pytest.mark.parametrize(
    "before",
    ["pass", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"],
    ids=["a command that obeys", "a command that ignores SIGTERM"],
)
def test_sigterm_ends_the_command_and_the_sandbox(tmp_path: Path, before: str) -> None:
    """143 long before CMD is done, CMD is no more, and no file is left."""
    process, (pid,) = started(tmp_path, "time.sleep(60)", before)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=DEADLINE)
    assert process.returncode == 143, told
    assert "Traceback" not in told
    assert not running(int(pid))
    assert list(tmp_path.iterdir()) == []


def test_a_second_sigterm_does_not_interrupt_the_cleaning_up(tmp_path: Path) -> None:
    """Whoever is impatient leaves no orphan: CMD says when the first one has come."""
    stubborn = "signal.signal(signal.SIGTERM, lambda *_: print('told'))"
    process, (pid,) = started(tmp_path, "[time.sleep(1) for _ in range(60)]", stubborn)
    process.send_signal(signal.SIGTERM)
    lines(process, "told")
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 143
    assert not running(int(pid))
    assert list(tmp_path.iterdir()) == []


def test_sigint_waits_for_the_commands_own_answer(tmp_path: Path) -> None:
    """A terminal sends Ctrl-C to CMD as well, so its exit status counts, however long it takes to say it."""
    done = tmp_path / "done"
    wait = f"all(time.sleep(0.02) is None for _ in iter(lambda: os.path.exists({str(done)!r}), True))"
    process, _ = started(tmp_path, f"{wait}; sys.exit(7)")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    done.touch()
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 7
    assert list(tmp_path.iterdir()) == [done]


def test_a_command_that_a_signal_ends_gives_the_shells_status(tmp_path: Path) -> None:
    """128 + n."""
    process, _ = started(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 137


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_foreground_sandbox_ends_cleanly(tmp_path: Path, number: signal.Signals, status: int) -> None:
    """Ctrl-C is how it is meant to end; SIGTERM is told in the status; both take its containers along."""
    process, exports = started(tmp_path)
    names = dict(line.removeprefix("export ").split("=", 1) for line in exports)
    yarnserve = Shell({name: shlex.split(value)[0] for name, value in names.items()})
    wait_until(lambda: yarnserve("list").status == 0, what="the sandbox")
    process.send_signal(number)
    _, told = process.communicate(timeout=DEADLINE)
    assert process.returncode == status, told
    assert "Traceback" not in told
    assert told.rstrip().endswith("stopping")
    assert list(tmp_path.iterdir()) == []


def test_a_fault_is_there_from_the_start() -> None:
    """--fault seeds what is wrong, and doctor finds it; a name that is none is refused with those that are."""
    code = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-m', 'yarnserve', 'doctor']))"
    ran = Shell()("sandbox", "--fault", "queue-stopped", *python(code))
    assert ran.status == 9, ran.stderr
    assert "root.default is STOPPED" in ran.stdout
    refused = Shell()("sandbox", "--fault", "rain", *python("pass"))
    assert refused.status == 2
    assert "queue-stopped" in refused.stderr
