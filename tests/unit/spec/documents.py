"""Valid service.yaml files for the tests of spec, render and serving, and a Hypothesis strategy of them."""

from __future__ import annotations

import string
from typing import Any

import yaml
from hypothesis import strategies as st

from yarnserve.records.version import Version
from yarnserve.spec.flags import FLAGS
from yarnserve.spec.loader import parse_spec
from yarnserve.spec.model import ServiceSpec

MINIMAL = """\
name: digits
model: {base_path: /models/digits}
serving: {version: "2.6"}
resources: {memory: 8g}
"""

DOCKER = """\
name: digits
model: {base_path: hdfs://prod/models/digits}
image: registry.example.org/tfserving-hdfs:2.6-gpu
replicas: 3
resources: {cpus: 4, memory: 8g, gpus: 1}
queue: root.ml
"""


def no_files(name: str) -> str:
    """A reader for specs that have no example beside them."""
    raise FileNotFoundError(2, "No such file or directory", name)


def spec_of(text: str, *, force: bool = False) -> ServiceSpec:
    """Parse *text* as service.yaml, with no files beside it."""
    return parse_spec(text, file="service.yaml", read_text=no_files, force=force)


_words = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=12)
_names = _words.map(lambda word: "n" + word).filter(lambda name: name not in ("serve", "version"))
#: What a shell would change if nobody protected it, and YARN does not forbid.
_command_texts = st.text(st.sampled_from("ab/ =,;&|*?~#()[]!%^é\u00a0").filter(str.isprintable), max_size=12)
_VALUES: dict[type, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(2, 10**9),
    float: st.floats(0, 1),
    str: _command_texts,
}
#: Flags that TF Serving 2.6 knows, each alone a sound one.
_known = {
    name: _VALUES[rule.kind]
    for name, rule in FLAGS.items()
    if rule.known_to(Version(2, 6)) and name not in ("batching_parameters_file", "tensorflow_session_parallelism")
}
_flags = st.lists(st.sampled_from(sorted(_known)), max_size=4, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: _known[name] for name in names})
)


@st.composite
def _ports(draw: st.DrawFn) -> dict[str, Any]:
    rest = draw(st.integers(1, 60_000))
    apart = draw(st.integers(1, 5_000).filter(lambda distance: distance % 10 != 0))
    return {"rest": rest, "grpc": rest + apart, "per_replica": draw(st.booleans())}


@st.composite
def specs(draw: st.DrawFn) -> ServiceSpec:
    """Specs as the loader reads them from files of every shape."""
    document: dict[str, Any] = {
        "name": draw(_names),
        "model": {
            "base_path": draw(st.sampled_from(["", "hdfs://prod", "hdfs://nn.example.org:8020"])) + "/m/" + draw(_names)
        },
        "serving": {"version": "2.6", "flags": draw(_flags)},
        "replicas": draw(st.integers(1, 50)),
        "resources": {
            "cpus": draw(st.integers(1, 96)),
            "memory": draw(st.sampled_from(["512m", "8g", 700])),
            "gpus": draw(st.integers(0, 8)),
        },
        "ports": draw(_ports()),
        "image": draw(st.sampled_from([None, "tfserving:2.6", "registry.example.org:5000/ml/tfserving:2.5.1-gpu"])),
        "queue": draw(st.sampled_from([None, "ml", "root.ml.serving"])),
        "supervise": {"enabled": draw(st.booleans())},
    }
    return spec_of(yaml.safe_dump(document, allow_unicode=True))
