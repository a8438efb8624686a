"""A fork is to a test what a new interpreter is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli import forkserver
from tests.cli.conftest import DIGITS

SPEC = str(DIGITS / "service.yaml")


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (("render", SPEC), ""),
        (("predict", "anything", "-"), "no json"),
        (("render", "nowhere.yaml"), ""),
        (("list",), ""),
        (("launch", "--help"), ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_it_says_what_a_new_interpreter_says(arguments: tuple[str, ...], stdin: str, tmp_path: Path) -> None:
    """Exit status, stdout and stderr are the same, in an environment and a directory of their own."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "60", "HADOOP_USER_NAME": "alice"}
    environment |= {name: value for name, value in os.environ.items() if name.startswith(("PYTHON", "LC_", "LANG"))}
    anew = forkserver.run_anew(arguments, environment, tmp_path, stdin, 60)
    forked = forkserver.run(arguments, environment, tmp_path, stdin, 60)
    assert (forked.returncode, forked.stdout, forked.stderr) == (anew.returncode, anew.stdout, anew.stderr)


def test_what_takes_too_long_is_killed(tmp_path: Path) -> None:
    """A command that does not end within its time is ended, and is an error of the test."""
    with pytest.raises(subprocess.TimeoutExpired):
        forkserver.run(["sandbox"], {**os.environ, "TMPDIR": str(tmp_path)}, tmp_path, "", 2)
