"""A YAML text as a plain tree that remembers the line and the wording of every value. PyYAML is used here only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from yarnserve.errors import Problem, SpecError, first_line, names_secret, without_credentials

Path = tuple[str | int, ...]

_SCALARS = ("str", "int", "float", "bool", "null", "timestamp")


class WrittenFloat(float):
    """A decimal that remembers how it was written: 2.10 is not 2.1 when it is a version."""

    text: str

    @classmethod
    def read(cls, value: float, text: str) -> WrittenFloat:
        """Return *value* with the *text* that it was read from."""
        number = cls(value)
        number.text = text
        return number


@dataclass(frozen=True)
class Mark:
    """Where a value stands (1-based line; of its key, if it has one) and how it was written, in a few words."""

    line: int
    text: str


@dataclass(frozen=True)
class Fault:
    """A value that is not allowed: where, what is allowed there, and what may have been meant."""

    path: Path
    allowed: str
    suggestion: str = ""


@dataclass(frozen=True)
class Source:
    """A parsed file.

    Attributes:
        file: its name.
        tree: dicts, lists and scalars; None in place of a refused value.
        marks: the place of every value, by its path.
        refused: paths of the values that were refused.
        problems: why, and whatever else is wrong with the YAML itself.
    """

    file: str
    tree: dict[str, Any]
    marks: Mapping[Path, Mark]
    refused: frozenset[Path]
    problems: tuple[Problem, ...]

    def problem(self, fault: Fault) -> Problem:
        """Give *fault* its place; when nothing stands at its path, that is its parent's line."""
        known = fault.path
        while known not in self.marks:
            known = known[:-1]
        mark = self.marks[known]
        found = mark.text if known == fault.path and not _may_be_secret(known) else ""
        return Problem(_dotted(fault.path), found, fault.allowed, self.file, mark.line, fault.suggestion)


def read_yaml(text: str, *, file: str) -> Source:
    """Read one YAML document, whose top is a mapping.

    Aliases are refused: a file of a few lines can stand for gigabytes with them. So are tags. A key written twice
    and a key that is not a plain word are problems, but do not keep the rest from being read.

    Raises:
        SpecError: there is no way to read it on: broken syntax, several documents, no mapping.
    """
    try:
        node = _Loader(text).get_single_node()
        tree = _Tree(file)
        value = tree.build(node, ()) if node is not None else None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise _error(file, _syntax_problem(text, file, error)) from error
    if not isinstance(value, dict):
        problem = Problem("", _shown((), node), "a mapping of fields, such as name: digits", file, 1)
        raise _error(file, *(tree.problems or [problem]))
    return Source(file, value, tree.marks, frozenset(tree.refused), tuple(tree.problems))


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "found an alias: write the value out instead", mark)
        return super().compose_node(parent, index)


@dataclass
class _Tree:
    """Builds the plain tree from PyYAML's nodes, and collects marks and problems on the way."""

    file: str
    marks: dict[Path, Mark] = field(default_factory=dict)
    refused: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    reader: yaml.constructor.SafeConstructor = field(default_factory=yaml.constructor.SafeConstructor)

    def build(self, node: yaml.Node, path: Path, line: int = 0) -> Any:
        self.marks[path] = Mark(line or _line(node), _kind(node))
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag.removeprefix("tag:yaml.org,2002:") in _SCALARS:
            return self._scalar(node, path)
        return self._refuse(path, node, "a plain value, without a YAML tag")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._complain(path, key, "plain words as keys")
            elif key.value in values:
                self._complain((*path, key.value), key, "each key once")
            else:
                values[key.value] = self.build(value, (*path, key.value), _line(key))
        return values

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        try:
            if kind == "int":
                return self.reader.construct_yaml_int(node)
            if kind == "float":
                return WrittenFloat.read(self.reader.construct_yaml_float(node), node.value)
            if kind == "bool":
                return self.reader.construct_yaml_bool(node)
        except (ValueError, KeyError, IndexError):
            return self._refuse(path, node, f"a valid {kind}")
        return None if kind == "null" else node.value

    def _refuse(self, path: Path, node: yaml.Node, allowed: str) -> None:
        self.refused.add(path)
        self._complain(path, node, allowed)

    def _complain(self, path: Path, node: yaml.Node, allowed: str) -> None:
        self.problems.append(Problem(_dotted(path), _shown(path, node), allowed, self.file, _line(node)))


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _may_be_secret(path: Path) -> bool:
    """Whether what stands at *path* is not to be repeated: a variable's value, or what is called a password."""
    if not path or path == ("registry_credentials",):
        return False
    return path[0] == "env" or names_secret(str(path[-1]))


def _shown(path: Path, node: yaml.Node | None) -> str:
    """What a message says of *node*; a file that holds nothing but a text may be any file, a password's too."""
    if isinstance(node, yaml.ScalarNode) and (not path or _may_be_secret(path)):
        return "" if path else "a text"
    return _kind(node)


def _kind(node: yaml.Node | None) -> str:
    if isinstance(node, yaml.ScalarNode):
        return first_line(without_credentials(node.value), 80)
    if node is None:
        return "nothing"
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"


def _syntax_problem(text: str, file: str, error: Exception) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Problem("", f"a character of code {ord(text[error.position])}", "printable text", file, line)
    if not isinstance(error, yaml.MarkedYAMLError):
        found = "values nested too deeply" if isinstance(error, RecursionError) else str(error)
        return Problem("", found, "valid YAML", file)
    mark = error.problem_mark or error.context_mark
    allowed = "spaces: YAML is not indented with tabs" if "\\t" in str(error.problem) else "one valid YAML document"
    found = ", ".join(filter(None, [error.context, error.problem]))
    return Problem("", found, allowed, file, mark.line + 1 if mark else 0)


def _error(file: str, *problems: Problem) -> SpecError:
    return SpecError(f"{file} cannot be read", problems=problems)
