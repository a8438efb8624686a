"""What stands in an entry's file, and in a server's answer, may be anything at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import requests
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.errors import MalformedAnswerError, RefusedError
from yarnserve.hadoop.session import Timeouts
from yarnserve.storage import series, webhdfs

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = JSON | st.fixed_dictionaries(
    {}, optional={"format": JSON | st.just(1), "id": JSON, "checksum": JSON, "body": JSON}
)
STATUSES = JSON | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("type", "length", "modificationTime", "owner", "permission"), JSON)
)


@given(st.binary())
def test_arbitrary_bytes_are_no_entry(data: bytes) -> None:
    """No bytes make the parser raise, and none are taken for an entry."""
    assert series._decode(data, "/1.json") is None


@given(DOCUMENTS)
def test_arbitrary_json_is_no_entry(document: Any) -> None:
    """No JSON without the right checksum is an entry; only a newer format is refused aloud."""
    try:
        content = series._decode(json.dumps(document).encode(), "/1.json")
    except RefusedError:
        assert document["format"] > series.FORMAT
    else:
        assert content is None


@given(st.dictionaries(st.text(), JSON))
def test_what_is_written_is_read(body: Mapping[str, Any]) -> None:
    """Every body that JSON can hold comes back the same."""
    content = series._decode(series._encode("me", body), "/1.json")
    assert content is not None
    # As text, because NaN equals nothing.
    assert (content.id, repr(content.body)) == ("me", repr(body))


@given(st.dictionaries(st.text(max_size=3), st.integers(), max_size=3), st.data())
def test_a_flipped_byte_is_noticed(body: dict[str, int], data: st.DataObject) -> None:
    """Whatever single byte changes, the entry is skipped, refused, or still says the same."""
    stored = bytearray(series._encode("me", body))
    place = data.draw(st.integers(0, len(stored) - 1))
    stored[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        content = series._decode(bytes(stored), "/1.json")
    except RefusedError:
        return
    assert content is None or content.body == body


@given(STATUSES)
def test_arbitrary_status_documents(document: Any) -> None:
    """A file status is read, or the answer is malformed."""
    with requests.Session() as session:
        endpoint = webhdfs.Endpoint("http://h:1", session, Timeouts())
        try:
            with endpoint._asking("cannot look", "/a"):
                status = webhdfs._file_status(document, "a")
        except MalformedAnswerError:
            return
    assert isinstance(status.length, int)
    assert isinstance(status.owner, str)


def test_infinity_is_kept() -> None:
    """A model's golden answer may hold it; Python reads back what Python wrote."""
    content = series._decode(series._encode("me", {"a": [float("inf")]}), "/1.json")
    assert content is not None
    assert content.body == {"a": [float("inf")]}
