"""A document as YAML, for people; PyYAML belongs to this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


def dump_yaml(document: Mapping[str, Any]) -> str:
    """Return *document*, which JSON could hold, as YAML with its keys in their order."""
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=1000)
