"""A process that publishes or syncs and gets SIGKILL at its N-th step.

A step opens, renames, links, makes or removes something on the disk, or connects somewhere; it is not done any more.

    python -m tests.sandbox.doomed publish URL DIR BASE_PATH N
    python -m tests.sandbox.doomed sync URL BASE_PATH DIR KEEP N

Prints the number of steps when it comes to its end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from tests.sandbox.storage_support import connected
from yarnserve.repository.local import LocalStore
from yarnserve.repository.publish import publish
from yarnserve.repository.sync import Sync, SyncOptions

#: Audit events of Python that are steps; what a socket sends has none, so a request counts by its connection.
_STEPS = ("open", "os.", "shutil.", "socket.connect", "http.client.send")


class Doom:
    """Counts steps, and kills this process at number *last*."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.steps = 0
        self._lock = threading.Lock()

    def see(self, event: str, arguments: object) -> None:
        """Take one audit event."""
        if not event.startswith(_STEPS):
            return
        with self._lock:
            self.steps += 1
            is_last = self.steps == self.last
        # Without the lock: to kill is a step, too.
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)


def main(verb: str, url: str, *arguments: str) -> None:
    """Do it."""
    doom = Doom(int(arguments[-1]))
    with connected(url) as storage:
        if verb == "publish":
            directory, base = arguments[:2]
            sys.addaudithook(doom.see)
            publish(storage, Path(directory), base, 2)
        else:
            base, host, keep = arguments[:3]
            sys.addaudithook(doom.see)
            with LocalStore(Path(host)) as store:
                engine = Sync(storage, base, store, SyncOptions(keep=int(keep)))
                engine.run(engine.wanted())
        print(doom.steps)


if __name__ == "__main__":
    main(*sys.argv[1:])
