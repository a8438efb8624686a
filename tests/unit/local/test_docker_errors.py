"""Docker's words, as dockerd 20.10 and docker 20.10 and 28 say them, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from yarnserve.errors import (
    AccessError,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    UnreachableError,
    YarnserveError,
)
from yarnserve.local.docker import DockerHost
from yarnserve.local.docker_errors import explain
from yarnserve.local.state import Place

DAEMON = "docker: Error response from daemon: "


@pytest.mark.parametrize(
    ("words", "kind", "fix"),
    [
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            AccessError,
            "group docker",
        ),
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", UnreachableError, "start"),
        (
            f'{DAEMON}could not select device driver "" with capabilities: [[gpu]].',
            ConfigurationError,
            "NVIDIA Container Toolkit",
        ),
        (f"{DAEMON}nvidia-container-cli: device error: 3: unknown device: unknown.", ConfigurationError, "nvidia-smi"),
        (f"{DAEMON}driver failed: Bind for 0.0.0.0:8501 failed: port is already allocated.", ConflictError, "ports"),
        (f'{DAEMON}Conflict. The container name "/x" is already in use by container "1".', ConflictError, "name"),
        ("Error response from daemon: manifest for ml/x:1 not found: manifest unknown", NotFoundError, "tag"),
        (
            "Error response from daemon: pull access denied for x, repository does not exist or may require 'docker "
            "login': denied: requested access to the resource is denied",
            AccessError,
            "docker login",
        ),
        ('Error response from daemon: Get "https://r/v2/": dial tcp: lookup r: no such host', UnreachableError, "load"),
        (
            f'{DAEMON}OCI runtime create failed: exec: "yarnserve": executable file not found in $PATH: unknown.',
            ConfigurationError,
            "agent.command",
        ),
    ],
)
def test_what_docker_says_becomes_an_error_with_a_way_out(words: str, kind: type[YarnserveError], fix: str) -> None:
    """Its own line stays readable as the cause."""
    error = explain("start serve-0", f"{words}\nSee 'docker run --help'.")
    assert type(error) is kind
    assert fix in error.fix
    assert error.why
    assert "--help" not in error.why


def test_words_that_nobody_knows_are_told_as_they_are() -> None:
    """Nothing is guessed."""
    error = explain("start serve-0", "docker: something new failed")
    assert type(error) is YarnserveError
    assert error.why == "docker: something new failed"


def test_a_docker_that_was_killed_has_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves no words, and the error says so and where to look."""
    with pytest.raises(YarnserveError) as raised:
        docker_of(tmp_path, monkeypatch, "kill -9 $$").image_id("a/b")
    assert "it says nothing" in raised.value.why
    assert "docker info" in raised.value.fix


def test_a_docker_that_may_not_be_run_is_a_matter_of_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is no program, or not this user's: an error with a way out, and no traceback."""
    host = docker_of(tmp_path, monkeypatch, "", mode=0o644)
    with pytest.raises(ConfigurationError, match="cannot be started") as raised:
        host.image_id("a/b")
    assert raised.value.why == "Permission denied"
    assert "--no-docker" in raised.value.fix


def docker_of(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str, *, mode: int = 0o755) -> DockerHost:
    """A host whose docker program is *script* (of the shell)."""
    program = directory / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(mode)
    monkeypatch.setenv("PATH", str(directory))
    return DockerHost(Place(directory, "digits"))
