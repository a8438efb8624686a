"""Hadoop's own configuration files: the properties of core-site, hdfs-site and yarn-site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from yarnserve.errors import ConfigurationError

#: In Hadoop's own order: a later file overrides an earlier one.
FILES = ("core-site.xml", "hdfs-site.xml", "yarn-site.xml")


@dataclass(frozen=True)
class Property:
    """One property; *source* says where it stands, in words: ``yarn-site.xml in /etc/hadoop/conf``."""

    name: str
    value: str
    source: str


class HadoopConfiguration:
    """Properties by name, later files before earlier ones."""

    def __init__(self, properties: Mapping[str, Property]) -> None:
        self._properties = dict(properties)

    @classmethod
    def load(cls, directory: Path) -> HadoopConfiguration:
        """Read *directory*; a file that is not there counts as empty.

        Raises:
            ConfigurationError: a file cannot be read, or is not a Hadoop configuration; names file and line.
        """
        properties: dict[str, Property] = {}
        for name in FILES:
            path = directory / name
            if path.exists():
                properties.update({each.name: each for each in _properties(path)})
        return cls(properties)

    def get(self, name: str) -> Property | None:
        """Return the property called *name*; None when it is missing or empty."""
        return self._properties.get(name)


def _properties(path: Path) -> Iterator[Property]:
    root = _root(path)
    if root.tag != "configuration":
        raise ConfigurationError(
            "not a Hadoop configuration file",
            where=str(path),
            why=f"the outermost element is <{root.tag}>, not <configuration>",
        )
    for element in root.iter("property"):
        name = (element.findtext("name") or "").strip()
        value = (element.findtext("value") or "").strip()
        if name and value:
            yield Property(name, value, f"{path.name} in {path.parent}")


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
