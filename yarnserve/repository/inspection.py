"""What is wrong with a local version directory, all of it at once, before a byte goes to HDFS.

TF Serving takes much that it cannot serve: a SavedModel without its variables loads, becomes AVAILABLE, takes the
place of the good version before it, and then fails each prediction (tf-serving.md 5.4).
"""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain, islice
from pathlib import Path

from yarnserve.errors import printable
from yarnserve.records.repository import MANIFEST
from yarnserve.repository.versions import MODEL_FILES
from yarnserve.repository.wire import Source, Span, records, submessages

#: Most bytes of a warm-up file whose data is compared with its checksums; about a second of work.
CHECKED_WARMUP_BYTES = 16 * 1024 * 1024

#: Most warm-up records that TF Serving takes (tf-serving.md 5.7).
WARMUP_RECORDS = 1000

_VARIABLES = "variables"
_INDEX = f"{_VARIABLES}/variables.index"
_SHARD = re.compile(rf"{_VARIABLES}/variables\.data-([0-9]{{5}})-of-([0-9]{{5}})")
_WARMUP = "assets.extra/tf_serving_warmup_requests"

# Paths of field numbers in TensorFlow's saved_model.proto, meta_graph.proto, graph.proto and function.proto.
_META_GRAPHS = (2,)
_NODE_OPS = (2, 1, 2)
_FUNCTION_NODE_OPS = (2, 2, 1, 3, 2)

_VARIABLE_OPS = frozenset((b"VarHandleOp", b"VariableV2", b"Variable"))
_LONGEST_VARIABLE_OP = max(map(len, _VARIABLE_OPS))

_TEMPORARY = ("*.tmp", "*._COPYING_", "*.part", "*.swp", ".~*", "*.tempstate*", "_temporary*")

_EXPORT_AGAIN = "export the model again, or copy it again from where it was exported to"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what would set it right.

    *path* is relative to the inspected directory, "" for all of it; what cannot be printed of it is escaped.
    """

    path: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


def inspect_model(directory: Path) -> tuple[Finding, ...]:
    """Say everything that is wrong with the version in *directory*, by path; nothing when it can be published.

    Every file is opened, and some are looked into:

    - ``saved_model.pb`` is a protobuf message as far as its graphs, their nodes and the nodes of their functions go,
      and has a graph. When there are variables in one, ``variables/variables.index`` is there too: TF Serving would
      load the model without, and then fail each prediction (tf-serving.md 5.4). A ``saved_model.pbtxt`` is not
      looked into.
    - ``variables/`` has an index and every shard of it.
    - ``model.tflite`` says that it is one.
    - ``assets.extra/tf_serving_warmup_requests`` is whole and short enough: one bad record, and the model does not
      load (tf-serving.md 5.7). Its framing is always looked at, its data up to 16 MiB only. What the records say is
      not looked at.

    Nothing may be in the directory that is temporary, is neither file nor directory, or has a name that HDFS or the
    version's manifest cannot hold.

    It only reads, keeps little in memory however large a file is, and never raises for what is in the directory;
    what cannot be read is a finding.
    """
    inspection = _Inspection(directory)
    inspection.walk()
    if not inspection.is_listed:
        return tuple(inspection.findings)
    inspection.look_into_files()
    inspection.require_model()
    inspection.require_variables()
    return tuple(sorted(inspection.findings, key=lambda finding: finding.path))


class _Inspection:
    def __init__(self, root: Path) -> None:
        self.findings: list[Finding] = []
        self.is_listed = False
        self._root = root
        self._files: list[str] = []
        self._directories: list[str] = []
        # Found fault with already, so that what is in there or behind it is not said to be missing.
        self._unknown: set[str] = set()
        self._variable_ops: set[bytes] = set()

    def _find(self, path: str, problem: str, fix: str) -> None:
        self.findings.append(Finding(printable(path), problem, fix))

    def walk(self) -> None:
        waiting = [""]
        while waiting:
            path = waiting.pop()
            try:
                with os.scandir(self._root / path) as entries:
                    inner = [self._judge_entry(path, entry) for entry in entries]
            except OSError as error:
                self._unreadable(path, error)
                continue
            self.is_listed = True
            waiting += filter(None, inner)

    def _judge_entry(self, parent: str, entry: os.DirEntry[str]) -> str | None:
        """Return the path of a directory, which is still to be walked."""
        path = f"{parent}/{entry.name}" if parent else entry.name
        self._judge_name(path, entry.name)
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError as error:
            self._unreadable(path, error)
            return None
        if stat.S_ISDIR(mode):
            self._directories.append(path)
            return path
        if stat.S_ISREG(mode) or (stat.S_ISLNK(mode) and self._leads_to_own_file(path)):
            self._files.append(path)
            return None
        self._unknown.add(path)
        if stat.S_ISLNK(mode):
            self._find(path, "it is a link to what is no file of this version", "put what it leads to in its place")
        else:
            self._find(path, "it is neither file nor directory", "remove it")
        return None

    def _leads_to_own_file(self, path: str) -> bool:
        """Whether the link at *path* is one that an upload follows."""
        target = Path(os.path.realpath(self._root / path))
        return Path(os.path.realpath(self._root)) in target.parents and target.is_file()

    def _judge_name(self, path: str, name: str) -> None:
        if ":" in name:
            self._find(path, "HDFS takes no name with a colon", "rename it")
        if path == MANIFEST:
            self._find(path, "it is a manifest: this is the copy of a published version", "remove it")
        if not name.isprintable():
            self._find(path, "its name has characters that cannot be printed, or bytes that are no text", "rename it")
        if any(fnmatchcase(name, pattern) for pattern in _TEMPORARY):
            self._find(
                path, "it is temporary, by its name: something is still being written, or broke off", "remove it"
            )

    def _unreadable(self, path: str, error: OSError) -> None:
        self._unknown.add(path)
        self._find(path, f"it cannot be read: {error.strerror or error}", "look at its permissions and its disk")

    def look_into_files(self) -> None:
        looks: Mapping[str, Callable[[str, Source], object]] = {
            "saved_model.pb": self._look_at_saved_model,
            "saved_model.pbtxt": self._look_for_content,
            "model.tflite": self._look_at_tflite,
            _INDEX: self._look_for_content,
            _WARMUP: self._look_at_warmup,
        }
        for path in self._files:
            try:
                # Should it have become a fifo since, it is not waited for.
                descriptor = os.open(self._root / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                with os.fdopen(descriptor, "rb", buffering=0) as stream:
                    if path in looks:
                        looks[path](path, Source(stream))
            except OSError as error:
                self._unreadable(path, error)

    def _look_for_content(self, path: str, source: Source) -> bool:
        if not source.size:
            self._find(path, "it is empty", _EXPORT_AGAIN)
        return bool(source.size)

    def _look_at_saved_model(self, path: str, source: Source) -> None:
        if not self._look_for_content(path, source):
            return
        has_graph = False
        try:
            for meta_graph in submessages(source, _META_GRAPHS):
                has_graph = True
                self._look_for_variables(source, meta_graph)
        except ValueError as error:
            self._find(path, f"it is damaged or no SavedModel: {error}", _EXPORT_AGAIN)
            return
        if not has_graph:
            self._find(path, "there is no graph in it", _EXPORT_AGAIN)

    def _look_for_variables(self, source: Source, meta_graph: Span) -> None:
        nodes = submessages(source, _NODE_OPS, meta_graph)
        for start, end in chain(nodes, submessages(source, _FUNCTION_NODE_OPS, meta_graph)):
            if end - start <= _LONGEST_VARIABLE_OP:
                self._variable_ops |= _VARIABLE_OPS & {source.take(start, end - start)}

    def _look_at_tflite(self, path: str, source: Source) -> None:
        if self._look_for_content(path, source) and source.take(4, 4) != b"TFL3":
            self._find(path, "it is no TensorFlow Lite model: TFL3 does not stand at byte 4", _EXPORT_AGAIN)

    def _look_at_warmup(self, path: str, source: Source) -> None:
        found = records(source, check_data=source.size <= CHECKED_WARMUP_BYTES)
        for number, problem in enumerate(islice(found, WARMUP_RECORDS), 1):
            if problem:
                self._find(path, f"record {number} is damaged: {problem}", "write the warm-up file again, or remove it")
        if next(found, None) is not None:
            self._find(path, f"it has more than {WARMUP_RECORDS} records", f"leave {WARMUP_RECORDS} or fewer in it")

    def require_model(self) -> None:
        if not self._unknown.union(self._files).isdisjoint(MODEL_FILES):
            return
        versions = sorted((path for path in self._directories if path.isdecimal()), key=int)
        self._find(
            "",
            f"it holds no model: none of {', '.join(MODEL_FILES)} lies in it",
            f"give the version directory itself, such as {self._root / versions[-1]}"
            if versions
            else "give the directory of one exported version",
        )

    def require_variables(self) -> None:
        if _VARIABLES in self._unknown:
            return
        there = self._unknown.union(self._files)
        shards = [match for match in map(_SHARD.fullmatch, there) if match]
        ops = b", ".join(sorted(self._variable_ops)).decode()
        if _INDEX in there:
            if not shards:
                self._find(_INDEX, "there are no data shards beside it", _EXPORT_AGAIN)
        elif ops:
            self._find(_INDEX, f"it is missing, and saved_model.pb has variables ({ops}) to be read", _EXPORT_AGAIN)
        elif shards:
            self._find(_INDEX, "it is missing, and there are data shards, of no use without it", _EXPORT_AGAIN)
        numbers: dict[int, set[int]] = defaultdict(set)
        for match in shards:
            numbers[int(match[2])].add(int(match[1]))
        for count, present in numbers.items():
            self._require_shards(count, present)

    def _require_shards(self, count: int, present: set[int]) -> None:
        missing = sorted(set(range(count)) - present)
        if missing:
            more = f", and {len(missing) - 1} more of {count}" if len(missing) > 1 else ""
            self._find(_shard(missing[0], count), f"it is missing{more}", _EXPORT_AGAIN)
        for number in sorted(present - set(range(count))):
            self._find(_shard(number, count), f"there is no such shard of {count}", "remove it")


def _shard(number: int, count: int) -> str:
    return f"{_VARIABLES}/variables.data-{number:05d}-of-{count:05d}"
