"""Specs of services for one host."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from yarnserve.local.launches import HostFacts
from yarnserve.spec.assignment import HdfsAccess
from yarnserve.spec.loader import parse_spec
from yarnserve.spec.model import ServiceSpec
from yarnserve.spec.text import dump_yaml


def spec(*, delivery: str = "sync", version: str = "2.6", **fields: Any) -> ServiceSpec:
    """The digits, with *fields* of service.yaml in place of its own."""
    document = {
        "name": "digits",
        "model": {"base_path": "/models/digits", "delivery": delivery},
        "image": "ml/serving:2.6",
        "serving": {"version": version},
        "replicas": 2,
        "resources": {"cpus": 2, "memory": "1g"},
        **fields,
    }
    text = dump_yaml({name: value for name, value in document.items() if value is not None})
    return parse_spec(text, file="service.yaml", read_text=lambda name: "")


FACTS = HostFacts(
    HdfsAccess("alice", {"digits": ("http://nn:9870",)}),
    PurePosixPath("/state/digits"),
    user="1000:1001",
    cpus=8,
    image_id="sha256:1",
    python="/usr/bin/python3",
)
