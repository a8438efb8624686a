"""Where the daemons' web servers are, by Hadoop's configuration (peers.md 4.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from yarnserve.errors import ConfigurationError
from yarnserve.hadoop.configuration import HadoopConfiguration, Property

#: Default ports by scheme.
RESOURCE_MANAGER_PORTS = {"http": 8088, "https": 8090}
NAMENODE_PORTS = {"http": 9870, "https": 9871}

HDFS_URI = re.compile(r"hdfs:(?://(?P<authority>[^/]*))?(?P<path>/.*)?", re.DOTALL)
HOST_AND_PORT = re.compile(
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)

_EVERY_INTERFACE = "0.0.0.0"  # noqa: S104


@dataclass(frozen=True)
class Found:
    """Base URLs, none twice, and where they were found, in words; both empty when nothing names any."""

    urls: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class FileSystem:
    """The default file system and every nameservice.

    *authority* is that of fs.defaultFS (``prod``, ``host:8020``), empty when that is no ``hdfs://``.
    """

    authority: str = ""
    namenodes: Found = Found()
    nameservices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def resource_managers(hadoop: HadoopConfiguration) -> Found:
    """Return the ResourceManagers' base URLs.

    Raises:
        ConfigurationError: a ResourceManager in ``ha.rm-ids`` has no address, or one that is none.
    """
    prefix = "yarn.resourcemanager"
    scheme = _scheme(hadoop, "yarn.http.policy")
    webapp = f"{prefix}.webapp.address" if scheme == "http" else f"{prefix}.webapp.https.address"
    suffixes = [""]
    if _value(hadoop, f"{prefix}.ha.enabled").lower() == "true":
        suffixes = [f".{name}" for name in _names(hadoop, f"{prefix}.ha.rm-ids")]
    addresses = [_address(hadoop, f"{webapp}{suffix}", f"{prefix}.hostname{suffix}") for suffix in suffixes]
    if addresses == [None]:
        return Found()
    for suffix, address in zip(suffixes, addresses, strict=True):
        if address is None:
            raise ConfigurationError(
                f"ResourceManager {suffix[1:]} has no address",
                why=f"{prefix}.ha.rm-ids names it",
                fix=f"set {webapp}{suffix} or {prefix}.hostname{suffix} in yarn-site.xml",
            )
    return _found(scheme, [address for address in addresses if address], RESOURCE_MANAGER_PORTS)


def log_servers(hadoop: HadoopConfiguration) -> tuple[str, ...]:
    """Return the base URLs, before ``/containers/{id}/logs``, of who keeps aggregated logs; none where none is named.

    Two properties may name it: one for programs, one with the page for people of the JobHistoryServer
    (``http://host:19888/jobhistory/logs``) or of the ApplicationHistoryServer (``http://host:8188/applicationhistory``),
    whose web services lie beside that page (yarn-services.md 6).
    """
    found = []
    if service := _value(hadoop, "yarn.log.server.web-service.url"):
        found.append(service.rstrip("/"))
    if page := re.match(r"(https?://[^/]+)/(jobhistory|applicationhistory)\b", _value(hadoop, "yarn.log.server.url")):
        found.append(f"{page[1]}/ws/v1/{'history' if page[2] == 'jobhistory' else page[2]}")
    return tuple(dict.fromkeys(url for url in found if re.match("https?://[^/]", url)))


def has_kerberos(hadoop: HadoopConfiguration) -> bool:
    """Return whether the cluster wants Kerberos from whoever asks."""
    return _value(hadoop, "hadoop.security.authentication").lower() == "kerberos"


def registry_domain(hadoop: HadoopConfiguration) -> str:
    """Return the domain at the end of Docker's host names, empty where none is set (yarn-services.md 5.1)."""
    return _value(hadoop, "hadoop.registry.dns.domain-name")


def file_system(hadoop: HadoopConfiguration) -> FileSystem:
    """Return the default file system's NameNodes and those of all nameservices.

    Raises:
        ConfigurationError: a NameNode of a nameservice has no address, or one that is none.
    """
    nameservices = {name: _nameservice(hadoop, name) for name in _names(hadoop, "dfs.nameservices")}
    default = hadoop.get("fs.defaultFS")
    match = HDFS_URI.fullmatch(default.value) if default else None
    if default is None or match is None or not match["authority"]:
        return FileSystem(nameservices=nameservices)
    authority = match["authority"]
    if authority in nameservices:
        namenodes = Found(nameservices[authority], default.source)
    else:
        namenodes = _single_namenode(hadoop, default, host_of(authority))
    return FileSystem(authority, namenodes, nameservices)


def base_urls(text: str, source: str, ports: Mapping[str, int]) -> Found:
    """Read a comma-separated list of ``host``, ``host:port`` or URLs.

    A URL is taken as it is written: behind a gateway it has a path, and may have no port.

    Args:
        text: the list.
        source: where it stands, in words.
        ports: default ports by scheme.

    Raises:
        ConfigurationError: the list is empty, or one of its items is no address.
    """
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise ConfigurationError("no address is given", where=source, fix="write it as host:port")
    urls = [_checked_url(item, source) if "://" in item else _url("http", item, source, ports) for item in items]
    return Found(tuple(dict.fromkeys(urls)), source)


def host_of(authority: str) -> str:
    """Return ``host`` of ``host:port`` or ``host``."""
    return re.sub(r":[0-9]+$", "", authority)


def _nameservice(hadoop: HadoopConfiguration, name: str) -> tuple[str, ...]:
    scheme = _scheme(hadoop, "dfs.http.policy")
    suffixes = [f".{name}.{namenode}" for namenode in _names(hadoop, f"dfs.ha.namenodes.{name}")] or [f".{name}"]
    found = []
    for suffix in suffixes:
        address = _address(hadoop, f"dfs.namenode.{scheme}-address{suffix}", f"dfs.namenode.rpc-address{suffix}")
        if address is None:
            raise ConfigurationError(
                f"NameNode {suffix[1:]} has no address",
                why=f"dfs.nameservices names {name}",
                fix=f"set dfs.namenode.{scheme}-address{suffix} in hdfs-site.xml",
            )
        found.append(address)
    return _found(scheme, found, NAMENODE_PORTS).urls


def _single_namenode(hadoop: HadoopConfiguration, default: Property, host: str) -> Found:
    scheme = _scheme(hadoop, "dfs.http.policy")
    address = _address(hadoop, f"dfs.namenode.{scheme}-address")
    if address is None:
        address = Property(default.name, host, default.source)
    elif host_of(address.value) == _EVERY_INTERFACE:
        address = Property(address.name, address.value.replace(_EVERY_INTERFACE, host, 1), address.source)
    return _found(scheme, [address], NAMENODE_PORTS)


def _address(hadoop: HadoopConfiguration, webapp: str, other: str = "") -> Property | None:
    """Return the web address in property *webapp*, else the bare host in property *other*."""
    found = hadoop.get(webapp)
    if found:
        return found
    found = hadoop.get(other)
    return Property(found.name, host_of(found.value), found.source) if found else None


def _found(scheme: str, addresses: list[Property], ports: Mapping[str, int]) -> Found:
    urls = [_url(scheme, each.value, f"{each.name} of {each.source}", ports) for each in addresses]
    return Found(tuple(dict.fromkeys(urls)), addresses[0].source if addresses else "")


def _url(scheme: str, text: str, source: str, ports: Mapping[str, int]) -> str:
    match = HOST_AND_PORT.fullmatch(text)
    if match is None or not 0 < int(match["port"] or ports[scheme]) < 65536:
        raise _bad_address(text, source)
    return f"{scheme}://{match['host']}:{match['port'] or ports[scheme]}"


def _checked_url(text: str, source: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.query
    except ValueError:
        usable = False
    if not usable or "@" in text:
        raise _bad_address(text, source)
    return text.rstrip("/")


def _bad_address(text: str, source: str) -> ConfigurationError:
    if "@" in text:
        return ConfigurationError(
            f"the address of {text.rpartition('@')[2]!r} holds a user or a password",
            where=source,
            why="addresses are shown and saved, and Hadoop asks for neither",
            fix="write it as host:port or http://host:port, and name the user with --user",
        )
    return ConfigurationError(
        f"not an address: {text!r}", where=source, fix="write it as host:port or http://host:port"
    )


def _scheme(hadoop: HadoopConfiguration, policy: str) -> str:
    return "https" if _value(hadoop, policy).upper() == "HTTPS_ONLY" else "http"


def _value(hadoop: HadoopConfiguration, name: str) -> str:
    found = hadoop.get(name)
    return found.value if found else ""


def _names(hadoop: HadoopConfiguration, name: str) -> list[str]:
    return [text.strip() for text in _value(hadoop, name).split(",") if text.strip()]
