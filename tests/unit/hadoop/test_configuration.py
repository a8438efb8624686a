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
        HadoopConfiguration.load(directory)


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
