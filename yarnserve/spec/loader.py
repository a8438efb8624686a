"""service.yaml as text -> ServiceSpec, or every mistake in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from yarnserve.errors import Problem, SpecError
from yarnserve.records.policy import SupervisePolicy
from yarnserve.records.replica import Example
from yarnserve.spec import checks, schema
from yarnserve.spec.example import parse_example
from yarnserve.spec.model import (
    AgentSpec,
    Delivery,
    Flag,
    KerberosSpec,
    ModelSpec,
    Network,
    Placement,
    Ports,
    Readiness,
    Resources,
    ServiceSpec,
    ServingSpec,
    Swap,
)
from yarnserve.spec.schema import ModelSection, ServiceFile
from yarnserve.spec.source import Fault, Path, Source, read_yaml


def parse_spec(text: str, *, file: str, read_text: Callable[[str], str], force: bool = False) -> ServiceSpec:
    """Read a service.yaml (docs/service-yaml.md).

    Args:
        text: the file's content.
        file: its name, as messages shall show it.
        read_text: returns the content of a file named in the spec, relative to it; may raise OSError.
        force: take a version of TF Serving whose official builds cannot read HDFS.

    Raises:
        SpecError: with every mistake of the file and of its example, in the order of the file.
    """
    source = read_yaml(text, file=file)
    document, faults = _checked(source, force=force)
    examples, example_problems = _examples(source, read_text)
    problems = [*source.problems, *map(source.problem, faults), *example_problems]
    if problems:
        problems.sort(key=lambda problem: (problem.file != file, problem.line))
        count = "a mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        raise SpecError(
            f"{file} has {count}", problems=tuple(problems), fix="docs/service-yaml.md explains every field"
        )
    return _spec(document, examples)


def _checked(source: Source, *, force: bool) -> tuple[ServiceFile, list[Fault]]:
    """Return what is sound of the file, and what is wrong with it beyond its YAML."""
    found = [fault for fault in schema.faults(ServiceFile, source.tree) if fault.path not in source.refused]
    broken = {str(path[0]) for path in (*source.refused, *(fault.path for fault in found))}
    document = schema.read(ServiceFile, {key: value for key, value in source.tree.items() if key not in broken})
    return document, [*found, *checks.faults(document, broken=broken, force=force)]


def _examples(source: Source, read_text: Callable[[str], str]) -> tuple[list[Example | None], list[Problem]]:
    """Return the example of every model in the file's order, and what is wrong with them."""
    models = source.tree.get("model")
    places: list[tuple[Path, Any]] = [(("model",), models)]
    if isinstance(models, list):
        places = [(("model", index), model) for index, model in enumerate(models)]
    examples: list[Example | None] = []
    problems: list[Problem] = []
    for path, model in places:
        name = model.get("example") if isinstance(model, dict) else None
        example, found = _example(source, path, name, read_text) if isinstance(name, str) else (None, ())
        examples.append(example)
        problems.extend(found)
    return examples, problems


def _example(
    source: Source, model: Path, name: str, read_text: Callable[[str], str]
) -> tuple[Example | None, tuple[Problem, ...]]:
    try:
        return parse_example(read_text(name), file=name), ()
    except SpecError as error:
        return None, error.problems
    except (OSError, ValueError) as error:
        # ValueError: not UTF-8, or a name that no file can have.
        reason = getattr(error, "strerror", None) or str(error)
    return None, (source.problem(Fault((*model, "example"), f"a file that can be read: {reason}")),)


def _spec(document: ServiceFile, examples: list[Example | None]) -> ServiceSpec:
    version = checks.serving_version(document)
    resources, ports, placement = document.resources, document.ports, document.placement
    # checks.faults has asked for them.
    assert document.name is not None
    assert resources is not None
    assert version is not None
    return ServiceSpec(
        name=document.name,
        models=tuple(map(_model, checks.models(document), examples)),
        serving=ServingSpec(version, document.serving.flags, _batching(document)),
        replicas=document.replicas,
        resources=Resources(resources.cpus, resources.memory, resources.gpus),
        image=document.image,
        network=Network(document.network),
        ports=Ports(ports.rest, ports.grpc, ports.per_replica, ports.agent),
        queue=document.queue,
        supervise=SupervisePolicy(**dict(document.supervise)),
        env=document.env,
        mounts=tuple(document.mounts),
        placement=Placement(placement.node_label, placement.spread),
        lifetime=document.lifetime,
        readiness=Readiness(document.readiness),
        entrypoint=document.entrypoint,
        registry_credentials=document.registry_credentials,
        kerberos=KerberosSpec(document.kerberos.principal, document.kerberos.keytab) if document.kerberos else None,
        agent=AgentSpec(**dict(document.agent)),
    )


def _model(model: ModelSection, example: Example | None) -> ModelSpec:
    return ModelSpec(
        checks.model_name(model),
        model.base_path,
        Delivery(model.delivery),
        example,
        model.version,
        Swap(model.swap),
    )


def _batching(document: ServiceFile) -> dict[str, Flag] | None:
    section = document.serving.batching
    return None if section is None else {name: value for name, value in section if value is not None}
