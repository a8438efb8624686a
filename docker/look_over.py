"""Run by a new bundle's own Python: loads every object, and tells what of the machine around it is still needed."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import sys
from pathlib import Path

#: The parts of glibc, the only libraries that a bundle takes from where it runs.
_GLIBC = re.compile(r"(ld-linux|lib(c|m|mvec|dl|pthread|rt|util|resolv|nsl|anl)[.-]).*")
_NEEDED = re.compile(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)")


def main(directory: Path, module: str) -> int:
    """Look *directory* over; return what to exit with."""
    objects = sorted(path for path in directory.rglob("*") if ".so" in path.suffixes and path.is_file())
    broken = [told for path in objects if (told := _load(path)) is not None]
    for told in broken:
        print(f"note: does not load here: {told}")
    if any("/lib-dynload/" in told for told in broken):
        print("error: a module of the standard library does not load", file=sys.stderr)
        return 1
    foreign = sorted(path for path in _mapped() if not path.is_relative_to(directory) and not _GLIBC.match(path.name))
    if foreign:
        print(f"error: taken from this machine: {', '.join(map(str, foreign))}", file=sys.stderr)
        return 1
    if importlib.util.find_spec(module) is None:
        print(f"error: there is no module {module}", file=sys.stderr)
        return 1
    _tell(directory, [*objects, Path(sys.executable)])
    return 0


def _load(path: Path) -> str | None:
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        return f"{path}: {error}"
    return None


def _mapped() -> set[Path]:
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {Path(line.split(maxsplit=5)[5]) for line in lines if ".so" in line}


def _tell(directory: Path, objects: list[Path]) -> None:
    size = sum(path.lstat().st_size for path in directory.rglob("*") if not path.is_dir())
    needed = {path: _glibc(path) for path in objects}
    most = max(needed.values())
    by = sorted(path.name for path, version in needed.items() if version == most)
    print(f"{directory}: {size / 2**20:.0f} MiB, Python {sys.version.split()[0]}")
    print(f"needs glibc {most[0]}.{most[1]} or later, because of {', '.join(by[:3])}{' and others' * (len(by) > 3)}")


def _glibc(path: Path) -> tuple[int, int]:
    versions = _NEEDED.findall(path.read_bytes())
    return max(((int(major), int(minor)) for major, minor in versions), default=(2, 0))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
