"""Inspecting a version before it is published: everything that is wrong is found at once, and nothing that is right."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import REPOSITORY
from yarnserve.repository import inspection
from yarnserve.repository.inspection import Finding, inspect_model
from yarnserve.repository.wire import WINDOW, masked_crc32c

DIGITS = REPOSITORY / "examples" / "digits" / "model" / "1"
INDEX = "variables/variables.index"
WARMUP = "assets.extra/tf_serving_warmup_requests"
TFLITE = b"\x1c\0\0\0TFL3"

bytes_of_a_file = st.binary(max_size=300)


def varint(value: int) -> bytes:
    """*value* as protobuf writes it."""
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value > 0x7F else bytes([value])


def message(number: int, content: bytes) -> bytes:
    """A field with a length: a message in a message, or a string."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def node(operation: bytes) -> bytes:
    """A NodeDef with a name, the operation and an attribute."""
    return message(1, b"name") + message(2, operation) + message(5, message(1, b"dtype"))


def saved_model(graph: bytes = message(1, node(b"MatMul"))) -> bytes:
    """A SavedModel with its version and one meta graph."""
    return b"\x08\x01" + message(2, message(1, b"info") + message(2, graph))


def in_function(operation: bytes) -> bytes:
    """A GraphDef whose only node of that operation is in a function of its library."""
    return message(1, node(b"MatMul")) + message(2, message(1, message(1, b"signature") + message(3, node(operation))))


def record(payload: bytes) -> bytes:
    """One record of a TFRecord file."""
    length = len(payload).to_bytes(8, "little")
    return length + masked_crc32c([length]) + payload + masked_crc32c([payload])


def write(root: Path, path: str, content: bytes = b"content") -> Path:
    """Write a file of the version, with the directories above it."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)
    return root / path


def shard(number: int, count: int) -> str:
    """The path of a data shard."""
    return f"variables/variables.data-{number:05d}-of-{count:05d}"


def paths(root: Path) -> list[str]:
    """What has findings."""
    return [finding.path for finding in inspect_model(root)]


def the_finding(root: Path) -> Finding:
    """The only one there is."""
    [finding] = inspect_model(root)
    return finding


@contextmanager
def version() -> Iterator[Path]:
    """A directory for one example of Hypothesis, with a model that is in order."""
    with tempfile.TemporaryDirectory() as directory:
        write(Path(directory), "saved_model.pb", saved_model())
        yield Path(directory)


@contextmanager
def no_privileges() -> Iterator[None]:
    """Root reads what it may not, so be somebody else for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A SavedModel without variables that is in order."""
    write(tmp_path, "saved_model.pb", saved_model())
    return tmp_path


def test_the_example_model_is_in_order() -> None:
    """A real SavedModel with variables and a real TensorFlow Lite model have no findings."""
    assert inspect_model(DIGITS) == ()


def test_the_example_model_without_its_index_is_found(tmp_path: Path) -> None:
    """A copy of a real SavedModel that broke off before the index has one finding, which says what is missing."""
    shutil.copytree(DIGITS, tmp_path / "1")
    (tmp_path / "1" / INDEX).unlink()
    assert paths(tmp_path / "1") == [INDEX]


@pytest.mark.parametrize("name", ["saved_model.pb", "saved_model.pbtxt", "model.tflite"])
def test_one_model_file_is_enough(tmp_path: Path, name: str) -> None:
    """Each of the names that TF Serving loads makes a version, and none of them may be empty."""
    write(tmp_path, name, saved_model() if name == "saved_model.pb" else TFLITE)
    assert inspect_model(tmp_path) == ()
    write(tmp_path, name, b"")
    assert the_finding(tmp_path) == Finding(name, "it is empty", the_finding(tmp_path).fix)


def test_a_directory_without_a_model_is_found_and_a_version_in_it_is_named(tmp_path: Path) -> None:
    """Whoever gives the directory above the versions is told the highest one; a wrong name is no model."""
    write(tmp_path, "9/saved_model.pb")
    write(tmp_path, "10/saved_model.pb")
    write(tmp_path, "saved_model.PB")
    finding = the_finding(tmp_path)
    assert finding.path == ""
    assert finding.fix.endswith(f"such as {tmp_path / '10'}")


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_no_directory_is_a_finding(tmp_path: Path, name: str) -> None:
    """What does not exist, or is a file, gives one finding for the whole, and no more."""
    write(tmp_path, "file")
    assert paths(tmp_path / name) == [""]


def test_everything_is_found_at_once(tmp_path: Path) -> None:
    """Faults in several files stand side by side, in the order of their paths."""
    write(tmp_path, "saved_model.pb", b"\x12\x7f")
    write(tmp_path, "model.tflite", b"no such model")
    write(tmp_path, "assets/words.txt.tmp")
    write(tmp_path, WARMUP, b"?")
    write(tmp_path, INDEX, b"")
    assert paths(tmp_path) == sorted(["saved_model.pb", "model.tflite", "assets/words.txt.tmp", WARMUP, INDEX, INDEX])


@pytest.mark.parametrize("content", [b"TFL3", b"TFL3\0\0\0\0", b"\x1c\0\0\0TFL2", b"\x1c\0\0\0TFL"])
def test_a_tflite_file_of_something_else_is_found(tmp_path: Path, content: bytes) -> None:
    """The identifier has to stand at bytes 4 to 8, and whole."""
    write(tmp_path, "model.tflite", content)
    assert paths(tmp_path) == ["model.tflite"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(saved_model()[:-1], id="cut off"),
        pytest.param(saved_model() + b"\x12", id="cut off after a tag"),
        pytest.param(saved_model() + b"\x0d123", id="cut off in a fixed32"),
        pytest.param(saved_model() + b"\x09" + b"1234567", id="cut off in a fixed64"),
        pytest.param(saved_model() + b"\x08" + b"\xff" * 10 + b"\1", id="an endless varint"),
        pytest.param(saved_model() + b"\x12" + b"\xff" * 9 + b"\1", id="a length beyond everything"),
        pytest.param(saved_model() + b"\x02\0", id="field number 0"),
        pytest.param(saved_model() + varint(1 << 32) + b"\0", id="field number too high"),
        pytest.param(saved_model() + b"\x0b\x0c", id="a group"),
        pytest.param(saved_model() + b"\x0e", id="wire type 6"),
        pytest.param(saved_model(b"\x0a\x7f"), id="a graph whose node leads out of it"),
        pytest.param(saved_model(message(1, b"\x12\x01")), id="a node whose operation leads out of it"),
        pytest.param(saved_model(in_function(b"x")[:-1]), id="a library that is cut off"),
        pytest.param(b"<html>Not found</html>", id="a page"),
        pytest.param(b"\x0b" * 100_000, id="groups in groups"),
        pytest.param(b"\x08\x01", id="no graph"),
        pytest.param(b"\x08\x01\x10\x05", id="a number where the graph belongs"),
    ],
)
def test_a_damaged_saved_model_is_found(tmp_path: Path, content: bytes) -> None:
    """What is no protobuf message down to the nodes, or has no graph, is one finding."""
    write(tmp_path, "saved_model.pb", content)
    assert paths(tmp_path) == ["saved_model.pb"]


def test_fields_that_are_not_known_are_passed_over(tmp_path: Path) -> None:
    """Fields of every wire type that a newer TensorFlow may write are no fault."""
    others = b"\x79" + b"12345678" + b"\x7d" + b"1234" + b"\x78" + b"\xff" * 9 + b"\1" + message(1000, b"\xff")
    write(tmp_path, "saved_model.pb", others + saved_model(others + message(1, others + node(b"MatMul"))) + others)
    assert inspect_model(tmp_path) == ()


@pytest.mark.parametrize("operation", [b"VarHandleOp", b"VariableV2", b"Variable"])
@pytest.mark.parametrize("graph", [lambda operation: message(1, node(operation)), in_function])
def test_variables_without_an_index_are_found(tmp_path: Path, graph: object, operation: bytes) -> None:
    """TF Serving would load a graph that has variables, in a node or a function, and fail each prediction."""
    assert callable(graph)
    write(tmp_path, "saved_model.pb", saved_model(graph(operation)))
    assert paths(tmp_path) == [INDEX]
    write(tmp_path, INDEX)
    write(tmp_path, shard(0, 1))
    assert inspect_model(tmp_path) == ()


def test_variables_are_found_in_any_graph_and_far_from_the_beginning(tmp_path: Path) -> None:
    """The second meta graph counts like the first, and constants larger than what is read at a time are skipped."""
    large = saved_model(message(1, node(b"Const") + message(5, bytes(3 * WINDOW))))
    write(tmp_path, "saved_model.pb", large + saved_model(message(1, node(b"VarHandleOp"))))
    assert paths(tmp_path) == [INDEX]


@pytest.mark.parametrize("operation", [b"TemporaryVariable", b"ReadVariableOp", b"Var", b"", b"VarHandleOpX"])
def test_other_operations_need_no_variables(tmp_path: Path, operation: bytes) -> None:
    """Only operations that hold a variable of the model ask for variables/."""
    write(tmp_path, "saved_model.pb", saved_model(message(1, node(operation)) + in_function(operation)))
    assert inspect_model(tmp_path) == ()


@pytest.mark.parametrize(
    ("present", "found"),
    [
        ([INDEX, shard(0, 1)], []),
        ([INDEX, shard(0, 2), shard(1, 2)], []),
        ([INDEX], [INDEX]),
        ([shard(0, 1)], [INDEX]),
        ([INDEX, shard(0, 2)], [shard(1, 2)]),
        ([INDEX, shard(1, 3)], [shard(0, 3)]),
        ([INDEX, shard(0, 1), shard(1, 2)], [shard(0, 2)]),
        ([INDEX, shard(0, 1), shard(1, 1)], [shard(1, 1)]),
        ([INDEX, shard(7, 99999)], [shard(0, 99999)]),
        ([shard(1, 2)], [shard(0, 2), INDEX]),
    ],
)
def test_variables_are_whole(model: Path, present: list[str], found: list[str]) -> None:
    """An index without shards, shards without an index, a missing shard and one too many are found."""
    for path in present:
        write(model, path)
    assert paths(model) == found


@pytest.mark.parametrize(
    "name",
    ["a.tmp", "a._COPYING_", "a.part", ".a.swp", ".~lock", "a.tempstate123", "_temporary", "_temporary-1"],
)
def test_temporary_names_are_found(model: Path, name: str) -> None:
    """What an export, an upload or an editor leaves behind is found, be it a file or a directory, at any depth."""
    write(model, f"assets/{name}")
    write(model, f"{name}/words")
    assert paths(model) == sorted([name, f"assets/{name}"])


@pytest.mark.parametrize("name", ["a:b", "a\nb", "a\x7fb", "a\x85b", "a\u200bb", os.fsdecode(b"a\xffb")])
def test_names_that_cannot_be_kept_are_found(model: Path, name: str) -> None:
    """Colons, control and invisible characters and bytes that are no text are found; the finding can be printed."""
    write(model, f"assets/{name}")
    finding = the_finding(model)
    assert finding.path.isprintable()
    assert finding.path.startswith("assets/a")


def test_usual_names_are_in_order(model: Path) -> None:
    """Letters of any script, spaces, dots and what only resembles a temporary name are no fault."""
    for name in ["größe 2.txt", "語彙", ".hidden", "tmp", "partition", "x.tmpl", "temporary", "~a", "x{0}%20+&"]:
        write(model, f"assets/{name}")
    (model / "assets.extra").mkdir()
    assert inspect_model(model) == ()


def test_a_link_to_a_file_of_the_version_is_that_file(model: Path) -> None:
    """The upload follows it; what is wrong with the file is told of the link."""
    (model / "model.tflite").symlink_to("saved_model.pb")
    assert paths(model) == ["model.tflite"]
    (model / "model.tflite").unlink()
    (model / "link").symlink_to("saved_model.pb")
    assert inspect_model(model) == ()


@pytest.mark.parametrize("target", ["assets", ".", "nowhere", "/etc/passwd", "link"])
def test_other_links_are_found_and_not_followed(model: Path, target: str) -> None:
    """A link to a directory, the directory it is in, nothing, something outside or itself is one finding."""
    write(model, "assets/words")
    (model / "link").symlink_to(target)
    assert paths(model) == ["link"]


def test_what_is_a_link_is_not_missing(tmp_path: Path) -> None:
    """A model and variables that are links have a finding each, and none that says that they are not there."""
    write(tmp_path, "elsewhere/variables.index")
    write(tmp_path, "elsewhere/saved_model.pb", saved_model(message(1, node(b"VarHandleOp"))))
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "variables").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "1" / "saved_model.pb").symlink_to(tmp_path / "elsewhere" / "saved_model.pb")
    assert paths(tmp_path / "1") == ["saved_model.pb", "variables"]


def test_the_directory_itself_may_be_a_link(model: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Exporters keep a link to the newest version; it is the version."""
    link = tmp_path_factory.mktemp("links") / "latest"
    link.symlink_to(model)
    assert inspect_model(link) == ()


def test_fifos_and_sockets_are_found(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is neither file nor directory is found, and nobody waits for what might come out of it."""
    monkeypatch.chdir(model)
    os.mkfifo("fifo")
    os.mkfifo("model.tflite")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert paths(model) == ["fifo", "model.tflite", "socket"]


def test_what_may_not_be_read_is_found(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file and a directory without permission are a finding each, and what is in them is not said to be missing."""
    write(model, "saved_model.pb", saved_model(message(1, node(b"VarHandleOp"))))
    write(model, "assets/words").chmod(0)
    write(model, "model.tflite").chmod(0)
    write(model, INDEX).parent.chmod(0)
    model.chmod(0o755)
    monkeypatch.chdir(model)
    with no_privileges():
        found = inspect_model(Path())
    (model / "variables").chmod(0o755)
    assert [finding.path for finding in found] == ["assets/words", "model.tflite", "variables"]
    assert all("Permission denied" in finding.problem for finding in found)


def test_a_path_longer_than_the_system_takes_is_found(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories in directories without end are neither a traceback nor a recursion."""
    monkeypatch.chdir(model)
    for _ in range(25):
        Path("d" * 200).mkdir()
        os.chdir("d" * 200)
    assert "too long" in the_finding(model).problem


def test_checksums_are_those_of_tfrecord() -> None:
    """A record as TensorFlow writes it: the published CRC32C of nine digits, and a header seen in a real file."""
    unmasked = 0xE3069283
    rotated = (unmasked >> 15 | unmasked << 17) & 0xFFFFFFFF
    assert masked_crc32c([b"1234", b"56789"]) == ((rotated + 0xA282EAD8) % (1 << 32)).to_bytes(4, "little")


def test_each_bad_record_is_named(model: Path) -> None:
    """Damaged data does not hide the next record; a damaged length does."""
    good, bad_data, bad_length = record(b"good"), record(b"data")[:-1] + b"?", b"?" + record(b"length")[1:]
    write(model, WARMUP, good + bad_data + good + bad_data + bad_length + good)
    findings = inspect_model(model)
    assert [finding.path for finding in findings] == [WARMUP] * 3
    numbers = [finding.problem.split(":")[0] for finding in findings]
    assert numbers == ["record 2 is damaged", "record 4 is damaged", "record 5 is damaged"]


@pytest.mark.parametrize("left", [1, 11, 12, 13, 19])
def test_a_record_that_is_cut_off_is_found(model: Path, left: int) -> None:
    """Where the file ends inside of a record, that one is named."""
    write(model, WARMUP, record(b"good") + record(b"data")[:left])
    assert "record 2 is damaged" in the_finding(model).problem


def test_a_thousand_records_are_taken_and_no_more(model: Path) -> None:
    """TF Serving refuses a model with more; how many more does not matter."""
    write(model, WARMUP, record(b"") * 1000)
    assert inspect_model(model) == ()
    write(model, WARMUP, record(b"") * 1001)
    assert "more than 1000" in the_finding(model).problem


def test_the_data_of_a_large_warmup_file_is_not_read(model: Path) -> None:
    """Above the limit damaged data is not looked for, and the framing is."""
    payload = bytes(inspection.CHECKED_WARMUP_BYTES)
    length = len(payload).to_bytes(8, "little")
    first = length + masked_crc32c([length]) + payload + b"none"
    write(model, WARMUP, first + record(b"good"))
    assert inspect_model(model) == ()
    write(model, WARMUP, first + record(b"good")[:-1])
    assert "record 2 is damaged" in the_finding(model).problem


def test_a_record_larger_than_what_is_read_at_a_time(model: Path) -> None:
    """The checksum of data goes on from one piece to the next."""
    content = bytearray(record(b"x" * (2 * WINDOW + 5)))
    write(model, WARMUP, content)
    assert inspect_model(model) == ()
    content[WINDOW + 20] ^= 1
    write(model, WARMUP, content)
    assert paths(model) == [WARMUP]


@pytest.mark.parametrize("path", ["saved_model.pb", "model.tflite", WARMUP, INDEX])
@settings(max_examples=40)
@given(content=bytes_of_a_file)
def test_any_content_is_judged(path: str, content: bytes) -> None:
    """Whatever bytes a file holds, inspecting ends with findings in words and never raises."""
    with version() as root:
        write(root, path, content)
        assert all(finding.problem and finding.fix for finding in inspect_model(root))


@settings(max_examples=40)
@given(cut=st.integers(1, len(saved_model()) - 1), content=bytes_of_a_file)
def test_any_end_of_a_saved_model_is_judged(cut: int, content: bytes) -> None:
    """A SavedModel that breaks off, or goes on with any bytes, never raises; one that breaks off has a finding."""
    with version() as root:
        write(root, "saved_model.pb", saved_model()[:cut])
        assert paths(root) == ["saved_model.pb"]
        write(root, "saved_model.pb", saved_model()[:cut] + content)
        inspect_model(root)


@settings(max_examples=60)
@given(payloads=st.lists(st.binary(max_size=40), min_size=1, max_size=5), data=st.data())
def test_one_damaged_byte_of_a_warmup_file_is_found(payloads: list[bytes], data: st.DataObject) -> None:
    """Records of any payloads are in order, and with any one byte changed they are not."""
    content = bytearray(b"".join(map(record, payloads)))
    with version() as root:
        write(root, WARMUP, content)
        assert inspect_model(root) == ()
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        write(root, WARMUP, content)
        assert paths(root) == [WARMUP]


@settings(max_examples=40)
@given(name=st.binary(min_size=1, max_size=40).filter(lambda name: name.strip(b".") != b""))
def test_any_name_is_judged(name: bytes) -> None:
    """A file of any name gives findings that can be printed, and never raises."""
    with version() as root:
        write(root, os.fsdecode(name.translate(bytes.maketrans(b"/\0", b"__"))))
        assert all(finding.path.isprintable() for finding in inspect_model(root))
