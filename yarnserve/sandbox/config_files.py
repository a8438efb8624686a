"""``configuration.files``: what an ApplicationMaster writes to HDFS for an instance, and its node localizes.

What an instance was given once lies in the service's directory until the service is destroyed, and is not written
again: a restart and a new start find the old text (yarn-services.md 2, ConfigFile).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Protocol
from xml.etree import ElementTree

from yarnserve.sandbox import definition
from yarnserve.sandbox.definition import Document
from yarnserve.sandbox.inodes import NamespaceError
from yarnserve.sandbox.tokens import substitute

#: Copied as they are; all other files are written.
_COPIED = ("STATIC", "ARCHIVE")


class DeliveryError(Exception):
    """A file cannot be made for an instance; the launch of its container fails."""


class FileStore(Protocol):
    """What an ApplicationMaster needs of HDFS; every method raises NamespaceError."""

    def read(self, path: str) -> bytes:
        """Return what is in a file; a leading ``hdfs://authority`` is allowed."""

    def write(self, path: str, body: bytes, user: str) -> None:
        """Make a file, and the directories above it, as *user*."""

    def exists(self, path: str) -> bool:
        """Whether *path* is there."""


def deliver(
    component: Document, directory: str, tokens: Mapping[str, str], store: FileStore, user: str
) -> dict[str, bytes]:
    """Return the body of each file of one instance by its place below the container's work directory.

    Args:
        component: its files are those that it was validated with.
        directory: where on HDFS the instance keeps its files.
        tokens: what is replaced in what is written; copied files are left alone.
        store: HDFS.
        user: who owns what is written.

    Raises:
        DeliveryError: a source is gone, or nothing can be written.
        SubstitutionError: a token's value cannot be used.
    """
    found = {}
    for file in component["configuration"]["files"]:
        name = file["dest_file"].rpartition("/")[2]
        try:
            if file["type"] in _COPIED:
                body = store.read(file["src_file"])
            else:
                body = _kept(file, f"{directory}/{name}", tokens, store, user)
        except NamespaceError as error:
            raise DeliveryError(f"{error.exception}: {error.message}") from error
        except OSError as error:
            raise DeliveryError(f"java.io.IOException: {error}") from error
        found[definition.local_place_of(file)] = body
    return found


def _kept(file: Document, path: str, tokens: Mapping[str, str], store: FileStore, user: str) -> bytes:
    if not store.exists(path):
        store.write(path, _written(file, tokens, store), user)
    return store.read(path)


def _written(file: Document, tokens: Mapping[str, str], store: FileStore) -> bytes:
    kind, source = file["type"], file.get("src_file", "")
    properties = {name: substitute(value, tokens) for name, value in file["properties"].items()}
    if kind == "TEMPLATE":
        text = store.read(source).decode(errors="replace") if source else file["properties"]["content"]
        return substitute(text, tokens).encode()
    if kind == "HADOOP_XML" and source:
        given = {name: substitute(value, tokens) for name, value in _read_xml(store.read(source)).items()}
        return _xml(given | properties).encode()
    if source:
        raise DeliveryError(f"java.io.FileNotFoundException: src_file is not read for {kind}")
    return _WRITERS[kind](properties).encode()


def _read_xml(body: bytes) -> dict[str, str]:
    try:
        found = ElementTree.fromstring(body).iter("property")
    except ElementTree.ParseError as error:
        raise DeliveryError(f"java.lang.RuntimeException: {error}") from error
    return {each.findtext("name", "").strip(): each.findtext("value", "") for each in found}


def _xml(properties: Mapping[str, str]) -> str:
    root = ElementTree.Element("configuration")
    for name, value in properties.items():
        entry = ElementTree.SubElement(root, "property")
        ElementTree.SubElement(entry, "name").text = name
        ElementTree.SubElement(entry, "value").text = value
    return f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>{ElementTree.tostring(root, encoding="unicode")}'


def _properties(properties: Mapping[str, str]) -> str:
    return "".join(f"{_escaped(name)}={_escaped(value)}\n" for name, value in properties.items())


def _escaped(text: str) -> str:
    """Escape as ``java.util.Properties`` reads it."""
    return re.sub(r"[\\:=#! ]", r"\\\g<0>", text).replace("\n", r"\n").replace("\r", r"\r").replace("\t", r"\t")


def _json(properties: Mapping[str, str]) -> str:
    return json.dumps(properties, indent=2)


def _yaml(properties: Mapping[str, str]) -> str:
    return "".join(f"{json.dumps(name)}: {json.dumps(value)}\n" for name, value in properties.items())


_WRITERS: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "XML": _xml,
    "HADOOP_XML": _xml,
    "PROPERTIES": _properties,
    "JSON": _json,
    "YAML": _yaml,
}
