"""Which cluster, as whom: settings, and where each of them came from.

A flag wins over an environment variable ``YARNSERVE_*``, that over the project file, that over the user's file, that
over Hadoop's own variables and configuration, that over a default. Hadoop's configuration is looked for where
Hadoop's tools look (peers.md 4.5).
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from yarnserve.config_file import FileSettings, settings_files
from yarnserve.errors import ConfigurationError
from yarnserve.hadoop import addresses
from yarnserve.hadoop.client_files import client_files
from yarnserve.hadoop.configuration import HadoopConfiguration
from yarnserve.records.version import Version

#: Where distributions keep the configuration of the cluster a host belongs to.
DEFAULT_CONF_DIR = Path("/etc/hadoop/conf")

_NAMENODE_RPC_PORT = 8020


@dataclass(frozen=True)
class Flags:
    """What the command line said; None where it said nothing.

    *resource_manager* and *namenode* are comma-separated addresses; a NameNode's is that of its web server or of
    HttpFS.
    """

    resource_manager: str | None = None
    namenode: str | None = None
    user: str | None = None
    hadoop_version: str | None = None
    conf_dir: str | None = None
    principal: str | None = None
    keytab: str | None = None


@dataclass(frozen=True)
class Settings:
    """The cluster to talk to.

    Attributes:
        resource_managers: base URLs; at least one unless it was said that YARN is not needed.
        namenodes: base URLs of the default file system's WebHDFS or HttpFS; may be empty.
        user: who we are to Hadoop.
        hadoop_version: the version we were told to assume, or None.
        conf_dir: the directory Hadoop's configuration was read from, or None.
        origins: for each of the above that has a value, where it came from, in words.
        default_authority: authority of fs.defaultFS (``prod``, ``host:8020``), empty when unknown.
        nameservices: base URLs by nameservice, for every one in dfs.nameservices.
        hdfs_client: what a program in a container has to know to read HDFS, properties by file.
        log_servers: base URLs of who keeps the logs of ended containers, where Hadoop's configuration names any.
        registry_domain: hadoop.registry.dns.domain-name, the end of every Docker host name; empty when not set.
        has_kerberos: hadoop.security.authentication is kerberos, or a keytab was named.
        principal: whose Kerberos ticket to use; empty for the ticket cache's own.
        keytab: the principal's keys, in place of a ticket; None for the ticket cache.
    """

    resource_managers: tuple[str, ...]
    namenodes: tuple[str, ...]
    user: str
    hadoop_version: Version | None
    conf_dir: Path | None
    origins: Mapping[str, str]
    default_authority: str = ""
    nameservices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hdfs_client: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    log_servers: tuple[str, ...] = ()
    registry_domain: str = ""
    has_kerberos: bool = False
    principal: str = ""
    keytab: Path | None = None

    def namenodes_for(self, uri: str) -> tuple[str, ...]:
        """Return the WebHDFS base URLs that serve ``/path``, ``hdfs:///path`` or ``hdfs://authority/path``.

        Raises:
            ConfigurationError: no NameNode is known for it, or *uri* is not on HDFS.
        """
        authority, _ = _split(uri)
        if not authority or self._is_default(authority):
            return self._default_namenodes(uri)
        if authority in self.nameservices:
            return self.nameservices[authority]
        match = addresses.HOST_AND_PORT.fullmatch(authority)
        if match is None:
            raise ConfigurationError(
                f"no NameNode is known for hdfs://{authority}",
                where=uri,
                fix=f"add nameservice {authority} to hdfs-site.xml, or write hdfs://host/path",
            )
        # The port of an hdfs:// URI is that of the NameNode's RPC, never of its web server.
        return (f"http://{match['host']}:{addresses.NAMENODE_PORTS['http']}",)

    def _is_default(self, authority: str) -> bool:
        if self.default_authority:
            return _with_rpc_port(authority) == _with_rpc_port(self.default_authority)
        # NameNodes named by hand, and no fs.defaultFS to compare with: they are the ones that are meant.
        return bool(self.namenodes) and authority not in self.nameservices

    def _default_namenodes(self, uri: str) -> tuple[str, ...]:
        if not self.namenodes:
            raise ConfigurationError(
                "no NameNode is configured",
                where=uri,
                why="fs.defaultFS names no hdfs:// file system" if self.conf_dir else "no Hadoop configuration found",
                fix="set HADOOP_CONF_DIR, or name the NameNode's web address with --namenode",
            )
        return self.namenodes


def hdfs_path(uri: str) -> str:
    """Return the plain absolute path in *uri*, without doubled or trailing slashes.

    Raises:
        ConfigurationError: another scheme (``s3a:``, ``file:``), a relative path, or ``.`` and ``..`` in it, which
            WebHDFS and HttpFS read differently (real-hadoop.md 8).
    """
    _, path = _split(uri)
    components = [component for component in path.split("/") if component]
    if "." in components or ".." in components:
        raise ConfigurationError("an HDFS path may not contain . or ..", where=uri, fix="write the path out")
    return "/" + "/".join(components)


def resolve(
    flags: Flags,
    environ: Mapping[str, str],
    *,
    needs_yarn: bool = True,
    default_conf_dir: Path = DEFAULT_CONF_DIR,
    directory: Path = Path(),
) -> Settings:
    """Find every setting.

    Args:
        flags: the command line's.
        environ: the environment; an empty variable counts as not set.
        needs_yarn: whether a ResourceManager has to be known; who only needs HDFS may do without.
        default_conf_dir: read when nothing names a directory and it exists.
        directory: where the project file is looked for.

    Raises:
        ConfigurationError: nothing names a ResourceManager that is needed, or a setting is wrong; says what to set.
    """
    told = _Told(flags, environ, settings_files(environ, directory))
    conf_dir = _conf_dir(told, default_conf_dir)
    hadoop = _hadoop(conf_dir, environ)
    user = _user(told)
    version = told.setting("hadoop-version")
    principal, keytab = told.setting("principal"), told.setting("keytab")
    resource_managers = _resource_managers(told, hadoop, conf_dir, needed=needs_yarn)
    file_system = addresses.file_system(hadoop)
    namenodes = _namenodes(told, file_system)
    origins = {
        "resource_managers": resource_managers.source,
        "namenodes": namenodes.source,
        "user": user.origin,
        "hadoop_version": version.origin if version else "",
        "conf_dir": conf_dir.origin if conf_dir else "",
        "principal": principal.origin if principal else "",
        "keytab": keytab.origin if keytab else "",
    }
    return Settings(
        resource_managers=resource_managers.urls,
        namenodes=namenodes.urls,
        user=user.value,
        hadoop_version=_version(version) if version else None,
        conf_dir=Path(conf_dir.value) if conf_dir else None,
        origins={name: origin for name, origin in origins.items() if origin},
        default_authority=file_system.authority,
        nameservices=file_system.nameservices,
        hdfs_client=client_files(hadoop),
        log_servers=addresses.log_servers(hadoop),
        registry_domain=addresses.registry_domain(hadoop),
        has_kerberos=addresses.has_kerberos(hadoop) or keytab is not None,
        principal=principal.value if principal else "",
        keytab=Path(keytab.value) if keytab else None,
    )


def hdfs_client(
    flags: Flags,
    environ: Mapping[str, str],
    *,
    default_conf_dir: Path = DEFAULT_CONF_DIR,
    directory: Path = Path(),
) -> Mapping[str, Mapping[str, str]]:
    """Return :attr:`Settings.hdfs_client` by itself, for who needs no cluster.

    Raises:
        ConfigurationError: Hadoop's configuration was named but cannot be read.
    """
    told = _Told(flags, environ, settings_files(environ, directory))
    return client_files(_hadoop(_conf_dir(told, default_conf_dir), environ))


@dataclass(frozen=True)
class _Setting:
    """A value, and where it came from in words."""

    value: str
    origin: str


@dataclass(frozen=True)
class _Told:
    """What people said about settings: on the command line, in the environment, in files."""

    flags: Flags
    environ: Mapping[str, str]
    files: tuple[FileSettings, ...]

    def setting(self, name: str) -> _Setting | None:
        """Return what was said of the setting *name* (that of its option) in the strongest place that says anything."""
        flag: str | None = getattr(self.flags, name.replace("-", "_"))
        if flag is not None:
            return _flag(name, flag)
        variable = self.variable(f"YARNSERVE_{name.upper().replace('-', '_')}")
        written = (_Setting(file.values[name], file.origin) for file in self.files if name in file.values)
        return variable or next(written, None)

    def variable(self, name: str) -> _Setting | None:
        """Return what the environment variable *name* says."""
        value = self.environ.get(name, "").strip()
        return _Setting(value, f"environment {name}") if value else None


def _flag(name: str, value: str) -> _Setting:
    if not value.strip():
        # Most likely an unset shell variable; guessing on would act on another cluster, or as somebody else.
        raise ConfigurationError(f"--{name} is empty", fix=f"give --{name} a value, or leave it out")
    return _Setting(value.strip(), f"flag --{name}")


def _conf_dir(told: _Told, default: Path) -> _Setting | None:
    setting = told.setting("conf-dir") or told.variable("HADOOP_CONF_DIR") or told.variable("YARN_CONF_DIR")
    if setting is None:
        return _Setting(str(default), "default") if default.is_dir() else None
    if not Path(setting.value).is_dir():
        raise ConfigurationError(
            "the directory of Hadoop's configuration does not exist",
            where=setting.value,
            why=f"it was named by {setting.origin}",
            fix="name the directory that holds core-site.xml and yarn-site.xml",
        )
    return setting


def _hadoop(conf_dir: _Setting | None, environ: Mapping[str, str]) -> HadoopConfiguration:
    return HadoopConfiguration.load(Path(conf_dir.value), environ) if conf_dir else HadoopConfiguration({})


def _user(told: _Told) -> _Setting:
    setting = told.setting("user") or told.variable("HADOOP_USER_NAME")
    if setting:
        return setting
    try:
        return _Setting(pwd.getpwuid(os.getuid()).pw_name, "the operating system's user")
    except KeyError as error:
        raise ConfigurationError(
            "cannot tell who you are", why=f"user id {os.getuid()} has no name here", fix="name the user with --user"
        ) from error


def _version(setting: _Setting) -> Version:
    try:
        return Version.parse(setting.value)
    except ValueError as error:
        raise ConfigurationError(
            f"not a Hadoop version: {setting.value!r}", where=setting.origin, fix="write it as 3.1.4"
        ) from error


def _resource_managers(
    told: _Told, hadoop: HadoopConfiguration, conf_dir: _Setting | None, *, needed: bool
) -> addresses.Found:
    setting = told.setting("resource-manager")
    if setting:
        return addresses.base_urls(setting.value, setting.origin, addresses.RESOURCE_MANAGER_PORTS)
    found = addresses.resource_managers(hadoop)
    if not found.urls and needed:
        raise ConfigurationError(
            "no ResourceManager is configured",
            where=str(Path(conf_dir.value) / "yarn-site.xml") if conf_dir else "",
            why="yarn-site.xml names none" if conf_dir else "no Hadoop configuration found",
            fix="set HADOOP_CONF_DIR, or name the ResourceManager with --resource-manager host:8088",
            next="yarnserve sandbox",
        )
    return found


def _namenodes(told: _Told, file_system: addresses.FileSystem) -> addresses.Found:
    setting = told.setting("namenode")
    if setting:
        return addresses.base_urls(setting.value, setting.origin, addresses.NAMENODE_PORTS)
    return file_system.namenodes


def _split(uri: str) -> tuple[str, str]:
    """Return authority (may be empty) and path of ``/path`` or an ``hdfs:`` URI."""
    if uri.startswith("/"):
        return "", uri
    match = addresses.HDFS_URI.fullmatch(uri)
    if match is None or not (match["authority"] or match["path"]):
        raise ConfigurationError(
            f"not a path on HDFS: {uri!r}", fix="write it as hdfs://nameservice/path, hdfs:///path or /path"
        )
    return match["authority"] or "", match["path"] or "/"


def _with_rpc_port(authority: str) -> str:
    return authority if addresses.host_of(authority) != authority else f"{authority}:{_NAMENODE_RPC_PORT}"
