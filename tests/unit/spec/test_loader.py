"""service.yaml -> ServiceSpec, or every mistake in it with its line."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.spec.documents import DOCKER, MINIMAL, no_files, spec_of, specs
from yarnserve.errors import Problem, SpecError
from yarnserve.records.document import from_document, to_document
from yarnserve.records.policy import SupervisePolicy
from yarnserve.records.replica import Example
from yarnserve.spec.loader import parse_spec
from yarnserve.spec.model import (
    ModelSpec,
    Mount,
    Network,
    Placement,
    Ports,
    Readiness,
    Resources,
    ServiceSpec,
    ServingSpec,
)


def problems_of(text: str, *, force: bool = False) -> tuple[Problem, ...]:
    """Return what is wrong with *text*, which must not be right."""
    with pytest.raises(SpecError) as caught:
        spec_of(text, force=force)
    return caught.value.problems


def outcome_of(text: str) -> ServiceSpec | SpecError:
    """Return what comes of *text*, right or wrong."""
    try:
        return spec_of(text)
    except SpecError as error:
        return error


def test_minimal_file_has_the_documented_defaults() -> None:
    """What is not written has the default of docs/service-yaml.md."""
    assert spec_of(MINIMAL) == ServiceSpec(
        name="digits",
        models=(ModelSpec("digits", "/models/digits"),),
        serving=ServingSpec("2.6"),
        replicas=1,
        resources=Resources(cpus=1, memory_mb=8192, gpus=0),
        ports=Ports(rest=8501, grpc=8500, per_replica=True),
    )


def test_full_file_is_read_field_by_field() -> None:
    """Every field of service.yaml arrives in the spec."""
    text = """\
name: ads
model: {base_path: "hdfs://prod/models/ctr/", name: ranker, delivery: native, example: golden/ctr.json}
image: registry.example.org:5000/tfserving-hdfs:2.6-gpu
serving: {version: 2.5, flags: {enable_batching: yes, max_num_load_retries: 2, per_process_gpu_memory_fraction: 0.5}}
replicas: 3
resources: {cpus: 4, memory: 512M, gpus: 2}
network: host
ports: {rest: 9001, grpc: 9000, per_replica: false}
queue: root.ml
supervise: {enabled: true}
"""
    files = {"golden/ctr.json": '{"request": {"inputs": [[1.0]]}, "expected": {"outputs": [[2]]}, "tolerance": 1}'}
    spec = parse_spec(text, file="service.yaml", read_text=files.__getitem__)
    example = Example(request={"inputs": [[1.0]]}, expected={"outputs": [[2]]}, tolerance=1.0)
    assert spec == ServiceSpec(
        name="ads",
        models=(ModelSpec("ranker", "hdfs://prod/models/ctr", example=example),),
        image="registry.example.org:5000/tfserving-hdfs:2.6-gpu",
        serving=ServingSpec(
            "2.5", {"enable_batching": True, "max_num_load_retries": 2, "per_process_gpu_memory_fraction": 0.5}
        ),
        replicas=3,
        resources=Resources(cpus=4, memory_mb=512, gpus=2),
        ports=Ports(rest=9001, grpc=9000, per_replica=False),
        queue="root.ml",
        supervise=SupervisePolicy(enabled=True),
    )


def test_the_tag_of_the_image_announces_the_version() -> None:
    """Without serving.version the tag is believed."""
    assert spec_of(DOCKER).serving.version == "2.6"


def test_every_mistake_is_reported_at_once_with_its_line() -> None:
    """One run names all that is wrong: YAML, single values, fields that do not fit, and the example file."""
    text = """\
name: Digits
model:
  base_path: s3://bucket/digits
  exmple: other.json
  example: golden.json
  delivery: copied
serving:
  version: 2.10
  flags: {port: 1, --x: 2, label: "a$b"}
replicas: 0
replicas: 2
resources:
  memory: 8q
  gpu: 1
network: brigde
ports:
  rest: 8500
"""
    with pytest.raises(SpecError) as caught:
        parse_spec(text, file="service.yaml", read_text=lambda _: '{"request": {"instance": [1]}, "tolerance": -1}')
    allowed_name = "lower-case letters, digits and '-', beginning with a letter, at most 63 characters"
    fields = "one of the fields base_path, name, delivery, swap, version, example"
    body = "the body of a predict request, with either 'instances' (not empty) or 'inputs'"
    expected = [
        ("service.yaml:1", "name", "Digits", allowed_name, ""),
        ("service.yaml:3", "model.base_path", "s3://bucket/digits", "a path on HDFS: s3:// is not supported", ""),
        ("service.yaml:4", "model.exmple", "other.json", fields, "example"),
        ("service.yaml:6", "model.delivery", "copied", "native or sync", ""),
        (
            "service.yaml:8",
            "serving.version",
            "2.10",
            '"2.10", in quotes: without them YAML means the number 2.1',
            "",
        ),
        (
            "service.yaml:9",
            "serving.flags.port",
            "1",
            "other flags than port: yarnserve sets it, from ports.grpc",
            "",
        ),
        ("service.yaml:9", "serving.flags.--x", "2", "a flag's name without dashes, such as enable_batching", ""),
        (
            "service.yaml:9",
            "serving.flags.label",
            "a$b",
            "a text without $ : YARN or the shell would change it inside the launch command",
            "",
        ),
        ("service.yaml:10", "replicas", "0", "a whole number, at least 1", ""),
        ("service.yaml:11", "replicas", "replicas", "each key once", ""),
        ("service.yaml:13", "resources.memory", "8q", "an amount such as 8g or 512m, or a whole number of MiB", ""),
        ("service.yaml:14", "resources.gpu", "1", "one of the fields memory, cpus, gpus", "gpus"),
        ("service.yaml:15", "network", "brigde", "host or bridge", "bridge"),
        ("service.yaml:17", "ports.rest", "8500", "another port than ports.grpc", ""),
        ("golden.json", "request", "an object", body, ""),
        ("golden.json", "tolerance", "-1", "a number, at least 0", ""),
    ]
    found = [
        (problem.place, problem.field, problem.found, problem.allowed, problem.suggestion)
        for problem in caught.value.problems
    ]
    assert found == expected
    assert caught.value.what == "service.yaml has 16 mistakes"
    assert caught.value.exit_status == 3


def without(field: str) -> str:
    """The minimal file without one of its top-level fields."""
    document = yaml.safe_load(MINIMAL)
    del document[field]
    return yaml.safe_dump(document)


@pytest.mark.parametrize("field", ["name", "model", "resources"])
def test_required_fields_are_asked_for(field: str) -> None:
    """A file without a required field is refused by that field's name, and nothing else is said."""
    assert [problem.field for problem in problems_of(without(field))] == [field]


WRONG_VALUES = [
    # The name: YARN's rule, and two names that YARN cannot handle.
    ("name", "9lives", "lower-case letters"),
    ("name", "a_b", "lower-case letters"),
    ("name", "a" * 64, "at most 63"),
    ("name", "serve", "its component"),
    ("name", "version", "YARN answers its own version"),
    ("name", 5, "in letters"),
    # The model.
    ("model", "/models/digits", "a list of such mappings"),
    ("model", [], "a mapping with base_path"),
    ("model.base_path", "models/digits", "an absolute path"),
    ("model.base_path", "hdfs:/models/digits", "an absolute path"),
    ("model.base_path", "hdfs://prod", "an absolute path"),
    ("model.base_path", "/", "an absolute path"),
    ("model.base_path", "/models/../digits", "an absolute path"),
    ("model.base_path", "/models//digits", "an absolute path"),
    ("model.base_path", "file:///models/digits", "file:// is not supported"),
    ("model.base_path", "gs://models/digits", "gs:// is not supported"),
    ("model.base_path", "/models/${USER}", "a text without $ { }"),
    ("model.base_path", "/models/it's", "a text without '"),
    ("model.base_path", "/models/a\nb", "a text without \\n"),
    ("model.name", "a/b", "letters, digits"),
    ("model.name", "a:predict", "letters, digits"),
    ("model.delivery", "copied", "native or sync"),
    ("model.version", "newest", "latest, stable or a version's number"),
    ("model.version", 0, "latest, stable or a version's number"),
    ("model.version", True, "latest, stable or a version's number"),
    ("model.delivery", "copy", "native"),
    ("model.example", 3, "the name of a JSON file"),
    ("model.example", "missing.json", "No such file"),
    # Image and version.
    ("image", "tfserving", "an image with a tag"),
    ("image", "registry.example.org:5000/tfserving", "an image with a tag"),
    ("image", "Tfserving Image:2.6", "an image with a tag"),
    ("image", "tfserving@sha256:" + "0" * 63, "an image with a tag"),
    ("image", "tfserving@md5:" + "0" * 32, "an image with a tag"),
    ("serving.version", "two", "a version such as"),
    ("serving.version", 2, "a version such as"),
    ("serving.version", True, "a version such as"),
    ("serving.version", "2.7", "0.6 to 2.6"),
    ("serving.version", "2.7.0", "0.6 to 2.6"),
    ("serving.version", "0.5", "0.6 to 2.6"),
    ("serving.flags", ["a"], "a mapping of flags"),
    ("serving.flags.model_config_file", "/x", "yarnserve sets it"),
    ("serving.flags.grpc_channel_arguments", "a=b", "keeps two servers from sharing a port"),
    ("serving.flags.x", None, "a text, a number"),
    ("serving.flags.x", [1], "a text, a number"),
    ("serving.flags.x", float("nan"), "a text, a number"),
    *[("serving.flags.x", f"a{character}b", "inside the launch command") for character in "\"'$`\\<>{}\n\x7f"],
    # Numbers and the rest.
    ("replicas", 0, "at least 1"),
    ("replicas", "3", "a whole number"),
    ("replicas", True, "a whole number"),
    ("replicas", 2.0, "a whole number"),
    ("replicas", 2**31, "at least 1"),
    ("replicas", 5705, "at most 5704"),
    ("resources.memory", "8", "such as 8g"),
    ("resources.memory", 0, "such as 8g"),
    ("resources.memory", True, "such as 8g"),
    ("resources.cpus", 0, "at least 1"),
    ("resources.gpus", -1, "0 for none"),
    ("network", "bridge", "an image beside network"),
    ("network", "none", "host or bridge"),
    ("ports.rest", 0, "1 to 65535"),
    ("ports.grpc", 65536, "1 to 65535"),
    ("ports.grpc", 8501, "another port than ports.rest"),
    ("ports.rest", 8500, "another port than ports.grpc"),
    ("ports.grpc", 8511, "ends in another digit"),
    ("ports.per_replica", "yes", "true or false"),
    ("ports", None, "a mapping of"),
    ("queue", "a b", "a queue's name"),
    ("queue", "", "a queue's name"),
    ("supervise.enabled", 1, "true or false"),
    ("supervise.min_available", -1, "at least 0"),
    ("supervise.min_available", 1, "less than replicas (1)"),
    ("supervise.check_interval", "soon", "a time such as"),
    ("supervise.check_interval", "61s", "at most 60 seconds"),
    ("supervise.check_timeout", 11, "at most check_interval, 10 seconds"),
    ("supervise.failures", 0, "1 to 10"),
    ("supervise.failures", 11, "1 to 10"),
    ("supervise.restarts", 1.5, "at least 1"),
    # Flags against the server's version.
    ("serving.flags.enable_baching", True, "which ignores others"),
    ("serving.flags.enable_per_model_batching_parameters", True, "2.11 and later"),
    ("serving.flags.use_tflite_model", True, "1.15 to 2.2"),
    ("serving.flags.enable_batching", "true", "true or false"),
    ("serving.flags.max_num_load_retries", True, "a whole number"),
    ("serving.flags.max_num_load_retries", 0.5, "a whole number"),
    ("serving.flags.saved_model_tags", 1, "a text"),
    ("serving.flags.per_process_gpu_memory_fraction", 1.5, "0 to 1"),
    ("serving.flags.rest_api_num_threads", 1, "freezes"),
    ("serving.flags.file_system_poll_wait_seconds", -1, "waits for ever"),
    ("serving.flags.batching_parameters_file", "/b", "enable_batching: true"),
    # Batching.
    ("serving.batching", "on", "a mapping of batching parameters"),
    ("serving.batching.max_bach_size", 1, "one of the fields max_batch_size"),
    ("serving.batching.max_batch_size", 0, "at least 1"),
    ("serving.batching.batch_timeout_micros", -1, "at least 0"),
    ("serving.batching.allowed_batch_sizes", [128, 32], "increasing"),
    ("serving.batching.allowed_batch_sizes", [32, 128], "ends in 1000"),
    ("serving.batching.thread_pool_name", 'a"', "letters, digits"),
    ("serving.batching.max_execution_batch_size", 8, "enable_large_batch_splitting"),
    # What every replica gets.
    ("env", ["A=1"], "a mapping of variables"),
    ("env.9A", "x", "a variable's name"),
    ("env.YARN_CONTAINER_RUNTIME_TYPE", "runc", "follows from image"),
    ("env.A", True, "in quotes"),
    *[("env.A", f"a{character}b", "between double quotes") for character in '"$`\\\n'],
    ("env.A", "<LOG_DIR>/x", "which YARN replaces"),
    ("mounts", ["/a:/b"], "an image beside mounts"),
    ("placement.node_label", "a b", "a node label"),
    ("placement.sprad", True, "node_label, spread"),
    ("lifetime", "1w", "a time such as 12h"),
    ("lifetime", -1, "a time such as 12h"),
    ("lifetime", "99999999d", "a time such as 12h"),
    ("readiness", "tcp", "process or port or http"),
    ("readiness", "http", "ports.per_replica: false"),
    ("entrypoint", True, "an image beside entrypoint"),
    ("registry_credentials", "file:///root/.docker/config.json", "a file on HDFS"),
    ("registry_credentials", "/user/ml/config.json", "an image beside registry_credentials"),
]

FIXED = DOCKER + "ports: {per_replica: false}\n"

WRONG_TOGETHER = [
    # Docker's own.
    (DOCKER + "mounts: [/a]\n", "mounts.0", "source:target"),
    (DOCKER + "mounts: ['/a:/b:rx']\n", "mounts.0", "ro or rw"),
    (DOCKER + "mounts: ['a:/b']\n", "mounts.0", "two absolute paths"),
    (DOCKER + "mounts: ['/a:/b/../c']\n", "mounts.0", "two absolute paths"),
    (DOCKER + "mounts: ['/a,b:/b']\n", "mounts.0", "two absolute paths"),
    (DOCKER + "mounts: ['/a:/$b']\n", "mounts.0", "a text without $"),
    (DOCKER + "mounts: [1]\n", "mounts.0", "source:target"),
    (DOCKER + "mounts: ['/a:/c', '/b:/c']\n", "mounts.1", "another mount's"),
    (DOCKER.replace("digits", "d" * 55), "name", "at most 54 characters"),
    # Ports that no shell computes.
    (DOCKER + "network: bridge\n", "network", "ports.per_replica: false beside network: bridge"),
    (DOCKER + "entrypoint: true\n", "entrypoint", "ports.per_replica: false beside entrypoint: true"),
    (FIXED + "network: bridge\nreadiness: port\n", "readiness", "not the host's"),
    (
        FIXED.replace("hdfs://prod/models/digits", '"/a,b", name: x') + "entrypoint: true\n",
        "model.base_path",
        "without commas",
    ),
    (FIXED + "entrypoint: true\nserving: {flags: {saved_model_tags: 'a,b'}}\n", "saved_model_tags", "without commas"),
    # Several models, and flags that do not fit together.
    (MINIMAL.replace("{base_path: /models/digits}", "[/models/digits]"), "model.0", "a list of such mappings"),
    (MINIMAL.replace("{base_path: /models/digits}", "[{base_path: /a/x}, {base_path: /b/x}]"), "model.1.name", "own"),
    (MINIMAL.replace("{base_path: /models/digits}", "[{base_path: /a}, {bse_path: /b}]"), "model.1.b", "base_path"),
    (MINIMAL.replace('"2.6"', '"2.6", batching: {}, flags: {enable_batching: true}'), "enable_batching", "sets it"),
    (
        MINIMAL.replace(
            '"2.6"',
            '"2.6", flags: {tensorflow_session_parallelism: 1, '
            "tensorflow_inter_op_parallelism: 1, tensorflow_intra_op_parallelism: 1}",
        ),
        "tensorflow_session_parallelism",
        "at most two",
    ),
]


@pytest.mark.parametrize(("text", "field", "allowed"), WRONG_TOGETHER)
def test_what_does_not_fit_together_is_refused_with_the_reason(text: str, field: str, allowed: str) -> None:
    """Fields that are sound by themselves, but not beside each other, name the one to change."""
    problems = problems_of(text)
    assert any(field in problem.field and allowed in problem.allowed for problem in problems), problems
    assert len({problem.field.rpartition(".")[0] for problem in problems}) == 1


def test_every_depth_of_a_service_is_read() -> None:
    """Several models, batching and all that a container gets arrive in the spec, and survive being saved."""
    text = """\
name: ads
model:
  - {base_path: /models/ctr, example: ctr.json}
  - {base_path: "hdfs://prod/models/cvr", name: conversion}
image: registry.example.org/tfserving-hdfs@sha256:%s
serving:
  version: "2.6"
  batching: {max_batch_size: 128, allowed_batch_sizes: [32, 128], pad_variable_length_inputs: true}
replicas: 4
resources: {memory: 8g}
network: bridge
ports: {per_replica: false}
env: {TF_CPP_MIN_LOG_LEVEL: 1, RATE: 2.10, WORDS: it's a text}
mounts: ["/etc/hadoop/conf:/etc/hadoop/conf", "/data/cache:/cache:rw"]
placement: {node_label: gpu, spread: true}
lifetime: 12h
readiness: process
entrypoint: true
registry_credentials: hdfs:///user/ml/docker/config.json
supervise: {min_available: 3, check_interval: 1m, check_timeout: 20s}
""" % ("0" * 64)
    spec = parse_spec(text, file="s.yaml", read_text=lambda _: '{"request": {"instances": [1]}}')
    assert [(model.name, model.base_path, model.example is None) for model in spec.models] == [
        ("ctr", "/models/ctr", False),
        ("conversion", "hdfs://prod/models/cvr", True),
    ]
    assert spec.serving.batching == {
        "max_batch_size": 128,
        "allowed_batch_sizes": "32,128",
        "pad_variable_length_inputs": True,
    }
    assert spec.network is Network.BRIDGE
    assert spec.env == {"TF_CPP_MIN_LOG_LEVEL": "1", "RATE": "2.10", "WORDS": "it's a text"}
    assert spec.mounts == (
        Mount("/etc/hadoop/conf", "/etc/hadoop/conf"),
        Mount("/data/cache", "/cache", read_only=False),
    )
    assert spec.placement == Placement("gpu", spread=True)
    assert (spec.lifetime, spec.readiness, spec.entrypoint) == (43_200, Readiness.PROCESS, True)
    assert spec.registry_credentials == "hdfs:///user/ml/docker/config.json"
    assert spec.supervise == SupervisePolicy(min_available=3, check_interval=60, check_timeout=20)
    assert from_document(ServiceSpec, json.loads(json.dumps(to_document(spec)))) == spec


def test_a_misspelt_flag_is_guessed() -> None:
    """The server would ignore it silently, so the one that was meant is named."""
    (problem,) = problems_of(MINIMAL.replace('"2.6"', '"2.6", flags: {enable_baching: true}'))
    assert problem.suggestion == "enable_batching"


def test_force_takes_flags_of_a_build_of_ones_own() -> None:
    """--force lets unknown and later flags pass, but no value that ends the server."""
    flags = "flags: {our_flag: 1, enable_grpc_healthcheck_service: true}"
    assert spec_of(MINIMAL.replace('"2.6"', f'"2.6", {flags}'), force=True).serving.flags["our_flag"] == 1
    (problem,) = problems_of(MINIMAL.replace('"2.6"', '"2.6", flags: {mixed_precision: 1}'), force=True)
    assert "a text" in problem.allowed


@pytest.mark.parametrize(("field", "value", "allowed"), WRONG_VALUES)
def test_one_wrong_value_is_one_problem(field: str, value: Any, allowed: str) -> None:
    """Each rule names the field that breaks it and says what may stand there, and no other rule complains."""
    document = yaml.safe_load(MINIMAL)
    *parents, name = field.split(".")
    section = document
    for parent in parents:
        section = section.setdefault(parent, {})
    section[name] = value
    (problem,) = problems_of(yaml.safe_dump(document))
    assert problem.field == field
    assert allowed in problem.allowed


def test_a_refused_value_is_one_problem() -> None:
    """What YAML itself refuses is not refused again as a wrong value, nor missed as a required one."""
    text = "name: !!binary aGk=\n" + without("name") + "replicas: !!int x\n"
    assert [(problem.field, problem.line) for problem in problems_of(text)] == [("name", 1), ("replicas", 8)]


def test_version_is_asked_for_where_nothing_tells_it() -> None:
    """Neither a plain process nor a tag without a version lets yarnserve guess."""
    (process,) = problems_of(without("serving"))
    (docker,) = problems_of(without("serving") + "image: tfserving:latest\n")
    assert process.field == docker.field == "serving.version"
    assert "no image" in process.allowed
    assert "tag does not tell" in docker.allowed


def test_tag_of_a_version_without_hdfs_is_the_images_mistake() -> None:
    """A 2.7 that only the tag announces is reported where it stands."""
    (problem,) = problems_of("image: tfserving:2.7.0-gpu\n" + without("serving"))
    assert (problem.field, problem.line) == ("image", 1)


def test_force_skips_the_version_check_and_nothing_else() -> None:
    """--force takes a self-built 2.8, but still no broken ports."""
    text = MINIMAL.replace("2.6", "2.8")
    assert spec_of(text, force=True).serving.version == "2.8"
    (problem,) = problems_of(text + "ports: {rest: 8500}\n", force=True)
    assert problem.field == "ports.rest"


def test_model_needs_a_name_when_its_directory_cannot_be_one() -> None:
    """The default of model.name is checked like a written one."""
    (problem,) = problems_of(MINIMAL.replace("/models/digits", '"/models/a b"'))
    assert problem.field == "model.name"
    assert spec_of(MINIMAL.replace("/models/digits", '"/models/a b", name: ab')).models[0].name == "ab"


def test_ports_may_end_alike_where_every_replica_has_them_to_itself() -> None:
    """Without per_replica no two replicas share a host."""
    spec = spec_of(MINIMAL + "ports: {rest: 8510, grpc: 8500, per_replica: false}\nreplicas: 9000\n")
    assert spec.ports == Ports(8510, 8500, per_replica=False)


def test_example_that_is_no_text_is_a_problem_of_the_spec() -> None:
    """A binary file is refused by its name, as a missing one is."""

    def binary(name: str) -> str:
        return b"\xff\xfe".decode("utf-8")

    with pytest.raises(SpecError) as caught:
        parse_spec(MINIMAL.replace("{base_path", "{example: x.bin, base_path"), file="s.yaml", read_text=binary)
    assert [(problem.field, problem.line) for problem in caught.value.problems] == [("model.example", 2)]


@given(st.text() | st.text(st.sampled_from("nameodl: -[]{},&*!|>'\"%@`\n\t#?\\0129._x\x00\ud800")))
def test_any_text_gives_a_spec_or_a_spec_error(text: str) -> None:
    """Whatever stands in the file, no foreign exception comes out."""
    outcome = outcome_of(text)
    assert isinstance(outcome, ServiceSpec) or outcome.problems


_keys = st.sampled_from(
    [
        "name",
        "model",
        "base_path",
        "example",
        "image",
        "serving",
        "version",
        "flags",
        "port",
        "replicas",
        "resources",
        "memory",
        "cpus",
        "gpus",
        "network",
        "ports",
        "rest",
        "grpc",
        "per_replica",
        "queue",
        "supervise",
        "enabled",
        "batching",
        "allowed_batch_sizes",
        "env",
        "mounts",
        "placement",
        "node_label",
        "lifetime",
        "readiness",
        "entrypoint",
    ]
)
_leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates(), st.binary(max_size=4)
)
_trees = st.recursive(
    _leaves | st.sampled_from(["digits", "/models/digits", "2.6", "8g", "host", 1, 8501]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys | st.integers(), inner, max_size=6),
    max_leaves=20,
)


@given(st.dictionaries(_keys, _trees, max_size=10))
def test_any_tree_gives_a_spec_or_a_spec_error(tree: dict[str, Any]) -> None:
    """Known fields with any content give a spec or problems that all have a line."""
    outcome = outcome_of(yaml.safe_dump({**yaml.safe_load(MINIMAL), **tree}))
    assert isinstance(outcome, ServiceSpec) or all(problem.line for problem in outcome.problems)


NEW_FIELDS = [
    "serving.flags",
    "serving.batching",
    "env",
    "mounts",
    "placement",
    "placement.node_label",
    "placement.spread",
    "lifetime",
    "readiness",
    "entrypoint",
    "registry_credentials",
    "kerberos",
    "kerberos.principal",
    "kerberos.keytab",
    "supervise",
    *[f"supervise.{field.name}" for field in fields(SupervisePolicy)],
]


@given(field=st.sampled_from(NEW_FIELDS), value=_trees | st.text() | st.lists(st.text(":/arow, $"), max_size=3))
def test_any_value_of_a_field_is_taken_or_refused_by_its_name(field: str, value: Any) -> None:
    """Whatever stands in one field of a sound file, each problem is that field's, with its line."""
    document = yaml.safe_load(FIXED)
    *parents, name = field.split(".")
    section = document
    for parent in parents:
        section = section.setdefault(parent, {})
    section[name] = value
    outcome = outcome_of(yaml.safe_dump(document))
    if not isinstance(outcome, ServiceSpec):
        for problem in outcome.problems:
            assert problem.field.split(".")[0] == field.split(".")[0], problem
            assert problem.line


@given(specs())
def test_a_spec_survives_being_saved(spec: ServiceSpec) -> None:
    """A spec read back from its saved JSON is the same spec."""
    assert from_document(ServiceSpec, json.loads(json.dumps(to_document(spec)))) == spec


def test_a_spec_with_an_example_survives_being_saved() -> None:
    """The golden request is kept with the spec."""
    example = json.dumps({"request": {"instances": [{"x": [1, 2.5]}]}, "expected": {"predictions": [None, "a"]}})
    text = MINIMAL.replace("{base_path", "{example: e.json, base_path")
    spec = parse_spec(text, file="service.yaml", read_text=lambda _: example)
    assert spec.checks[0].example is not None
    assert from_document(ServiceSpec, json.loads(json.dumps(to_document(spec)))) == spec


def test_no_file_is_read_without_an_example() -> None:
    """A spec without an example touches no other file."""
    assert parse_spec(MINIMAL, file="service.yaml", read_text=no_files).checks[0].example is None
