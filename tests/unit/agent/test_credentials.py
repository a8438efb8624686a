"""Who an agent is to HDFS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.hadoop.token_file import Given, identifier, writable
from yarnserve.agent.credentials import agent_authentication, file_systems, keytab_file
from yarnserve.errors import AccessError
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.spec.assignment import Assignment, HdfsAccess
from yarnserve.spec.model import Delivery, KerberosSpec, ModelSpec, Resources, ServiceSpec, ServingSpec

URL = "http://nn:9870/webhdfs/v1/"

DIGITS = ModelSpec("digits", "hdfs:///models/digits", Delivery.SYNC)
OTHER = ModelSpec("other", "hdfs://archive/models/other", Delivery.SYNC)


def assignment(*, has_kerberos: bool = True, kerberos: KerberosSpec | None = None) -> Assignment:
    """Two models on two file systems."""
    spec = ServiceSpec("svc", (DIGITS, OTHER), ServingSpec("2.6"), 1, Resources(1, 512), kerberos=kerberos)
    endpoints = {"digits": ("http://nn:9870", "http://nn2:9870"), "other": ("http://archive:9870",)}
    access = HdfsAccess("alice", endpoints, has_kerberos, "/s", ("http://nn:9870",), default_file_system="prod")
    return Assignment(spec, access)


def test_without_kerberos() -> None:
    """A cluster that believes a name is told the launching user's."""
    found = agent_authentication(assignment(has_kerberos=False), {}, narrate=lambda text: None)
    assert isinstance(found, SimpleAuthentication)
    assert found.user == "alice"


def test_the_token_of_each_file_system(tmp_path: Path) -> None:
    """With Kerberos each endpoint gets the container's token of the file system behind it."""
    prod, archive = (Given(name.encode(), service=f"ha-hdfs:{name}") for name in ("prod", "archive"))
    (tmp_path / "t").write_bytes(writable([archive, prod]))
    environ = {"HADOOP_TOKEN_FILE_LOCATION": str(tmp_path / "t")}
    found = agent_authentication(assignment(), environ, narrate=lambda text: None)
    sent = [found.credentials(f"http://{host}:9870/webhdfs/v1/").query for host in ("nn", "nn2", "archive")]
    assert [query["delegation"] for query in sent] == [prod.in_url, prod.in_url, archive.in_url]


def test_a_file_system_is_told_by_the_model_or_by_default() -> None:
    """Base paths name their file system; where they do not it is the default one."""
    expected = {"http://nn:9870": "prod", "http://nn2:9870": "prod", "http://archive:9870": "archive"}
    assert file_systems(assignment()) == expected


def test_neither_token_nor_keytab() -> None:
    """An agent with nothing begins all the same; each request says what is missing, what to give, and what to run."""
    found = agent_authentication(assignment(), {}, narrate=lambda text: None)
    with pytest.raises(AccessError) as raised:
        found.credentials(URL)
    error = raised.value
    assert error.where == "HADOOP_TOKEN_FILE_LOCATION"
    assert "kerberos.keytab: file:///" in error.fix
    assert error.next == "yarnserve stop svc && yarnserve start svc"


def test_where_a_keytab_is() -> None:
    """A keytab is a file on the node where its URI says so, and nothing here while it lies on HDFS."""
    named = KerberosSpec("alice/_HOST@X", "file:///etc/security/alice%201.keytab")
    assert keytab_file(named) == Path("/etc/security/alice 1.keytab")
    assert keytab_file(replace(named, keytab="hdfs:///user/alice/alice.keytab")) is None
    assert keytab_file(None) is None


@pytest.mark.parametrize("content", [b"", b"rubbish"])
def test_a_keytab_that_cannot_be_used(tmp_path: Path, content: bytes) -> None:
    """The token stands in for a keytab that cannot be used, which is told once; errors of the token tell of it, too."""
    (tmp_path / "k").write_bytes(content)
    (tmp_path / "t").write_bytes(writable([Given(identifier(), service="ha-hdfs:prod")]))
    told: list[str] = []
    found = agent_authentication(
        assignment(kerberos=KerberosSpec("alice/_HOST@NOWHERE.TEST", f"file://{tmp_path / 'k'}")),
        {"HADOOP_TOKEN_FILE_LOCATION": str(tmp_path / "t")},
        narrate=told.append,
    )
    assert found.user == "alice"
    assert found.credentials(URL).query["delegation"]
    (told_once,) = told
    assert str(tmp_path / "k") in told_once
    (tmp_path / "t").unlink()
    with pytest.raises(AccessError) as raised:
        found.credentials(URL)
    assert str(tmp_path / "k") in raised.value.fix
