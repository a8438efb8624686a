"""The server's configuration files, as protocol buffers in text form."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from tests.unit.spec.documents import DOCKER, MINIMAL, spec_of, specs
from yarnserve.serving import config_files
from yarnserve.serving.arguments import server_arguments
from yarnserve.spec.model import ModelSpec, ServiceSpec

TWO = (ModelSpec("ctr", "/models/ctr"), ModelSpec("cvr", "hdfs://prod/models/cvr"))


def test_several_models_are_listed_in_a_file() -> None:
    """The whole file, and the one flag that names it instead of name and path."""
    spec = replace(spec_of(DOCKER), models=TWO)
    assert config_files.contents(spec) == {
        "models.config": """\
model_config_list {
  config {
    name: "ctr"
    base_path: "hdfs:///models/ctr"
    model_platform: "tensorflow"
  }
  config {
    name: "cvr"
    base_path: "hdfs://prod/models/cvr"
    model_platform: "tensorflow"
  }
}
"""
    }
    arguments = server_arguments(spec)
    assert "--model_config_file=conf/models.config" in arguments
    assert not [argument for argument in arguments if argument.startswith(("--model_name", "--model_base_path"))]


def test_a_pinned_model_has_a_version_policy() -> None:
    """A number comes to the server by the file, even of a single model; stable is nothing a server knows."""
    pinned = replace(TWO[0], version="7")
    assert config_files.contents(replace(spec_of(DOCKER), models=(pinned,))) == {
        "models.config": """\
model_config_list {
  config {
    name: "ctr"
    base_path: "hdfs:///models/ctr"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 7 } }
  }
}
"""
    }


def test_batching_is_written_as_the_server_reads_it() -> None:
    """Numbers are wrapped, sizes repeated, the padding flag is plain (tf-serving.md 3.3)."""
    batching = {
        "max_batch_size": 128,
        "allowed_batch_sizes": "32,128",
        "pad_variable_length_inputs": True,
        "enable_large_batch_splitting": True,
        "thread_pool_name": 'b"1',
    }
    assert config_files.batching_parameters(batching, cpus=4) == (
        "allowed_batch_sizes: 32\n"
        "allowed_batch_sizes: 128\n"
        "enable_large_batch_splitting { value: true }\n"
        "max_batch_size { value: 128 }\n"
        "num_batch_threads { value: 4 }\n"
        "pad_variable_length_inputs: true\n"
        'thread_pool_name { value: "b\\"1" }\n'
    )


def test_batch_threads_of_the_user_are_left_alone() -> None:
    """Only without them do vcores decide."""
    assert config_files.batching_parameters({"num_batch_threads": 9}, cpus=4) == "num_batch_threads { value: 9 }\n"


def test_batching_needs_both_flags() -> None:
    """A parameters file without enable_batching ends the server (tf-serving.md 1.2)."""
    spec = spec_of(DOCKER)
    spec = replace(spec, serving=replace(spec.serving, batching={}))
    assert {"--enable_batching=true", "--batching_parameters_file=conf/batching.config"} <= set(server_arguments(spec))
    assert set(config_files.contents(spec)) == {"batching.config"}


@given(specs())
def test_one_model_without_batching_needs_no_file(spec: ServiceSpec) -> None:
    """A plain service stays free of files, which YARN would keep on HDFS and never write anew."""
    assert config_files.contents(spec) == {}


def test_an_entrypoint_finds_its_files_where_they_are_mounted() -> None:
    """The working directory is the image's affair there: destination and flag are the same absolute path."""
    spec = replace(spec_of(MINIMAL), models=TWO, image="ml/tfserving:2.6", entrypoint=True)
    assert config_files.destination("models.config", spec) == "/etc/yarnserve/models.config"
    assert "--model_config_file=/etc/yarnserve/models.config" in server_arguments(spec)
