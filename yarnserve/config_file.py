"""Settings that stand in files of yarnserve's own: one of the project, one of the user.

A file is YAML with the names of the command line's options as keys: ``resource-manager: rm.example.org:8088``.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yarnserve.errors import ConfigurationError, SpecError

#: In the directory that yarnserve is called in: the settings of whoever works on what lies there.
PROJECT_FILE = ".yarnserve.yaml"

#: Below ``$XDG_CONFIG_HOME``, which is ``~/.config`` unless it is set.
USER_FILE = "yarnserve/config.yaml"

#: What may be set, by the names of the options.
NAMES = ("resource-manager", "namenode", "user", "conf-dir", "hadoop-version", "principal", "keytab")


@dataclass(frozen=True)
class FileSettings:
    """The settings of one file, by name; *origin* says where they stand, in words."""

    values: Mapping[str, str]
    origin: str


def settings_files(environ: Mapping[str, str], directory: Path) -> tuple[FileSettings, ...]:
    """Return the settings of the project file in *directory* and of the user's file, the stronger first.

    Raises:
        ConfigurationError: a file cannot be read, or says something that is no setting; names file and line.
    """
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "/")) / ".config")
    files = ((directory / PROJECT_FILE, "project file"), (Path(home) / USER_FILE, "user file"))
    return tuple(FileSettings(_read(path), f"{kind} {path}") for path, kind in files if path.exists())


def _read(path: Path) -> dict[str, str]:
    # PyYAML takes 0.03 s to import, which nobody without such a file should pay.
    from yarnserve.spec.source import read_yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError("cannot read the settings", where=str(path), why=str(error)) from error
    if not _says_something(text):
        return {}
    try:
        source = read_yaml(text, file=str(path))
    except SpecError as error:
        problem = error.problems[0]
        raise _wrong(problem.place, f"{problem.found}; allowed: {problem.allowed}") from error
    if source.problems:
        raise _wrong(source.problems[0].place, f"{source.problems[0].field}: {source.problems[0].allowed} is allowed")
    return {
        name: _value(name, value, f"{path}:{source.marks[(name,)].line}", source.marks[(name,)].text)
        for name, value in source.tree.items()
    }


def _says_something(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def _value(name: str, value: Any, place: str, written: str) -> str:
    if name not in NAMES:
        meant = difflib.get_close_matches(name, NAMES, n=1)
        raise _wrong(
            place,
            f"there is no setting {name!r}" + (f"; did you mean {meant[0]}?" if meant else ""),
            fix=f"the settings are {', '.join(NAMES)}",
        )
    if isinstance(value, list):
        return ",".join(map(str, value))
    if value is None or isinstance(value, (dict, bool)):
        raise _wrong(place, f"{name} has no value that is a text")
    # As it was written: 3.10 is a version and not the number 3.1.
    return written


def _wrong(place: str, why: str, fix: str = "") -> ConfigurationError:
    return ConfigurationError("the settings have a mistake", where=place, why=why, fix=fix)
