"""``python -m tests.docker``: makes the images that the tests run, so that these need not wait for them."""

from __future__ import annotations

import sys
import time

from tests.docker.daemon import docker, ready
from tests.docker.images import images


def main() -> int:
    """Make them, and tell their sizes."""
    if not ready():
        print("needs root, debootstrap and a docker daemon that answers")
        return 1
    begun = time.monotonic()
    made = images()
    for tag in (made.base, made.sync):
        size = int(docker("inspect", "--format={{.Size}}", tag))
        print(f"{tag}: {size / 2**20:.0f} MiB, after {time.monotonic() - begun:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
