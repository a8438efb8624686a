"""ServiceSpec -> the document that YARN's services API takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yarnserve.errors import ConfigurationError, TemplateError
from yarnserve.records.version import Version
from yarnserve.render import docker
from yarnserve.render.placement import placement_policy
from yarnserve.render.readiness import readiness_check
from yarnserve.render.refusals import refuse
from yarnserve.render.settings import SERVICE_PROPERTIES, component_properties
from yarnserve.serving import config_files
from yarnserve.serving.arguments import launch_command, reads_hdfs_in_docker
from yarnserve.spec.assignment import MAX_ASSIGNMENT, Assignment, HdfsAccess
from yarnserve.spec.model import COMPONENT, ServiceSpec
from yarnserve.templating import render_json

TEMPLATE = "service.json.j2"


@dataclass(frozen=True)
class ClusterFacts:
    """What rendering has to know of the cluster: its version, and what reading its HDFS takes.

    *hdfs_client* holds properties by file, for servers that read it themselves; *hdfs* is for agents.
    """

    hadoop_version: Version
    hdfs_client: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    hdfs: HdfsAccess | None = None


def render(spec: ServiceSpec, facts: ClusterFacts, *, template_dirs: Sequence[Path] = ()) -> dict[str, Any]:
    """Return the YARN service of *spec*.

    It has only what the cluster's Hadoop knows (:mod:`yarnserve.render.features`): YARN answers 404 to an unknown
    field and ignores an unknown variable.
    Without ports per replica it asks for one replica a node, which works only where the ResourceManager has a
    placement constraint handler (yarn-services.md 8, item 10).

    Raises:
        ConfigurationError: the cluster is older than 3.1.1, or does not know something that *spec* asks for.
        TemplateError: a template of *template_dirs* is broken, or gives no object.
    """
    refuse(spec, facts.hadoop_version)
    context = {
        "cluster": facts,
        "spec": spec,
        "component": COMPONENT,
        "launch_command": launch_command(spec),
        "service_properties": SERVICE_PROPERTIES,
        "component_properties": _component_properties(spec),
        "environment": {**spec.env, **docker.environment(spec)},
        "files": [*_files(spec, facts), *_hadoop_files(spec, facts)],
        "placement_policy": placement_policy(spec),
        "readiness_check": readiness_check(spec),
    }
    document = render_json(TEMPLATE, context, template_dirs=template_dirs)
    if not isinstance(document, dict):
        raise TemplateError(f"{TEMPLATE} gives no JSON object", fix="it has to give one YARN service")
    return document


def canonical(document: Mapping[str, Any]) -> str:
    """Return *document* as the one text that stands for it: sorted keys, indented by two, a newline at the end."""
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _component_properties(spec: ServiceSpec) -> dict[str, str]:
    network = {"docker.network": spec.network.value} if spec.image else {}
    return {**component_properties(spec.supervise), **network}


def _files(spec: ServiceSpec, facts: ClusterFacts) -> list[dict[str, Any]]:
    """The server's files, each with its text: YARN writes it out as it is, for nothing in it is a token of YARN's."""
    return [
        {"type": "TEMPLATE", "dest_file": config_files.destination(name, spec), "properties": {"content": text}}
        for name, text in {**config_files.contents(spec), **_assignment(spec, facts)}.items()
    ]


def _assignment(spec: ServiceSpec, facts: ClusterFacts) -> dict[str, str]:
    if not spec.has_agent:
        return {}
    if facts.hdfs is None:
        raise ConfigurationError(
            "an agent has to be told where HDFS is",
            why="no NameNode is known here",
            fix="set HADOOP_CONF_DIR, or name the NameNode's web address with --namenode",
        )
    text = Assignment(spec, facts.hdfs).to_text()
    if len(text) > MAX_ASSIGNMENT:
        raise ConfigurationError(
            "the models' examples are too large for delivery: sync",
            why=f"they travel in the service's definition, which YARN keeps in memory; {len(text)} bytes of it, "
            f"at most {MAX_ASSIGNMENT}",
            fix="take a smaller batch as the example",
        )
    return {config_files.ASSIGNMENT: text}


def _hadoop_files(spec: ServiceSpec, facts: ClusterFacts) -> list[dict[str, Any]]:
    """Hadoop's own files for a server that reads HDFS from inside an image (tf-serving.md 6.2).

    They lie where the launch command's class path begins; an ENTRYPOINT has no launch command.
    """
    if not reads_hdfs_in_docker(spec):
        return []
    return [
        {"type": "HADOOP_XML", "dest_file": name, "properties": dict(properties)}
        for name, properties in sorted(facts.hdfs_client.items())
    ]
