"""ServiceSpec -> the document for YARN, held to what YARN accepts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from tests.support import golden
from tests.unit.spec.documents import DOCKER, MINIMAL, spec_of, specs
from yarnserve.errors import ConfigurationError, TemplateError
from yarnserve.records.version import Version
from yarnserve.render.service import ClusterFacts, canonical, render
from yarnserve.render.settings import ROLLED_LOGS
from yarnserve.serving.arguments import launch_command
from yarnserve.spec.model import ServiceSpec

FACTS = ClusterFacts(Version(3, 1, 1))

#: Fields of every object in a rendered document (yarn-services.md 2), without those that came after 3.1.1.
FIELDS = {
    "Artifact": {"id", "type", "uri"},
    "Resource": {"cpus", "memory", "profile", "additional"},
    "PlacementPolicy": {"constraints"},
    "PlacementConstraint": {
        *("name", "type", "scope", "target_tags", "node_attributes", "node_partitions"),
        *("min_cardinality", "max_cardinality"),
    },
    "Configuration": {"properties", "env", "files"},
}


@cache
def known_fields(record: str) -> set[str]:
    """What Hadoop 3.1.4 itself listed when it refused an unknown field of *record*."""
    for exchange in golden("3.1.4"):
        refusal = re.search(rf"records\.{record}\), not marked as ignorable \(([^)]*)\)", json.dumps(exchange["body"]))
        if refusal:
            return set(re.findall(r'"(\w+)\\', refusal.group(1)))
    raise AssertionError(f"no refusal of a field of {record} in the transcript")


def test_docker_service_in_full() -> None:
    """The whole document of a Docker service with GPUs, in a queue, on the host's network, unsupervised."""
    assert render(spec_of(DOCKER), FACTS) == {
        "name": "digits",
        "version": "1",
        "queue": "root.ml",
        "configuration": {
            "properties": {
                "yarn.service.readiness-check-interval.seconds": "2",
                "yarn.service.rolling-log.include-pattern": ROLLED_LOGS,
            }
        },
        "components": [
            {
                "name": "serve",
                "number_of_containers": 3,
                "artifact": {"id": "registry.example.org/tfserving-hdfs:2.6-gpu", "type": "DOCKER"},
                "launch_command": launch_command(spec_of(DOCKER)),
                "resource": {
                    "cpus": 4,
                    "memory": "8192",
                    "additional": {"yarn.io/gpu": {"value": 1, "unit": ""}},
                },
                "restart_policy": "ALWAYS",
                "configuration": {
                    "properties": {
                        "yarn.service.container-failure.retry.max": "3",
                        "yarn.service.container-failure.retry-interval-ms": "10000",
                        "yarn.service.container-failure.validity-interval-ms": "600000",
                        "yarn.service.container-failure-per-component.threshold": "100",
                        "yarn.service.node-blacklist.threshold": "3",
                        "docker.network": "host",
                    }
                },
            }
        ],
    }


def test_a_plain_process_has_no_docker() -> None:
    """Without an image there is neither an artifact nor a network."""
    document = render(spec_of(MINIMAL), FACTS)
    assert "queue" not in document
    (component,) = document["components"]
    assert "artifact" not in component
    assert "additional" not in component["resource"]
    assert "docker.network" not in component["configuration"]["properties"]


def test_shared_ports_ask_for_one_replica_a_node() -> None:
    """Replicas with the same ports are kept apart, naming themselves as YARN before 3.4 demands."""
    (component,) = render(spec_of(MINIMAL + "ports: {per_replica: false}\n"), FACTS)["components"]
    assert component["placement_policy"] == {
        "constraints": [{"type": "ANTI_AFFINITY", "scope": "NODE", "target_tags": ["serve"]}]
    }


def test_supervised_services_are_not_ended_by_yarn() -> None:
    """With a supervisor YARN's own thresholds are out of reach."""
    (component,) = render(spec_of(MINIMAL + "supervise: {enabled: true}\n"), FACTS)["components"]
    properties = component["configuration"]["properties"]
    assert properties["yarn.service.container-failure.retry.max"] == "2"
    assert properties["yarn.service.container-failure-per-component.threshold"] == "1000000"
    assert properties["yarn.service.node-blacklist.threshold"] == "1000000"


def broken_rules(document: dict[str, Any]) -> list[str]:
    """The rules of yarn-services.md 3 that *document* breaks, by their numbers there."""
    (component,) = document["components"]
    resource = component["resource"]
    tags = [
        tag
        for constraint in component.get("placement_policy", {"constraints": []})["constraints"]
        for tag in constraint["target_tags"]
    ]
    rules = {
        "2 version": bool(document["version"]),
        "3 name": re.fullmatch(r"[a-z][a-z0-9-]{0,62}", document["name"]) is not None,
        "7 component name": component["name"] != document["name"] and len(component["name"]) <= 44,
        "10 image": bool(component.get("artifact", {"id": "none"})["id"]),
        "11 launch_command": bool(component["launch_command"]),
        "12 memory": isinstance(resource["memory"], str) and int(resource["memory"]) > 0,
        "12 cpus": resource["cpus"] > 0,
        "13 number_of_containers": component["number_of_containers"] >= 0,
        "16 target tags": set(tags) <= {component["name"]},
        "5.1 quotes": '"' not in component["launch_command"],
    }
    return [rule for rule, kept in rules.items() if not kept]


def assert_known_fields(document: dict[str, Any]) -> None:
    """Assert that every object of *document* has only fields that its record has in Hadoop 3.1."""
    (component,) = document["components"]
    assert document.keys() <= known_fields("Service")
    assert component.keys() <= known_fields("Component")
    assert component.get("artifact", {}).keys() <= FIELDS["Artifact"]
    assert component["resource"].keys() <= FIELDS["Resource"]
    for configuration in (document["configuration"], component["configuration"]):
        assert configuration.keys() <= FIELDS["Configuration"]
        assert all(isinstance(value, str) for value in configuration["properties"].values())
    policy = component.get("placement_policy", {"constraints": []})
    assert policy.keys() <= FIELDS["PlacementPolicy"]
    assert all(constraint.keys() <= FIELDS["PlacementConstraint"] for constraint in policy["constraints"])


@given(specs())
def test_yarn_accepts_the_document_of_every_spec(spec: ServiceSpec) -> None:
    """Whatever the loader lets through, YARN takes: one unknown field or broken rule would be a refusal."""
    document = render(spec, FACTS)
    assert_known_fields(document)
    assert broken_rules(document) == []


def test_older_clusters_are_refused() -> None:
    """Hadoop 3.1.0 would answer 404 to restart_policy; a vendor's build of 3.1.1 is taken."""
    with pytest.raises(ConfigurationError, match=r"Hadoop 3\.1\.0 is too old"):
        render(spec_of(MINIMAL), ClusterFacts(Version(3, 1, 0)))
    assert render(spec_of(MINIMAL), ClusterFacts(Version.parse("3.1.1.3.1.0.0-78")))


def test_a_digest_is_refused_where_yarn_knows_none() -> None:
    """Every launch would fail: before 3.3.5 and 3.4.0 a NodeManager takes names with tags only."""
    spec = replace(spec_of(DOCKER), image=f"ml/tfserving@sha256:{'0' * 64}")
    assert render(spec, ClusterFacts(Version(3, 4, 0)))
    with pytest.raises(ConfigurationError, match=r"image needs image digests .* Hadoop 3\.3\.4 does not have"):
        render(spec, ClusterFacts(Version(3, 3, 4)))


def test_a_template_of_the_site_comes_first(tmp_path: Path) -> None:
    """A directory with its own service.json.j2 replaces the built-in one and gets the same names."""
    (tmp_path / "service.json.j2").write_text('{"name": {{ spec.name | json }}, "on": "{{ cluster.hadoop_version }}"}')
    assert render(spec_of(MINIMAL), FACTS, template_dirs=[tmp_path]) == {"name": "digits", "on": "3.1.1"}


def test_a_template_must_give_an_object(tmp_path: Path) -> None:
    """A list is JSON, but no service."""
    (tmp_path / "service.json.j2").write_text("[]")
    with pytest.raises(TemplateError, match="no JSON object"):
        render(spec_of(MINIMAL), FACTS, template_dirs=[tmp_path])


def test_canonical_text_is_the_same_for_the_same_document() -> None:
    """The order of keys does not matter; the text ends in a newline."""
    assert (
        canonical({"b": [1], "a": None})
        == canonical({"a": None, "b": [1]})
        == '{\n  "a": null,\n  "b": [\n    1\n  ]\n}\n'
    )
