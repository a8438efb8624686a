"""Replicas that are containers, by the ``docker`` command line program of this host."""

from __future__ import annotations

import datetime
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from yarnserve.errors import ConflictError, MalformedAnswerError, UnreachableError
from yarnserve.local.docker_arguments import FOREGROUND, INSTANCE, MARK, SERVICE, STATE, container_name
from yarnserve.local.docker_errors import explain, no_program
from yarnserve.local.records import Seen, Start, Way
from yarnserve.local.state import Place

PROGRAM = "docker"

#: Seconds that Docker may take for anything but a pull and a stop.
PATIENCE = 60.0

#: States of a container whose process runs.
_RUNNING = ("running", "paused")


class DockerHost:
    """The containers of the service of *place*."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def image_id(self, image: str) -> str:
        """Return the id of *image*, which is pulled where it is not here; what a pull says goes to stderr.

        Raises:
            YarnserveError: there is no Docker, no such image, or no registry.
        """
        known = _run("inspect", "image", "inspect", "--format={{.Id}}", image, may_fail=True)
        if known.returncode == 0:
            return known.stdout.strip()
        if "no such image" not in known.stderr.lower():
            raise explain(f"look for {image}", known.stderr)
        self._pull(image)
        return _run(f"look for {image}", "image", "inspect", "--format={{.Id}}", image).stdout.strip()

    def seen(self) -> Mapping[str, Seen]:
        """Every container of the service.

        Raises:
            ConflictError: one is of another state directory, perhaps another user's.
        """
        listed = _run("list containers", "ps", "--all", "--quiet", f"--filter=label={SERVICE}={self._place.name}")
        ids = listed.stdout.split()
        if not ids:
            return {}
        # A container may go between the two calls; Docker still tells of the others.
        inspected = _run("look at containers", "container", "inspect", *ids, may_fail=True)
        try:
            found = [self._see(document) for document in json.loads(inspected.stdout or "[]")]
        except (ValueError, LookupError, TypeError) as error:
            raise MalformedAnswerError(
                "what Docker says of containers cannot be read",
                why=f"{type(error).__name__}: {error}",
                fix=f"see whether the program {PROGRAM} on the PATH is Docker's",
            ) from error
        return {each.instance: each for each in found}

    def start(self, start: Start) -> None:
        """Start one; Docker starts it again when it ends, and after the host has booted.

        Raises:
            YarnserveError: Docker refuses.
        """
        instance = start.launch.instance
        kept = ("--detach", "--restart=unless-stopped")
        made = _run(f"start {instance}", "run", *kept, *_told(start), *start.launch.arguments, may_fail=True)
        if made.returncode != 0:
            error = explain(f"start {instance}", made.stderr)
            if "is already in use" not in made.stderr:
                # What was made and could not be started.
                self._remove([instance])
            raise error

    def run_in_foreground(self, start: Start) -> None:
        """Become ``docker run``, which hands signals on to the container and is gone with it."""
        self._remove([start.launch.instance])
        kept = ("--rm", f"--label={FOREGROUND}=true")
        arguments = [PROGRAM, "run", *kept, *_told(start), *start.launch.arguments]
        try:
            os.execvp(PROGRAM, arguments)
        except OSError as error:
            raise no_program(error) from None

    def stop(self, instances: Sequence[str], patience: float) -> None:
        """End containers, all at a time, each within its own time to stop, and remove them."""
        if not instances:
            return
        names = [container_name(self._place.name, instance) for instance in instances]
        stopped = _run("stop containers", "stop", *names, may_fail=True, patience=patience + PATIENCE)
        if stopped.returncode != 0 and "no such container" not in stopped.stderr.lower():
            raise explain(f"stop {', '.join(names)}", stopped.stderr)
        self._remove(instances)

    def tail(self, instance: str, lines: int) -> str:
        """The last lines of a container's output; nothing where there is none."""
        name = container_name(self._place.name, instance)
        # One stream after the other would tear apart what belongs together.
        ran = _run(f"read the log of {instance}", "logs", f"--tail={lines}", name, may_fail=True, merged=True)
        return ran.stdout if ran.returncode == 0 else ""

    def follow(self, instances: Sequence[str], lines: int) -> Iterator[tuple[str, str]]:
        """Yield what containers write, until all have ended."""
        written: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
        readers = [self._reader(instance, lines) for instance in instances]
        try:
            for instance, reader in zip(instances, readers, strict=True):
                threading.Thread(target=_read, args=(instance, reader, written), daemon=True).start()
            left = len(readers)
            while left:
                instance, text = written.get()
                if text is None:
                    left -= 1
                else:
                    yield instance, text
        finally:
            for reader in readers:
                reader.terminate()
                reader.wait()

    def _reader(self, instance: str, lines: int) -> subprocess.Popen[str]:
        name = container_name(self._place.name, instance)
        arguments = [PROGRAM, "logs", "--follow", f"--tail={lines}", name]
        return subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        )  # fmt: skip

    def _pull(self, image: str) -> None:
        """Pull, with Docker's progress on stderr, where it also says why it fails."""
        try:
            pull = subprocess.Popen(
                [PROGRAM, "pull", image],
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise no_program(error) from None
        _, words = pull.communicate()
        if pull.returncode != 0:
            raise explain(f"pull {image}", words)

    def _see(self, document: Mapping[str, Any]) -> Seen:
        labels, state = document["Config"]["Labels"], document["State"]
        if labels.get(STATE) != str(self._place.directory):
            raise ConflictError(
                f"containers of a service {self._place.name} are there already",
                where=f"container {document['Id'][:12]}",
                why=f"they belong to another state directory: {labels.get(STATE)}",
                fix="end them with --state and its parent, or choose another name in service.yaml",
            )
        is_running = state["Status"] in _RUNNING
        ended = not is_running and state["Status"] != "created"
        return Seen(
            labels[INSTANCE],
            Way.DOCKER,
            document["Id"][:12],
            labels.get(MARK, ""),
            is_running=is_running,
            is_foreground=labels.get(FOREGROUND) == "true",
            started_at=_seconds(state["StartedAt"]),
            restarts=document["RestartCount"],
            exit_code=state["ExitCode"] if ended else None,
        )

    def _remove(self, instances: Sequence[str]) -> None:
        names = [container_name(self._place.name, instance) for instance in instances]
        removed = _run("remove containers", "rm", "--force", *names, may_fail=True)
        if removed.returncode != 0 and "no such container" not in removed.stderr.lower():
            raise explain(f"remove {', '.join(names)}", removed.stderr)


def _told(start: Start) -> tuple[str, ...]:
    return (f"--label={MARK}={start.mark}",)


def _run(
    doing: str, *arguments: str, may_fail: bool = False, merged: bool = False, patience: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    """Run docker to its end; *doing* says for errors what it is for."""
    try:
        ran = subprocess.run(
            [PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=patience,
            check=False,
        )
    except OSError as error:
        raise no_program(error) from None
    except subprocess.TimeoutExpired:
        raise UnreachableError(
            f"cannot {doing}: Docker does not answer within {patience:g} s", fix="look at its daemon"
        ) from None
    if ran.returncode != 0 and not may_fail:
        raise explain(doing, ran.stderr or ran.stdout)
    return ran


def _read(instance: str, reader: subprocess.Popen[str], written: queue.SimpleQueue[tuple[str, str | None]]) -> None:
    for line in reader.stdout or ():
        written.put((instance, line))
    written.put((instance, None))


def _seconds(moment: str) -> float | None:
    """Seconds since the epoch of Docker's ``2026-01-02T03:04:05.123456789Z``; None for its year 1, which is never."""
    with suppress(ValueError):
        at = datetime.datetime.fromisoformat(moment[:19]).replace(tzinfo=datetime.timezone.utc)
        return at.timestamp() if at.year > 1 else None
    return None
