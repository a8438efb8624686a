"""Docker's words, as dockerd 20.10 and docker 20.10 and 28 say them, and what becomes of them."""

from __future__ import annotations

import pytest

from yarnserve.errors import (
    AccessError,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    UnreachableError,
    YarnserveError,
)
from yarnserve.local.docker_errors import explain

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
