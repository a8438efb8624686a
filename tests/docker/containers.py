"""Containers as YARN starts them: a user whom the image does not know, HOME=/home/, one writable work directory."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.docker.daemon import LABEL, docker
from tests.support import wait_until

#: Who YARN runs a container as: somebody of the host, whom no image has in its passwd.
USER = "4711:4711"

#: The work directory where none of the host's is given; in memory.
WORK = "/work"

_OWNER = f"{LABEL}-owner"


@dataclass(frozen=True)
class Ended:
    """How a container ended, and what it said."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Container:
    """A container that was started; :func:`started` removes it."""

    name: str

    @property
    def is_running(self) -> bool:
        """Whether its first process lives."""
        return docker("inspect", "--format={{.State.Running}}", self.name) == "true"

    @property
    def address(self) -> str:
        """Where it answers on the bridge; empty on the host's network."""
        networks = json.loads(docker("inspect", "--format={{json .NetworkSettings.Networks}}", self.name))
        return str(next(iter(networks.values()))["IPAddress"])

    def logs(self) -> str:
        """Return what it has written so far, both streams."""
        asked = ["docker", "logs", self.name]
        shown = subprocess.run(
            asked, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
        )
        return shown.stdout

    def wait_for_log(self, text: str, deadline: float = 30.0) -> None:
        """Wait until *text* is in its log; its end before that is a failure at once, with the log."""

        def written() -> bool:
            running, logs = self.is_running, self.logs()
            assert running or text in logs, f"{self.name} ended without saying {text!r}:\n{logs}"
            return text in logs

        wait_until(written, deadline, f"{text!r} in the log of {self.name}")

    def execute(self, *command: str) -> str:
        """Run a command in it that must succeed; return its stdout."""
        return docker("exec", self.name, *command)

    def signal(self, name: str) -> None:
        """Send a signal to its first process, as YARN's ``docker kill --signal`` does."""
        docker("kill", f"--signal={name}", self.name)

    def stop(self, grace: int = 10) -> int:
        """TERM, and KILL after *grace* seconds, as YARN 3.1 and 3.2 stop a container; return its exit code."""
        docker("stop", f"--time={grace}", self.name)
        return self.exit_code()

    def exit_code(self, deadline: float = 30.0) -> int:
        """Wait for its end; return its exit code (137 is KILL, 143 an unhandled TERM)."""
        wait_until(lambda: not self.is_running, deadline, f"the end of {self.name}")
        return int(docker("inspect", "--format={{.State.ExitCode}}", self.name))


@contextmanager
def started(
    image: str,
    *command: str,
    network: str = "none",
    user: str = USER,
    read_only: bool = True,
    work: Path | None = None,
    mounts: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Iterator[Container]:
    """A detached container, gone at the end of the block, whatever happens in it.

    Args:
        image: its name.
        command: in place of the image's own; goes through its ENTRYPOINT.
        network: ``none``, ``host`` or ``bridge``.
        user: uid:gid.
        read_only: whether the image's files cannot be written.
        work: a directory of the host that it may write, at the same path, as YARN mounts its own; None for one in
            memory at :data:`WORK`. Becomes *user*'s.
        mounts: files and directories of the host that it may read, at the same path.
        environment: further variables.
        options: further options of ``docker run``.
    """
    name = f"{LABEL}-{uuid.uuid4().hex[:12]}"
    settings = _settings(name, network, user, read_only, work, mounts, environment or {}, options)
    try:
        docker("run", "--detach", *settings, image, *command)
        yield Container(name)
    finally:
        _remove(name)


def ended(
    image: str,
    *command: str,
    network: str = "none",
    user: str = USER,
    read_only: bool = True,
    work: Path | None = None,
    mounts: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
    deadline: float = 60.0,
) -> Ended:
    """Run a container until it ends; arguments as of :func:`started`."""
    name = f"{LABEL}-{uuid.uuid4().hex[:12]}"
    settings = _settings(name, network, user, read_only, work, mounts, environment or {}, options)
    try:
        asked = ["docker", "run", *settings, image, *command]
        ran = subprocess.run(asked, capture_output=True, text=True, timeout=deadline, check=False)
        return Ended(ran.returncode, ran.stdout, ran.stderr)
    finally:
        _remove(name)


def _settings(
    name: str,
    network: str,
    user: str,
    read_only: bool,
    work: Path | None,
    mounts: Sequence[Path],
    environment: Mapping[str, str],
    options: Sequence[str],
) -> list[str]:
    uid, gid = (int(each) for each in user.split(":"))
    if work is None:
        place = [f"--tmpfs={WORK}:uid={uid},gid={gid},mode=700,exec", f"--workdir={WORK}"]
    else:
        os.chown(work, uid, gid)
        place = [f"--volume={work}:{work}", f"--workdir={work}"]
    return [
        f"--name={name}",
        f"--label={_OWNER}={os.getpid()}",
        f"--network={network}",
        f"--user={user}",
        *(["--read-only"] if read_only else []),
        *place,
        *(f"--volume={path}:{path}:ro" for path in mounts),
        *(f"--env={key}={value}" for key, value in {"HOME": "/home/", **environment}.items()),
        *options,
    ]


def remove_orphans() -> None:
    """Remove containers whose tests were killed before they could."""
    listed = docker("ps", "--all", f"--filter=label={_OWNER}", f'--format={{{{.Names}}}}\t{{{{.Label "{_OWNER}"}}}}')
    for line in filter(None, listed.splitlines()):
        name, _, owner = line.partition("\t")
        if not Path("/proc", owner).exists():
            _remove(name)


def _remove(name: str) -> None:
    subprocess.run(
        ["docker", "rm", "--force", "--volumes", name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
