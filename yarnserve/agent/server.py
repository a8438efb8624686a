"""The model server's process: started, ended, measured, and never left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from yarnserve.errors import ConfigurationError
from yarnserve.serving.arguments import PROGRAM

#: Seconds that the server has after SIGTERM. As a child it dies of it at once (tf-serving.md 7.4).
TERM_SECONDS = 3.0

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_prctl = ctypes.CDLL(None, use_errno=True).prctl if hasattr(os, "sched_getaffinity") else None


class ServerProcess:
    """A running ``tensorflow_model_server`` with *arguments*, in *directory*; it dies with the thread that started it.

    Raises:
        ConfigurationError: there is no such program here.
    """

    def __init__(self, arguments: Sequence[str], directory: Path) -> None:
        try:
            # The server keeps our output, which YARN and Docker collect. Nothing but two system calls are done in the
            # child before the program takes it over.
            self._process = subprocess.Popen(
                [PROGRAM, *arguments], cwd=directory, stdin=subprocess.DEVNULL, preexec_fn=_begin
            )
        except OSError as error:
            raise ConfigurationError(
                f"{PROGRAM} cannot be started",
                why=error.strerror or str(error),
                fix="take an image that has it, or put it on the PATH of the nodes",
            ) from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """How it ended, 128 + signal where one ended it; None while it runs."""
        is_news = self._process.returncode is None
        code = self._process.poll()
        if code is not None and is_news:
            self._kill_group()
        return code if code is None or code >= 0 else 128 - code

    def memory_bytes(self) -> int:
        """What it holds in memory now; 0 where nobody tells."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, ValueError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> int:
        """End it, by force where SIGTERM is not enough, and say how it ended."""
        self._process.terminate()
        try:
            self._process.wait(TERM_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._kill_group()
        return self.exit_code() or 0

    def _kill_group(self) -> None:
        """End what it has left: where the program is a script that does not exec, the server with the ports."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent ends, as PID 1 is anyway, so that :func:`reap` finds them."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Reaper:
    """Buries adopted processes that have ended; our own are waited for where they were started."""

    def __init__(self) -> None:
        self._seen: int | None = None

    def reap(self, ours: int | None) -> None:
        """Bury one, who was dead already at the last call: whoever is waited for is gone by then, but for *ours*."""
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            found = None
        dead = found.si_pid if found is not None and found.si_pid != ours else None
        if dead is not None and dead == self._seen:
            os.waitpid(dead, 0)
            dead = None
        self._seen = dead


def _begin() -> None:
    # SIGTERM of YARN and Ctrl-C of a terminal go to a whole process group: the server answers until it is drained.
    os.setpgid(0, 0)
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
