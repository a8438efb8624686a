"""Hadoop's own configuration files: the properties of core-site, hdfs-site and yarn-site, read as Hadoop reads them.

That is with ``<final>``, ``${variables}`` and ``xi:include`` (peers.md 4.5).
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from yarnserve.errors import ConfigurationError

#: In Hadoop's own order: a later file overrides an earlier one.
FILES = ("core-site.xml", "hdfs-site.xml", "yarn-site.xml")

#: How deep variables may stand for variables, and includes include: Hadoop's own limit for the first.
MAX_DEPTH = 20

#: Characters; whatever grows beyond it grows without end.
MAX_VALUE = 65536

_INCLUDE = "{http://www.w3.org/2001/XInclude}include"
_FALLBACK = "{http://www.w3.org/2001/XInclude}fallback"

_VARIABLE = re.compile(r"\$\{([^}$\s]+)\}")
_ENVIRONMENT = re.compile(r"env\.(?P<name>[^:-]+)(?:(?P<operator>:?-)(?P<default>.*))?")


@dataclass(frozen=True)
class Property:
    """One property; *source* says where it stands, in words: ``yarn-site.xml in /etc/hadoop/conf``."""

    name: str
    value: str
    source: str


@dataclass(frozen=True)
class _Read:
    """A property as it stands in a file; a *final* one cannot be overridden by a later file."""

    property: Property
    final: bool


class HadoopConfiguration:
    """Properties by name, variables not yet replaced.

    Args:
        properties: by name.
        environ: what ``${env.NAME}`` stands for.
    """

    def __init__(self, properties: Mapping[str, Property], environ: Mapping[str, str] | None = None) -> None:
        self._properties = dict(properties)
        self._environ = environ or {}

    @classmethod
    def load(cls, directory: Path, environ: Mapping[str, str] | None = None) -> HadoopConfiguration:
        """Read *directory*; a file that is not there counts as empty.

        Raises:
            ConfigurationError: a file, or one that it includes, cannot be read or is not a Hadoop configuration;
                names file and line.
        """
        properties: dict[str, _Read] = {}
        for name in FILES:
            path = directory / name
            if path.exists():
                for read in _properties(path):
                    standing = properties.get(read.property.name)
                    if standing is None or not standing.final:
                        properties[read.property.name] = read
        return cls({name: read.property for name, read in properties.items()}, environ)

    def names(self) -> frozenset[str]:
        """Return the names of all properties."""
        return frozenset(self._properties)

    def get(self, name: str) -> Property | None:
        """Return the property called *name*, variables replaced; None when it is missing or empty.

        A variable is an environment variable (``${env.NAME}``, ``${env.NAME:-default}``), one of Java's
        ``user.name`` and ``user.home``, or another property; an unknown one stays as it is written, as in Hadoop.

        Raises:
            ConfigurationError: its variables stand for each other without end.
        """
        found = self._properties.get(name)
        if found is None or not found.value:
            return None
        return Property(found.name, self._expanded(found), found.source)

    def _expanded(self, found: Property) -> str:
        text = found.value
        for _ in range(MAX_DEPTH):
            expanded = _VARIABLE.sub(lambda match: self._variable(match[1], match[0]), text)
            if expanded == text:
                return text
            if len(expanded) > MAX_VALUE:
                break
            text = expanded
        raise ConfigurationError(
            f"the variables in {found.name} stand for each other without end",
            where=found.source,
            why=f"it is written as {found.value[:80]}",
            fix="write one of them out",
        )

    def _variable(self, name: str, written: str) -> str:
        environment = _ENVIRONMENT.fullmatch(name)
        if environment is not None:
            return self._environment_variable(environment, written)
        if name in ("user.name", "user.home"):
            return _java_property(name)
        other = self._properties.get(name)
        return other.value if other is not None else written

    def _environment_variable(self, match: re.Match[str], written: str) -> str:
        value = self._environ.get(match["name"])
        # As in a shell: ":-" takes the default for an empty variable, too.
        if value or (value is not None and match["operator"] != ":-"):
            return value
        return match["default"] if match["operator"] else written


def _java_property(name: str) -> str:
    try:
        user = pwd.getpwuid(os.getuid())
    except KeyError:
        return f"${{{name}}}"
    return user.pw_name if name == "user.name" else user.pw_dir


def _properties(path: Path, depth: int = 0) -> Iterator[_Read]:
    root = _root(path)
    if root.tag != "configuration":
        raise ConfigurationError(
            "not a Hadoop configuration file",
            where=str(path),
            why=f"the outermost element is <{root.tag}>, not <configuration>",
        )
    yield from _elements(root, path, depth)


def _elements(parent: ElementTree.Element, path: Path, depth: int) -> Iterator[_Read]:
    for element in parent:
        if element.tag == "property":
            yield from _property(element, path)
        elif element.tag == "configuration":
            yield from _elements(element, path, depth)
        elif element.tag == _INCLUDE:
            yield from _included(element, path, depth)


def _property(element: ElementTree.Element, path: Path) -> Iterator[_Read]:
    name = _part(element, "name")
    if name:
        source = f"{path.name} in {path.parent}"
        yield _Read(Property(name, _part(element, "value"), source), _part(element, "final") == "true")


def _part(element: ElementTree.Element, name: str) -> str:
    """A part of a property: an element of its own, or an attribute, which Hadoop takes as well."""
    return (element.findtext(name) or element.get(name) or "").strip()


def _included(element: ElementTree.Element, path: Path, depth: int) -> Iterator[_Read]:
    target = path.parent / element.get("href", "").removeprefix("file://")
    if depth >= MAX_DEPTH:
        raise _unreadable(str(path), ValueError(f"files include each other more than {MAX_DEPTH} levels deep"))
    fallback = element.find(_FALLBACK)
    if target.is_file():
        yield from _properties(target, depth + 1)
    elif fallback is not None:
        yield from _elements(fallback, path, depth)
    else:
        raise ConfigurationError(
            "Hadoop's configuration includes a file that is not there",
            where=str(path),
            why=f"there is no {target}",
            fix="correct the href of its xi:include, or give it an xi:fallback",
        )


def _root(path: Path) -> ElementTree.Element:
    # The files are the admin's own, as trusted as this program: the standard parser will do.
    try:
        return ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        line, _ = error.position
        raise _unreadable(f"{path}:{line}", error) from error
    except (OSError, ValueError, LookupError) as error:
        raise _unreadable(str(path), error) from error


def _unreadable(where: str, error: Exception) -> ConfigurationError:
    return ConfigurationError("cannot read Hadoop's configuration", where=where, why=str(error))
