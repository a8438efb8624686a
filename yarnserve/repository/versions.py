"""Which versions of a model stand under its base path, as TF Serving would find them."""

from __future__ import annotations

from yarnserve.errors import NotFoundError
from yarnserve.storage.client import Storage

#: TF Serving reads numbers as int64, and ignores what is none (tf-serving.md 5.1).
MAX_VERSION = 2**63 - 1

#: What TF Serving can load from a version directory.
MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt", "model.tflite")


def versions(storage: Storage, base_path: str) -> tuple[int, ...]:
    """Return the version numbers under *base_path* (a plain HDFS path), ascending.

    Only directories whose name is a plain number count; TF Serving ignores every other name (tf-serving.md 5.1).

    Raises:
        NotFoundError: *base_path* does not exist, or is a file.
    """
    status = storage.status(base_path)
    if status is None or not status.is_directory:
        raise NotFoundError(
            "the model's base path does not exist" if status is None else "the model's base path is a file",
            where=base_path,
            fix="give the directory above the version numbers",
            next=f"yarnserve models publish DIR {base_path} --version 1",
        )
    entries = storage.list(base_path)
    numbers = (int(entry.name) for entry in entries if entry.is_directory and entry.name.isdecimal())
    return tuple(sorted(number for number in numbers if number <= MAX_VERSION))


def versions_or_none(storage: Storage, base_path: str) -> tuple[int, ...]:
    """The same; none where there is no base path yet."""
    try:
        return versions(storage, base_path)
    except NotFoundError:
        return ()


def require_version(storage: Storage, base_path: str, version: int | None = None) -> int:
    """Return the version under *base_path* that a server would load: *version*, else the newest.

    Raises:
        NotFoundError: it is not there, or holds no model. TF Serving would wait for one for ever, or give the
            version up after minutes, with its ports closed (tf-serving.md 5.3).
    """
    found = versions(storage, base_path)
    if not found:
        raise NotFoundError(
            "the model's base path holds no version",
            where=base_path,
            why="TF Serving waits for a numbered directory for ever and opens no port until one loads",
            next=f"yarnserve models publish DIR {base_path} --version 1",
        )
    if version is not None and version not in found:
        raise NotFoundError(
            f"the model has no version {version}",
            where=base_path,
            why=f"there are {', '.join(map(str, found[-10:]))}",
            next=f"yarnserve models list {base_path}",
        )
    wanted = found[-1] if version is None else version
    directory = f"{base_path.rstrip('/')}/{wanted}"
    if not any(entry.name in MODEL_FILES for entry in storage.list(directory)):
        raise NotFoundError(
            "the newest version holds no model" if version is None else f"version {version} holds no model",
            where=directory,
            why=f"none of {', '.join(MODEL_FILES)} lies in it, and TF Serving loads this number only",
            fix="complete it, remove it, or publish a higher version",
        )
    return wanted
