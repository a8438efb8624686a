"""What every error does to the texts that it is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.errors import MAX_SERVER_TEXT, UnreachableError, first_line, without_credentials


@given(st.text() | st.from_regex(r"\A(.|\n){0,600}\x1b\[2J.{0,600}\Z"))
def test_a_servers_text_is_one_short_line_that_no_terminal_obeys(text: str) -> None:
    """Whatever a server says, what is shown of it is printable and bounded."""
    shown = first_line(text)
    assert shown.isprintable()
    assert len(shown) <= MAX_SERVER_TEXT


@given(
    st.from_regex(r"[A-Za-z0-9:._~-]{1,20}", fullmatch=True), st.sampled_from(["what", "where", "why", "fix", "next"])
)
def test_no_part_of_an_error_repeats_what_stands_before_a_host(secret: str, part: str) -> None:
    """User and password of a URL are left out of every part, whoever makes the error."""
    texts = {"what": "x", part: f"cannot GET http://{secret}-s3cret@host:8088/ws and more"}
    error = UnreachableError(**texts)
    assert "s3cret" not in str(error) + "".join(text for _, text in error.details())
    assert "host:8088" in getattr(error, part)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("bob:s3cret@rm:8088", "***@rm:8088"),
        ("//bob:s3cret@share/x:/x", "//***@share/x:/x"),
        ("GET http://nn:9870/webhdfs/v1/x?op=OPEN&delegation=s3cret&offset=0", "***&offset=0"),
        ("r.example.org:5000/serving:2.6@sha256:00", "r.example.org:5000/serving:2.6@sha256:00"),
        ("alice@edge1: launch", "alice@edge1: launch"),
        ("at 12:00:00 by alice@edge1", "at 12:00:00 by alice@edge1"),
    ],
)
def test_passwords_and_tokens_are_left_out_and_nothing_else(written: str, shown: str) -> None:
    """With a scheme or without one, and in the query of a redirect; digests and holders of leases stay."""
    told = without_credentials(written)
    assert told.endswith(shown)
    assert "s3cret" not in told
