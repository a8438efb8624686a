"""What a program inside a container has to know of Hadoop's configuration to read HDFS.

Only properties of this list are taken along. They name file systems and their NameNodes and say how to speak with
them; nothing else of an administrator's files leaves the host, least of all passwords.
"""

from __future__ import annotations

from yarnserve.hadoop.configuration import HadoopConfiguration

#: Names, and beginnings of names (those that end in a dot), by the file that Hadoop expects them in.
_TAKEN = {
    "core-site.xml": (
        "fs.defaultFS",
        "fs.viewfs.",
        "hadoop.rpc.protection",
        "hadoop.security.authentication",
    ),
    "hdfs-site.xml": (
        "dfs.nameservices",
        "dfs.ha.namenodes.",
        "dfs.namenode.rpc-address",
        "dfs.namenode.rpc-address.",
        "dfs.namenode.kerberos.principal",
        "dfs.client.failover.",
        "dfs.client.use.datanode.hostname",
        "dfs.data.transfer.protection",
        "dfs.encrypt.data.transfer",
    ),
}


def client_files(hadoop: HadoopConfiguration) -> dict[str, dict[str, str]]:
    """Return the properties of each file, sorted by name; a file without any is left out.

    Raises:
        ConfigurationError: the variables in a value stand for each other without end.
    """
    files = {file: _taken(hadoop, wanted) for file, wanted in _TAKEN.items()}
    return {file: properties for file, properties in files.items() if properties}


def _taken(hadoop: HadoopConfiguration, wanted: tuple[str, ...]) -> dict[str, str]:
    prefixes = tuple(name for name in wanted if name.endswith("."))
    names = (name for name in hadoop.names() if name in wanted or name.startswith(prefixes))
    found = (hadoop.get(name) for name in sorted(names))
    return {each.name: each.value for each in found if each is not None}
