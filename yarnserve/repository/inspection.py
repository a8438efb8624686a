"""Look a model over before it is published: what TF Serving would refuse, and what it would load and then fail with.

A SavedModel whose variables are missing loads, is AVAILABLE, replaces the good one, and then every prediction fails
(tf-serving.md 5.4); a warm-up file with one bad record keeps a version from loading at all (tf-serving.md 5.7).
"""

from __future__ import annotations

import mmap
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yarnserve.repository.versions import MODEL_FILES
from yarnserve.repository.wire import WireError, messages, records

#: Where the ops of its graphs' nodes stand in a SavedModel; what functions call is restored in the graph.
_OPS = (2, 2, 1, 2)

#: Ops that hold what variables/ brings, and the bytes of the longest name among them.
_VARIABLES = frozenset({b"VarHandleOp", b"VariableV2", b"Variable"})
_LONGEST = max(map(len, _VARIABLES))
_VARIABLE_IN_TEXT = re.compile(rb'\bop\s*:\s*"(?:VarHandleOp|VariableV2|Variable)"')

_INDEX = "variables/variables.index"
_SHARD = re.compile(r"variables/variables\.data-(\d{5})-of-(\d{5})")

WARM_UP = "assets.extra/tf_serving_warmup_requests"

#: Records of a warm-up file that TF Serving takes (tf-serving.md 5.7).
MAX_WARM_UP = 1000

#: Bytes of a warm-up file up to which the sums of its records are compared: some seconds of Python's time.
CHECKED = 8 * 1024 * 1024

_TEMPORARY = re.compile(
    r"\.(tmp|part|partial|swp|crdownload)$|\._COPYING_$|^\.~|~$|^_temporary|\.tempstate", re.IGNORECASE
)

_FINISH = "finish the export, or remove the file"


@dataclass(frozen=True)
class Finding:
    """Something wrong with the model: *path* within it, empty for all of it."""

    path: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


#: Looks at a file's bytes; yields path, problem and fix.
_Look = Callable[[mmap.mmap, Mapping[str, Path]], Iterator[tuple[str, str, str]]]


def inspect_model(directory: Path) -> tuple[Finding, ...]:
    """Return everything that is wrong with the model version in *directory* on this host; nothing is changed.

    Files are mapped, not read whole. The sums of a warm-up file's records are compared up to CHECKED bytes.
    """
    files: dict[str, Path] = {}
    found: list[Finding] = []
    _survey(directory, files, found)
    found.extend(_model_files(directory, files))
    for name, look in {"saved_model.pb": _graph, "saved_model.pbtxt": _text, "model.tflite": _tflite}.items():
        if name in files:
            found.extend(_looked(files[name], name, look, files))
    if WARM_UP in files:
        found.extend(_looked(files[WARM_UP], WARM_UP, _warm_up, files))
    return tuple(found)


def _survey(directory: Path, files: dict[str, Path], found: list[Finding]) -> None:
    """Collect the files, and what is no file that can be published."""
    waiting = [(directory, "")]
    while waiting:
        place, prefix = waiting.pop()
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            found.append(Finding(prefix.rstrip("/"), f"cannot be read: {error.strerror}", "look at its permissions"))
            continue
        for entry in entries:
            path = prefix + entry.name
            problem = _unfit(entry)
            if problem is not None:
                found.append(Finding(ascii(path)[1:-1], *problem))
            elif entry.is_dir(follow_symlinks=False):
                waiting.append((Path(entry.path), f"{path}/"))
            else:
                files[path] = Path(entry.path)


def _unfit(entry: os.DirEntry[str]) -> tuple[str, str] | None:
    """What is wrong with a directory's entry and how to mend it, or None."""
    name = entry.name
    if ":" in name or not name.isprintable():
        return "a name that HDFS cannot hold, or that no server could be told", "rename it"
    if _TEMPORARY.search(name):
        return "a temporary file: whoever writes the model has not finished", _FINISH
    try:
        mode = entry.stat(follow_symlinks=False).st_mode
    except OSError as error:
        return f"cannot be looked at: {error.strerror}", "look at its permissions"
    if stat.S_ISLNK(mode):
        return "a symbolic link: HDFS would get something else than what lies here", "put the file itself there"
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "neither a file nor a directory", "remove it"
    return None


def _model_files(directory: Path, files: Mapping[str, Path]) -> Iterator[Finding]:
    if any(name in files for name in MODEL_FILES):
        return
    inner = [name for name in sorted({path.partition("/")[0] for path in files if "/" in path}) if name.isdecimal()]
    right = directory / inner[-1] if inner else "the directory of one exported version"
    yield Finding("", f"the directory holds no model: none of {', '.join(MODEL_FILES)} lies in it", f"give {right}")


def _looked(path: Path, name: str, look: _Look, files: Mapping[str, Path]) -> list[Finding]:
    """What *look* finds in a file's bytes; a file that cannot be read, or is empty, is a finding itself."""
    try:
        with _mapped(path) as data:
            return [Finding(*each) for each in look(data, files)]
    except WireError as error:
        return [Finding(name, f"cannot be read as what it should be: {error}", "export the model again")]
    except _EmptyError:
        return [Finding(name, "is empty", "export the model again")]
    except OSError as error:
        return [Finding(name, f"cannot be read: {error.strerror}", "look at its permissions")]


class _EmptyError(Exception):
    """There is nothing to map."""


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise _EmptyError
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def _graph(data: mmap.mmap, files: Mapping[str, Path]) -> Iterator[tuple[str, str, str]]:
    name = "saved_model.pb"
    if not any(True for _ in messages(data, (2,))):
        yield name, "holds no graph", "export the model again"
        return
    ops = {data[begin:end] for begin, end in messages(data, _OPS) if end - begin <= _LONGEST}
    yield from _variables(bool(ops & _VARIABLES), files)


def _text(data: mmap.mmap, files: Mapping[str, Path]) -> Iterator[tuple[str, str, str]]:
    yield from _variables(_VARIABLE_IN_TEXT.search(data) is not None, files)


def _tflite(data: mmap.mmap, files: Mapping[str, Path]) -> Iterator[tuple[str, str, str]]:
    if data[4:8] != b"TFL3":
        yield "model.tflite", "is no TensorFlow Lite model: TFL3 does not stand at its fifth byte", "convert it again"


def _warm_up(data: mmap.mmap, files: Mapping[str, Path]) -> Iterator[tuple[str, str, str]]:
    count = sum(1 for _ in records(data, checked=len(data) <= CHECKED))
    if count > MAX_WARM_UP:
        yield WARM_UP, f"has {count} records, and TF Serving loads no model with more than {MAX_WARM_UP}", "keep fewer"


def _variables(are_wanted: bool, files: Mapping[str, Path]) -> Iterator[tuple[str, str, str]]:
    """What is missing of the variables: the index, or shards."""
    shards = [match for path in files if (match := _SHARD.fullmatch(path))]
    if _INDEX not in files:
        if are_wanted:
            why = "is missing, and the graph has variables: it would load, and every prediction would fail"
            yield _INDEX, why, "copy variables/ too"
        elif shards:
            yield _INDEX, "is missing, and there are shards of variables", "copy variables/ as a whole"
        return
    if not shards:
        yield "variables", "the index is there, and no shard beside it", "copy variables/ as a whole"
        return
    numbers = {int(match[2]) for match in shards}
    if len(numbers) > 1:
        yield "variables", "shards of several exports lie in it", "export the model into an empty directory"
        return
    (count,) = numbers
    missing = sorted(set(range(count)) - {int(match[1]) for match in shards})
    for index in missing[:5]:
        yield f"variables/variables.data-{index:05}-of-{count:05}", "is missing", "copy variables/ as a whole"
