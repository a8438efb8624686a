"""Manifests: what is written is read again, and nothing that is read leads out of the version's directory."""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.records.repository import MANIFEST, Changes, Manifest, ManifestFile, changes
from yarnserve.repository.catalog import blocks
from yarnserve.repository.hashing import FileHasher
from yarnserve.repository.in_place import md5_sums

ID = "0123456789abcdef" * 2

#: JSON that has a manifest's words in it, and is none.
_KEYS = st.sampled_from(["id", "files", "format", "block_size", "path", "x"])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner),
    max_leaves=8,
)


def hashed(path: str, content: bytes, block_size: int = 7) -> ManifestFile:
    """The entry of a file, hashed piece by piece."""
    hasher = FileHasher(block_size)
    for begin in range(0, len(content), 3):
        hasher.update(content[begin : begin + 3])
    return hasher.finish(path)


def manifest(**contents: bytes) -> Manifest:
    """A manifest of files by their names, in blocks of seven bytes."""
    return Manifest(ID, 1.0, "alice", tuple(hashed(path, content) for path, content in contents.items()), block_size=7)


@given(st.binary(max_size=60), st.integers(1, 20))
def test_blocks_are_the_file(content: bytes, block_size: int) -> None:
    """The md5 of the whole and of each block, whatever the pieces and the block size are; together they cover it."""
    file = hashed("x", content, block_size)
    assert (file.size, file.md5) == (len(content), hashlib.md5(content).hexdigest())
    cut = [content[block.offset : block.offset + block.length] for block in blocks(file, block_size)]
    assert b"".join(cut) == content
    assert [hashlib.md5(piece).hexdigest() for piece in cut] == list(file.blocks)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.binary(max_size=30), min_size=1, max_size=5))
def test_what_is_written_is_read(contents: dict[str, bytes]) -> None:
    """Through JSON and back it is the same."""
    before = manifest(**contents)
    assert Manifest.from_document(json.loads(json.dumps(before.to_document()))) == before


@given(DOCUMENTS)
def test_anything_else_is_refused(document: Any) -> None:
    """Whatever JSON stands there is a ValueError and nothing else."""
    with pytest.raises(ValueError, match=r".+"):
        Manifest.from_document(document)


@given(st.text(max_size=20))
def test_no_path_leads_out(path: str) -> None:
    """A path that is taken stays below the directory, component by component, and is not the manifest itself."""
    document = manifest(x=b"content").to_document()
    document["files"][0]["path"] = path
    try:
        Manifest.from_document(document)
    except ValueError:
        return
    assert not PurePosixPath(path).is_absolute()
    assert str(PurePosixPath(path)) == path
    assert ".." not in PurePosixPath(path).parts
    assert path != MANIFEST


@pytest.mark.parametrize(
    ("where", "value", "told"),
    [
        (("format",), 2, "a newer yarnserve wrote it"),
        (("id",), "../../x", "no usable id"),
        (("block_size",), 0, "no usable block size"),
        (("files",), [], "no files"),
        (("files", 0, "size"), -1, "blocks"),
        (("files", 0, "size"), 100, "blocks"),
        (("files", 0, "md5"), "x", "no md5"),
        (("files", 0, "blocks"), [], "blocks"),
        (("files", 0, "blocks", 0), "Z" * 32, "no md5"),
        (("files", 0, "path"), "b", "twice"),
        (("files", 0, "path"), "b/c", "a file and a directory"),
    ],
)
def test_what_cannot_be_is_refused(where: tuple[str | int, ...], value: object, told: str) -> None:
    """Each field by itself, with its reason."""
    document: Any = manifest(a=b"content", b=b"").to_document()
    place = document
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    with pytest.raises(ValueError, match=told):
        Manifest.from_document(json.loads(json.dumps(document)))


def test_changes_are_those_of_contents() -> None:
    """A file that was only moved moves no bytes; one of another content moves all of its own."""
    old = manifest(same=b"1", changed=b"22", gone=b"333", moved=b"4444")
    new = manifest(same=b"1", changed=b"2x", more=b"55555", elsewhere=b"4444")
    assert changes(old, new) == Changes(
        added=("elsewhere", "more"), removed=("gone", "moved"), changed=("changed",), unchanged=("same",), bytes=7
    )


def test_md5sums_formats() -> None:
    """Text and binary marks, Windows' line ends, names with blanks; what is no sum is passed over."""
    text = f"{ID}  ./a\n{ID.upper()} *b c\r\n# a comment\n{ID[:-1]}  short\n\n"
    assert md5_sums(text) == {"./a": ID, "b c": ID}


@given(st.text())
def test_any_text_has_sums_or_none(text: str) -> None:
    """Nothing that lies there ends the reading."""
    assert all(len(md5) == 32 for md5 in md5_sums(text).values())
