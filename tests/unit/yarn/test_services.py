"""The services API over a real socket: what is sent, and what each refusal of a real cluster means."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import golden
from tests.unit.hadoop.wire import SILENCE, Asked, Wire, answer, serving
from yarnserve.errors import (
    AccessError,
    ConflictError,
    MalformedAnswerError,
    NotFoundError,
    RefusedError,
    RequestTimeoutError,
    StandbyError,
    UnreachableError,
    YarnserveError,
)
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.hadoop.session import HadoopSession
from yarnserve.records.version import Version
from yarnserve.records.yarn import Accepted, Service, ServiceState
from yarnserve.yarn.resource_managers import INFO, ResourceManagers
from yarnserve.yarn.services import ServicesApi

ACTIVE = answer(200, {"clusterInfo": {"id": 1, "haState": "ACTIVE", "hadoopVersion": "3.1.4"}})


class Cluster:
    """A ResourceManager that gives *reply* to everything but /info."""

    def __init__(self) -> None:
        self.reply: bytes | None = answer(200, {})
        self.wire: Wire | None = None

    def respond(self, asked: Asked) -> bytes | None:
        """Answer /info as the active one."""
        return ACTIVE if asked.path == INFO else self.reply

    @property
    def asked(self) -> list[Asked]:
        """What was asked, /info left out."""
        assert self.wire is not None
        return [asked for asked in self.wire.asked if asked.path != INFO]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A running ResourceManager."""
    running = Cluster()
    with serving(running.respond) as running.wire:
        yield running


@pytest.fixture
def services(cluster: Cluster) -> Iterator[ServicesApi]:
    """The API of that ResourceManager."""
    assert cluster.wire is not None
    with HadoopSession(SimpleAuthentication("alice"), sleep=lambda _: None) as session:
        yield ServicesApi(session, ResourceManagers(session, (cluster.wire.url,)))


VERBS: dict[str, Callable[[ServicesApi], Any]] = {
    "version": lambda api: api.version(),
    "create": lambda api: api.create({"name": "x"}),
    "get": lambda api: api.get("x"),
    "flex": lambda api: api.flex("x", "serve", 2),
    "stop": lambda api: api.stop("x"),
    "start": lambda api: api.start("x"),
    "destroy": lambda api: api.destroy("x"),
}


@pytest.mark.parametrize(
    ("verb", "method", "path", "body"),
    [
        ("create", "POST", "/app/v1/services", {"name": "x"}),
        (
            "flex",
            "PUT",
            "/app/v1/services/x",
            {"state": "FLEX", "components": [{"name": "serve", "number_of_containers": 2}]},
        ),
        ("stop", "PUT", "/app/v1/services/x", {"state": "STOPPED"}),
        ("start", "PUT", "/app/v1/services/x", {"state": "STARTED"}),
        ("destroy", "DELETE", "/app/v1/services/x", None),
    ],
)
def test_what_a_write_sends(
    cluster: Cluster, services: ServicesApi, verb: str, method: str, path: str, body: dict[str, Any] | None
) -> None:
    """Each verb is one request of the right shape, and YARN's words come back."""
    words = "Application ID: application_1795406690572_0002"
    cluster.reply = answer(202, {"diagnostics": words, "state": "ACCEPTED"})
    assert VERBS[verb](services) == Accepted(words, "application_1795406690572_0002")
    (asked,) = cluster.asked
    assert (asked.method, asked.path) == (method, path)
    assert (json.loads(asked.body) if asked.body else None) == body
    assert asked.headers.get("content-type") == (None if body is None else "application/json")


def test_what_a_read_brings(cluster: Cluster, services: ServicesApi) -> None:
    """GET gives the service, the version endpoint a version."""
    cluster.reply = answer(200, {"name": "x", "state": "STABLE"})
    assert services.get("x") == Service("x", ServiceState.STABLE)
    cluster.reply = answer(200, '{ "hadoop_version": "3.1.4 from 1e87 by gabota source checksum 3840"}')
    assert services.version() == Version(3, 1, 4)


def test_a_name_cannot_leave_its_place_in_the_path(cluster: Cluster, services: ServicesApi) -> None:
    """Slashes and question marks in a name are escaped."""
    cluster.reply = answer(200, {"name": "x", "state": "STABLE"})
    services.get("../a?b")
    assert cluster.asked[0].path == "/app/v1/services/..%2Fa%3Fb"


REFUSALS: list[tuple[str, int, Any, type[YarnserveError], str]] = [
    ("create", 400, "Service name is either empty or not provided", RefusedError, "name is either empty"),
    ("create", 400, 'For input string: "2g"', RefusedError, "2g"),
    ("create", 500, "Service name x is already taken.", ConflictError, "already taken"),
    ("create", 500, "Service Instance dir already exists: /user/a/x.json", ConflictError, "already exists"),
    ("create", 500, "Component serve: specified memory size (9) is larger than configured", RefusedError, "larger"),
    ("create", 500, "Cannot create directory /user/a. Name node is in safe mode.\nIt was", StandbyError, "safe mode"),
    ("create", 403, 'Permission denied: inode="/user":root\n\tat o.a.h', AccessError, "Permission denied"),
    ("create", 401, "", AccessError, "HTTP 401"),
    ("get", 404, "Service x not found", NotFoundError, "not found"),
    ("get", 404, "File does not exist: /user/a/.yarn/services/x/x.json", NotFoundError, "does not exist"),
    ("get", 404, "port out of range:-1", UnreachableError, "port out of range"),
    ("get", 404, "Invalid format: a_b, can not use '_'", RefusedError, "Invalid format"),
    ("get", 500, "Call From a/1 to b:2 failed on connection exception: x", UnreachableError, "Call From"),
    ("get", 500, "No content to map due to end-of-input", UnreachableError, "No content"),
    ("get", 403, "Permission denied", AccessError, "Permission denied"),
    ("flex", 500, "serve does not exist !", NotFoundError, "serve does not exist"),
    (
        "flex",
        400,
        "x is at FINISHED state, flex can only be invoked when service is running",
        ConflictError,
        "FINISHED",
    ),
    ("flex", 400, "x appId is null, may be not submitted to YARN yet", ConflictError, "appId"),
    ("flex", 400, "x is at UPGRADING state, flex can not be invoked when ", ConflictError, "UPGRADING"),
    ("flex", 500, {}, RefusedError, "HTTP 500"),
    ("stop", 400, "Service x is already stopped", ConflictError, "already stopped"),
    ("stop", 404, "File does not exist: /user/a/.yarn/services/x/x.json\n\tat o", NotFoundError, "File does not"),
    ("start", 400, "Failed to start service x, because it already exists.", ConflictError, "already exists"),
    ("destroy", 400, "Service x doesn't exist", NotFoundError, "doesn't exist"),
    ("destroy", 404, "File does not exist: /user/a/x.json", NotFoundError, "does not exist"),
    ("destroy", 400, "Failed to destroy service x, because it is still running.", RefusedError, "still running"),
    ("destroy", 500, "Service x error cleaning up registry", RefusedError, "registry"),
]


@pytest.mark.parametrize(("verb", "status", "diagnostics", "expected", "why"), REFUSALS)
def test_what_a_refusal_means(
    cluster: Cluster,
    services: ServicesApi,
    verb: str,
    status: int,
    diagnostics: Any,
    expected: type[YarnserveError],
    why: str,
) -> None:
    """Each refusal is one of our errors, with the first line of YARN's reason, and is not repeated."""
    body = {"diagnostics": diagnostics} if isinstance(diagnostics, str) else diagnostics
    cluster.reply = answer(status, body)
    with pytest.raises(YarnserveError) as raised:
        VERBS[verb](services)
    assert type(raised.value) is expected
    assert why in raised.value.why
    assert "\tat" not in raised.value.why
    assert raised.value.where.startswith("http://127.0.0.1")
    assert len(cluster.asked) == 1


JACKSON = "com.fasterxml.jackson.databind.exc."
UNKNOWN_FIELD = 'Unrecognized field "restart_policy" (class org.apache.hadoop.yarn.service.api.records.Component)'


@pytest.mark.parametrize(
    ("java_class", "message", "why"),
    [
        (JACKSON + "UnrecognizedPropertyException", UNKNOWN_FIELD, "does not know the field 'restart_policy'"),
        (JACKSON + "InvalidFormatException", "Cannot deserialize value\n at", "Cannot deserialize value"),
        ("com.fasterxml.jackson.core.JsonParseException", "Unexpected character", "Unexpected character"),
    ],
)
def test_a_document_that_the_cluster_does_not_understand(
    cluster: Cluster, services: ServicesApi, java_class: str, message: str, why: str
) -> None:
    """A Jackson exception is 404 and means a refused document, naming the unknown field; never "not found"."""
    body = {"exception": java_class.rpartition(".")[2], "javaClassName": java_class, "message": message}
    cluster.reply = answer(404, body)
    with pytest.raises(RefusedError) as raised:
        services.create({"name": "x"})
    assert why in raised.value.why


PAGE = "<!DOCTYPE html><html><title>Error 404 Not Found</title></html>"
JETTY = {"servlet": "API-Service", "message": "Not Found", "url": "/app/v1/services", "status": "404"}


@pytest.mark.parametrize("verb", list(VERBS))
@pytest.mark.parametrize(
    "reply",
    [
        answer(404, PAGE, "text/html"),
        answer(404, JETTY),
        answer(404, "", "text/plain"),
        answer(503, PAGE, "text/html"),
        answer(500, PAGE, "text/html"),
        answer(500, JETTY),
    ],
)
def test_a_services_api_that_is_switched_off(cluster: Cluster, services: ServicesApi, verb: str, reply: bytes) -> None:
    """A web server's page in place of the API names the switch, and is never taken for a missing service."""
    cluster.reply = reply
    with pytest.raises(UnreachableError) as raised:
        VERBS[verb](services)
    assert "yarn.webapp.api-service.enable=true" in raised.value.fix


@pytest.mark.parametrize("verb", list(VERBS))
@pytest.mark.parametrize("body", [PAGE, '{"name": "x", "sta', "", "null", "[]"])
def test_a_success_that_is_none(cluster: Cluster, services: ServicesApi, verb: str, body: str) -> None:
    """Status 200 with a page, half a JSON, nothing, or another document is a malformed answer."""
    cluster.reply = answer(200, body)
    with pytest.raises(MalformedAnswerError):
        VERBS[verb](services)


def test_a_forgotten_application_is_a_stopped_service(cluster: Cluster, services: ServicesApi) -> None:
    """Before 3.3.0 a service whose application the ResourceManager has forgotten answers 500; it is STOPPED."""
    cluster.reply = answer(500, {"diagnostics": "Application with id 'application_1_0001' doesn't exist in RM. Please"})
    assert services.get("x").state is ServiceState.STOPPED


def test_blocked_reads_end_and_writes_stay_in_doubt(cluster: Cluster) -> None:
    """A GET that blocks, as it may for 15 minutes, and a write without an answer end in RequestTimeoutError, once."""
    assert cluster.wire is not None
    cluster.reply = SILENCE
    with HadoopSession(SimpleAuthentication("alice")) as session:
        managers = ResourceManagers(session, (cluster.wire.url,))
        api = ServicesApi(session, managers, read_timeout=0.1, write_timeout=0.2)
        for verb, patience in (("get", "0.1"), ("create", "0.2")):
            with pytest.raises(RequestTimeoutError) as raised:
                VERBS[verb](api)
            assert patience in raised.value.why
    assert [asked.method for asked in cluster.asked] == ["GET", "POST"]


def _verb_of(exchange: dict[str, Any]) -> Callable[[ServicesApi], Any] | None:
    path, method, body = exchange.get("path") or "", exchange.get("method"), exchange.get("request_body")
    if method == "POST" and path == "/app/v1/services":
        return VERBS["create"]
    if not re.fullmatch(r"/app/v1/services/[\w-]+", path) or path.endswith("/version"):
        return None
    if method == "PUT":
        return VERBS["stop"] if isinstance(body, dict) and body.get("state") == "STOPPED" else VERBS["flex"]
    return {"GET": VERBS["get"], "DELETE": VERBS["destroy"]}.get(str(method))


@pytest.mark.parametrize("version", ["3.1.4", "3.3.6", "3.4.2"])
def test_every_recorded_refusal_is_explained(cluster: Cluster, services: ServicesApi, version: str) -> None:
    """Each refusal of a real cluster becomes an error of ours with a reason; absence is only told where it is true."""
    seen = set()
    for exchange in golden(version):
        verb = _verb_of(exchange)
        if verb is None or exchange.get("status", 0) < 400:
            continue
        body, status = exchange["body"], exchange["status"]
        shape = (exchange["method"], status, re.sub(r"\d+", "", json.dumps(body))[:120])
        if shape in seen:
            continue
        seen.add(shape)
        cluster.reply = answer(status, body, exchange["content_type"])
        with pytest.raises(YarnserveError) as raised:
            verb(services)
        assert raised.value.why, exchange["step"]
        if isinstance(raised.value, NotFoundError):
            assert "not found" in str(body) or "exist" in str(body), exchange["step"]
    assert len(seen) > 30
