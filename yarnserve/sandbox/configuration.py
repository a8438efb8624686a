"""The Hadoop configuration directory by which a client finds the sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def client_configuration(
    *, filesystem: str, namenodes: Sequence[str], resource_managers: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return what clients of the sandbox need to know; addresses are ``host:port``, two of them a standby pair."""
    return {
        "core-site.xml": {"fs.defaultFS": filesystem, "hadoop.security.authentication": "simple"},
        "hdfs-site.xml": {**_namenodes(namenodes, filesystem), "dfs.webhdfs.enabled": "true"},
        "yarn-site.xml": {
            **_resource_managers(resource_managers),
            "yarn.webapp.api-service.enable": "true",
            "yarn.acl.enable": "false",
        },
    }


def _namenodes(addresses: Sequence[str], filesystem: str) -> dict[str, str]:
    if len(addresses) == 1:
        return {"dfs.namenode.http-address": addresses[0]}
    service = filesystem.rpartition("/")[2]
    names = [f"nn{number}" for number, _ in enumerate(addresses, 1)]
    return {
        "dfs.nameservices": service,
        f"dfs.ha.namenodes.{service}": ",".join(names),
        **{
            f"dfs.namenode.http-address.{service}.{name}": address
            for name, address in zip(names, addresses, strict=True)
        },
    }


def _resource_managers(addresses: Sequence[str]) -> dict[str, str]:
    prefix = "yarn.resourcemanager"
    if len(addresses) == 1:
        return {f"{prefix}.hostname": _host(addresses[0]), f"{prefix}.webapp.address": addresses[0]}
    names = [f"rm{number}" for number, _ in enumerate(addresses, 1)]
    found = {f"{prefix}.ha.enabled": "true", f"{prefix}.cluster-id": "sandbox", f"{prefix}.ha.rm-ids": ",".join(names)}
    for name, address in zip(names, addresses, strict=True):
        found |= {f"{prefix}.hostname.{name}": _host(address), f"{prefix}.webapp.address.{name}": address}
    return found


def _host(address: str) -> str:
    return address.rpartition(":")[0]
