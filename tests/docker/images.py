"""The images that the tests run, made by the Dockerfile that users build with.

The base stands for TF Serving's: no Python, and a ``tensorflow_model_server``, the stand-in, in a bundle of its own.
Everything is kept under a name that its sources decide, so that nothing is made twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tests.docker.daemon import LABEL, docker, has_image
from tests.docker.operating_system import tarball
from tests.docker.wheelhouse import wheelhouse
from tests.support import REPOSITORY

_HERE = Path(__file__).parent
_BUILDER = _HERE / "build.Dockerfile"
_BASE = _HERE / "base.Dockerfile"
_DOCKERFILE = REPOSITORY / "docker" / "Dockerfile"
_RECIPE = (
    "setup.cfg",
    "pyproject.toml",
    ".dockerignore",
    *(f"docker/{each}" for each in ("Dockerfile", "bundle.sh", "launcher.sh", "look_over.py", "entrypoint.sh")),
)
#: What a build may see, as .dockerignore has it too.
_CONTEXT = (*_RECIPE, "yarnserve", "templates")
#: What the stand-in is made of, so that it stays while the rest of yarnserve changes.
_STAND_IN = (*_RECIPE, "yarnserve/sandbox/model_server")

#: How long images of other sources are kept: somebody may go back to them, or test them at this moment.
_KEPT = timedelta(days=1)


@dataclass(frozen=True)
class Images:
    """The names of the images.

    Attributes:
        base: what TF Serving's image is in earnest.
        sync: the base with yarnserve in it.
    """

    base: str
    sync: str


def images() -> Images:
    """Return the images, made anew where their sources have changed; one process makes them, others wait."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "yarnserve" / "docker"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _made(cache)


def _made(cache: Path) -> Images:
    with ThreadPoolExecutor() as pool:
        wheels = pool.submit(wheelhouse, cache)
        system = _system(cache)
        build = _name("build", _digest([_BUILDER]), system)
        _build(build, _BUILDER, _HERE, SYSTEM=system)
        contents = wheels.result().name
        base = _name("base", _digest([_BASE, *(REPOSITORY / each for each in _STAND_IN)]), build, contents)
        agent = _name("agent", _digest(REPOSITORY / each for each in _CONTEXT), build, contents)
        sync = _name("sync", agent, base)
        if not (has_image(base) and has_image(sync)):
            with _context(wheels.result()) as context:
                common = {"BUILD": build, "PYTHON": "/usr/bin/python3"}
                based = pool.submit(_build, base, _BASE, context, BUILD=build, SYSTEM=system)
                _build(agent, _DOCKERFILE, context, "agent", **common)
                based.result()
                _build(sync, _DOCKERFILE, context, **common, BASE=base)
    _forget({system, build, agent, base, sync})
    return Images(base, sync)


def _system(cache: Path) -> str:
    file = tarball(cache)
    tag = f"{LABEL}/system:{file.stem}"
    if not has_image(tag):
        docker("import", f"--change=LABEL {LABEL}=system", str(file), tag)
    return tag


def _build(tag: str, dockerfile: Path, context: Path, target: str = "", **arguments: str) -> None:
    if has_image(tag):
        return
    told = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    chosen = [f"--target={target}"] if target else []
    # The host's network: apt's mirror may be reachable by it alone. What yarnserve is made from asks nobody.
    network = "host" if dockerfile == _BUILDER else "none"
    docker(
        "build", "--quiet", f"--network={network}", f"--label={LABEL}={tag.rpartition(':')[0]}", f"--tag={tag}",
        f"--file={dockerfile}", *chosen, *told, str(context),
    )  # fmt: skip


def _name(kind: str, *sources: str) -> str:
    return f"{LABEL}/{kind}:{hashlib.sha256(repr(sources).encode()).hexdigest()[:12]}"


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in _files(paths):
        digest.update(repr((str(file), file.stat().st_mode & 0o111)).encode() + file.read_bytes())
    return digest.hexdigest()


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in inside if file.is_file() and "__pycache__" not in file.parts)


@contextmanager
def _context(wheels: Path) -> Iterator[Path]:
    """A copy, so that no wheels lie in a work tree."""
    with tempfile.TemporaryDirectory() as scratch:
        for file in _files(REPOSITORY / each for each in _CONTEXT):
            copy = Path(scratch) / file.relative_to(REPOSITORY)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
        shutil.copytree(wheels, Path(scratch) / "wheelhouse")
        yield Path(scratch)


def _forget(current: set[str]) -> None:
    """Remove images of sources that nobody has had for a while; those in use stay."""
    listed = docker("images", f"--filter=label={LABEL}", "--format={{.Repository}}:{{.Tag}}\t{{.CreatedAt}}")
    for line in filter(None, listed.splitlines()):
        tag, _, created = line.partition("\t")
        made = datetime.strptime(created[:25], "%Y-%m-%d %H:%M:%S %z")
        if tag not in current and "<none>" not in tag and datetime.now(timezone.utc) - made > _KEPT:
            try:
                docker("rmi", tag)
            except RuntimeError:
                continue
