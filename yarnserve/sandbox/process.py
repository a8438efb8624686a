"""Containers as process groups on this machine.

Nothing outlives the sandbox: when it ends, every group is killed; when it is killed itself, a small watchdog
process, which holds the other end of a pipe, notices and kills them. A container waits for a line on its standard
input before it does anything, and gets it only after the watchdog knows its group, so there is no moment at which
one can slip away. Only a process that starts a session of its own escapes, as it does on YARN.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from yarnserve.sandbox.launch_script import launch_script
from yarnserve.sandbox.runtime import Check, Launch

#: What Docker and the kernel do to all of a container, whatever its processes think of it.
_UNMASKABLE = (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT)

_GATED = "read -r && exec /bin/bash launch_container.sh </dev/null"

_WATCHDOG = """
declare -A groups
while read -r verb group; do
  if [ "$verb" = add ]; then groups[$group]=1; else unset "groups[$group]"; fi
done
for group in "${!groups[@]}"; do kill -KILL -- "-$group" 2>/dev/null; done
"""


class _Watchdog:
    """Kills the process groups it was told about once this process is gone."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", _WATCHDOG], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def tell(self, verb: str, group: int) -> None:
        """Add a group, or drop one."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{verb} {group}\n".encode())
        self._process.stdin.flush()

    def close(self) -> None:
        """End it; what it still knows is killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class ProcessRuntime:
    """Runs containers below *directory*, with *inherited* variables in their environment.

    The directory's path goes into shell scripts unquoted, as YARN does it: it must need no quoting.
    """

    def __init__(self, directory: Path, inherited: Mapping[str, str]) -> None:
        self._directory = directory
        self._inherited = inherited
        self._watchdog = _Watchdog()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._isolated: set[int] = set()
        # one thread carries out all readiness checks of a service, so a hanging one delays them all
        self._probes = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-readiness")

    def start(self, launch: Launch) -> subprocess.Popen[bytes]:
        """Start the container's process group."""
        work, logs = self._work(launch), self._logs(launch.application_id, launch.container_id)
        work.mkdir(parents=True, exist_ok=True)
        logs.mkdir(parents=True, exist_ok=True)
        script = launch_script(launch, work, logs, self._inherited)
        (work / "launch_container.sh").write_text(script, encoding="utf-8")
        for name, body in launch.files.items():
            (work / name).parent.mkdir(exist_ok=True)
            (work / name).write_bytes(body)
        process = subprocess.Popen(
            ["/bin/bash", "-c", _GATED],
            cwd=work,
            env=dict(self._inherited),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._watchdog.tell("add", process.pid)
        self._running[process.pid] = process
        if launch.image:
            self._isolated.add(process.pid)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"\n")
            process.stdin.close()
        return process

    def poll(self, handle: subprocess.Popen[bytes]) -> int | None:
        """Return 0, a positive exit code, or 128 + signal once the first process is over; the rest is killed then."""
        if handle.returncode is None:
            ended = os.waitid(os.P_PID, handle.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return None
            self._reap(handle)
        code: int = handle.returncode
        return code if code >= 0 else 128 - code

    def kill(self, handle: subprocess.Popen[bytes], signal: int) -> None:
        """Send *signal* to the whole group, or as Docker delivers it (see :class:`runtime.Launch`)."""
        if handle.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if handle.pid not in self._isolated or signal in _UNMASKABLE:
                os.killpg(handle.pid, signal)
            elif _handles(handle.pid, signal):
                os.kill(handle.pid, signal)

    def address(self, handle: subprocess.Popen[bytes]) -> tuple[str, str]:
        """Return the loopback address and this machine's name."""
        return "127.0.0.1", socket.gethostname()

    def probe(self, check: Check, ip: str) -> Future[bool]:
        """Carry out a readiness check in the one thread there is for it."""
        return self._probes.submit(_passes, check, ip)

    def logs(self, container_id: str) -> Path:
        """Return the container's log directory."""
        *_, timestamp, application, _attempt, _sequence = container_id.split("_")
        return self._logs(f"application_{timestamp}_{application}", container_id)

    def forget(self, launch: Launch) -> None:
        """Remove work and log directories."""
        shutil.rmtree(self._work(launch), ignore_errors=True)
        shutil.rmtree(self._logs(launch.application_id, launch.container_id), ignore_errors=True)

    def close(self) -> None:
        """Kill everything that runs."""
        for process in list(self._running.values()):
            self.kill(process, signal.SIGKILL)
            self._reap(process)
        self._watchdog.close()
        self._probes.shutdown(wait=False, cancel_futures=True)

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        # killed and dropped before the wait: until then nobody else can get this group's number
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        self._watchdog.tell("drop", process.pid)
        del self._running[process.pid]
        self._isolated.discard(process.pid)
        process.wait()

    def _work(self, launch: Launch) -> Path:
        cache = self._directory / "nm-local" / "usercache" / launch.user / "appcache"
        return cache / launch.application_id / launch.container_id

    def _logs(self, application_id: str, container_id: str) -> Path:
        return self._directory / "nm-logs" / application_id / container_id


def _handles(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal; where there is no /proc to tell, it has."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def _passes(check: Check, ip: str) -> bool:
    try:
        timeout = int(check.properties.get("timeout", "1000")) / 1000
        if check.kind == "PORT":
            socket.create_connection((ip, int(check.properties["port"])), timeout).close()
            return True
        url = check.properties["url"].replace("${THIS_HOST}", ip)
        status = _http_status(url, timeout)
        least, most = check.properties.get("min.success", "200"), check.properties.get("max.success", "299")
        return int(least) <= status <= int(most)
    except (OSError, http.client.HTTPException, ValueError):
        return False


def _http_status(url: str, timeout: float) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout)
    try:
        connection.request("GET", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
        return connection.getresponse().status
    finally:
        connection.close()
