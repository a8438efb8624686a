"""What a server's log says of its ports."""

from __future__ import annotations

import pytest

from yarnserve.judge.listening import listens

BEGINS = "I server.cc:88] Building single TensorFlow model file config:  model_name: digits\n"
LISTENS = "I server.cc:430] Exporting HTTP/REST API at:localhost:8501 ...\n"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (BEGINS + "loading\n", False),
        (BEGINS + "loading\n" + LISTENS, True),
        (BEGINS + LISTENS + BEGINS, False),
        ("loaded\n" + LISTENS, True),
        ("only warnings\n", None),
        ("", None),
    ],
    ids=["loads", "listens", "begins again", "the beginning is cut off", "says nothing", "empty"],
)
def test_the_newest_start_counts(log: str, expected: bool | None) -> None:
    """Only a server that has begun and not said that it listens is known not to."""
    assert listens(log) is expected
