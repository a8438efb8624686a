"""``sandbox``: a cluster on this machine."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from yarnserve.cli.output import narrate

if TYPE_CHECKING:
    from yarnserve.sandbox import Sandbox

#: Exit status of a command that SIGTERM ended, as a shell would report it.
TERMINATED = 128 + signal.SIGTERM

#: Seconds that CMD has after SIGTERM, before it is killed.
GRACE = 5.0


@click.command(
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
@click.option("--upload", "uploads", multiple=True, metavar="DIR:HDFS_PATH", help="Put DIR into its HDFS at start.")
@click.option("--nodes", type=click.IntRange(min=1), default=2, show_default=True, help="NodeManagers.")
@click.option("--gpus", type=click.IntRange(min=0), default=0, show_default=True, help="GPUs of each NodeManager.")
@click.option("--hadoop-version", default="3.1.4", show_default=True, help="Release to imitate; vendor's too.")
@click.option("--placement", is_flag=True, help="Obey placement constraints, as Hadoop does when told to.")
@click.option("--simulated", is_flag=True, help="No processes: containers are state only, and thousands fit.")
@click.option("--memory", type=click.IntRange(min=1), default=8192, show_default=True, help="MiB of each NodeManager.")
@click.option("--vcores", type=click.IntRange(min=1), default=16, show_default=True, help="Of each NodeManager.")
@click.option("--ha", is_flag=True, help="Two ResourceManagers and two NameNodes, one of each a standby.")
@click.option("--image", "images", multiple=True, metavar="NAME:TAG", help="A Docker image; no others are there.")
@click.option("--trusted", multiple=True, metavar="REGISTRY", help="docker.trusted.registries; no others are.")
@click.option("--fault", "faults", multiple=True, metavar="NAME", help="What is wrong with it; several may be.")
@click.argument("command", metavar="[-- CMD...]", nargs=-1, type=click.UNPROCESSED)
def sandbox(
    uploads: tuple[str, ...],
    nodes: int,
    gpus: int,
    hadoop_version: str,
    placement: bool,
    simulated: bool,
    memory: int,
    vcores: int,
    ha: bool,
    images: tuple[str, ...],
    trusted: tuple[str, ...],
    faults: tuple[str, ...],
    command: tuple[str, ...],
) -> int:
    """Run a ResourceManager, NodeManagers and HDFS that behave like Hadoop's, without Java and root.

    Services run as real local processes; tensorflow_model_server is a stand-in that really infers. Without CMD it
    stays in the foreground and prints what to export; with CMD it runs CMD inside and exits with its status.
    """
    from yarnserve.sandbox import Sandbox
    from yarnserve.sandbox.profile import profile_of

    profile = profile_of(hadoop_version)
    if placement:
        profile = replace(profile, placement_handler="scheduler")
    pairs = [_upload(text) for text in uploads]
    signal.signal(signal.SIGTERM, _end)
    with Sandbox(
        nodes=nodes,
        memory_mb=memory,
        vcores=vcores,
        gpus=gpus,
        uploads=pairs,
        profile=profile,
        faults=faults,
        simulated=simulated,
        ha=ha,
        images=images,
        trusted_registries=trusted,
    ) as running:
        if command:
            return _run(running, command)
        _stay(running)
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    """Unwind as Ctrl-C does, so that neither CMD nor a container outlives the sandbox."""
    # Nothing may interrupt the cleaning up.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(TERMINATED)


def _upload(text: str) -> tuple[Path, str]:
    from yarnserve.errors import UsageError

    local, separator, remote = text.rpartition(":")
    if not separator or not remote.startswith("/"):
        raise UsageError(f"--upload {text}: not DIR:HDFS_PATH", fix="write e.g. model:/models/digits")
    if not Path(local).exists():
        raise UsageError(f"--upload {text}: there is no {local}")
    return Path(local), remote


def _run(running: Sandbox, command: tuple[str, ...]) -> int:
    from yarnserve.errors import UsageError

    try:
        process = subprocess.Popen(command, env={**os.environ, **running.environment})
    except OSError as error:
        raise UsageError(f"cannot run {command[0]}: {error.strerror}") from error
    try:
        status = _wait(process)
    finally:
        _terminate(process)
    # A shell reports death by signal n as 128 + n.
    return status if status >= 0 else 128 - status


def _wait(process: subprocess.Popen[bytes]) -> int:
    while True:
        # A terminal sends Ctrl-C to the command too: its own answer decides.
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


def _terminate(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _stay(running: Sandbox) -> None:
    exports = [f"export {name}={shlex.quote(value)}" for name, value in running.environment.items()]
    try:
        with contextlib.suppress(KeyboardInterrupt):
            click.echo("\n".join(exports))
            narrate(f"ResourceManager {running.resource_manager_url}, NameNode {running.namenode_url}")
            narrate(f"HttpFS, for --namenode: {running.httpfs_url}")
            narrate("running; put the lines above into another shell, and end this with Ctrl-C")
            threading.Event().wait()
    finally:
        narrate("stopping")
