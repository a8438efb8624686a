"""``init``, ``spec check``, ``spec schema``: before there is a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_a_disk_without_room_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    """What cannot be written is one clear error and no empty file: a limit of 0 bytes stands for a full disk."""
    limited = ["bash", "-c", f"ulimit -f 0; trap '' XFSZ; exec {sys.executable} -m yarnserve init ctr"]
    run = subprocess.run(limited, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr
    assert "error: service.yaml cannot be written" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "service.yaml").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--resource-manager", "http://bob:s3cret@127.0.0.1:1"),
        ("config", "show", "--origin", "--resource-manager", "http://bob:s3cret@127.0.0.1:1"),
        ("list", "--resource-manager", "bob:s3cret@127.0.0.1:1"),
        ("list", "--resource-manager", "127.0.0.1:1", "--namenode", "https://bob:s3cret@127.0.0.1:1"),
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(arguments: tuple[str, ...]) -> None:
    """Addresses are shown in every error: one with a password is refused without showing it."""
    ran = Shell({"HOME": "/nonexistent"})(*arguments)
    assert ran.status == 3, ran.stderr
    assert "holds a user or a password" in ran.stderr
    assert "s3cret" not in ran.stdout + ran.stderr


def test_secrets_of_a_spec_are_refused_and_not_repeated(tmp_path: Path) -> None:
    """A password in env, or in a path, is a mistake whose value is not printed."""
    file = tmp_path / "service.yaml"
    file.write_text(
        "name: digits\nmodel: {base_path: 'hdfs://bob:s3cret@nn/x'}\nserving: {version: '2.6'}\n"
        "resources: {memory: 1g}\nenv: {DB_PASSWORD: hunter2, OTHER: 'hun$ter2'}\n"
    )
    ran = ALONE("spec", "check", str(file))
    assert ran.status == 3
    assert "env.DB_PASSWORD" in ran.stderr
    assert "DB_PASSWORD_FILE" in ran.stderr
    assert not any(secret in ran.stderr for secret in ("s3cret", "hunter2", "hun$ter2"))
