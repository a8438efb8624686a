"""The token file of a container, as Hadoop writes it."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.sandbox.model_server.tokens import hdfs_token


def number(value: int) -> bytes:
    """Hadoop's variable-length form of a length."""
    if value <= 127:
        return bytes([value])
    digits = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return (-112 - len(digits)).to_bytes(1, "big", signed=True) + digits


def blob(value: bytes) -> bytes:
    """A byte string with its length."""
    return number(len(value)) + value


def token(kind: str, identifier: bytes) -> bytes:
    """One token."""
    return blob(identifier) + blob(b"secret") + blob(kind.encode()) + blob(b"127.0.0.1:8020")


def file_of(directory: Path, *tokens: bytes) -> Path:
    """A token file."""
    file = directory / "container_tokens"
    file.write_bytes(b"HDTS\0" + number(len(tokens)) + b"".join(blob(b"alias") + each for each in tokens))
    return file


@given(st.binary(max_size=400), st.binary(max_size=40))
def test_the_token_of_hdfs_is_found(tmp_path_factory: pytest.TempPathFactory, identifier: bytes, other: bytes) -> None:
    """Among several, whatever their lengths, HDFS's is returned whole, as a URL takes it."""
    wanted = token("HDFS_DELEGATION_TOKEN", identifier)
    file = file_of(tmp_path_factory.mktemp("tokens"), token("YARN_AM_RM_TOKEN", other), wanted)
    found = hdfs_token(file)
    assert base64.urlsafe_b64decode(found + "=" * (-len(found) % 4)) == wanted


def test_a_file_without_one(tmp_path: Path) -> None:
    """Without security the file is there and has none of HDFS."""
    assert hdfs_token(file_of(tmp_path)) == ""
    assert hdfs_token(file_of(tmp_path, token("YARN_AM_RM_TOKEN", b"x"))) == ""


@given(st.binary(max_size=60))
def test_anything_else(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Of any other content comes a token, none, or a ValueError, and nothing else."""
    file = tmp_path_factory.mktemp("tokens") / "container_tokens"
    for text in (content, b"HDTS\0" + content):
        file.write_bytes(text)
        with suppress(ValueError):
            assert isinstance(hdfs_token(file), str)
