"""Thread counts from vcores."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from yarnserve.records.version import Version
from yarnserve.serving.threads import thread_flags


def of(cpus: int, version: str, given: Collection[str] = ()) -> str:
    """The flags in one line."""
    return " ".join(f"{name}={value}" for name, value in thread_flags(cpus, Version.parse(version), given).items())


ALL = "rest_api_num_threads=32 grpc_max_threads=32 tensorflow_intra_op_parallelism=8 tensorflow_inter_op_parallelism=8"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.6", ALL),
        ("2.4.1", ALL.replace("grpc_max_threads=32 ", "")),
        ("1.13", ALL.replace("grpc_max_threads=32 ", "")),
        ("1.12", "rest_api_num_threads=32 tensorflow_session_parallelism=8"),
        ("1.7", "tensorflow_session_parallelism=8"),
    ],
)
def test_every_version_gets_the_flags_it_knows(version: str, expected: str) -> None:
    """The server ignores an unknown flag after printing its usage: none is sent (tf-serving.md 1.2)."""
    assert of(8, version) == expected


def test_few_vcores_still_leave_threads_that_wait() -> None:
    """One vcore computes with one thread, but a slow prediction does not keep a probe waiting."""
    assert thread_flags(1, Version(2, 6), ())["rest_api_num_threads"] == 16
    assert thread_flags(1, Version(2, 6), ())["tensorflow_intra_op_parallelism"] == 1


@pytest.mark.parametrize(
    "flag", ["tensorflow_session_parallelism", "platform_config_file", "tensorflow_session_config_file"]
)
def test_users_who_take_the_session_into_their_hands_keep_it(flag: str) -> None:
    """All three parallelism flags together end the server, and ours would override a session's configuration."""
    assert of(8, "2.6", {flag}) == "rest_api_num_threads=32 grpc_max_threads=32"


def test_a_flag_the_user_has_given_is_left_to_them() -> None:
    """The others are still set."""
    assert "grpc_max_threads" not in of(8, "2.6", {"grpc_max_threads"})
    assert "rest_api_num_threads=32" in of(8, "2.6", {"grpc_max_threads"})
