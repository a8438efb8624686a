"""The directory in which a service of this host keeps what it was asked for, its models, and its logs.

STATE/NAME.lock             held by who changes the service
STATE/NAME/service.json     what was asked for
STATE/NAME/serve-0/         the work directory of a replica: what its agent is told, its models
STATE/NAME/logs/serve-0.log what a plain process writes
STATE/NAME/run/serve-0.json which process it is
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from yarnserve.errors import ConfigurationError, ConflictError, NotFoundError, YarnserveError
from yarnserve.local.records import Asked
from yarnserve.records.document import from_document, to_document

_ASKED = "service.json"

#: Seconds between two tries to get a lock that is waited for.
_LOCK_PAUSE = 0.1


def default_state(environ: Mapping[str, str]) -> Path:
    """Where services of this host lie when nobody says otherwise."""
    home = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "/")) / ".local" / "state")
    return Path(home) / "yarnserve" / "local"


@dataclass(frozen=True)
class Place:
    """The directory of service *name* below *state*, which is absolute."""

    state: Path
    name: str

    @property
    def directory(self) -> Path:
        """Its own directory."""
        return self.state / self.name

    @property
    def logs(self) -> Path:
        """Where plain processes write."""
        return self.directory / "logs"

    @property
    def run(self) -> Path:
        """Which processes there are."""
        return self.directory / "run"

    def work(self, instance: str) -> Path:
        """The work directory of a replica."""
        return self.directory / instance

    def log(self, instance: str) -> Path:
        """The log file of a replica that is a plain process."""
        return self.logs / f"{instance}.log"

    def prepare(self) -> None:
        """Make the directories.

        Raises:
            ConfigurationError: the path cannot be mounted.
        """
        if ":" in str(self.directory) or "," in str(self.directory):
            raise ConfigurationError(
                "the state directory has a colon or a comma in its path",
                where=str(self.directory),
                why="Docker could not mount it",
                fix="name another one with --state",
            )
        with translated(self.directory):
            for directory in (self.logs, self.run):
                directory.mkdir(parents=True, exist_ok=True)
            # Examples in it, and models, may be nobody else's business.
            self.directory.chmod(0o700)

    def make_work(self, instance: str) -> None:
        """Make a replica's work directory."""
        with translated(self.directory):
            self.work(instance).mkdir(parents=True, exist_ok=True)

    def write(self, path: Path, text: str) -> None:
        """Write a file below it, whole or not at all."""
        with translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_name(f"{path.name}.new")
            new.write_text(text, encoding="utf-8")
            new.replace(path)

    def remember(self, asked: Asked) -> None:
        """Save what was asked for."""
        self.write(self.directory / _ASKED, json.dumps(to_document(asked), indent=1) + "\n")

    def asked(self) -> Asked:
        """Return what was asked for last.

        Raises:
            NotFoundError: there is no such service on this host.
            YarnserveError: what is saved cannot be read.
        """
        try:
            return from_document(Asked, json.loads((self.directory / _ASKED).read_bytes()))
        except FileNotFoundError:
            raise self._unknown() from None
        except (OSError, ValueError, RecursionError) as error:
            raise YarnserveError(
                "what is saved of the service cannot be read",
                where=str(self.directory / _ASKED),
                why=str(error),
                fix="bring it up again from its file, with the yarnserve that did so or a newer one",
            ) from error

    def asked_before(self) -> Asked | None:
        """Return what was asked for last; None where nothing of it can be read: then it is asked for anew."""
        with suppress(YarnserveError):
            return self.asked()
        return None

    def _unknown(self) -> NotFoundError:
        others = services(self.state)
        return NotFoundError(
            f"there is no service {self.name!r} on this host",
            where=str(self.state),
            why=f"there are {', '.join(others)}" if others else "there is none",
            fix="give --state where it was brought up with it",
            next="yarnserve local up FILE",
        )

    @contextmanager
    def locked(self, *, patience: float = 0.0, pause: Callable[[float], None] = time.sleep) -> Iterator[None]:
        """Keep others from changing the service.

        Raises:
            ConflictError: somebody changes it now, and after *patience* seconds still does.
        """
        # Beside the directory, which may be removed meanwhile.
        with translated(self.state):
            self.state.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.state / f"{self.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            ends = time.monotonic() + patience
            while not _taken(lock):
                if time.monotonic() >= ends:
                    raise ConflictError(
                        f"another yarnserve changes {self.name} on this host now",
                        where=str(self.state / f"{self.name}.lock"),
                        why="it holds the lock",
                        fix="wait until it has ended, or end it",
                        next=f"yarnserve local status {self.name}",
                    )
                pause(_LOCK_PAUSE)
            yield
        finally:
            os.close(lock)

    def forget(self) -> None:
        """Remove everything of the service."""
        with translated(self.directory):
            if self.directory.exists():
                shutil.rmtree(self.directory)


def services(state: Path) -> tuple[str, ...]:
    """The names of the services below *state*."""
    return tuple(sorted(path.parent.name for path in state.glob(f"*/{_ASKED}")))


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into one of our errors."""
    try:
        yield
    except OSError as error:
        raise YarnserveError(
            "the state directory of the service cannot be changed",
            where=str(error.filename or path),
            why=error.strerror or str(error),
            fix="look at its permissions and its disk, or name another one with --state",
        ) from error
