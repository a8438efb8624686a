"""Hadoop's jars from Maven Central, fetched once per version and kept outside the work tree (real-hadoop.md 1, 2)."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_POM = _HERE / "pom.xml"
_DAEMONS = _HERE / "Daemons.java"

#: Seconds one run of Maven may take, an empty repository and a slow network included.
_FETCH_DEADLINE = 600


@dataclass(frozen=True)
class Release:
    """A Hadoop version with the nearest release of each module that is not offered in it."""

    hadoop: str
    services_core: str
    services_api: str
    httpfs: str
    registry: str
    zookeeper: str


RELEASES = {
    each.hadoop: each
    for each in (
        Release("3.1.4", "3.1.4", "3.1.3", "3.1.1", "hadoop-yarn-registry", "3.5.10"),
        Release("3.2.4", "3.2.1", "3.2.1", "3.2.4", "hadoop-yarn-registry", "3.5.10"),
        Release("3.3.6", "3.3.6", "3.3.5", "3.3.6", "hadoop-registry", "3.6.3"),
        Release("3.4.2", "3.4.2", "3.4.2", "3.4.2", "hadoop-registry", "3.8.4"),
    )
}


def class_path(version: str) -> str:
    """Return the class path of a Hadoop *version* with the compiled Daemons; fetch and compile what is not there yet.

    The jars are kept below ``$XDG_CACHE_HOME/yarnserve/hadoop``, by default ``~/.cache``. Several processes may ask at
    once: one fetches, the others wait.

    Raises:
        KeyError: a version for which no combination of modules is known.
        RuntimeError: Maven or javac failed; with what they said.
    """
    release = RELEASES[version]
    cache = _cache_directory()
    jars = cache / f"{version}-{_digest(_POM, repr(release))}"
    classes = cache / f"classes-{version}-{_digest(_DAEMONS, str(jars))}"
    with one_process_at_a_time("fetch"):
        if not jars.is_dir():
            _whole(jars, lambda directory: _fetch(release, directory))
        if not classes.is_dir():
            _whole(classes, lambda directory: _compile(jars, directory))
    return f"{classes}:{jars}/*"


def _cache_directory() -> Path:
    """Return where what takes long to make is kept, outside the work tree; it is there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "yarnserve" / "hadoop"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


@contextmanager
def one_process_at_a_time(what: str) -> Iterator[None]:
    """Wait until no other process of this user does *what*, and keep all others waiting until the end of the block."""
    with (_cache_directory() / f".{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(file: Path, more: str) -> str:
    return hashlib.sha256(file.read_bytes() + more.encode()).hexdigest()[:12]


def _whole(directory: Path, fill: Callable[[Path], None]) -> None:
    """Fill a directory that appears under its name only when it is complete."""
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    fill(partial)
    partial.rename(directory)


def _fetch(release: Release, directory: Path) -> None:
    properties = {
        "jars": directory,
        "hadoop.version": release.hadoop,
        "services.core.version": release.services_core,
        "services.api.version": release.services_api,
        "httpfs.version": release.httpfs,
        "registry.artifact": release.registry,
        "zookeeper.version": release.zookeeper,
    }
    told = [f"-D{name}={value}" for name, value in properties.items()]
    _run(["mvn", "--quiet", "--batch-mode", f"--file={_POM}", *told, "process-resources"])
    if list(directory.glob("slf4j-reload4j-*.jar")):
        # Two bindings of slf4j, of which the older one breaks.
        for old in (*directory.glob("log4j-1.2*.jar"), *directory.glob("slf4j-log4j12-*.jar")):
            old.unlink()


def _compile(jars: Path, directory: Path) -> None:
    _run(["javac", "-cp", f"{jars}/*", "-d", str(directory), str(_DAEMONS)])


def _run(command: list[str]) -> None:
    ran = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_FETCH_DEADLINE, check=False
    )
    if ran.returncode:
        raise RuntimeError(f"{command[0]} ended with {ran.returncode}:\n{ran.stdout[-4000:]}")
