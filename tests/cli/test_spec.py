"""``init``, ``spec check``, ``spec schema``: before there is a cluster."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import DIGITS, Shell

ALONE = Shell({"HADOOP_CONF_DIR": "/nonexistent"})


def test_what_init_writes_is_sound_and_never_overwritten(tmp_path: Path) -> None:
    """A new service.yaml passes the check; a second init leaves it alone and says so with status 6."""
    here = Shell(ALONE.environment, tmp_path)
    assert here("init", "ctr").status == 0
    written = (tmp_path / "service.yaml").read_text()
    checked = here("spec", "check", "service.yaml")
    assert checked.status == 0, checked.stderr
    assert "ctr" in checked.stdout
    assert here("init", "other").status == 6
    assert (tmp_path / "service.yaml").read_text() == written
    assert here("init", "ctr", "--file", "-").stdout == written


def test_init_refuses_a_name_that_yarn_would(tmp_path: Path) -> None:
    """A name with an underscore writes nothing and is a mistake of usage."""
    ran = Shell(ALONE.environment, tmp_path)("init", "my_model")
    assert ran.status == 2
    assert not (tmp_path / "service.yaml").exists()


def test_check_finds_every_mistake_without_a_cluster(tmp_path: Path) -> None:
    """Two mistakes are two lines with their places, and status 3."""
    file = tmp_path / "service.yaml"
    file.write_text("name: Digits\nmodel: {base_path: /models/digits}\nserving: {version: '2.6'}\nreplicas: -1\n")
    ran = ALONE("spec", "check", str(file))
    assert ran.status == 3
    assert f"{file}:1: name" in ran.stderr
    assert f"{file}:4: replicas" in ran.stderr


def test_the_example_is_sound() -> None:
    """The example that README launches passes the check."""
    assert ALONE("spec", "check", str(DIGITS / "service.yaml")).status == 0


def test_the_schema_names_every_section() -> None:
    """Editors get an object with the fields of service.yaml and a description each."""
    schema = json.loads(ALONE("spec", "schema").stdout)
    assert schema["type"] == "object"
    sections = {"name", "model", "image", "serving", "replicas", "resources", "env", "mounts"}
    assert sections <= schema["properties"].keys()
