"""A real Hadoop with Kerberos on every door (real-hadoop-kerberos.md 3, 4): two JVMs, as without."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import gssapi

from tests.hadoop.cluster import RealHadoop
from tests.hadoop.configuration import APPLICATION_MASTER
from tests.hadoop.jars import class_path
from tests.kerberos.kdc import REALM, Kdc

_HERE = Path(__file__).parent
_SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")


class SecuredHadoop(RealHadoop):
    """A running secured cluster of *kdc*'s realm."""

    def __init__(self, version: str, directory: Path, kdc: Kdc) -> None:
        classes = directory / "classes"
        super().__init__(
            version,
            directory / "hadoop",
            changes=_changes(directory, kdc),
            java=[f"-Djava.security.krb5.conf={kdc.configuration}"],
            classes=classes,
        )
        self.kdc = kdc
        self.superuser = "hdfs"
        self._admin = kdc.ticket("hdfs/localhost", keytab="hdfs")
        _compile(version, classes)
        directory.joinpath("secret").write_text("for tests only")

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client exports; whose ticket it is, is the cache's matter."""
        return {
            "HADOOP_CONF_DIR": str(self.directory / "conf"),
            "KRB5_CONFIG": str(self.kdc.configuration),
            "KRB5CCNAME": f"FILE:{self.directory / 'no-ticket'}",
        }

    def upload_keytab(self, name: str) -> str:
        """Put a keytab into the home directory of user *name*, for their ApplicationMasters alone; return its path."""
        path = f"/user/{name}/{name}.keytab"
        created = self.webhdfs("PUT", path, user="hdfs", body=self.kdc.keytab(name).read_bytes(), op="CREATE")
        assert created.status == 201, created
        self._as_superuser(path, op="SETOWNER", owner=name)
        self._as_superuser(path, op="SETPERMISSION", permission="600")
        return path

    def token_file(self) -> Path:
        """The tokens of a container that runs a replica."""
        found = (self.directory / "data" / "nm-local").glob("usercache/*/appcache/*/*_000002/container_tokens")
        return max(found, key=lambda file: file.stat().st_mtime)

    def headers(self, url: str) -> dict[str, str]:
        """A token of hdfs."""
        credentials = gssapi.Credentials(usage="initiate", store={"ccache": self._admin["KRB5CCNAME"]})
        server = gssapi.Name(f"HTTP@{urlsplit(url).hostname}", gssapi.NameType.hostbased_service)
        context = gssapi.SecurityContext(name=server, creds=credentials, usage="initiate", mech=_SPNEGO)
        return {"Authorization": "Negotiate " + base64.b64encode(context.step() or b"").decode()}


def _compile(version: str, classes: Path) -> None:
    classes.mkdir(parents=True)
    source = str(_HERE / "SecureIOUtils.java")
    ran = subprocess.run(
        ["javac", "-cp", class_path(version), "-d", str(classes), source], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def _changes(directory: Path, kdc: Kdc) -> dict[str, dict[str, str]]:
    everybody = {f"hadoop.proxyuser.{user}.{what}": "*" for user in ("hdfs", "yarn") for what in ("hosts", "users")}
    http = {"principal": f"HTTP/localhost@{REALM}", "keytab": str(kdc.keytab("http"))}
    # One principal for all of the first JVM, whose login is static; the NodeManager has its own.
    storage = (f"hdfs/localhost@{REALM}", str(kdc.keytab("hdfs")))
    node = (f"yarn/localhost@{REALM}", str(kdc.keytab("yarn")))
    return {
        "core-site.xml": {
            **everybody,
            "hadoop.security.authentication": "kerberos",
            "hadoop.security.authorization": "true",
            "hadoop.http.filter.initializers": "org.apache.hadoop.security.AuthenticationFilterInitializer",
            "hadoop.http.authentication.type": "kerberos",
            "hadoop.http.authentication.simple.anonymous.allowed": "false",
            "hadoop.http.authentication.signature.secret.file": str(directory / "secret"),
            "hadoop.http.authentication.kerberos.principal": http["principal"],
            "hadoop.http.authentication.kerberos.keytab": http["keytab"],
        },
        "hdfs-site.xml": {
            "dfs.block.access.token.enable": "true",
            "ignore.secure.ports.for.testing": "true",
            "dfs.http.policy": "HTTP_ONLY",
            "dfs.namenode.kerberos.principal": storage[0],
            "dfs.namenode.keytab.file": storage[1],
            "dfs.datanode.kerberos.principal": storage[0],
            "dfs.datanode.keytab.file": storage[1],
            "dfs.web.authentication.kerberos.principal": http["principal"],
            "dfs.web.authentication.kerberos.keytab": http["keytab"],
        },
        "yarn-site.xml": {
            "yarn.resourcemanager.principal": storage[0],
            "yarn.resourcemanager.keytab": storage[1],
            "yarn.nodemanager.principal": node[0],
            "yarn.nodemanager.keytab": node[1],
            **{
                f"yarn.{daemon}.webapp.{name}": value
                for daemon in ("resourcemanager", "nodemanager")
                for name, value in (
                    ("spnego-principal", http["principal"]),
                    ("spnego-keytab-file", http["keytab"]),
                )
            },
            "yarn.service.am.java.opts": f"{APPLICATION_MASTER} -Djava.security.krb5.conf={kdc.configuration}",
        },
        "httpfs-site.xml": {
            "httpfs.hadoop.authentication.type": "kerberos",
            "httpfs.hadoop.authentication.kerberos.principal": storage[0],
            "httpfs.hadoop.authentication.kerberos.keytab": storage[1],
            "httpfs.authentication.type": "kerberos",
            "httpfs.authentication.kerberos.principal": http["principal"],
            "httpfs.authentication.kerberos.keytab": http["keytab"],
            "httpfs.proxyuser.hdfs.hosts": "*",
            "httpfs.proxyuser.hdfs.users": "*",
        },
    }
