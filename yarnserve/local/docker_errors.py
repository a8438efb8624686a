"""What the docker program says when it fails -> an error with the cause and what to change. Pure: one table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from yarnserve.errors import (
    AccessError,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    UnreachableError,
    YarnserveError,
    first_line,
)


@dataclass(frozen=True)
class _Rule:
    """A row: what is said where *pattern*, whose case does not matter, is found in Docker's words."""

    pattern: str
    kind: type[YarnserveError]
    what: str
    fix: str


_NO_DOCKER_FIX = "or say --no-docker, for plain processes"

#: From the top; the first row that fits tells.
RULES = (
    _Rule(
        r"permission denied while trying to connect|dial unix .*permission denied",
        AccessError,
        "this user may not talk to Docker",
        f"have the user added to the group docker and log in again, {_NO_DOCKER_FIX}",
    ),
    _Rule(
        r"cannot connect to the docker daemon|is the docker daemon running|error during connect",
        UnreachableError,
        "Docker does not run on this host",
        f"start it, as with systemctl start docker, {_NO_DOCKER_FIX}",
    ),
    _Rule(
        r"could not select device driver|unknown or invalid runtime name: nvidia|unknown runtime specified nvidia",
        ConfigurationError,
        "Docker cannot give a container a GPU on this host",
        "install the NVIDIA Container Toolkit (nvidia-ctk runtime configure --runtime=docker) and restart Docker, "
        "or say resources.gpus: 0",
    ),
    _Rule(
        r"nvidia-container-cli|unknown device|unresolvable CDI devices",
        ConfigurationError,
        "the host does not have the GPUs that the replicas are to get",
        "see what nvidia-smi lists: replica n gets GPUs n x gpus and following; take fewer replicas or gpus",
    ),
    _Rule(
        r"port is already allocated|address already in use",
        ConflictError,
        "a port of the replica is taken",
        "end who has it, or choose other ports in service.yaml",
    ),
    _Rule(
        r"container name .* is already in use",
        ConflictError,
        "a container of this name is there already",
        "it is not of this state directory: end it where it was started, or choose another name in service.yaml",
    ),
    _Rule(
        r"unauthorized|authentication required|no basic auth credentials|denied: requested access",
        AccessError,
        "the registry does not give the image without a login",
        "docker login REGISTRY as this user; registry_credentials of service.yaml are for YARN",
    ),
    _Rule(
        r"manifest unknown|manifest for \S+ not found|repository does not exist|pull access denied|no such image|"
        r"not found: manifest|name unknown",
        NotFoundError,
        "there is no such image, here or in its registry",
        "correct the image's name and tag in service.yaml; docker image ls shows what is here",
    ),
    _Rule(
        r"no such host|connection refused|i/o timeout|context deadline exceeded|tls handshake|network is unreachable|"
        r"request canceled|server misbehaving|temporary failure in name resolution|proxyconnect",
        UnreachableError,
        "the image is not on this host, and its registry cannot be reached",
        "bring the image here with docker save and docker load, or make the registry reachable",
    ),
    _Rule(
        r"executable file not found|no such file or directory: unknown|stat \S+: no such file",
        ConfigurationError,
        "the image does not have the program that is to be started",
        "take an image with yarnserve in it, or say where in the image it is: agent.command in service.yaml",
    ),
    _Rule(
        r"invalid volume specification|mounts denied|bind source path does not exist",
        ConfigurationError,
        "a directory cannot be mounted",
        "see that the sources of mounts in service.yaml are on this host",
    ),
)


def explain(doing: str, words: str) -> YarnserveError:
    """Return the error for *doing* (``start serve-0``), of which Docker said *words*."""
    why = _telling(words)
    for rule in RULES:
        if re.search(rule.pattern, words, re.IGNORECASE):
            return rule.kind(f"cannot {doing}: {rule.what}", why=why, fix=rule.fix)
    return YarnserveError(
        f"cannot {doing}: Docker failed",
        why=why or "it says nothing: perhaps it was killed",
        fix="see what docker info says, and the log of its daemon (journalctl -u docker)",
    )


def no_program(error: OSError) -> ConfigurationError:
    """Return the error for a host on which starting the docker program ended in *error*."""
    if isinstance(error, FileNotFoundError):
        return ConfigurationError(
            "there is no docker program on this host",
            why="service.yaml names an image, which Docker runs",
            fix=f"install Docker, {_NO_DOCKER_FIX}",
        )
    return ConfigurationError(
        "the docker program of this host cannot be started",
        why=error.strerror or str(error),
        fix=f"see what docker on the PATH is and who may run it, {_NO_DOCKER_FIX}",
    )


def _telling(words: str) -> str:
    """The line that tells most: Docker's own error, not what it says of its help."""
    lines = [line for line in words.splitlines() if line.strip() and not line.startswith("See 'docker")]
    errors = [line for line in lines if re.search(r"error|denied|cannot|fail|not found|conflict", line, re.IGNORECASE)]
    return first_line((errors or lines or [""])[-1])
