"""What real clusters answered, from the wire to the error a user reads; and whatever else one might answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import golden
from tests.unit.hadoop.wire import Asked, answer, serving
from yarnserve.errors import (
    AccessError,
    ConflictError,
    MalformedAnswerError,
    NotFoundError,
    RefusedError,
    RequestTimeoutError,
    UnreachableError,
    YarnserveError,
)
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.hadoop.session import HadoopSession
from yarnserve.yarn.resource_managers import INFO, ResourceManagers
from yarnserve.yarn.services import ServicesApi

ACTIVE = answer(200, {"clusterInfo": {"id": 1, "haState": "ACTIVE", "hadoopVersion": "3.1.4"}})
VERSIONS = ("3.1.4", "3.3.6", "3.4.2")

VERBS: dict[str, Callable[[ServicesApi], Any]] = {
    "POST": lambda api: api.create({"name": "x"}),
    "GET": lambda api: api.get("x"),
    "PUT": lambda api: api.flex("x", "serve", 2),
    "DELETE": lambda api: api.destroy("x"),
}


def told(verb: Callable[[ServicesApi], Any], reply: bytes) -> Any:
    """What *verb* makes of *reply*: a record, or one of our errors."""

    def respond(asked: Asked) -> bytes:
        return ACTIVE if asked.path == INFO else reply

    with serving(respond) as wire, HadoopSession(SimpleAuthentication("alice"), sleep=lambda _: None) as session:
        try:
            return verb(ServicesApi(session, ResourceManagers(session, (wire.url,))))
        except YarnserveError as error:
            return error


def recorded(version: str, step: str, status: int) -> bytes:
    """The first answer with *status* to *step*, as a real cluster sent it."""
    for exchange in golden(version):
        if exchange["step"] == step and exchange.get("status") == status:
            return answer(status, exchange["body"], exchange["content_type"])
    raise AssertionError(f"{version} has no {step} with status {status}")


Row = tuple[str, str, int, type[YarnserveError], str]

#: method, recorded step, status, what it means, and what the error's why or fix has to say.
EVERYWHERE: tuple[Row, ...] = (
    ("POST", "post-malformed", 404, RefusedError, "yarnserve render FILE"),
    ("POST", "post-wrong-enum", 404, RefusedError, "yarnserve render FILE"),
    ("POST", "post-unknown-field", 404, RefusedError, "does not know the field 'foo'"),
    ("POST", "create-dup-at-once", 500, ConflictError, "--replace"),
    ("POST", "post-memory-2g", 400, RefusedError, "resources.memory"),
    ("POST", "post-memory-too-big", 500, RefusedError, "resources.memory: at most 4096 MiB"),
    ("POST", "post-cpus-too-big", 500, RefusedError, "resources.cpus: at most 4 "),
    ("POST", "post-unknown-queue", 500, RefusedError, "queue: name one that the cluster has; nosuch is not"),
    ("POST", "post-am-opts", 400, RefusedError, "yarn.service.am.java.opts"),
    ("POST", "post-file-static-missing", 500, RefusedError, "put the file there, where the user can read it: /no/such"),
    ("POST", "post-docker-client-config-missing", 400, RefusedError, "config.json"),
    ("POST", "post-no-user", 403, AccessError, "not told who asks"),
    ("POST", "post-user-without-home", 403, AccessError, "hdfs dfs -chown carol /user/carol"),
    ("GET", "get-missing", 404, NotFoundError, "not found"),
    ("PUT", "flex-stopped", 400, ConflictError, "stored the new number"),
    ("PUT", "flex-unknown", 500, NotFoundError, "nope does not exist"),
    ("DELETE", "delete-missing", 400, NotFoundError, "doesn't exist"),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("method", "step", "status", "expected", "says"), EVERYWHERE)
def test_a_recorded_answer_is_an_error_that_says_what_to_change(
    version: str, method: str, step: str, status: int, expected: type[YarnserveError], says: str
) -> None:
    """What 3.1.4, 3.3.6 and 3.4.2 answered has the same meaning, names what to change, and shows no stack trace."""
    error = told(VERBS[method], recorded(version, step, status))
    assert type(error) is expected
    assert says in f"{error.why}; {error.fix}"
    assert not any(mark in f"{error.why}{error.fix}" for mark in ("\n", "\tat "))


@pytest.mark.parametrize("version", ["3.3.6", "3.4.2"])
def test_a_removal_refused_for_a_shared_directory_names_the_directory_and_its_mode(version: str) -> None:
    """From 3.3 a second user's DELETE answers 403 although the definition is gone (real-hadoop.md 7, item 9)."""
    error = told(VERBS["DELETE"], recorded(version, "delete-bob", 403))
    assert type(error) is AccessError
    assert "hadoop.tmp.dir/.yarn/services" in error.fix
    assert f"hdfs dfs -chmod 1777 /data/run/{version}/tmp/.yarn/services" in error.fix


@pytest.mark.parametrize(("version", "status"), [("3.1.4", 500), ("3.3.6", 500), ("3.4.2", 503)])
def test_a_request_that_no_handler_took_is_refused_whatever_the_status(version: str, status: int) -> None:
    """3.4 says 503 where others say 500: with an exception in its body it does not mean that the API is off."""
    error = told(VERBS["POST"], recorded(version, "post-on-name", status))
    assert type(error) is RefusedError
    assert error.why == "WebApplicationException"


@pytest.mark.parametrize("version", ["3.1.4", "3.4.2"])
def test_an_application_master_that_died_is_asked_again_later(version: str) -> None:
    """``Call From ... failed on connection exception`` is a matter of seconds, no verdict on the service."""
    error = told(VERBS["GET"], recorded(version, "instances-stopped", 500))
    assert type(error) is UnreachableError
    assert "its ApplicationMaster is starting or ending" in error.fix


def test_an_application_master_between_two_attempts_is_not_a_missing_service() -> None:
    """404 with code 404004 proves no absence by itself: its text does (real-hadoop.md 7, item 7)."""
    error = told(VERBS["GET"], answer(404, {"diagnostics": "port out of range:-1", "code": 404004}))
    assert type(error) is UnreachableError


QUEUES = [
    ("User alice cannot submit applications to queue root.gpu", AccessError, "acl_submit_applications"),
    ("User alice does not have permission to submit application_1_0001 to queue gpu", AccessError, "acl_submit"),
    ("Queue root.gpu already has 3 applications, cannot accept submission of application: a", RefusedError, "full"),
    ("Queue root.gpu is STOPPED. Cannot accept submission of application: a", RefusedError, "running"),
]


@pytest.mark.parametrize(("words", "expected", "says"), QUEUES)
def test_a_queue_that_takes_nothing_more_is_named(words: str, expected: type[YarnserveError], says: str) -> None:
    """A queue that is closed to the user, full or stopped points at the field ``queue``."""
    diagnostics = f"Failed to submit application_1_0001 to YARN : {words}"
    error = told(VERBS["POST"], answer(500, {"diagnostics": diagnostics}))
    assert type(error) is expected
    assert error.fix.startswith("queue: ")
    assert says in error.fix


_WORDS = st.sampled_from(
    ["Service x not found", 'user={0}, access=WRITE, inode="/user"', "to unknown queue: {x}", "", "Call From a\n\tat b"]
) | st.text(max_size=30)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["diagnostics", "exception", "javaClassName", "message", "name", "state", "id", "components"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(sorted(VERBS)),
    st.integers(200, 599),
    st.sampled_from(["application/json", "application/json;charset=null", "text/html", "text/plain"]),
    _JSON | st.binary(max_size=40),
)
@example("DELETE", 201, "application/json", {"exception": "\n"})
def test_any_answer_is_a_record_or_one_of_our_errors(method: str, status: int, content_type: str, body: Any) -> None:
    """No status, content type or body brings out anything but a record or a YarnserveError with an address."""
    if status in (204, 304):
        body = b""
    result = told(VERBS[method], answer(status, body, content_type))
    if isinstance(result, YarnserveError):
        assert result.where.startswith("http://127.0.0.1")
        assert "\n" not in result.why + result.fix
        if isinstance(result, RequestTimeoutError | MalformedAnswerError):
            assert status < 300
