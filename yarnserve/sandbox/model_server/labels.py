"""Labels of versions: what a configuration may call which version (tf-serving.md 3.2). Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

from yarnserve.sandbox.model_server.model_config import ModelConfig
from yarnserve.sandbox.model_server.status import Code, ServingError

#: Version by label, by model.
Labels: TypeAlias = Mapping[str, Mapping[str, int]]


def resolve(
    models: Sequence[ModelConfig],
    available: Callable[[str], Collection[int]],
    current: Labels,
    *,
    allow_unavailable: bool,
) -> Labels:
    """Return the labels of *models*, in place of all the *current* ones.

    A label may stand for a version that is *available*; with *allow_unavailable* a new one, or one that stays where
    it is, for any other too.

    Raises:
        ServingError: FAILED_PRECONDITION, and every label stays where it is.
    """
    for model in models:
        for label, version in model.labels.items():
            stays_or_is_new = current.get(model.name, {}).get(label, version) == version
            if version not in available(model.name) and not (allow_unavailable and stays_or_is_new):
                raise ServingError(
                    Code.FAILED_PRECONDITION,
                    f"Request to assign label to version {version} of model {model.name},"
                    " which is not currently available for inference",
                )
    return {model.name: dict(model.labels) for model in models}
