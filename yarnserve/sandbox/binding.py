"""From the JSON of a request to a canonical service document, refusing what the services API's Jackson refuses.

Unknown fields, wrong types and wrong enums end in 404 with the bare exception (yarn-services.md 1.4); numbers may
come as strings, and everything that the API shows but was not given gets its default (yarn-services.md 2). Which
fields are known depends on the release (yarn-services.md 7).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from yarnserve.sandbox.answers import Refusal, remote_exception
from yarnserve.sandbox.profile import Profile

_RECORDS = "org.apache.hadoop.yarn.service.api.records"
_JACKSON = "com.fasterxml.jackson"

Reader = Callable[[Any, str], Any]
Fields = dict[str, Reader]


def _mismatch(kind: str, where: str) -> Refusal:
    java_class = f"{_JACKSON}.databind.exc.MismatchedInputException"
    return remote_exception(
        404, java_class, f"Cannot deserialize instance of `{kind}` (through reference chain: {where})"
    )


def _invalid(kind: str, value: object, why: str, where: str) -> Refusal:
    message = (
        f'Cannot deserialize value of type `{kind}` from String "{value}": {why} (through reference chain: {where})'
    )
    return remote_exception(404, f"{_JACKSON}.databind.exc.InvalidFormatException", message)


def _text(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise _mismatch("java.lang.String", where)


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _mismatch("java.lang.Long", where)
    try:
        return int(value)
    except (ValueError, OverflowError):
        raise _invalid("java.lang.Long", value, "not a valid Long value", where) from None


def _flag(value: Any, where: str) -> bool:
    if value in (True, False, "true", "false"):
        return value in (True, "true")
    raise _mismatch("java.lang.Boolean", where)


def _one_of(kind: str, *names: str) -> Reader:
    def read(value: Any, where: str) -> str:
        if value not in names:
            why = f"value not one of declared Enum instance names: [{', '.join(names)}]"
            raise _invalid(f"{_RECORDS}.{kind}", value, why, where)
        return str(value)

    return read


def _list_of(reader: Reader) -> Reader:
    def read(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise _mismatch("java.util.ArrayList", where)
        return [reader(item, f"{where}[{index}]") for index, item in enumerate(value)]

    return read


def _map_of(reader: Reader) -> Reader:
    def read(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _mismatch("java.util.LinkedHashMap", where)
        return {key: reader(item, f'{where}["{key}"]') for key, item in value.items() if item is not None}

    return read


def _record(kind: str, fields: Fields) -> Reader:
    def read(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _mismatch(f"{_RECORDS}.{kind}", where)
        for name in value:
            if name not in fields:
                raise _unknown(kind, name, fields, where)
        present = {name: item for name, item in value.items() if item is not None}
        return {name: fields[name](item, f'{where}["{name}"]') for name, item in present.items()}

    return read


def _unknown(kind: str, name: str, fields: Fields, where: str) -> Refusal:
    known = ", ".join(f'"{field}"' for field in fields)
    message = (
        f'Unrecognized field "{name}" (class {_RECORDS}.{kind}), not marked as ignorable '
        f"({len(fields)} known properties: {known}) (through reference chain: {where})"
    )
    return remote_exception(404, f"{_JACKSON}.databind.exc.UnrecognizedPropertyException", message)


def _anything(value: Any, where: str) -> Any:
    return value


_SERVICE_STATE = _one_of(
    "ServiceState",
    *("ACCEPTED", "STARTED", "STABLE", "STOPPED", "FAILED", "FLEX", "UPGRADING", "UPGRADING_AUTO_FINALIZE"),
    *("EXPRESS_UPGRADING", "CANCEL_UPGRADING", "SUCCEEDED"),
)
_COMPONENT_STATE = _one_of("ComponentState", "FLEXING", "STABLE", "NEEDS_UPGRADE", "UPGRADING", "SUCCEEDED", "FAILED")
_ARTIFACT = _record(
    "Artifact",
    {"id": _text, "type": _one_of("Artifact$TypeEnum", "DOCKER", "TARBALL", "SERVICE"), "uri": _text},
)
_INFORMATION = _record(
    "ResourceInformation",
    {"value": _whole, "unit": _text, "attributes": _map_of(_text), "tags": _list_of(_text)},
)
_RESOURCE = _record(
    "Resource", {"profile": _text, "cpus": _whole, "memory": _text, "additional": _map_of(_INFORMATION)}
)
_FILE_TYPES = ("XML", "PROPERTIES", "JSON", "YAML", "TEMPLATE", "HADOOP_XML", "STATIC", "ARCHIVE")
_FILE = _record(
    "ConfigFile",
    {
        "type": _one_of("ConfigFile$TypeEnum", *_FILE_TYPES),
        "dest_file": _text,
        "src_file": _text,
        "properties": _map_of(_text),
        "visibility": _one_of("ConfigFile$LocalResourceVisibility", "PUBLIC", "PRIVATE", "APPLICATION"),
    },
)
_CONFIGURATION = _record(
    "Configuration", {"properties": _map_of(_text), "env": _map_of(_text), "files": _list_of(_FILE)}
)
_READINESS = _record(
    "ReadinessCheck",
    {
        "type": _one_of("ReadinessCheck$TypeEnum", "DEFAULT", "HTTP", "PORT"),
        "properties": _map_of(_text),
        "artifact": _ARTIFACT,
    },
)
_CONSTRAINT = _record(
    "PlacementConstraint",
    {
        "name": _text,
        "type": _one_of("PlacementType", "AFFINITY", "ANTI_AFFINITY", "AFFINITY_WITH_CARDINALITY"),
        "scope": _one_of("PlacementScope", "NODE", "RACK"),
        "target_tags": _list_of(_text),
        "node_attributes": _map_of(_list_of(_text)),
        "node_partitions": _list_of(_text),
        "min_cardinality": _whole,
        "max_cardinality": _whole,
    },
)
_PLACEMENT = _record("PlacementPolicy", {"constraints": _list_of(_CONSTRAINT)})
_COMPONENT_FIELDS: Fields = {
    "name": _text,
    "state": _COMPONENT_STATE,
    "dependencies": _list_of(_text),
    "readiness_check": _READINESS,
    "artifact": _ARTIFACT,
    "launch_command": _text,
    "resource": _RESOURCE,
    "number_of_containers": _whole,
    "containers": _list_of(_anything),
    "run_privileged_container": _flag,
    "placement_policy": _PLACEMENT,
    "configuration": _CONFIGURATION,
    "quicklinks": _list_of(_text),
    "restart_policy": _one_of("Component$RestartPolicyEnum", "ALWAYS", "ON_FAILURE", "NEVER"),
    "decommissioned_instances": _list_of(_text),
}
_COMPONENT = _record("Component", _COMPONENT_FIELDS)
_SERVICE = _record(
    "Service",
    {
        "name": _text,
        "id": _text,
        "description": _text,
        "version": _text,
        "artifact": _ARTIFACT,
        "resource": _RESOURCE,
        "launch_time": _anything,
        "number_of_running_containers": _whole,
        "lifetime": _whole,
        "components": _list_of(_COMPONENT),
        "configuration": _CONFIGURATION,
        "state": _SERVICE_STATE,
        "quicklinks": _map_of(_text),
        "queue": _text,
        "kerberos_principal": _record("KerberosPrincipal", {"principal_name": _text, "keytab": _text}),
        "docker_client_config": _text,
        "dependencies": _list_of(_text),
        "uri": _text,
    },
)

_FILES = ("configuration", "files", "*", "visibility")
_INFORMATIONS = ("resource", "additional", "*")
_EACH = ("components", "*")
#: The release that a field came with, its record, and where it stands in a Service (yarn-services.md 2).
_NEWER: tuple[tuple[tuple[int, ...], str, tuple[str, ...]], ...] = (
    ((3, 1, 3), "Component", (*_EACH, "decommissioned_instances")),
    ((3, 2), "Service", ("dependencies",)),
    *(((3, 3), "ConfigFile", (*place, *_FILES)) for place in ((), _EACH)),
    *(
        ((3, 3), "ResourceInformation", (*place, *_INFORMATIONS, name))
        for place in ((), _EACH)
        for name in ("attributes", "tags")
    ),
)
_NEWER_STATES = ("EXPRESS_UPGRADING", "CANCEL_UPGRADING", "SUCCEEDED")


def parse(body: bytes) -> Any:
    """Read JSON.

    Raises:
        Refusal: 404 with Jackson's exception for anything that is not JSON.
    """
    text = body.decode("utf-8", "replace")
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except RecursionError:
        raise remote_exception(404, f"{_JACKSON}.core.JsonParseException", "nested too deeply") from None
    except json.JSONDecodeError as error:
        ended = error.pos >= len(text.rstrip())
        kind = "core.io.JsonEOFException" if ended else "core.JsonParseException"
        words = "Unexpected end-of-input" if ended else f"Unexpected character ({error.msg})"
        message = f"{words}\n at [Source: (org.eclipse.jetty.server.HttpInputOverHTTP); line: {error.lineno}]"
        raise remote_exception(404, f"{_JACKSON}.{kind}", message) from None


def bind_service(document: Any, profile: Profile) -> dict[str, Any]:
    """Return the fields of a Service that *document* holds, converted, without any defaults.

    Raises:
        Refusal: 404 with Jackson's exception.
    """
    bound: dict[str, Any] = _SERVICE(document, f"{_RECORDS}.Service")
    _refuse_newer(bound, profile)
    return bound


def bind_component(document: Any, profile: Profile) -> dict[str, Any]:
    """Return the fields of a Component, as :func:`bind_service` does."""
    bound: dict[str, Any] = _COMPONENT(document, f"{_RECORDS}.Component")
    _refuse_newer({"components": [bound]}, profile)
    return bound


def _refuse_newer(service: dict[str, Any], profile: Profile) -> None:
    """Refuse what only later releases than *profile* know."""
    for since, kind, path in _NEWER:
        if profile.release < since and any(_found(service, path)):
            words = f'Unrecognized field "{path[-1]}" (class {_RECORDS}.{kind}), not marked as ignorable'
            raise remote_exception(404, f"{_JACKSON}.databind.exc.UnrecognizedPropertyException", words)
    state = service.get("state")
    if profile.release < (3, 1, 2) and state in _NEWER_STATES:
        raise _invalid(f"{_RECORDS}.ServiceState", state, "value not one of declared Enum instance names", "state")


def _found(value: Any, path: tuple[str, ...]) -> Iterator[bool]:
    if not path:
        yield True
    elif path[0] == "*":
        for each in value.values() if isinstance(value, dict) else value:
            yield from _found(each, path[1:])
    elif path[0] in value:
        yield from _found(value[path[0]], path[1:])


def with_defaults(service: dict[str, Any], profile: Profile) -> dict[str, Any]:
    """Return a bound service with the defaults of its records filled in."""
    filled: dict[str, Any] = {"lifetime": -1, "quicklinks": {}, "kerberos_principal": {}, **service}
    if profile.has_dependencies:
        filled.setdefault("dependencies", [])
    filled["configuration"] = _configuration(service.get("configuration", {}))
    filled["components"] = [_component(component) for component in service.get("components", [])]
    for name in ("artifact", "resource"):
        if name in filled:
            filled[name] = _DEFAULTS[name] | filled[name]
    return filled


_DEFAULTS: dict[str, dict[str, Any]] = {"artifact": {"type": "DOCKER"}, "resource": {"cpus": 1, "additional": {}}}


def _configuration(configuration: dict[str, Any]) -> dict[str, Any]:
    files = [{"properties": {}} | file for file in configuration.get("files", [])]
    return {"properties": {}, "env": {}} | configuration | {"files": files}


def _component(component: dict[str, Any]) -> dict[str, Any]:
    filled = {
        "dependencies": [],
        "quicklinks": [],
        "decommissioned_instances": [],
        "run_privileged_container": False,
        "restart_policy": "ALWAYS",
        **component,
        "state": "FLEXING",
        "containers": [],
        "configuration": _configuration(component.get("configuration", {})),
    }
    for name, defaults in _DEFAULTS.items():
        if name in filled:
            filled[name] = defaults | filled[name]
    if "readiness_check" in filled:
        filled["readiness_check"] = {"properties": {}} | filled["readiness_check"]
    return filled
