"""NodeManagers: containers and logs, framed as real ones frame them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import golden
from tests.unit.hadoop.wire import Asked, Wire, answer, serving
from yarnserve.errors import AccessError, MalformedAnswerError, NotFoundError, YarnserveError
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.hadoop.session import HadoopSession
from yarnserve.records.yarn import NOT_EXITED, LogFile, NodeContainer
from yarnserve.yarn.nodes import NodeManagerApi, unframe


@pytest.fixture
def nodes() -> Iterator[NodeManagerApi]:
    """The API, of whatever NodeManager."""
    with HadoopSession(SimpleAuthentication("alice"), sleep=lambda _: None) as session:
        yield NodeManagerApi(session)


def address(wire: Wire) -> str:
    """``host:port`` of a server."""
    return wire.url.removeprefix("http://")


def framed(content: bytes, length: int | None = None, file: str = "stdout.txt") -> bytes:
    """A log as a NodeManager sends it; *length* is that of the whole file, where only a part is sent."""
    end = f"End of LogType:{file}.This log file belongs to a running container (c) and so may not be complete.\n"
    head = (
        f"Container: c on localhost:45454\nLogAggregationType: LOCAL\n{'=' * 68}\nLogType:{file}\n"
        f"LogLastModifiedTime:Mon Nov 23 04:08:30 +0000 2026\nLogLength:{length or len(content)}\nLogContents:\n"
    )
    return (head.encode() if content else b"") + content + end.encode() + b"*" * 75 + b"\n\n"


@pytest.mark.parametrize("version", ["3.1.4", "3.3.6", "3.4.2"])
def test_every_recorded_log_is_unframed(version: str) -> None:
    """Real logs lose head and end, whole and in part, and nothing of the log."""
    found = {}
    for exchange in golden(version):
        path = exchange.get("path") or ""
        if exchange.get("status") == 200 and re.search(r"/node/containers/\w+/logs/", path):
            size = re.search(r"size=-(\d+)", exchange["query"] or "")
            raw = (exchange.get("body_text") or exchange["body"]).encode()
            text = unframe(raw, int(size[1]) if size else None)
            assert b"LogLength" not in text
            assert b"End of LogType" not in text
            found[path.rpartition("/")[2] + (size[0] if size else "")] = text
    assert found["stdout.txtsize=-3"] == b"ce\n"
    assert found["prelaunch.out"].startswith(b"Setting up env variables\n")
    assert found["prelaunch.out"].endswith(b"Launching container\n")


PIECES = st.sampled_from(
    [b"End of LogType:stdout.txt.", b"LogLength:3\nLogContents:\n", b"Container: c\n", b"\n", b"\xff"]
)
CONTENT = st.lists(PIECES | st.binary(max_size=20)).map(b"".join)


@given(CONTENT)
def test_a_whole_log_comes_back_exactly(content: bytes) -> None:
    """Whatever bytes a log holds, a frame's own words included, they come back as they were."""
    assert unframe(framed(content)) == content


@given(CONTENT, st.integers(1, 100))
def test_the_end_of_a_log_comes_back_exactly(content: bytes, last_bytes: int) -> None:
    """The last bytes come in a frame that states the length of the whole file."""
    assert unframe(framed(content[-last_bytes:], len(content)), last_bytes) == content[-last_bytes:]


@given(CONTENT, st.none() | st.integers(1, 100))
def test_an_aggregated_copy_is_left_out(content: bytes, last_bytes: int | None) -> None:
    """Where log aggregation is on, older parts of the file follow in frames of their own."""
    part = content[-last_bytes:] if last_bytes else content
    if part:
        assert unframe(framed(part, len(content)) + framed(b"older\n"), last_bytes) == part


@given(st.binary())
def test_an_answer_without_a_frame_is_the_log(body: bytes) -> None:
    """Bytes that are not framed come back untouched, and never raise."""
    assert unframe(b"log: " + body) == b"log: " + body
    unframe(body)


def test_a_log_that_grew_while_it_was_read() -> None:
    """Where the stated length does not lead to the end line, the last end line ends the log."""
    assert unframe(framed(b"one\ntwo\n", 4)) == b"one\ntwo\n"
    assert unframe(framed(b"one\n", 400)) == b"one\n"
    assert unframe(framed(b"one\n", 400).split(b"End of")[0]) == b"one\n"


def test_reading_a_log(nodes: NodeManagerApi) -> None:
    """The text is unframed and decoded, names are escaped, and last_bytes asks for a negative size."""
    with serving(lambda asked: answer(200, framed("grüße\n".encode() + b"\xff"), "text/plain;charset=utf-8")) as wire:
        assert nodes.log(address(wire), "container_1", "a/b?.txt") == "grüße\n\ufffd"
        nodes.log(address(wire), "container_1", "stdout.txt", last_bytes=100)
    assert wire.asked[0].path == "/ws/v1/node/containers/container_1/logs/a%2Fb%3F.txt"
    assert "size=-100" in wire.asked[1].target
    assert "size" not in wire.asked[0].target


def test_containers_and_files(nodes: NodeManagerApi) -> None:
    """What a NodeManager lists, as records; files come by name."""

    def respond(asked: Asked) -> bytes:
        if asked.path.endswith("/logs"):
            names = [{"fileName": name, "fileSize": "12"} for name in ("b", "a")]
            return answer(200, {"containerLogsInfo": {"containerLogInfo": names}})
        return answer(200, {"containers": {"container": [{"id": "c", "state": "RUNNING", "exitCode": NOT_EXITED}]}})

    with serving(respond) as wire:
        assert nodes.containers(address(wire)) == (NodeContainer("c", "RUNNING", NOT_EXITED, ""),)
        assert nodes.log_files(address(wire), "c") == (LogFile("a", 12), LogFile("b", 12))


def _unknown(status: int) -> bytes:
    message = (
        "org.apache.hadoop.yarn.webapp.NotFoundException: java.lang.Exception: Unknown container. Container either"
    )
    remote = {"exception": "WebApplicationException", "message": message, "javaClassName": "javax.ws.rs.WebApp"}
    return answer(status, {"RemoteException": remote})


@pytest.mark.parametrize(
    ("reply", "expected", "why"),
    [
        (
            answer(404, "java.lang.Exception: Cannot find this log on the local disk.", "text/plain"),
            NotFoundError,
            "Cannot",
        ),
        (_unknown(500), NotFoundError, "does not run on this node"),
        (_unknown(503), NotFoundError, "does not run on this node"),
        (answer(307, "", "text/html", Location="http://logs/c"), NotFoundError, "does not run on this node"),
        (answer(403, "<html>", "text/html"), AccessError, "HTTP 403"),
    ],
)
@pytest.mark.parametrize(
    "ask",
    [lambda api, at: api.log(at, "c", "stdout.txt"), lambda api, at: api.log_files(at, "c")],
    ids=["log", "log_files"],
)
def test_a_log_that_is_not_there(
    nodes: NodeManagerApi,
    reply: bytes,
    expected: type[YarnserveError],
    why: str,
    ask: Callable[[NodeManagerApi, str], object],
) -> None:
    """A missing file and an unknown container are not found, on every version; a redirect is not followed."""
    with serving(lambda asked: reply) as wire:
        with pytest.raises(expected) as raised:
            ask(nodes, address(wire))
        assert why in raised.value.why
        assert len(wire.asked) == 1


def test_a_page_in_place_of_a_list(nodes: NodeManagerApi) -> None:
    """HTML with status 200 is a malformed answer where JSON is due."""
    with serving(lambda asked: answer(200, "<html>", "text/html")) as wire, pytest.raises(MalformedAnswerError):
        nodes.containers(address(wire))


def log_server(asked: Asked) -> bytes:
    """Answer as the recorded ApplicationHistoryServer of 3.3.6 did."""
    for exchange in golden("3.3.6"):
        if (exchange["section"], exchange["path"], exchange["query"]) == ("logs_aggregated", asked.path, ""):
            body = exchange.get("body_text") or exchange["body"]
            return answer(exchange["status"], body, exchange["content_type"])
    return answer(404, f"not recorded: {asked.target}")


AGGREGATED = "container_1795408204278_0014_01_000002"


def test_a_log_server_is_read_as_a_node_manager_is(nodes: NodeManagerApi) -> None:
    """The recorded list of files, which is an array, and the recorded log of an ended container."""
    with serving(log_server) as wire:
        base = f"{wire.url}/ws/v1/applicationhistory"
        assert LogFile("stdout.txt", 4) in nodes.log_files(base, AGGREGATED)
        assert nodes.log(base, AGGREGATED, "stdout.txt") == "out\n"


def test_what_a_log_server_does_not_have_is_not_found(nodes: NodeManagerApi) -> None:
    """It says so with 200 for a file and with 500 for an application; neither is a log, or a broken server."""
    with serving(log_server) as wire:
        base = f"{wire.url}/ws/v1/applicationhistory"
        with pytest.raises(NotFoundError):
            nodes.log(base, AGGREGATED, "nosuch.txt")
        with pytest.raises(NotFoundError, match="cannot list the logs"):
            nodes.log_files(base, "container_1_0001_01_000001")
