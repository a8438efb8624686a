"""An operating system in a tarball, as a base image has it: no Python, no Java, no curl."""

from __future__ import annotations

import hashlib
import platform
import re
import tempfile
from pathlib import Path

from tests.docker.daemon import run, tool

SUITE = "bookworm"

#: What a package manager needs and an image does not.
_LEFT_OUT = ("./var/cache/apt/archives/*.deb", "./var/lib/apt/lists/*", "./usr/share/doc", "./usr/share/locale")


def tarball(cache: Path) -> Path:
    """Return the tarball, out of *cache* or made anew."""
    recipe = repr((SUITE, platform.machine(), _LEFT_OUT))
    made = cache / f"{SUITE}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}.tar"
    if not made.exists():
        partial = made.with_suffix(".partial")
        # Below the cache: /tmp may be mounted without devices.
        with tempfile.TemporaryDirectory(dir=cache) as root:
            run([str(tool("debootstrap")), "--variant=minbase", SUITE, root, *_mirror()])
            run(["tar", "-C", root, *(f"--exclude={each}" for each in _LEFT_OUT), "-cf", str(partial), "."])
        partial.rename(made)
    return made


def _mirror() -> list[str]:
    """Return the mirror that apt uses here; debootstrap has its own where this is not the suite's Debian."""
    for file in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        text = file.read_text() if file.is_file() else ""
        found = re.search(r"^(?:URIs:|deb)\s+(?:\[[^]]*\]\s+)?(\S+/debian/?)(?=\s|$)", text, flags=re.M)
        if found and SUITE in text:
            return [found[1]]
    return []
