"""An hdfs:// base path, over the sandbox's WebHDFS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model_server.processes import MODEL, started
from tests.sandbox.ha_support import pairs
from tests.sandbox.hdfs_support import put_file, serving
from yarnserve.sandbox.model_server.hdfs import HdfsSource
from yarnserve.sandbox.model_server.source import SourceError
from yarnserve.sandbox.namespace import Namespace

BASE = "hdfs:///models/digits"


@pytest.fixture
def tree(tmp_path: Path) -> Namespace:
    """A namespace with version 1 of the model, which alice may read."""
    tree = Namespace(tmp_path / "blobs", superuser="root")
    put_file(tree, "/models/digits/1/model.tflite", MODEL.read_bytes(), "root")
    return tree


@pytest.fixture
def environ(tree: Namespace, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment that a container has, with the NameNode running."""
    with serving(tree) as servers:
        directory = tmp_path / "conf"
        directory.mkdir()
        write_configuration(directory, servers.namenode_url.removeprefix("http://"))
        yield {**os.environ, "HADOOP_CONF_DIR": str(directory), "HADOOP_USER_NAME": "alice"}


def write_configuration(directory: Path, address: str) -> None:
    """Write the one property that is read."""
    (directory / "hdfs-site.xml").write_text(
        "<configuration><property><name>dfs.namenode.http-address</name>"
        f"<value>{address}</value></property></configuration>"
    )


def test_serves_from_hdfs(tree: Namespace, environ: dict[str, str], tmp_path: Path) -> None:
    """A server reads its model from HDFS and follows a directory that is renamed into place."""
    with started(tmp_path / "server", BASE, environ=environ) as server:
        server.wait_for({"1": "AVAILABLE"})
        put_file(tree, "/models/digits/.incoming/model.tflite", MODEL.read_bytes(), "root")
        tree.rename("/models/digits/.incoming", "/models/digits/2", user="root")
        server.wait_for({"2": "AVAILABLE", "1": "END"})
        assert "Loading servable version {name: digits version: 2}" in server.stderr.read_text()


def test_waits_without_configuration(tmp_path: Path) -> None:
    """Without HADOOP_CONF_DIR it waits for ever, as TF Serving does, and says what is missing."""
    with started(tmp_path, BASE) as server:
        server.wait_for_log("HADOOP_CONF_DIR is not set")
        server.wait_for_log(f"Could not find base path {BASE} for servable digits")
        assert server.process.poll() is None


def test_fetches_everything(tree: Namespace, environ: dict[str, str]) -> None:
    """Directories and files of any depth are copied whole; the copy is gone afterwards."""
    put_file(tree, "/models/digits/3/variables/deep er/a b", b"x" * 300_000, "root")
    put_file(tree, "/models/digits/3/empty", b"", "root")
    source = HdfsSource("hdfs://any:1/models/digits/", environ)
    assert sorted(source.children()) == ["1", "3"]
    with source.fetch("3") as directory:
        assert (directory / "variables" / "deep er" / "a b").read_bytes() == b"x" * 300_000
        assert (directory / "empty").read_bytes() == b""
    assert not directory.exists()


def test_refused(tree: Namespace, environ: dict[str, str]) -> None:
    """What HDFS refuses is a SourceError with HDFS's words; who asks is HADOOP_USER_NAME."""
    tree.set_permission("/models/digits/1", 0o700, user="root")
    with pytest.raises(SourceError, match="user=alice, access=READ_EXECUTE"), HdfsSource(BASE, environ).fetch("1"):
        pass
    with HdfsSource(BASE, {**environ, "HADOOP_USER_NAME": "root"}).fetch("1") as directory:
        assert (directory / "model.tflite").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "hdfs-site.xml"),
        ("<configuration/>", "no dfs.namenode.http-address"),
        ("<configuration", "hdfs-site.xml"),
    ],
)
def test_bad_configuration(tmp_path: Path, text: str | None, why: str) -> None:
    """A configuration that names no NameNode is a SourceError that names the file."""
    if text is not None:
        (tmp_path / "hdfs-site.xml").write_text(text)
    with pytest.raises(SourceError, match=why):
        HdfsSource(BASE, {"HADOOP_CONF_DIR": str(tmp_path)}).children()


def test_nobody_answers(tmp_path: Path) -> None:
    """A NameNode that is down is a SourceError that names its address."""
    write_configuration(tmp_path, "127.0.0.1:1")
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:1"):
        HdfsSource(BASE, {"HADOOP_CONF_DIR": str(tmp_path)}).children()


@pytest.mark.parametrize("first", ["DOWN", "STANDBY"])
def test_of_a_pair_the_active_namenode_is_asked(first: str) -> None:
    """A standby and a NameNode that is down are passed over; what the active one refuses is final."""
    with pairs() as cluster:
        cluster.sandbox.upload(MODEL, "/models/digits/1/model.tflite")
        cluster.fail_over(of="namenode")
        cluster.one("namenode", "ACTIVE")
        cluster.one("namenode", first)
        source = HdfsSource(BASE, cluster.sandbox.environment)
        assert list(source.children()) == ["1"]
        with source.fetch("1") as directory:
            assert (directory / "model.tflite").read_bytes() == MODEL.read_bytes()
        with pytest.raises(SourceError, match="FileNotFoundException"):
            HdfsSource("hdfs:///models/nothing", cluster.sandbox.environment).children()
