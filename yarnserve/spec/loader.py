"""service.yaml as text -> ServiceSpec, or every mistake in it."""

from __future__ import annotations

from collections.abc import Callable

from yarnserve.errors import Problem, SpecError
from yarnserve.records.policy import SupervisePolicy
from yarnserve.records.replica import Example
from yarnserve.spec import checks, schema
from yarnserve.spec.example import parse_example
from yarnserve.spec.model import Delivery, ModelSpec, Network, Ports, Resources, ServiceSpec, ServingSpec
from yarnserve.spec.schema import ServiceFile
from yarnserve.spec.source import Fault, Source, read_yaml


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
    example, example_problems = _example(source, read_text)
    problems = [*source.problems, *map(source.problem, faults), *example_problems]
    if problems:
        problems.sort(key=lambda problem: (problem.file != file, problem.line))
        count = "a mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        raise SpecError(
            f"{file} has {count}", problems=tuple(problems), fix="docs/service-yaml.md explains every field"
        )
    return _spec(document, example)


def _checked(source: Source, *, force: bool) -> tuple[ServiceFile, list[Fault]]:
    """Return what is sound of the file, and what is wrong with it beyond its YAML."""
    found = [fault for fault in schema.faults(ServiceFile, source.tree) if fault.path not in source.refused]
    broken = {str(path[0]) for path in (*source.refused, *(fault.path for fault in found))}
    document = schema.read(ServiceFile, {key: value for key, value in source.tree.items() if key not in broken})
    return document, [*found, *checks.faults(document, broken=broken, force=force)]


def _example(source: Source, read_text: Callable[[str], str]) -> tuple[Example | None, tuple[Problem, ...]]:
    model = source.tree.get("model")
    name = model.get("example") if isinstance(model, dict) else None
    if not isinstance(name, str):
        return None, ()
    try:
        return parse_example(read_text(name), file=name), ()
    except SpecError as error:
        return None, error.problems
    except (OSError, ValueError) as error:
        # ValueError: not UTF-8, or a name that no file can have.
        reason = getattr(error, "strerror", None) or str(error)
    return None, (source.problem(Fault(("model", "example"), f"a file that can be read: {reason}")),)


def _spec(document: ServiceFile, example: Example | None) -> ServiceSpec:
    version = checks.serving_version(document)
    model, resources, ports = document.model, document.resources, document.ports
    # checks.faults has asked for them.
    assert document.name is not None
    assert model is not None
    assert resources is not None
    assert version is not None
    name = model.name or checks.model_name(model.base_path)
    return ServiceSpec(
        name=document.name,
        models=(ModelSpec(name, model.base_path, Delivery(model.delivery), example),),
        serving=ServingSpec(version, document.serving.flags),
        replicas=document.replicas,
        resources=Resources(resources.cpus, resources.memory, resources.gpus),
        image=document.image,
        network=Network(document.network),
        ports=Ports(ports.rest, ports.grpc, ports.per_replica),
        queue=document.queue,
        supervise=SupervisePolicy(document.supervise.enabled),
    )
