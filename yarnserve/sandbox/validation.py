"""The checks that a POST goes through, in YARN's order and YARN's words (yarn-services.md 3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol

from yarnserve.sandbox.answers import refuse
from yarnserve.sandbox.profile import Profile

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_URL = re.compile(r"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]*):")

Document = dict[str, Any]


class Files(Protocol):
    """What validation needs of HDFS."""

    def exists(self, path: str) -> bool:
        """Whether *path* is there."""


def validate(service: Document, files: Files, profile: Profile) -> None:
    """Check a service with its defaults filled in, and let its components inherit from it.

    Raises:
        Refusal: with the first mistake, as YARN finds it.
    """
    if not service.get("name"):
        raise refuse(400, "Service name is either empty or not provided")
    if not service.get("version"):
        raise refuse(400, f"Version of service {service['name']} is either empty or not provided")
    validate_name(service["name"])
    if not service["components"]:
        raise refuse(400, f"No component specified for {service['name']}")
    config = service.get("docker_client_config")
    if config and not files.exists(config):
        raise refuse(400, f"java.io.IOException: The supplied Docker client config does not exist: {config}")
    _check_names(service)
    _check_dependencies(service["components"])
    for component in service["components"]:
        _inherit(service, component)
        _check_component(component, files)
        for constraint in component.get("placement_policy", {}).get("constraints", []):
            _check_constraint(component["name"], constraint)
            if profile.checks_target_tags:
                _check_tags(component["name"], constraint["target_tags"])


def validate_name(name: str) -> None:
    """Check the name of a service or component.

    Raises:
        Refusal: 400 with YARN's words.
    """
    if not name:
        raise refuse(400, "Name can not be empty!")
    if "_" in name:
        hint = "can not use '_', as DNS hostname does not allow '_'. Use '-' Instead. "
        raise refuse(400, f"Invalid format: {name}, {hint}")
    if not _NAME.fullmatch(name):
        raise refuse(400, f"Invalid name {name} does not match the pattern [a-z][a-z0-9-]* ")


def _check_names(service: Document) -> None:
    seen: set[str] = set()
    for component in service["components"]:
        name = component.get("name", "")
        validate_name(name)
        if name == service["name"]:
            raise refuse(400, f"Component name {name} must not be same as service name {name}")
        if name in seen:
            raise refuse(400, f"Component name collision: {name}")
        seen.add(name)


def _check_dependencies(components: list[Document]) -> None:
    needs = {component["name"]: set(component["dependencies"]) for component in components}
    for name, dependencies in needs.items():
        for dependency in sorted(dependencies - set(needs)):
            words = f"Dependency {dependency} for component {name} is invalid, does not exist as a component"
            raise refuse(400, words)
    while needs:
        free = {name for name, dependencies in needs.items() if not dependencies}
        if not free:
            raise refuse(400, f"Invalid dependencies, a cycle may exist: [{', '.join(needs)}]")
        needs = {name: dependencies - free for name, dependencies in needs.items() if name not in free}


def _inherit(service: Document, component: Document) -> None:
    for name in ("artifact", "resource"):
        if name in service:
            component.setdefault(name, service[name])
    for part in ("properties", "env"):
        component["configuration"][part] = service["configuration"][part] | component["configuration"][part]
    given = {file.get("dest_file") for file in component["configuration"]["files"]}
    inherited = [file for file in service["configuration"]["files"] if file.get("dest_file") not in given]
    component["configuration"]["files"] += inherited


def _check_component(component: Document, files: Files) -> None:
    name = component["name"]
    _check_artifact(component, files)
    if component.get("launch_command") is None and component.get("artifact", {}).get("type") != "DOCKER":
        raise refuse(400, "launch_command is required when type is not DOCKER")
    _check_resource(component)
    count = component.get("number_of_containers")
    if count is None or count < 0:
        found = "null" if count is None else count
        raise refuse(400, f"Invalid no of containers specified for component {name} (nor at the global level): {found}")
    _check_files(component, files)
    if "readiness_check" in component:
        problem = _readiness_problem(component["readiness_check"])
        if problem:
            raise refuse(400, f"Error creating readiness check {problem}")


def _check_artifact(component: Document, files: Files) -> None:
    artifact = component.get("artifact")
    if artifact is None:
        return
    path = artifact.get("id", "")
    if not path:
        words = f"either empty or not provided for component {component['name']} (nor at the global level)"
        raise refuse(400, f"Artifact id (like docker image name) is {words}")
    if artifact["type"] == "TARBALL" and not files.exists(path):
        raise refuse(400, f"For component {component['name']} with TARBALL artifact, path does not exist: {path}")
    if artifact["type"] == "SERVICE":
        raise refuse(500, f"File does not exist: {path}")


def _check_resource(component: Document) -> None:
    name, resource = component["name"], component.get("resource")
    if resource is None:
        raise refuse(400, f"Resource is not provided for component {name} (nor at the global level)")
    if resource.get("profile"):
        raise refuse(400, f"Cannot specify cpus/memory along with profile for component {name}")
    if not resource.get("memory"):
        raise refuse(400, f"Service resource or memory not provided for component {name} (nor at the global level)")
    if resource["cpus"] <= 0:
        words = "Unacceptable no of cpus specified, either zero or negative for component"
        raise refuse(400, f"{words} {name} (or at the global level)")


def _check_files(component: Document, files: Files) -> None:
    seen: set[str] = set()
    for file in component["configuration"]["files"]:
        if "type" not in file:
            raise refuse(400, "File type is empty")
        _check_source(file, files)
        _check_destination(component, file, seen)


def _check_source(file: Document, files: Files) -> None:
    kind, source = file["type"], file.get("src_file", "")
    if kind == "TEMPLATE" and not source and not file["properties"].get("content"):
        words = 'either src_file must be specified in ConfigFile, or the "content" key must be specified in the'
        raise refuse(400, f"For {kind} format, {words} properties field of ConfigFile. ")
    if kind in ("STATIC", "ARCHIVE"):
        if file["properties"]:
            raise refuse(400, f"For {kind} format, should not specify any 'properties.'")
        if not source:
            raise refuse(400, f"For {kind} format, should make sure that srcFile is specified")
        if not files.exists(source):
            raise refuse(500, f"File does not exist: {source}")
    elif source and not files.exists(source):
        raise refuse(400, f"Specified src_file does not exist on hdfs: {source}")


def _check_destination(component: Document, file: Document, seen: set[str]) -> None:
    destination = file.get("dest_file", "")
    if not destination:
        raise refuse(400, "dest_file is empty.")
    if destination in seen:
        raise refuse(400, f"Duplicated ConfigFile exists: {destination}")
    seen.add(destination)
    if not destination.startswith("/"):
        if "/" in destination:
            raise refuse(400, "Non-absolute dest_file has more than one path element")
        return
    kind = component.get("artifact", {}).get("type", "no")
    if kind != "DOCKER":
        where = f"For component {component['name']} with {kind} artifact"
        raise refuse(400, f"{where}, dest_file must be a relative path: {destination}")


def _readiness_problem(check: Document) -> str:
    properties = check["properties"]
    if check.get("type") == "HTTP":
        url = properties.get("url", "")
        return "" if _URL.match(url) else f"java.net.MalformedURLException: no protocol: {url}"
    if check.get("type") == "PORT":
        port = properties.get("port", "")
        if not port:
            return "java.io.IOException: port not specified"
        if not port.isdecimal():
            return f'java.lang.NumberFormatException: For input string: "{port}"'
        return "" if int(port) < 65536 else f"java.io.IOException: port {port} is out of range"
    return ""


def _check_constraint(component: str, constraint: Document) -> None:
    for field, words in (("type", "Type"), ("scope", "Scope"), ("target_tags", "Tag(s)")):
        if not constraint.get(field):
            place = f"constraint in placement policy of component {component}"
            raise refuse(400, f"{words} not specified for {place}.")


def _check_tags(component: str, tags: Iterable[str]) -> None:
    for tag in tags:
        if tag != component:
            raise refuse(
                400,
                f"Invalid target tag {tag} specified in placement policy of component {component}. For now, target "
                "tags support self reference only. Specifying anything other than its component name is not "
                f"supported. Set target tag of component {component} to {component}.",
            )
