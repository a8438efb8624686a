"""Mistakes in the settings, in Hadoop's configuration, in templates and on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.errors_page.runs import Bench, Sample

_YARN = "yarn-site.xml"
_RM = "<property><name>yarn.resourcemanager.webapp.address</name><value>{}</value></property>"


def _configuration(text: str) -> str:
    return f"<configuration>{text}</configuration>"


#: What is wrong, and the files of Hadoop's configuration directory that are so.
HADOOP: tuple[tuple[str, dict[str, str]], ...] = (
    ("yarn-site.xml is no XML", {_YARN: "<configuration>\n<property>\n</configuration>"}),
    ("yarn-site.xml is something else", {_YARN: "<html></html>"}),
    (
        "it includes a file that is not there",
        {_YARN: _configuration('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="common.xml"/>')},
    ),
    (
        "variables that stand for each other",
        {_YARN: _configuration(f"{_RM.format('${a}')}<property><name>a</name><value>${{a}}x</value></property>")},
    ),
    ("it names no ResourceManager", {_YARN: _configuration("")}),
    (
        "a ResourceManager of a pair without an address",
        {
            _YARN: _configuration(
                "<property><name>yarn.resourcemanager.ha.enabled</name><value>true</value></property>"
                "<property><name>yarn.resourcemanager.ha.rm-ids</name><value>rm1,rm2</value></property>"
            )
        },
    ),
    (
        "a NameNode of a pair without an address",
        {
            _YARN: _configuration(_RM.format("rm:8088")),
            "core-site.xml": _configuration("<property><name>fs.defaultFS</name><value>hdfs://prod</value></property>"),
            "hdfs-site.xml": _configuration(
                "<property><name>dfs.nameservices</name><value>prod</value></property>"
                "<property><name>dfs.ha.namenodes.prod</name><value>nn1,nn2</value></property>"
            ),
        },
    ),
    ("an address with a password", {_YARN: _configuration(_RM.format("alice:secret@rm:8088"))}),
)

#: What is wrong, and a .yarnserve.yaml that is so.
SETTINGS = (
    ("a setting that there is not", "resourcemanager: rm:8088\n"),
    ("a setting twice", "user: alice\nuser: bob\n"),
    ("a setting without a text", "user:\n"),
    ("no YAML", "user: [\n"),
    ("a version that is none", "hadoop-version: latest\n"),
    ("an address that is none", "resource-manager: rm 8088\n"),
)

_MODEL = ("--memory", "512m", "--serving-version", "2.6")


def hadoop(bench: Bench) -> Iterator[Sample]:
    """Yield what a command says of each configuration of Hadoop."""
    missing = {"HADOOP_CONF_DIR": "/etc/hadop"}
    yield bench.sample("no such directory", "list", environment=missing)
    for title, files in HADOOP:
        directory = bench.directory / "conf"
        _written(directory, files)
        names = {str(directory): "/etc/hadoop/conf"}
        yield bench.sample(title, "list", names=names, environment={"HADOOP_CONF_DIR": str(directory)})
        for name in files:
            (directory / name).unlink()
    nameservice = ("launch", "--name", "digits", "--model", "hdfs://prod_2/models/digits", *_MODEL)
    yield bench.sample("a nameservice that no file names", *nameservice)
    bare = {"YARNSERVE_RESOURCE_MANAGER": bench.sandbox.resource_manager_url, "HADOOP_USER_NAME": "alice"}
    yield bench.sample("no NameNode is configured", "history", "digits", environment=bare)


def own(bench: Bench) -> Iterator[Sample]:
    """Yield what a command says of each settings file, and of options."""
    file = bench.directory / ".yarnserve.yaml"
    for title, text in SETTINGS:
        file.write_text(text)
        yield bench.sample(f"{title}: `{text.strip().splitlines()[-1]}`", "list")
    file.unlink()
    yield bench.sample("an option without a value", "list", "--user", "")
    yield bench.sample("an address with a password", "list", "--resource-manager", "http://alice:secret@rm:8088")


def templates(bench: Bench) -> Iterator[Sample]:
    """Yield what ``render`` says of templates of one's own."""
    directory = bench.directory / "templates"
    render = ("render", "--name", "digits", "--model", "/models/digits", *_MODEL, "--template-dir", str(directory))
    for title, text in (
        ("an unknown variable", '{"name": {{ nme | json }}}\n'),
        ("a broken template", '{"name": {{ name }\n'),
        ("no JSON", '{"name": digits}\n'),
    ):
        _written(directory, {"service.json.j2": text})
        yield bench.sample(title, *render)


def command_line(bench: Bench) -> Iterator[Sample]:
    """Yield what cannot be asked for."""
    yield bench.sample("no such command", "lanch")
    yield bench.sample("a change in place of a number", "scale", "digits", "+1")
    yield bench.sample("nobody can be asked", "destroy", "digits")
    yield bench.sample("no such check", "doctor", "--only", "gpus")
    yield bench.sample("neither a file nor options", "launch")
    yield bench.sample("a text that nothing explains", "explain", "all is well")
    yield bench.sample("no model to publish", "models", "publish", ".", "/models/digits", "--version", "2")
    bench.run("init", "digits")
    yield bench.sample("init would write over a file", "init", "digits")


def _written(directory: Path, files: dict[str, str]) -> None:
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text)
