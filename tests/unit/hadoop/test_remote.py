"""RemoteException bodies, and which of our errors they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import golden
from yarnserve.errors import (
    AccessError,
    ConflictError,
    NotFoundError,
    RefusedError,
    StandbyError,
    UnreachableError,
    YarnserveError,
)
from yarnserve.hadoop.remote import RemoteException, error_for, find

CASES = [
    (403, "AccessControlException", AccessError),
    (500, "AccessControlException", AccessError),
    (401, "AuthorizationException", AccessError),
    (403, "SecurityException", AccessError),
    (403, "StandbyException", StandbyError),
    (403, "RetriableException", StandbyError),
    (500, "SafeModeException", StandbyError),
    (404, "FileNotFoundException", NotFoundError),
    (500, "FileNotFoundException", NotFoundError),
    (403, "FileAlreadyExistsException", ConflictError),
    (500, "FileAlreadyExistsException", ConflictError),
    (403, "IOException", RefusedError),
    (403, "DSQuotaExceededException", RefusedError),
    (403, "PathIsNotEmptyDirectoryException", RefusedError),
    (400, "IllegalArgumentException", RefusedError),
    (503, "NullPointerException", RefusedError),
    (401, "", AccessError),
    (403, "", AccessError),
    (404, "", NotFoundError),
    (405, "", RefusedError),
    (500, "", RefusedError),
    (502, "", UnreachableError),
    (503, "", UnreachableError),
    (302, "", UnreachableError),
]


@pytest.mark.parametrize(("status", "name", "expected"), CASES)
def test_the_name_decides_before_the_status(status: int, name: str, expected: type[YarnserveError]) -> None:
    """Each status and exception name means exactly one of our errors."""
    remote = RemoteException(name, "the reason\n\tat org.apache.Trace") if name else None
    error = error_for(status, remote, what="cannot do it", url="http://nn/x")
    assert type(error) is expected
    assert (error.what, error.where) == ("cannot do it", "http://nn/x")
    assert error.why == ("the reason" if name else f"HTTP {status}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NSQuotaExceededException", "The NameSpace quota (directories and files) is exceeded: quota=1 file count=2"),
        ("DSQuotaExceededException", "The DiskSpace quota of /user/alice is exceeded: quota = 1 B = 1 B"),
        ("RemoteException", "File /x could only be written to 0 of the 1 minReplication nodes."),
        ("IOException", "File /x could only be replicated to 0 nodes instead of minReplication (=1)."),
    ],
)
def test_what_has_no_room_is_told_how_to_get_some(name: str, message: str) -> None:
    """Quotas and full DataNodes are refusals whose fix is room."""
    error = error_for(403, RemoteException(name, message), what="cannot write", url="http://nn/x")
    assert isinstance(error, RefusedError)
    assert "make room on HDFS" in error.fix


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("java.lang.Exception: Cannot find this log on the local disk.", "Cannot find this log on the local disk."),
        ("<html>\n<h1>Error</h1>", "HTTP 404"),
        ("", "HTTP 404"),
    ],
)
def test_the_reason_of_a_plain_text(text: str, why: str) -> None:
    """A server's own words are the reason, its error page is not."""
    assert error_for(404, None, what="cannot", url="u", text=text).why == why


@pytest.mark.parametrize("name", ["webhdfs-3.1.4", "httpfs-3.1.4", "3.1.4", "3.4.2"])
def test_every_recorded_exception_is_found_and_explained(name: str) -> None:
    """Real clusters' error bodies, wrapped or not, are all recognised; no reason holds a stack trace."""
    count = 0
    for exchange in golden(name):
        body = exchange.get("body")
        if exchange.get("status", 0) < 400 or not isinstance(body, dict) or "javaClassName" not in str(body):
            continue
        remote = find(body)
        assert remote is not None
        error = error_for(exchange["status"], remote, what="cannot", url="u")
        assert error.why
        assert "\tat " not in error.why
        count += 1
    assert count >= 10


@pytest.mark.parametrize("document", [None, [], {}, {"diagnostics": "no"}, {"RemoteException": None}, {"exception": 1}])
def test_other_documents_are_no_exception(document: object) -> None:
    """A ServiceStatus or rubbish is not taken for a Java exception."""
    assert find(document) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["RemoteException", "exception", "message"]), inner)
    ),
)


@given(JSON, st.integers(300, 599))
def test_any_document_is_an_error_of_ours(document: object, status: int) -> None:
    """Whatever JSON a failed answer holds, it ends in one of our errors with a reason."""
    assert error_for(status, find(document), what="cannot", url="u").why
