"""``yarnserve render``: the document that would be sent, without asking any cluster."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Shell, SpecWriter

CORE_SITE = """<configuration>
<property><name>fs.defaultFS</name><value>hdfs://prod</value></property>
<property><name>fs.s3a.secret.key</name><value>seKret</value></property>
</configuration>"""


def test_an_image_gets_the_file_system_of_the_configuration(write_spec: SpecWriter, tmp_path: Path) -> None:
    """The directory may be named by option or variable; no ResourceManager is needed, and no secret goes along."""
    (tmp_path / "core-site.xml").write_text(CORE_SITE)
    spec = str(write_spec("digits", image="ml/tfserving:2.6"))
    by_option = Shell()("render", spec, "--conf-dir", str(tmp_path))
    by_variable = Shell({"HADOOP_CONF_DIR": str(tmp_path)})("render", spec)
    assert by_option == by_variable
    (component,) = json.loads(by_option.stdout)["components"]
    (file,) = component["configuration"]["files"]
    assert file == {"type": "HADOOP_XML", "dest_file": "core-site.xml", "properties": {"fs.defaultFS": "hdfs://prod"}}
    assert "seKret" not in by_option.stdout


def test_a_configuration_that_is_not_there_is_an_error(write_spec: SpecWriter) -> None:
    """Named and missing, it would silently give an image without its file systems."""
    ran = Shell()("render", str(write_spec("digits")), "--conf-dir", "/nonexistent")
    assert ran.status == 3
    assert "/nonexistent" in ran.stderr
