"""Where things lie under a model's base path (design: Model repository on HDFS)."""

from __future__ import annotations

from yarnserve.errors import UsageError
from yarnserve.records.repository import MANIFEST

#: What is ours and not TF Serving's, which looks at numbers only.
STATE_DIRECTORY = ".yarnserve"


def base(base_path: str) -> str:
    """Return *base_path* (a plain HDFS path) in the form that the other functions take.

    Raises:
        UsageError: it looks like a version.
    """
    plain = base_path.rstrip("/")
    parent, _, name = plain.rpartition("/")
    if name.isdecimal():
        raise UsageError(
            f"{plain} looks like a version, not like a base path",
            why="servers of the model above it would take it for their newest version",
            fix=f"give the directory above: {parent}",
        )
    return plain


def version_directory(base_path: str, version: int) -> str:
    """A version as TF Serving finds it."""
    return f"{base_path}/{version}"


def manifest(base_path: str, version: int) -> str:
    """The manifest of a version."""
    return f"{version_directory(base_path, version)}/{MANIFEST}"


def incoming(base_path: str) -> str:
    """Where versions are staged, and where they go to be deleted."""
    return f"{base_path}/{STATE_DIRECTORY}/incoming"


def claims(base_path: str) -> str:
    """The series of claims, one for each number that somebody wanted to publish."""
    return f"{base_path}/{STATE_DIRECTORY}/claims"


def channels(base_path: str) -> str:
    """The series of channels."""
    return f"{base_path}/{STATE_DIRECTORY}/channels"
