"""The Hadoop configuration directory by which a client finds the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree


def write_configuration(directory: Path, files: Mapping[str, Mapping[str, str]]) -> None:
    """Write ``core-site.xml`` and the like: *files* maps a file's name to its properties."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, properties in files.items():
        root = ElementTree.Element("configuration")
        for key, value in properties.items():
            entry = ElementTree.SubElement(root, "property")
            ElementTree.SubElement(entry, "name").text = key
            ElementTree.SubElement(entry, "value").text = value
        ElementTree.indent(root)
        ElementTree.ElementTree(root).write(directory / name, encoding="utf-8", xml_declaration=True)


def client_configuration(*, filesystem: str, namenode: str, resource_manager: str) -> dict[str, dict[str, str]]:
    """Return what clients of the sandbox need to know; addresses are ``host:port``."""
    return {
        "core-site.xml": {"fs.defaultFS": filesystem, "hadoop.security.authentication": "simple"},
        "hdfs-site.xml": {"dfs.namenode.http-address": namenode, "dfs.webhdfs.enabled": "true"},
        "yarn-site.xml": {
            "yarn.resourcemanager.hostname": resource_manager.rpartition(":")[0],
            "yarn.resourcemanager.webapp.address": resource_manager,
            "yarn.webapp.api-service.enable": "true",
            "yarn.acl.enable": "false",
        },
    }
