"""A wheel built from the sdist holds all that is needed, and works from anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support import REPOSITORY

pytestmark = pytest.mark.wheel


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed; return its stdout."""
    ran = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that ``python -m build`` makes from the sdist, from a copy of what git tracks."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    tracked = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=REPOSITORY).split("\0")
    for name in filter(None, tracked):
        if (REPOSITORY / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((REPOSITORY / name).read_bytes())
    run(sys.executable, "-m", "build", "--outdir", out, source, cwd=source)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_the_package_and_the_templates_and_nothing_else(wheel: Path) -> None:
    """Every module and template of the tree is in it; tests, examples and facts are not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "yarnserve").rglob("*.py")}
    templates = {f"yarnserve/templates/{path.name}" for path in (REPOSITORY / "templates").glob("*.j2")}
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == modules | templates | {"yarnserve/py.typed"}


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an empty virtual environment into which the wheel, without extras, was installed."""
    directory = tmp_path_factory.mktemp("venv")
    venv.create(directory, with_pip=True)
    run(directory / "bin" / "python", "-m", "pip", "install", "--quiet", wheel, cwd=directory)
    return directory / "bin"


def test_installed_in_an_empty_environment_it_renders_from_the_root_directory(installed: Path) -> None:
    """The templates are found, dependencies are complete, and no checkout is needed."""
    spec = REPOSITORY / "examples" / "digits" / "service.yaml"
    rendered = json.loads(run(installed / "yarnserve", "render", spec, cwd=Path("/")))
    assert rendered["name"] == "digits"
    assert rendered["components"][0]["number_of_containers"] == 2
    assert "launch" in run(installed / "yarnserve", "--help", cwd=Path("/"))


def test_without_the_extra_the_stand_in_names_it(installed: Path) -> None:
    """A model server that cannot infer refuses to start; it never answers canned numbers."""
    base_path = REPOSITORY / "examples" / "digits" / "model"
    arguments = ["--port=18500", "--model_name=digits", f"--model_base_path={base_path}", "--prefer_tflite_model"]
    server = subprocess.run(
        [installed / "python", "-m", "yarnserve.sandbox.model_server", *arguments],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert server.returncode == 255
    assert "yarnserve[sandbox]" in server.stdout + server.stderr
