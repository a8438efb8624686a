"""The reader of Hadoop's files of tokens, against bytes that were written by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.hadoop.token_file import Given, blob, identifier, number, protobuf, writable
from yarnserve.errors import ConfigurationError
from yarnserve.hadoop.tokens import Token, read_tokens

Write = Callable[[Sequence[Given], Sequence[tuple[str, bytes]]], bytes]

FORMATS = pytest.mark.parametrize("write", [writable, protobuf])

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
raws = st.binary(max_size=300)
tokens = st.lists(st.builds(Given, identifier=raws, password=raws, kind=texts, service=texts, alias=texts), max_size=5)
secrets = st.lists(st.tuples(texts, raws), max_size=2)

#: One token, every byte written out: format 0, one token; alias, identifier, password, kind and service with lengths.
BY_HAND = bytes.fromhex(
    "48445453 00 01"
    "0e 3132372e302e302e313a38303230"
    "02 0102"
    "03 fffefd"
    "15 484446535f44454c45474154494f4e5f544f4b454e"
    "0e 3132372e302e302e313a38303230"
    "00"
)


def test_a_file_by_hand() -> None:
    """The bytes of a file of YARN's are taken apart, and put together as the query has them."""
    (token,) = read_tokens(BY_HAND, "f")
    assert token == Token(b"\1\2", b"\xff\xfe\xfd", "HDFS_DELEGATION_TOKEN", "127.0.0.1:8020")
    assert token.to_url() == "AgECA__-_RVIREZTX0RFTEVHQVRJT05fVE9LRU4OMTI3LjAuMC4xOjgwMjA"


@FORMATS
@given(held=tokens, kept=secrets)
def test_round_trip(write: Write, held: list[Given], kept: list[tuple[str, bytes]]) -> None:
    """Whatever tokens a file has, they are read as they were given, and go into a query as Hadoop puts them."""
    found = read_tokens(write(held, kept), "f")
    assert [(each.identifier, each.password, each.kind, each.service) for each in found] == [
        (each.identifier, each.password, each.kind, each.service) for each in held
    ]
    assert [each.to_url() for each in found] == [each.in_url for each in held]


@given(st.one_of(raws, raws.map(lambda raw: b"HDTS\0" + raw), raws.map(lambda raw: b"HDTS\1" + raw)))
def test_garbage(content: bytes) -> None:
    """No bytes end in anything but tokens or an error of ours."""
    with suppress(ConfigurationError):
        assert all(isinstance(token, Token) for token in read_tokens(content, "the file"))


@FORMATS
@given(held=tokens.filter(bool), data=st.data())
def test_a_file_that_ends_early(write: Write, held: list[Given], data: st.DataObject) -> None:
    """Half a file of tokens is refused, and nothing of what it holds is told."""
    whole = write(held, ())
    # The last byte of format 0 counts the secret keys, which are not read.
    part = whole[: data.draw(st.integers(0, len(whole) - 2))]
    with pytest.raises(ConfigurationError):
        read_tokens(part, "f")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "4 more"),
        (b"PK\3\4....", "HDTS"),
        (b"HDTS\2", "format is 2"),
        (b"HDTS\0" + number(-1), "-1 tokens"),
        (b"HDTS\0" + number(2**40), "tokens"),
        (b"HDTS\0\1" + number(-200), "asks for -200"),
        (b"HDTS\1" + b"\xff" * 11, "ten bytes"),
        (b"HDTS\1\2\x0b\0", "unknown form"),
        (b"HDTS\1\4\x0a\2\x12\0", "lacks field 1"),
    ],
)
def test_what_is_wrong(content: bytes, why: str) -> None:
    """Each way of being no file of tokens is told."""
    with pytest.raises(ConfigurationError) as raised:
        read_tokens(content, "f")
    assert why in raised.value.why


@given(owner=st.from_regex("[a-z]{1,200}", fullmatch=True), ends_at=st.integers(0, 2**42))
def test_what_a_token_says(owner: str, ends_at: int) -> None:
    """Owner and end are in a delegation token's identifier; the owner may be a whole principal."""
    plain = Token(identifier(owner=owner, ends_at=ends_at), b"", "HDFS_DELEGATION_TOKEN", "")
    principal = Token(identifier(owner=f"{owner}/host@REALM", ends_at=ends_at), b"", "HDFS_DELEGATION_TOKEN", "")
    assert (plain.owner, plain.ends_at, principal.owner) == (owner, ends_at, owner)


@given(st.one_of(raws, raws.map(lambda raw: b"\0" + blob(b"alice") + raw)))
def test_an_unknown_identifier(told: bytes) -> None:
    """An identifier of another kind says nothing, and is no error."""
    token = Token(told, b"", "NOTHING_KNOWN", "")
    assert isinstance(token.owner, str)
    assert token.ends_at is None or isinstance(token.ends_at, float)


def test_it_is_not_shown() -> None:
    """A token that is printed by mistake shows neither what it says nor its password."""
    token = Token(b"SAYS", b"PASSWORD", "kind", "service")
    assert "SAYS" not in repr(token)
    assert "PASSWORD" not in repr(token)
