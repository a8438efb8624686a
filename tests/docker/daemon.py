"""The docker command line, spoken to the daemon of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import lru_cache

#: On everything that the tests make, so that what is left of it can be found.
LABEL = "yarnserve-test"

#: Seconds the slowest command may take: a build of an image on a busy machine.
_DEADLINE = 600

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def tool(name: str) -> str | None:
    """Return where a program is, those for root included."""
    return shutil.which(name, path=_PATH)


@lru_cache
def ready() -> bool:
    """Whether a daemon answers and an operating system can be made for it."""
    if not tool("docker") or not tool("debootstrap") or os.geteuid() != 0:
        return False
    asked = subprocess.run(["docker", "version"], capture_output=True, timeout=30, check=False)
    return asked.returncode == 0


def docker(*arguments: str) -> str:
    """Run a docker command that must succeed; return what it printed, without the last newline."""
    return run(["docker", *arguments]).removesuffix("\n")


def run(command: Sequence[str]) -> str:
    """Run a command that must succeed; return its stdout.

    Raises:
        RuntimeError: it did not; with the end of what it said.
    """
    ran = subprocess.run(
        command,
        # The classic builder: it is everywhere, while the other is a plugin.
        env={**os.environ, "PATH": _PATH, "DOCKER_BUILDKIT": "0", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {ran.returncode}:\n{(ran.stdout + ran.stderr)[-4000:]}")
    return ran.stdout


def has_image(tag: str) -> bool:
    """Whether there is an image of that name."""
    return bool(docker("images", "--quiet", tag))
