"""Settings: which source wins, what Hadoop's configuration means, and what is said when something is missing."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.config import Flags, Settings, hdfs_path, resolve
from yarnserve.errors import ConfigurationError
from yarnserve.records.version import Version

NOWHERE = Path("/nonexistent")

NO_FLAGS = Flags()


def write(directory: Path, name: str, properties: dict[str, str]) -> None:
    """Write one Hadoop configuration file."""
    body = "".join(
        f"<property><name>{key}</name><value>{value}</value></property>" for key, value in properties.items()
    )
    (directory / name).write_text(f"<configuration>{body}</configuration>")


def resolved(
    directory: Path, yarn: dict[str, str], hdfs: dict[str, str] | None = None, flags: Flags | None = None
) -> Settings:
    """Settings from *directory* alone, after *yarn* and *hdfs* were written there."""
    write(directory, "yarn-site.xml", yarn)
    write(directory, "hdfs-site.xml", hdfs or {})
    return resolve(flags or Flags(), {"HADOOP_CONF_DIR": str(directory)}, default_conf_dir=NOWHERE)


ONE = {"yarn.resourcemanager.hostname": "rm"}
HA = {"yarn.resourcemanager.ha.enabled": "true", "yarn.resourcemanager.ha.rm-ids": "rm1, rm2"}


@pytest.mark.parametrize(
    ("yarn", "expected"),
    [
        (ONE, ("http://rm:8088",)),
        (ONE | {"yarn.resourcemanager.webapp.address": "web:18088"}, ("http://web:18088",)),
        (ONE | {"yarn.http.policy": "HTTPS_ONLY"}, ("https://rm:8090",)),
        (
            ONE | {"yarn.http.policy": "HTTPS_ONLY", "yarn.resourcemanager.webapp.https.address": "web:9"},
            ("https://web:9",),
        ),
        (ONE | {"yarn.http.policy": "HTTP_AND_HTTPS"}, ("http://rm:8088",)),
        (
            HA | {"yarn.resourcemanager.webapp.address.rm1": "a:1", "yarn.resourcemanager.hostname.rm2": "b"},
            ("http://a:1", "http://b:8088"),
        ),
        (
            HA
            | {
                "yarn.http.policy": "HTTPS_ONLY",
                "yarn.resourcemanager.webapp.https.address.rm1": "a:1",
                "yarn.resourcemanager.hostname.rm2": "b",
            },
            ("https://a:1", "https://b:8090"),
        ),
        (ONE | HA | {"yarn.resourcemanager.ha.enabled": "false"}, ("http://rm:8088",)),
    ],
)
def test_resource_managers_of_yarn_site(tmp_path: Path, yarn: dict[str, str], expected: tuple[str, ...]) -> None:
    """Each way to name ResourceManagers gives their web addresses, and yarn-site.xml is named as the origin."""
    settings = resolved(tmp_path, yarn)
    assert settings.resource_managers == expected
    assert settings.origins["resource_managers"] == f"yarn-site.xml in {tmp_path}"


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"fs.defaultFS": "hdfs://nn:8020"}, ("http://nn:9870",)),
        ({"fs.defaultFS": "hdfs://nn"}, ("http://nn:9870",)),
        ({"fs.defaultFS": "hdfs://nn/", "dfs.namenode.http-address": "0.0.0.0:50070"}, ("http://nn:50070",)),
        ({"fs.defaultFS": "hdfs://nn:8020", "dfs.namenode.http-address": "web:1"}, ("http://web:1",)),
        ({"fs.defaultFS": "hdfs://nn:8020", "dfs.http.policy": "HTTPS_ONLY"}, ("https://nn:9871",)),
        ({"fs.defaultFS": "file:///"}, ()),
        ({}, ()),
    ],
)
def test_namenode_of_the_default_file_system(
    tmp_path: Path, properties: dict[str, str], expected: tuple[str, ...]
) -> None:
    """fs.defaultFS and dfs.namenode.http-address give the NameNode's web address; another scheme gives none."""
    assert resolved(tmp_path, ONE, properties).namenodes == expected


NAMESERVICES = {
    "fs.defaultFS": "hdfs://prod",
    "dfs.nameservices": "prod,lab",
    "dfs.ha.namenodes.prod": "nn1,nn2",
    "dfs.namenode.http-address.prod.nn1": "a:9870",
    "dfs.namenode.rpc-address.prod.nn2": "b:8020",
    "dfs.namenode.http-address.lab": "lab-nn:9870",
}


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/models", ("http://a:9870", "http://b:9870")),
        ("hdfs:///models", ("http://a:9870", "http://b:9870")),
        ("hdfs:/models", ("http://a:9870", "http://b:9870")),
        ("hdfs://prod/models", ("http://a:9870", "http://b:9870")),
        ("hdfs://lab/models", ("http://lab-nn:9870",)),
        ("hdfs://other.corp:8020/models", ("http://other.corp:9870",)),
    ],
)
def test_namenodes_for_a_uri(tmp_path: Path, uri: str, expected: tuple[str, ...]) -> None:
    """The default file system, another nameservice, and a host that no configuration knows."""
    assert resolved(tmp_path, ONE, NAMESERVICES).namenodes_for(uri) == expected


def test_the_default_authority_with_and_without_its_port(tmp_path: Path) -> None:
    """hdfs://nn and hdfs://nn:8020 are one file system; another port is another one."""
    settings = resolved(tmp_path, ONE, {"fs.defaultFS": "hdfs://nn", "dfs.namenode.http-address": "web:1"})
    assert settings.namenodes_for("hdfs://nn:8020/x") == settings.namenodes_for("hdfs://nn/x") == ("http://web:1",)
    assert settings.namenodes_for("hdfs://nn:9000/x") == ("http://nn:9870",)


def test_namenodes_named_by_hand(tmp_path: Path) -> None:
    """--namenode serves the default file system, and every authority as long as no fs.defaultFS is known."""
    flags = Flags(namenode="gw:14000,https://knox/gateway/hdfs/")
    named = ("http://gw:14000", "https://knox/gateway/hdfs")
    settings = resolved(tmp_path, ONE, NAMESERVICES, flags)
    assert settings.namenodes_for("hdfs://prod/x") == named
    assert settings.namenodes_for("hdfs://lab/x") == ("http://lab-nn:9870",)
    assert settings.origins["namenodes"] == "flag --namenode"
    assert resolved(tmp_path, ONE, {}, flags).namenodes_for("hdfs://anything/x") == named


def test_a_path_without_any_namenode(tmp_path: Path) -> None:
    """Without fs.defaultFS a plain path is a mistake of the settings, told when it is needed and not before."""
    settings = resolved(tmp_path, ONE)
    with pytest.raises(ConfigurationError) as raised:
        settings.namenodes_for("/models")
    assert "--namenode" in raised.value.fix
    with pytest.raises(ConfigurationError, match="no NameNode is known"):
        settings.namenodes_for("hdfs://a_nameservice/models")


@pytest.mark.parametrize(
    ("flag", "environ", "expected", "origin"),
    [
        ("f", {"YARNSERVE_USER": "y", "HADOOP_USER_NAME": "h"}, "f", "flag --user"),
        (None, {"YARNSERVE_USER": "y", "HADOOP_USER_NAME": "h"}, "y", "environment YARNSERVE_USER"),
        (None, {"YARNSERVE_USER": "", "HADOOP_USER_NAME": "h"}, "h", "environment HADOOP_USER_NAME"),
        (None, {}, pwd.getpwuid(os.getuid()).pw_name, "the operating system's user"),
    ],
)
def test_who_we_are(flag: str | None, environ: dict[str, str], expected: str, origin: str) -> None:
    """The user: flag, YARNSERVE_USER, HADOOP_USER_NAME, operating system, in this order; empty counts as not set."""
    settings = resolve(Flags(resource_manager="rm", user=flag), environ, default_conf_dir=NOWHERE)
    assert (settings.user, settings.origins["user"]) == (expected, origin)


def test_flag_before_environment_before_configuration(tmp_path: Path) -> None:
    """The ResourceManager: each source wins over the next one, and is named."""
    write(tmp_path, "yarn-site.xml", ONE)
    environ = {"YARNSERVE_RESOURCE_MANAGER": "env:1, env:1", "YARN_CONF_DIR": str(tmp_path)}
    by_flag = resolve(Flags(resource_manager="https://flag:2/"), environ, default_conf_dir=NOWHERE)
    by_environment = resolve(Flags(), environ, default_conf_dir=NOWHERE)
    assert (by_flag.resource_managers, by_environment.resource_managers) == (("https://flag:2",), ("http://env:1",))
    assert by_environment.origins["resource_managers"] == "environment YARNSERVE_RESOURCE_MANAGER"
    assert by_environment.origins["conf_dir"] == "environment YARN_CONF_DIR"


def test_the_directory_of_hadoops_configuration(tmp_path: Path) -> None:
    """--conf-dir, YARNSERVE_CONF_DIR, HADOOP_CONF_DIR, YARN_CONF_DIR, the default, in this order."""
    names = ["flag", "YARNSERVE_CONF_DIR", "HADOOP_CONF_DIR", "YARN_CONF_DIR", "default"]
    for name in names:
        (tmp_path / name).mkdir()
    environ = {name: str(tmp_path / name) for name in names[1:4]}
    flags = Flags(resource_manager="rm", conf_dir=str(tmp_path / "flag"))
    found = [resolve(flags, environ).conf_dir]
    for name in ["", *names[1:4]]:
        environ.pop(name, None)
        settings = resolve(Flags(resource_manager="rm"), environ, default_conf_dir=tmp_path / "default")
        found.append(settings.conf_dir)
    assert found == [tmp_path / name for name in names]


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, ()),
        (
            {"yarn.log.server.web-service.url": "http://ahs:8188/ws/v1/applicationhistory/"},
            ("http://ahs:8188/ws/v1/applicationhistory",),
        ),
        ({"yarn.log.server.url": "https://jhs:19890/jobhistory/logs"}, ("https://jhs:19890/ws/v1/history",)),
        (
            {"yarn.log.server.url": "http://ahs:8188/applicationhistory/logs"},
            ("http://ahs:8188/ws/v1/applicationhistory",),
        ),
        ({"yarn.log.server.url": "http://elsewhere/page", "yarn.log.server.web-service.url": "none"}, ()),
    ],
)
def test_the_log_server_of_either_property(
    tmp_path: Path, properties: dict[str, str], expected: tuple[str, ...]
) -> None:
    """Web services are named for programs, or lie beside the page that is named for people."""
    assert resolved(tmp_path, ONE | properties).log_servers == expected


def test_nothing_names_a_resource_manager(tmp_path: Path) -> None:
    """The error says what to set and offers the sandbox."""
    for environ in ({}, {"HADOOP_CONF_DIR": str(tmp_path)}):
        with pytest.raises(ConfigurationError) as raised:
            resolve(Flags(), environ, default_conf_dir=NOWHERE)
        assert "HADOOP_CONF_DIR" in raised.value.fix
        assert raised.value.next == "yarnserve sandbox"


@pytest.mark.parametrize(
    ("flags", "mentioned"),
    [
        (Flags(resource_manager=","), "no address"),
        (Flags(resource_manager="a b"), "'a b'"),
        (Flags(resource_manager="rm:0"), "'rm:0'"),
        (Flags(resource_manager="rm:99999"), "'rm:99999'"),
        (Flags(resource_manager="ftp://rm"), "'ftp://rm'"),
        (Flags(resource_manager="http://:80"), "'http://:80'"),
        (Flags(resource_manager="http://rm:x"), "'http://rm:x'"),
        (Flags(resource_manager="rm", user=" "), "--user is empty"),
        (Flags(resource_manager="rm", hadoop_version="latest"), "'latest'"),
        (Flags(resource_manager="rm", conf_dir="/nonexistent"), "does not exist"),
    ],
)
def test_a_wrong_setting_is_named(flags: Flags, mentioned: str) -> None:
    """What cannot be an address, a user, a version or a directory is quoted back."""
    with pytest.raises(ConfigurationError) as raised:
        resolve(flags, {}, default_conf_dir=NOWHERE)
    assert mentioned in raised.value.what


@pytest.mark.parametrize(
    ("yarn", "hdfs", "fix"),
    [
        (HA | {"yarn.resourcemanager.hostname.rm1": "a"}, {}, "yarn.resourcemanager.hostname.rm2"),
        (ONE, {"dfs.nameservices": "p", "dfs.ha.namenodes.p": "n"}, "dfs.namenode.http-address.p.n"),
        ({"yarn.resourcemanager.webapp.address": "${yarn.resourcemanager.hostname}:8088"}, {}, "host:port"),
    ],
)
def test_a_gap_in_hadoops_configuration_is_named(
    tmp_path: Path, yarn: dict[str, str], hdfs: dict[str, str], fix: str
) -> None:
    """A server that is announced but has no usable address: the error names the property to set."""
    with pytest.raises(ConfigurationError) as raised:
        resolved(tmp_path, yarn, hdfs)
    assert fix in raised.value.fix


def test_the_hadoop_version_is_only_what_was_told() -> None:
    """A vendor's version is read from flag or environment, and absent otherwise."""
    flags = Flags(resource_manager="rm")
    assert resolve(flags, {}, default_conf_dir=NOWHERE).hadoop_version is None
    settings = resolve(flags, {"YARNSERVE_HADOOP_VERSION": "3.1.1.3.1.0.0-78"}, default_conf_dir=NOWHERE)
    assert settings.hadoop_version == Version(3, 1, 1, "3.1.0.0-78")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/models//digits/", "/models/digits"),
        ("hdfs://prod/models/digits", "/models/digits"),
        ("hdfs:///a b?c#d%20", "/a b?c#d%20"),
        ("hdfs://prod", "/"),
    ],
)
def test_the_plain_path(uri: str, expected: str) -> None:
    """A path is absolute, without doubled slashes, and its characters mean themselves."""
    assert hdfs_path(uri) == expected


@pytest.mark.parametrize("uri", ["s3a://bucket/x", "file:///x", "models/x", "", "hdfs:", "hdfs:x", "/a/../b", "/a/./b"])
def test_what_is_not_a_path_on_hdfs(uri: str) -> None:
    """Other schemes, relative paths and dots are refused."""
    with pytest.raises(ConfigurationError):
        hdfs_path(uri)


@given(st.text() | st.text().map("hdfs://".__add__), st.text())
def test_any_text_gives_settings_or_our_error(uri: str, address: str) -> None:
    """No URI and no address raises anything but ConfigurationError; what is accepted is a clean path and a URL."""
    with contextlib.suppress(ConfigurationError):
        path = hdfs_path(uri)
        assert path.startswith("/")
        assert "//" not in path
    with contextlib.suppress(ConfigurationError):
        settings = resolve(Flags(resource_manager=address, namenode=address), {}, default_conf_dir=NOWHERE)
        assert all(url.startswith(("http://", "https://")) for url in settings.resource_managers)
        settings.namenodes_for(uri)


def test_the_order_of_the_places_that_may_name_a_setting(tmp_path: Path) -> None:
    """Flag, variable, project file, user file, Hadoop, default: each wins over all that come after it."""
    conf, home = tmp_path / "conf", tmp_path / "home"
    conf.mkdir()
    (home / "yarnserve").mkdir(parents=True)
    write(conf, "yarn-site.xml", {"yarn.resourcemanager.hostname": "hadoop"})
    environ = {"HADOOP_CONF_DIR": str(conf), "XDG_CONFIG_HOME": str(home)}

    def found(flags: Flags = NO_FLAGS, **more: str) -> tuple[str, str]:
        settings = resolve(flags, {**environ, **more}, default_conf_dir=NOWHERE, directory=tmp_path)
        return settings.resource_managers[0], settings.origins["resource_managers"]

    assert found() == ("http://hadoop:8088", f"yarn-site.xml in {conf}")
    user_file = home / "yarnserve" / "config.yaml"
    user_file.write_text("# mine\nresource-manager: user\n")
    assert found() == ("http://user:8088", f"user file {user_file}")
    project_file = tmp_path / ".yarnserve.yaml"
    project_file.write_text("resource-manager: [project, other]\n")
    assert found() == ("http://project:8088", f"project file {project_file}")
    assert found(YARNSERVE_RESOURCE_MANAGER="env") == ("http://env:8088", "environment YARNSERVE_RESOURCE_MANAGER")
    flags = Flags(resource_manager="flag")
    assert found(flags, YARNSERVE_RESOURCE_MANAGER="env") == ("http://flag:8088", "flag --resource-manager")


def test_a_settings_file_names_the_directory_of_hadoops_configuration(tmp_path: Path) -> None:
    """conf-dir in the project file wins over HADOOP_CONF_DIR."""
    conf = tmp_path / "conf"
    conf.mkdir()
    write(conf, "yarn-site.xml", ONE)
    (tmp_path / ".yarnserve.yaml").write_text(f"conf-dir: {conf}\nhadoop-version: 3.10\n")
    settings = resolve(Flags(), {"HADOOP_CONF_DIR": "/nonexistent"}, default_conf_dir=NOWHERE, directory=tmp_path)
    assert settings.conf_dir == conf
    assert settings.hadoop_version == Version.parse("3.10")


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("user: a\nqueue: ml\n", ":2", "no setting 'queue'"),
        ("usr: a\n", ":1", "did you mean user?"),
        ("user:\n", ":1", "no value"),
        ("user: {a: b}\n", ":1", "no value"),
        ("user: a\nuser: b\n", ":2", "each key once"),
        ("user: [\n", "", "valid YAML"),
    ],
)
def test_a_mistake_in_a_settings_file_names_its_line(tmp_path: Path, text: str, where: str, why: str) -> None:
    """A file that says something else than settings is refused: guessing on could act on another cluster."""
    (tmp_path / ".yarnserve.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        resolve(Flags(), {}, default_conf_dir=NOWHERE, directory=tmp_path)
    assert f".yarnserve.yaml{where}" in raised.value.where
    assert why in raised.value.why


def test_an_empty_settings_file_says_nothing(tmp_path: Path) -> None:
    """A file of comments alone is as good as none."""
    (tmp_path / ".yarnserve.yaml").write_text("# nothing yet\n")
    flags = Flags(resource_manager="rm")
    assert resolve(flags, {}, default_conf_dir=NOWHERE, directory=tmp_path).resource_managers == ("http://rm:8088",)


@given(st.text())
def test_any_settings_file_is_settings_or_our_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """No content of a settings file raises anything but ConfigurationError."""
    directory = tmp_path_factory.getbasetemp()
    (directory / ".yarnserve.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    with contextlib.suppress(ConfigurationError):
        found = resolve(Flags(resource_manager="rm"), {}, default_conf_dir=NOWHERE, directory=directory)
        assert found.resource_managers == ("http://rm:8088",)
