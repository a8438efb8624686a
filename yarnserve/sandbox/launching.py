"""What an ApplicationMaster sends to a NodeManager to have one component instance launched."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from yarnserve.sandbox import definition
from yarnserve.sandbox.config_files import FileStore, deliver
from yarnserve.sandbox.definition import Document
from yarnserve.sandbox.node import NodeContainer
from yarnserve.sandbox.runtime import Launch, NodeAddress
from yarnserve.sandbox.tokens import substitute

_ENTRYPOINT_MODE = "YARN_CONTAINER_RUNTIME_DOCKER_RUN_OVERRIDE_DISABLE"
_LOCALE = {"LANGUAGE": "en_US.UTF-8", "LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8"}


def service_tokens(service: Document, user: str, filesystem: str) -> dict[str, str]:
    """Return the tokens that are the same for every container of *service*; *filesystem* is fs.defaultFS."""
    name = service["name"]
    return {
        "SERVICE_NAME": name,
        "SERVICE_NAME.lc": name.lower(),
        "USER": user,
        "DOMAIN": "",
        "CLUSTER_ZK_QUORUM": "localhost:2181",
        "CLUSTER_FS_URI": filesystem,
        "CLUSTER_FS_HOST": filesystem.partition("://")[2].partition(":")[0],
        "SERVICE_ZK_PATH": f"/services/yarn-service/{user}/{name}",
        "SERVICE_HDFS_DIR": f"{filesystem}/user/{user}/.yarn/services/{name}",
    }


def instance_tokens(component: Document, index: int, container_id: str) -> dict[str, str]:
    """Return the tokens of one instance."""
    name = component["name"]
    return {
        "COMPONENT_NAME": name,
        "COMPONENT_NAME.lc": name.lower(),
        "COMPONENT_INSTANCE_NAME": f"{name}-{index}",
        "COMPONENT_ID": str(index),
        "CONTAINER_ID": container_id,
    }


def address_tokens(instances: Iterable[tuple[str, tuple[str, str]]]) -> dict[str, str]:
    """Return ``DB-0_IP`` and ``DB-0_HOST`` of the (name, (ip, host)) of a component's dependencies."""
    tokens = {}
    for name, (ip, host) in instances:
        tokens[f"{name.upper()}_IP"], tokens[f"{name.upper()}_HOST"] = ip, host
    return tokens


def build_launch(
    component: Document,
    tokens: Mapping[str, str],
    *,
    container_id: str,
    application_id: str,
    user: str,
    node: NodeAddress,
    store: FileStore,
) -> Launch:
    """Replace the tokens in *component*'s environment, files and launch command.

    A Docker artifact is launched as a plain process, because the sandbox has no Docker: what would be mounted is
    called by its place below the work directory. In ENTRYPOINT mode the launch
    command is a list of arguments with commas, without a shell: of an image's ENTRYPOINT, which is taken to be
    tensorflow_model_server, where the first is a flag.

    Raises:
        SubstitutionError: a token's value cannot be used.
        DeliveryError: a file cannot be made.
    """
    environment: dict[str, str] = {}
    known = dict(tokens)
    for name, value in component["configuration"]["env"].items():
        environment[name] = known[name] = substitute(value, known)
    overrides = environment.get(_ENTRYPOINT_MODE, "").lower() != "true"
    environment |= {**_LOCALE, "LOG_DIR": "<LOG_DIR>", "HADOOP_USER_NAME": user, "WORK_DIR": "$PWD"}
    files = deliver(component, _directory(component, tokens, user), known, store, user)
    command = _unmounted(substitute(component.get("launch_command", ""), known), component)
    command = f"{command if overrides else _arguments(command)} 1><LOG_DIR>/stdout.txt 2><LOG_DIR>/stderr.txt "
    artifact = component.get("artifact") or {}
    image = artifact.get("id", "") if artifact.get("type") == "DOCKER" else ""
    return Launch(container_id, application_id, user, node, command, environment, image, overrides, files)


def _directory(component: Document, tokens: Mapping[str, str], user: str) -> str:
    """Return where the files of one instance are on HDFS."""
    name, instance = component["name"], tokens["COMPONENT_INSTANCE_NAME"]
    return f"/user/{user}/.yarn/services/{tokens['SERVICE_NAME']}/components/{name}/{instance}"


def _unmounted(command: str, component: Document) -> str:
    for file in component["configuration"]["files"]:
        if file["dest_file"].startswith("/"):
            command = command.replace(file["dest_file"], definition.local_place_of(file))
    return command


def _arguments(listed: str) -> str:
    """Return ENTRYPOINT arguments as a command of the shell."""
    arguments = [argument.strip() for argument in listed.split(",")]
    entry_point = ["tensorflow_model_server"] if arguments[0].startswith("-") else []
    return f"exec {shlex.join([*entry_point, *arguments])}"


def shown_address(component: Document, instance: str, service: str, container: NodeContainer) -> tuple[str, str]:
    """Return ip and host name of a running container; Docker containers are called by their instance."""
    ip, host = container.node.runtime.address(container.handle)
    is_docker = component.get("artifact", {}).get("type") == "DOCKER"
    return ip, f"{instance}.{service}.{container.user}" if is_docker else host
