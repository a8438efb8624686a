"""Looking a model over before it is published: what is wrong is found, all at once, and nothing else is."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.models import saved_model, write_model
from tests.support import REPOSITORY
from yarnserve.repository.inspection import MAX_WARM_UP, WARM_UP, inspect_model
from yarnserve.repository.wire import WireError, crc32c, messages, records

ANYTHING = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A sound SavedModel."""
    return write_model(tmp_path / "export", data=b"data")


def tf_record(*payloads: bytes) -> bytes:
    """A TFRecord file."""

    def masked(data: bytes) -> bytes:
        crc = crc32c(data)
        return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)

    heads = [struct.pack("<Q", len(payload)) for payload in payloads]
    return b"".join(head + masked(head) + data + masked(data) for head, data in zip(heads, payloads, strict=True))


def put(model: Path, name: str, content: bytes = b"x") -> None:
    """Write a file of the model."""
    (model / name).parent.mkdir(parents=True, exist_ok=True)
    (model / name).write_bytes(content)


def told(model: Path) -> list[str]:
    """What is found, in words."""
    return [str(finding) for finding in inspect_model(model)]


def test_sound_models_are_left_alone(model: Path) -> None:
    """The example's, one with a warm-up file and assets, one without variables, and a bare TensorFlow Lite model."""
    assert told(REPOSITORY / "examples" / "digits" / "model" / "1") == []
    put(model, WARM_UP, tf_record(b"one", b"", b"three" * 1000))
    put(model, "assets/vocabulary.txt")
    assert told(model) == []
    put(model / "constant", "saved_model.pb", saved_model(["Placeholder", "Const"]))
    assert told(model / "constant") == []
    put(model / "lite", "model.tflite", b"\x1c\0\0\0TFL3 and more")
    assert told(model / "lite") == []


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda model: (model / "variables/variables.index").unlink(),
            "variables/variables.index: is missing, and the",
        ),
        (
            lambda model: (model / "variables/variables.data-00000-of-00001").unlink(),
            "variables: the index is there, and no shard beside it",
        ),
        (
            lambda model: put(model, "variables/variables.data-00000-of-00002"),
            "variables: shards of several exports lie in it",
        ),
        (lambda model: put(model, "saved_model.pb", b""), "saved_model.pb: is empty"),
        (lambda model: put(model, "saved_model.pb", b"graph"), "saved_model.pb: cannot be read as what it should be"),
        (lambda model: put(model, "saved_model.pb", saved_model()[:-3]), "saved_model.pb: cannot be read as"),
        (lambda model: put(model, "saved_model.pb", b"\x08\x01"), "saved_model.pb: holds no graph"),
        (lambda model: put(model, "model.tflite", b"1234TFL2"), "model.tflite: is no TensorFlow Lite model"),
        (lambda model: put(model, WARM_UP, b"PredictionLog"), f"{WARM_UP}: cannot be read as what it should be: the"),
        (lambda model: put(model, WARM_UP, tf_record(b"x")[:-1]), f"{WARM_UP}: cannot be read as what it should be"),
        (
            lambda model: put(model, WARM_UP, tf_record(*[b""] * (MAX_WARM_UP + 1))),
            f"{WARM_UP}: has 1001 records, and TF Serving loads no model with more than 1000",
        ),
        (lambda model: put(model, "variables/x.tmp"), "variables/x.tmp: a temporary file"),
        (lambda model: put(model, "saved_model.pb._COPYING_"), "saved_model.pb._COPYING_: a temporary file"),
        (lambda model: put(model, "_temporary/0/part"), "_temporary: a temporary file"),
        (lambda model: put(model, "assets/a:b"), "assets/a:b: a name that HDFS cannot hold"),
        (lambda model: put(model, "assets/a\nb"), "assets/a\\nb: a name that HDFS cannot hold"),
        (lambda model: put(model, os.fsdecode(b"assets/\xff")), "assets/\\udcff: a name that HDFS cannot hold"),
        (lambda model: (model / "link").symlink_to("saved_model.pb"), "link: a symbolic link"),
        (lambda model: (model / "assets").symlink_to("/etc"), "assets: a symbolic link"),
        (lambda model: os.mkfifo(model / "pipe"), "pipe: neither a file nor a directory"),
    ],
)
def test_what_is_wrong_is_found(model: Path, spoil: Callable[[Path], object], expected: str) -> None:
    """One finding for one fault, by the file's name."""
    spoil(model)
    (finding,) = told(model)
    assert finding.startswith(expected)


def test_everything_is_told_at_once(model: Path) -> None:
    """Missing shards, each by its name, beside a temporary file and a socket."""
    put(model, "variables/variables.data-00000-of-00001", b"")
    (model / "variables/variables.data-00000-of-00001").rename(model / "variables/variables.data-00001-of-00003")
    put(model, "x.part")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(model / "s"))
        assert [finding.path for finding in inspect_model(model)] == [
            "s",
            "x.part",
            "variables/variables.data-00000-of-00003",
            "variables/variables.data-00002-of-00003",
        ]


def test_a_directory_above_the_version_is_the_usual_slip(tmp_path: Path) -> None:
    """The right one is named."""
    write_model(tmp_path / "4")
    (finding,) = inspect_model(tmp_path)
    assert finding.fix == f"give {tmp_path / '4'}"


@pytest.mark.parametrize("name", ["saved_model.pb", "saved_model.pbtxt", "model.tflite", WARM_UP])
@ANYTHING
@given(content=st.binary(max_size=200))
def test_whatever_a_file_holds_it_is_told_and_no_traceback(tmp_path: Path, name: str, content: bytes) -> None:
    """Any bytes in place of a file that is looked into."""
    put(tmp_path, name, content)
    inspect_model(tmp_path)


@given(st.binary(max_size=300), st.lists(st.integers(1, 5), max_size=4))
def test_the_walk_ends(data: bytes, path: list[int]) -> None:
    """Any bytes are a message or are not; what is found lies inside."""
    try:
        found = list(messages(data, path))
    except WireError:
        return
    assert all(0 <= begin <= end <= len(data) for begin, end in found)


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_records_are_read_as_they_were_written(payloads: list[bytes]) -> None:
    """Their lengths, in order."""
    assert list(records(tf_record(*payloads), checked=True)) == [len(payload) for payload in payloads]


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=3), st.data())
def test_one_wrong_bit_is_found(payloads: list[bytes], data: st.DataObject) -> None:
    """Wherever it is in a file of records."""
    content = bytearray(tf_record(*payloads))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(WireError):
        list(records(bytes(content), checked=True))


def test_the_sum_is_castagnolis() -> None:
    """The check value of CRC-32C."""
    assert crc32c(b"123456789") == 0xE3069283
