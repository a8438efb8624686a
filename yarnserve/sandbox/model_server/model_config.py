"""``--model_config_file`` and ``--batching_parameters_file`` (tf-serving.md 3), as TF Serving takes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from yarnserve.sandbox.model_server.proto_file import read
from yarnserve.sandbox.model_server.status import invalid_argument
from yarnserve.sandbox.model_server.text_format import Document, Message

_PACKAGE = "tensorflow.serving"
_LATEST = Message(f"{_PACKAGE}.FileSystemStoragePathSourceConfig.ServableVersionPolicy.Latest", {"num_versions": int})
_ALL = Message(f"{_PACKAGE}.FileSystemStoragePathSourceConfig.ServableVersionPolicy.All", {})
_SPECIFIC = Message(
    f"{_PACKAGE}.FileSystemStoragePathSourceConfig.ServableVersionPolicy.Specific",
    {"versions": int},
    frozenset({"versions"}),
)
_POLICY = Message(
    f"{_PACKAGE}.FileSystemStoragePathSourceConfig.ServableVersionPolicy",
    {"latest": _LATEST, "all": _ALL, "specific": _SPECIFIC},
)
_LABEL = Message(f"{_PACKAGE}.ModelConfig.VersionLabelsEntry", {"key": str, "value": int})
_MODEL = Message(
    f"{_PACKAGE}.ModelConfig",
    {
        "name": str,
        "base_path": str,
        "model_platform": str,
        "model_version_policy": _POLICY,
        "version_labels": _LABEL,
    },
    frozenset({"version_labels"}),
)
_MODELS = Message(f"{_PACKAGE}.ModelConfigList", {"config": _MODEL}, frozenset({"config"}))
_SERVER = Message(f"{_PACKAGE}.ModelServerConfig", {"model_config_list": _MODELS})
_INT64 = Message("google.protobuf.Int64Value", {"value": int})
_STRING = Message("google.protobuf.StringValue", {"value": str})
_BOOL = Message("google.protobuf.BoolValue", {"value": bool})
_BATCHING = Message(
    f"{_PACKAGE}.BatchingParameters",
    {
        "max_batch_size": _INT64,
        "batch_timeout_micros": _INT64,
        "max_enqueued_batches": _INT64,
        "num_batch_threads": _INT64,
        "thread_pool_name": _STRING,
        "allowed_batch_sizes": int,
        "pad_variable_length_inputs": bool,
        "enable_large_batch_splitting": _BOOL,
        "max_execution_batch_size": _INT64,
    },
    frozenset({"allowed_batch_sizes"}),
)


@dataclass(frozen=True)
class VersionPolicy:
    """Which versions of a model are wanted: the *latest* n, every one (0), or the *specific* ones named."""

    latest: int = 1
    specific: frozenset[int] = frozenset()

    def aspired(self, found: Collection[int]) -> set[int]:
        """Return those of *found* that are to be served."""
        if self.specific:
            return set(found) & self.specific
        return set(sorted(found, reverse=True)[: self.latest or None])


@dataclass(frozen=True)
class ModelConfig:
    """One model to serve; *labels* name versions of it."""

    name: str
    base_path: str
    policy: VersionPolicy = VersionPolicy()
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Batching:
    """How large a request may be: more rows than *max_batch_size* are refused, unless large ones are split."""

    max_batch_size: int = 1000
    splits: bool = False

    def check(self, rows: int) -> None:
        """Refuse a request of too many *rows*; raises ServingError."""
        if rows > self.max_batch_size and not self.splits:
            size = f"Task size {rows} is larger than maximum input batch size {self.max_batch_size}"
            raise invalid_argument(size)


def read_models(file: str) -> list[ModelConfig] | None:
    """Read a file of models, None when it has no list of any, not even an empty one; raises ServingError."""
    found = read(file, _SERVER)
    if "model_config_list" not in found:
        return None
    return [_model(each) for each in found["model_config_list"].get("config", [])]


def read_batching(file: str) -> Batching:
    """Read a file of batching parameters; raises ServingError."""
    found = read(file, _BATCHING)
    largest = found.get("max_batch_size", {}).get("value", 1000)
    splits = found.get("enable_large_batch_splitting", {}).get("value", False)
    sizes = found.get("allowed_batch_sizes", [])
    if any(first >= second for first, second in pairwise(sizes)):
        raise invalid_argument("allowed_batch_sizes entries must be monotonically increasing")
    last = found.get("max_execution_batch_size", {}).get("value", largest) if splits else largest
    if sizes and sizes[-1] != last:
        name = "max_execution_batch_size" if splits else "max_batch_size"
        raise invalid_argument(
            f"Last entry in allowed_batch_sizes must match {name}; last entry was {sizes[-1]}; expected {last}"
        )
    return Batching(largest, splits)


def check_models(models: Iterable[ModelConfig]) -> None:
    """Refuse what TF Serving does not start with; raises ServingError."""
    names: set[str] = set()
    for model in models:
        if model.name in names:
            raise invalid_argument(f"Illegal to list model {model.name} multiple times in config list")
        names.add(model.name)
        if not model.base_path.startswith("/") and "://" not in model.base_path:
            raise invalid_argument(
                f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
            )


def _model(found: Document) -> ModelConfig:
    if not found.get("model_platform"):
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform."
        )
    if found["model_platform"] != "tensorflow":
        raise invalid_argument(f"Unknown platform: {found['model_platform']}")
    labels = {entry.get("key", ""): entry.get("value", 0) for entry in found.get("version_labels", [])}
    policy = _policy(found.get("model_version_policy", {}))
    return ModelConfig(found.get("name", ""), found.get("base_path", ""), policy, labels)


def _policy(found: Mapping[str, Any]) -> VersionPolicy:
    """Read the policy; of several the last one counts, as in any ``oneof``."""
    kind = list(found)[-1] if found else "latest"
    if kind == "all":
        return VersionPolicy(latest=0)
    if kind == "specific":
        return VersionPolicy(specific=frozenset(found[kind].get("versions", [])))
    return VersionPolicy(latest=max(found.get("latest", {}).get("num_versions", 1), 1))
