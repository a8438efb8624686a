"""The configuration files of a model server, as protocol buffers in text form (tf-serving.md 3)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from yarnserve.spec.model import Flag, ModelSpec, ServiceSpec

MODELS = "models.config"
MONITORING = "monitoring.config"
#: What an agent is told; not the server's, and delivered beside its files.
ASSIGNMENT = "agent.json"
BATCHING = "batching.config"

#: Where YARN puts a file without a directory, below the working directory (yarn-services.md 2, ConfigFile).
_BESIDE = "conf"

#: Where an image's own ENTRYPOINT finds them: its working directory is the image's affair, so they are mounted.
_MOUNTED = "/etc/yarnserve"

#: Fields of the batching parameters that are plain; all others are wrapped in ``{ value: ... }``.
_PLAIN = frozenset({"pad_variable_length_inputs"})
_REPEATED = "allowed_batch_sizes"


def destination(name: str, spec: ServiceSpec) -> str:
    """Return the file's ``dest_file`` for YARN."""
    return f"{_MOUNTED}/{name}" if spec.entrypoint else name


def path(name: str, spec: ServiceSpec) -> str:
    """Return the path by which the server opens the file."""
    return destination(name, spec) if spec.entrypoint else f"{_BESIDE}/{name}"


def contents(spec: ServiceSpec) -> dict[str, str]:
    """Return the text of each file that YARN delivers for the server of *spec*, by name.

    An agent writes the one with the models itself.
    """
    files = {}
    if needs_model_config(spec) and not spec.has_agent:
        files[MODELS] = model_config(spec.models)
    if spec.serving.batching is not None:
        files[BATCHING] = batching_parameters(spec.serving.batching, spec.resources.cpus)
    return files


def needs_model_config(spec: ServiceSpec) -> bool:
    """Whether the models are told by a file: flags know one model only, and only its newest version."""
    return len(spec.models) > 1 or any(model.pinned is not None for model in spec.models)


def model_config(models: Iterable[ModelSpec]) -> str:
    """Return the ModelServerConfig that serves *models*: of each the version it is pinned to, else the newest."""
    entries = "".join(
        f"  config {{\n    name: {_text(model.name)}\n    base_path: {_text(hdfs_uri(model.base_path))}\n"
        f'    model_platform: "tensorflow"\n{_version_policy(model)}  }}\n'
        for model in models
    )
    return f"model_config_list {{\n{entries}}}\n"


def _version_policy(model: ModelSpec) -> str:
    if model.pinned is None:
        return ""
    return f"    model_version_policy {{ specific {{ versions: {model.pinned} }} }}\n"


@dataclass(frozen=True)
class ServedModel:
    """A model on the server's own disk: *versions* that it is to serve, and *labels* for some of them."""

    name: str
    base_path: str
    versions: tuple[int, ...]
    labels: Mapping[str, int]


def steering_config(models: Iterable[ServedModel]) -> str:
    """Return the ModelServerConfig by which an agent says what is served (tf-serving.md 3.1, 3.2)."""
    return f"model_config_list {{\n{''.join(map(_steered, models))}}}\n"


def _steered(model: ServedModel) -> str:
    versions = " ".join(f"versions: {version}" for version in model.versions)
    labels = "".join(
        f"    version_labels {{ key: {_text(label)} value: {version} }}\n" for label, version in model.labels.items()
    )
    return (
        f"  config {{\n    name: {_text(model.name)}\n    base_path: {_text(model.base_path)}\n"
        f'    model_platform: "tensorflow"\n    model_version_policy {{ specific {{ {versions} }} }}\n{labels}  }}\n'
    )


def monitoring_config() -> str:
    """Return the MonitoringConfig that lets the server count its requests (tf-serving.md 3.4)."""
    return "prometheus_config { enable: true }\n"


def batching_parameters(batching: Mapping[str, Flag], cpus: int) -> str:
    """Return the BatchingParameters; as many batch threads as *cpus* where *batching* does not say otherwise.

    By itself the server takes as many as the whole host has processors (tf-serving.md 1.3, 3.3).
    """
    lines = (_field(name, value) for name, value in sorted({"num_batch_threads": cpus, **batching}.items()))
    return "".join(lines)


def hdfs_uri(base_path: str) -> str:
    """A plain path is one on the default file system; the server takes it for a local one without the scheme."""
    return f"hdfs://{base_path}" if base_path.startswith("/") else base_path


def _field(name: str, value: Flag) -> str:
    if name == _REPEATED:
        return "".join(f"{name}: {size.strip()}\n" for size in str(value).split(","))
    if name in _PLAIN:
        return f"{name}: {_scalar(value)}\n"
    return f"{name} {{ value: {_scalar(value)} }}\n"


def _scalar(value: Flag) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    # JSON's quoting of quotes, backslashes and line ends is that of protocol buffers.
    return json.dumps(value, ensure_ascii=False)
