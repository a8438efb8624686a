"""What of Hadoop's configuration goes into containers."""

from __future__ import annotations

from yarnserve.hadoop.client_files import client_files
from yarnserve.hadoop.configuration import HadoopConfiguration, Property


def files_of(**properties: str) -> dict[str, dict[str, str]]:
    """The files for a configuration of *properties*, whose dots are written as double underscores."""
    named = {name.replace("__", "."): value for name, value in properties.items()}
    return client_files(HadoopConfiguration({name: Property(name, value, "test") for name, value in named.items()}))


def test_file_systems_go_along() -> None:
    """Everything that a client needs to find the NameNodes of a highly available file system, by file."""
    assert files_of(
        fs__defaultFS="hdfs://${dfs.nameservices}",
        dfs__nameservices="prod",
        dfs__ha__namenodes__prod="nn1,nn2",
        dfs__client__failover__proxy__provider__prod="org.example.Provider",
    ) == {
        "core-site.xml": {"fs.defaultFS": "hdfs://prod"},
        "hdfs-site.xml": {
            "dfs.client.failover.proxy.provider.prod": "org.example.Provider",
            "dfs.ha.namenodes.prod": "nn1,nn2",
            "dfs.nameservices": "prod",
        },
    }


def test_nothing_else_leaves_the_host() -> None:
    """Secrets least of all, and not the addresses of web servers either."""
    assert (
        files_of(
            fs__s3a__secret__key="secret",
            ssl__server__keystore__password="secret",
            dfs__namenode__keytab__file="/etc/nn.keytab",
            dfs__namenode__http_address="nn:9870",
        )
        == {}
    )


def test_without_configuration_there_are_no_files() -> None:
    """An image then has to know its file systems by itself."""
    assert client_files(HadoopConfiguration({})) == {}
