"""The server's configuration files: what is read, and with which words a mistake ends the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.sandbox.model_server.model_config import (
    Batching,
    ModelConfig,
    VersionPolicy,
    check_models,
    read_batching,
    read_models,
)
from yarnserve.sandbox.model_server.status import ServingError
from yarnserve.sandbox.model_server.text_format import Message, TextFormatError, parse
from yarnserve.serving import config_files
from yarnserve.spec.model import ModelSpec

INNER = Message("t.Inner", {"value": int, "on": bool, "text": str})
OUTER = Message("t.Outer", {"one": INNER, "many": INNER, "size": int, "sizes": int}, frozenset({"many", "sizes"}))


def models_of(tmp_path: Path, text: str) -> list[ModelConfig] | None:
    """Read *text* as a file of models."""
    file = tmp_path / "models.config"
    file.write_text(text)
    return read_models(str(file))


def batching_of(tmp_path: Path, text: str) -> Batching:
    """Read *text* as a file of batching parameters."""
    file = tmp_path / "batching.config"
    file.write_text(text)
    return read_batching(str(file))


def test_every_form_of_a_value() -> None:
    """Colons before messages, angle brackets, lists, separators, comments, escapes, hexadecimal and joined strings."""
    text = """
    one: { value: -0x10, on: t; text: "a\\"b\\n" 'c\\x41\\101' }  # a comment
    many < value: 1 > many { on: false }
    sizes: [1, 2] sizes: 3
    """
    assert parse(text, OUTER) == {
        "one": {"value": -16, "on": True, "text": 'a"b\ncAA'},
        "many": [{"value": 1}, {"on": False}],
        "sizes": [1, 2, 3],
    }


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("tow {}", '1:1: Message type "t.Outer" has no field named "tow".'),
        ("one {}\none {}", '2:5: Non-repeated field "one" is specified multiple times.'),
        ("size 3", '1:6: Expected ":", found "3".'),
        ("one 3", '1:5: Expected "{", found "3".'),
        ("size: x", "1:7: Expected integer, got: x"),
        ("size: 9223372036854775808", "Expected integer"),
        ("size: 1.5", "Invalid character"),
        ("one { value: 1", "Expected identifier, got: end of file"),
        ("one { value: 1 >", "Expected identifier, got: >"),
        ("sizes: [1 2]", 'Expected "]", found "2".'),
        ('one { text: "x }', "Invalid character '\"'"),
    ],
)
def test_no_message(text: str, error: str) -> None:
    """What is wrong is said with line and column."""
    with pytest.raises(TextFormatError) as caught:
        parse(text, OUTER)
    assert error in str(caught.value)


@given(st.text(st.sampled_from("one manysizeonvaluetext{}<>[]:;,#\"'\\ \n01x-"), max_size=60) | st.text(max_size=30))
def test_any_text_is_a_message_or_an_error(text: str) -> None:
    """Whatever stands in a file, the reader ends with a document or with its own error."""
    try:
        assert isinstance(parse(text, OUTER), dict)
    except TextFormatError:
        return


def test_nesting_without_end() -> None:
    """Ten thousand brackets are an error and not the end of the stack."""
    fields: dict[str, Message] = {}
    nested = Message("t.Nested", fields)
    fields["a"] = nested
    with pytest.raises(TextFormatError, match="too deep"):
        parse("a {" * 10_000, nested)


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(min_size=1, max_size=8).map(lambda x: "/" + x)),
        max_size=4,
        unique_by=lambda pair: pair[0],
    )
)
def test_what_yarnserve_writes_is_read(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> None:
    """Every name and path that yarnserve renders comes back as it was, on HDFS."""
    specs = [ModelSpec(name=name, base_path=f"hdfs://{path}", example=None) for name, path in pairs]
    found = models_of(tmp_path_factory.mktemp("models"), config_files.model_config(specs))
    assert found == [ModelConfig(name, f"hdfs://{path}") for name, path in pairs]


def test_policies_and_labels(tmp_path: Path) -> None:
    """Version policies and labels of each model."""
    text = "".join(
        f'config {{ name: "{name}" base_path: "/m" model_platform: "tensorflow" {more} }}'
        for name, more in (
            ("latest", "model_version_policy { latest { num_versions: 2 } }"),
            ("none", "model_version_policy { latest { num_versions: 0 } }"),
            ("all", "model_version_policy { all {} }"),
            ("specific", "model_version_policy { specific { versions: 4 versions: 2 } }"),
            ("labels", 'version_labels { key: "stable" value: 4 }'),
        )
    )
    assert models_of(tmp_path, f"model_config_list {{ {text} }}") == [
        ModelConfig("latest", "/m", VersionPolicy(2)),
        ModelConfig("none", "/m", VersionPolicy(1)),
        ModelConfig("all", "/m", VersionPolicy(0)),
        ModelConfig("specific", "/m", VersionPolicy(specific=frozenset({2, 4}))),
        ModelConfig("labels", "/m", labels={"stable": 4}),
    ]
    assert models_of(tmp_path, "model_config_list {}") == []
    assert models_of(tmp_path, "") is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('model_config_list { config { name: "m" base_path: "/m" } }', "Illegal setting neither"),
        ('model_config_list { config { model_platform: "caffe" } }', "Unknown platform: caffe"),
        ("model_config_list { config { nmae: 'm' } }", "Invalid protobuf file: '"),
    ],
)
def test_files_of_models_that_are_refused(tmp_path: Path, text: str, error: str) -> None:
    """A model without a platform, an unknown platform, an unknown field."""
    with pytest.raises(ServingError, match=error):
        models_of(tmp_path, text)


def test_models_that_are_refused() -> None:
    """The same name twice, and a relative base path."""
    with pytest.raises(ServingError, match="Illegal to list model m multiple times in config list"):
        check_models([ModelConfig("m", "/a"), ModelConfig("m", "/b")])
    with pytest.raises(ServingError, match=r"to have an absolute path or URI; got base_path\(\)=a"):
        check_models([ModelConfig("m", "a")])


@pytest.mark.parametrize(
    ("text", "batching"),
    [
        ("", Batching(1000)),
        ("max_batch_size { value: 8 } allowed_batch_sizes: 4 allowed_batch_sizes: 8", Batching(8)),
        ("max_batch_size { value: 8 } enable_large_batch_splitting { value: true }", Batching(8, splits=True)),
        (
            "max_batch_size { value: 8 } max_execution_batch_size { value: 4 } allowed_batch_sizes: 4"
            " enable_large_batch_splitting { value: true } pad_variable_length_inputs: true",
            Batching(8, splits=True),
        ),
    ],
)
def test_batching(tmp_path: Path, text: str, batching: Batching) -> None:
    """How large a request may be, and whether larger ones are split."""
    assert batching_of(tmp_path, text) == batching


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("max_batch_size: 8", "Invalid protobuf file: '"),
        ("allowed_batch_sizes: 8 allowed_batch_sizes: 4", "must be monotonically increasing"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: 4", "must match max_batch_size; last entry was 4; expected"),
    ],
)
def test_batching_that_is_refused(tmp_path: Path, text: str, error: str) -> None:
    """A plain number where a wrapped one belongs, and batch sizes that do not fit each other."""
    with pytest.raises(ServingError, match=error):
        batching_of(tmp_path, text)


def test_no_file() -> None:
    """A file that is not there is named."""
    with pytest.raises(ServingError, match=r"^Not found: /nowhere/models\.config; No such file or directory$"):
        read_models("/nowhere/models.config")
