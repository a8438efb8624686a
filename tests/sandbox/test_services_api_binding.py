"""Reading a request of the services API: whatever comes, it is bound or refused, and nothing else happens."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.cluster_support import AnyHome, component, service
from yarnserve.sandbox import binding
from yarnserve.sandbox.answers import Refusal
from yarnserve.sandbox.profile import HADOOP_3_1_4
from yarnserve.sandbox.validation import validate

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner))
PATHS = st.sampled_from(
    [
        ("name",),
        ("version",),
        ("lifetime",),
        ("configuration",),
        ("resource",),
        ("artifact",),
        ("components",),
        ("components", 0, "name"),
        ("components", 0, "resource", "memory"),
        ("components", 0, "resource", "cpus"),
        ("components", 0, "resource", "additional"),
        ("components", 0, "number_of_containers"),
        ("components", 0, "dependencies"),
        ("components", 0, "artifact"),
        ("components", 0, "readiness_check"),
        ("components", 0, "placement_policy"),
        ("components", 0, "configuration", "files"),
        ("components", 0, "configuration", "properties"),
    ]
)


def read(body: bytes) -> Any:
    """Read, bind and check a POST."""
    bound = binding.with_defaults(binding.bind_service(binding.parse(body), HADOOP_3_1_4), HADOOP_3_1_4)
    validate(bound, AnyHome(), HADOOP_3_1_4)
    return bound


@given(st.binary(max_size=60) | JSON.map(lambda document: json.dumps(document).encode()))
def test_anything_is_bound_or_refused(body: bytes) -> None:
    """No body makes anything but a Refusal come out."""
    with contextlib.suppress(Refusal):
        assert read(body)["name"]


@given(PATHS, JSON)
def test_any_field_may_be_wrong(path: tuple[Any, ...], value: Any) -> None:
    """Any value in any place of a good service is bound or refused."""
    document: Any = service(component())
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with contextlib.suppress(Refusal):
        assert read(json.dumps(document).encode())["components"]


@pytest.mark.parametrize(
    ("body", "java_class"),
    [
        (b"{not json", "com.fasterxml.jackson.core.JsonParseException"),
        (b'{"name": "x"', "com.fasterxml.jackson.core.io.JsonEOFException"),
        (b"[" * 100_000, "com.fasterxml.jackson.core.JsonParseException"),
        (b"[]", "com.fasterxml.jackson.databind.exc.MismatchedInputException"),
        (b'{"foo": 1}', "com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException"),
        (b'{"lifetime": "x"}', "com.fasterxml.jackson.databind.exc.InvalidFormatException"),
    ],
)
def test_what_jackson_refuses(body: bytes, java_class: str) -> None:
    """Malformed JSON, wrong types and unknown fields are 404 with Jackson's exception, unwrapped."""
    with pytest.raises(Refusal) as refused:
        read(body)
    assert (refused.value.status, refused.value.body["javaClassName"]) == (404, java_class)
    assert refused.value.body["exception"] == java_class.rpartition(".")[2]


def test_numbers_come_as_strings_and_strings_as_numbers() -> None:
    """Jackson converts between numbers and strings, and truncates fractions."""
    one = {**component(), "number_of_containers": "3", "resource": {"cpus": 1.5, "memory": 64}}
    bound = read(json.dumps(service(one)).encode())
    assert bound["components"][0]["number_of_containers"] == 3
    assert bound["components"][0]["resource"] == {"cpus": 1, "memory": "64", "additional": {}}


def test_components_inherit_from_the_service() -> None:
    """Resource, artifact and configuration of the service are those of a component that has none of its own."""
    own = {"name": "web", "number_of_containers": 1, "configuration": {"env": {"A": "mine"}}}
    shared = {"env": {"A": "shared", "B": "shared"}, "properties": {"p": 1}}
    document = service(own, resource={"memory": "64"}, artifact={"id": "library/x"}, configuration=shared)
    bound = read(json.dumps(document).encode())["components"][0]
    assert bound["configuration"]["env"] == {"A": "mine", "B": "shared"}
    assert bound["configuration"]["properties"] == {"p": "1"}
    assert (bound["artifact"]["type"], bound["resource"]["cpus"]) == ("DOCKER", 1)
