"""What every error does to the texts that it is made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yarnserve.errors import MAX_SERVER_TEXT, UnreachableError, first_line


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
