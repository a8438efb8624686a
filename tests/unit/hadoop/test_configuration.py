"""Hadoop's XML files."""

from __future__ import annotations

import contextlib
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.errors import ConfigurationError
from yarnserve.hadoop.configuration import HadoopConfiguration


def write(directory: Path, name: str, **properties: str) -> None:
    """Write a configuration file; ``__`` in a keyword stands for ``.``."""
    body = "".join(
        f"<property><name>{key.replace('__', '.')}</name><value>{escape(value)}</value></property>\n"
        for key, value in properties.items()
    )
    (directory / name).write_text(f'<?xml version="1.0"?>\n<configuration>\n{body}</configuration>\n')


def test_properties_with_their_source(tmp_path: Path) -> None:
    """A property is found, trimmed, and says which file of which directory it stands in."""
    write(tmp_path, "core-site.xml", fs__defaultFS=" hdfs://prod\n ")
    found = HadoopConfiguration.load(tmp_path).get("fs.defaultFS")
    assert found is not None
    assert (found.value, found.source) == ("hdfs://prod", f"core-site.xml in {tmp_path}")


def test_a_later_file_overrides_an_earlier_one(tmp_path: Path) -> None:
    """yarn-site wins over core-site, as in Hadoop."""
    write(tmp_path, "yarn-site.xml", a="yarn")
    write(tmp_path, "core-site.xml", a="core")
    found = HadoopConfiguration.load(tmp_path).get("a")
    assert found is not None
    assert found.value == "yarn"


def test_missing_files_and_empty_properties_are_nothing(tmp_path: Path) -> None:
    """No file, no name and no value all read as "not set"."""
    assert HadoopConfiguration.load(tmp_path).get("a") is None
    write(tmp_path, "core-site.xml", a="")
    (tmp_path / "hdfs-site.xml").write_text("<configuration><property><value>1</value></property></configuration>")
    assert HadoopConfiguration.load(tmp_path).get("a") is None


def test_malformed_xml_names_file_and_line(tmp_path: Path) -> None:
    """A broken tag in the third line is reported there."""
    (tmp_path / "yarn-site.xml").write_text("<configuration>\n<property>\n</name>\n</configuration>")
    with pytest.raises(ConfigurationError) as raised:
        HadoopConfiguration.load(tmp_path)
    assert raised.value.where == f"{tmp_path / 'yarn-site.xml'}:3"


def test_another_kind_of_xml_is_refused(tmp_path: Path) -> None:
    """A page saved under the name of a configuration file is not read as an empty one."""
    (tmp_path / "core-site.xml").write_text("<html/>")
    with pytest.raises(ConfigurationError, match="not a Hadoop configuration"):
        HadoopConfiguration.load(tmp_path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A directory in a file's place is our error, not Python's."""
    (tmp_path / "core-site.xml").mkdir()
    with pytest.raises(ConfigurationError):
        HadoopConfiguration.load(tmp_path)


@given(st.binary() | st.text().map(lambda text: f"<configuration>{text}</configuration>".encode("utf-8", "replace")))
def test_any_bytes_are_a_configuration_or_our_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """No content of a file raises anything but ConfigurationError."""
    directory = tmp_path_factory.getbasetemp()
    (directory / "core-site.xml").write_bytes(content)
    with contextlib.suppress(ConfigurationError):
        assert HadoopConfiguration.load(directory).get("no such property") is None


@given(
    st.dictionaries(st.from_regex(r"[a-z.]{1,20}", fullmatch=True), st.text(st.characters(categories=["L", "P", "N"])))
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, properties: dict[str, str]) -> None:
    """Every property with a value comes back as it was written."""
    directory = tmp_path_factory.getbasetemp()
    body = "".join(f"<property><name>{k}</name><value>{escape(v)}</value></property>" for k, v in properties.items())
    (directory / "core-site.xml").write_text(f"<configuration>{body}</configuration>", encoding="utf-8")
    configuration = HadoopConfiguration.load(directory)
    for name, value in properties.items():
        found = configuration.get(name)
        assert (found.value if found else "") == value


XI = 'xmlns:xi="http://www.w3.org/2001/XInclude"'


def value_of(directory: Path, name: str, environ: dict[str, str] | None = None) -> str | None:
    """The value of property *name* of the files in *directory*."""
    found = HadoopConfiguration.load(directory, environ).get(name)
    return found.value if found else None


def test_a_final_property_stands_against_later_files(tmp_path: Path) -> None:
    """What core-site declares final, yarn-site cannot override; what it does not, it can."""
    (tmp_path / "core-site.xml").write_text(
        "<configuration><property><name>a</name><value>core</value><final>true</final></property>"
        "<property><name>b</name><value>core</value></property></configuration>"
    )
    write(tmp_path, "yarn-site.xml", a="yarn", b="yarn")
    assert (value_of(tmp_path, "a"), value_of(tmp_path, "b")) == ("core", "yarn")


def test_an_empty_value_overrides(tmp_path: Path) -> None:
    """A later file may take a property away by leaving it empty, as in Hadoop."""
    write(tmp_path, "core-site.xml", a="core")
    write(tmp_path, "yarn-site.xml", a="")
    assert value_of(tmp_path, "a") is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("${host}:8088", "rm.example.org:8088"),
        ("${outer}", "rm.example.org/x"),
        ("${env.RM}:1", "from-env:1"),
        ("${env.NONE:-there}:1", "there:1"),
        ("${env.EMPTY:-there}", "there"),
        ("${env.EMPTY-there}", ""),
        ("${env.NONE}", "${env.NONE}"),
        ("${unknown}/x", "${unknown}/x"),
        ("$host {host}", "$host {host}"),
    ],
)
def test_variables_are_replaced_as_hadoop_does(tmp_path: Path, written: str, expected: str) -> None:
    """A variable is another property or an environment variable; an unknown one stays."""
    write(tmp_path, "core-site.xml", host="rm.example.org", outer="${host}/x")
    write(tmp_path, "yarn-site.xml", a=written)
    assert (value_of(tmp_path, "a", {"RM": "from-env", "EMPTY": ""}) or "") == expected


def test_variables_without_end_are_our_error(tmp_path: Path) -> None:
    """Two properties that stand for each other name the one that was asked for."""
    write(tmp_path, "core-site.xml", a="x${b}", b="${a}")
    with pytest.raises(ConfigurationError, match="variables in a"):
        value_of(tmp_path, "a")


def test_java_user_properties(tmp_path: Path) -> None:
    """user.home is the home of whoever runs yarnserve, as it is for Hadoop's own commands."""
    write(tmp_path, "core-site.xml", a="${user.home}/x")
    value = value_of(tmp_path, "a")
    assert value is not None
    assert value.startswith("/")
    assert value.endswith("/x")


def test_an_included_file_stands_where_it_is_included(tmp_path: Path) -> None:
    """xi:include is read relative to its file, in its place: what comes after it overrides it."""
    (tmp_path / "more").mkdir()
    write(tmp_path / "more", "common.xml", a="included", b="included")
    (tmp_path / "core-site.xml").write_text(
        f"<configuration {XI}><property><name>a</name><value>before</value></property>"
        '<xi:include href="more/common.xml"/>'
        "<property><name>b</name><value>after</value></property></configuration>"
    )
    assert (value_of(tmp_path, "a"), value_of(tmp_path, "b")) == ("included", "after")
    found = HadoopConfiguration.load(tmp_path).get("a")
    assert found is not None
    assert found.source == f"common.xml in {tmp_path / 'more'}"


def test_a_missing_include_needs_a_fallback(tmp_path: Path) -> None:
    """Without the file its fallback counts; without a fallback the error names both files."""
    fallback = "<xi:fallback><property><name>a</name><value>fallback</value></property></xi:fallback>"
    (tmp_path / "core-site.xml").write_text(
        f'<configuration {XI}><xi:include href="none.xml">{fallback}</xi:include></configuration>'
    )
    assert value_of(tmp_path, "a") == "fallback"
    (tmp_path / "core-site.xml").write_text(f'<configuration {XI}><xi:include href="none.xml"/></configuration>')
    with pytest.raises(ConfigurationError) as raised:
        value_of(tmp_path, "a")
    assert raised.value.where == str(tmp_path / "core-site.xml")
    assert "none.xml" in raised.value.why


def test_files_that_include_each_other_are_our_error(tmp_path: Path) -> None:
    """A file that includes itself ends in an error, not in a crash."""
    (tmp_path / "core-site.xml").write_text(f'<configuration {XI}><xi:include href="core-site.xml"/></configuration>')
    with pytest.raises(ConfigurationError):
        value_of(tmp_path, "a")


def test_attributes_stand_for_elements(tmp_path: Path) -> None:
    """<property name= value=/> is the short form that Hadoop takes as well."""
    (tmp_path / "core-site.xml").write_text('<configuration><property name="a" value="1"/></configuration>')
    assert value_of(tmp_path, "a") == "1"
