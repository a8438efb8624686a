"""Storage among bad servers: dead, standby, lying, half answering. Whatever they do, our errors come out."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

from tests.sandbox.hdfs_support import put_file
from tests.sandbox.storage_support import (
    HOME,
    Answer,
    Hdfs,
    Script,
    closed_port,
    connected,
    relaying,
    scripted,
)
from tests.support import golden
from yarnserve.errors import (
    AccessError,
    ConfigurationError,
    ConflictError,
    MalformedAnswerError,
    NotFoundError,
    RefusedError,
    RequestTimeoutError,
    StandbyError,
    UnreachableError,
    YarnserveError,
)
from yarnserve.storage.client import FAILOVER_SWEEPS, SWEEPS, Storage

ACTS: dict[str, Callable[[Storage], object]] = {
    "home": lambda storage: storage.home(),
    "status": lambda storage: storage.status("/a"),
    "list": lambda storage: storage.list("/a"),
    "read": lambda storage: storage.read("/a"),
    "create": lambda storage: storage.create("/a", b"x"),
    "make_directories": lambda storage: storage.make_directories("/a"),
    "rename": lambda storage: storage.rename("/a", "/b"),
    "delete": lambda storage: storage.delete("/a"),
}


def refusal(exception: str, status: int = 403) -> Answer:
    """A RemoteException as a NameNode sends it."""
    document = {"RemoteException": {"exception": exception, "javaClassName": f"x.{exception}", "message": "no"}}
    return Answer(json.dumps(document).encode(), status)


STANDBY = refusal("StandbyException")


def file_status(length: int) -> Answer:
    """The status of a file of *length* bytes."""
    status = {
        "type": "FILE",
        "length": length,
        "modificationTime": 1,
        "owner": "a",
        "permission": "644",
        "pathSuffix": "",
    }
    return Answer(json.dumps({"FileStatus": status}).encode())


def test_a_dead_endpoint_costs_nothing_but_time(hdfs: Hdfs) -> None:
    """Every operation, also a write, goes on to the endpoint that lives."""
    for number in range(8):
        with connected(closed_port(), hdfs.url) as storage:
            storage.make_directories(f"{HOME}/{number}")
            storage.create(f"{HOME}/{number}/a", iter([b"x"]))
            storage.rename(f"{HOME}/{number}/a", f"{HOME}/{number}/b")
            assert storage.read(f"{HOME}/{number}/b") == b"x"
            assert storage.delete(f"{HOME}/{number}/b")


@pytest.mark.parametrize("exception", ["StandbyException", "RetriableException"])
def test_a_standby_is_passed_over(hdfs: Hdfs, exception: str) -> None:
    """A standby, or a NameNode that still starts, did nothing: reads and writes go to the other one."""
    with scripted(lambda operation, path: refusal(exception)) as standby:
        for number in range(8):
            with connected(standby, hdfs.url) as storage:
                storage.create(f"{HOME}/{number}", b"x")
                assert storage.read(f"{HOME}/{number}") == b"x"
                assert storage.delete(f"{HOME}/{number}")


def test_a_fail_over_is_waited_for(hdfs: Hdfs) -> None:
    """With nobody active for a moment, the rounds go on, with a pause before each but the first."""
    pauses: list[float] = []
    asked: list[str] = []

    def script(operation: str, path: str) -> Answer:
        asked.append(operation)
        return STANDBY if len(asked) <= 4 else Answer(b'{"boolean": true}')

    with scripted(script) as first, connected(first, first + "/", sleep=pauses.append) as storage:
        assert storage.delete("/a")
    assert len(asked) == 5
    assert pauses == [1.0, 1.0]


def test_nobody_active() -> None:
    """The rounds end after three quarters of a minute, and the error names every endpoint and its reason."""
    pauses: list[float] = []
    with (
        scripted(lambda operation, path: STANDBY) as one,
        scripted(lambda operation, path: refusal("RetriableException")) as two,
        connected(one, two, sleep=pauses.append) as storage,
        pytest.raises(StandbyError) as caught,
    ):
        storage.status("/a")
    assert len(pauses) == FAILOVER_SWEEPS - 1
    assert one in caught.value.where
    assert two in caught.value.why


def test_one_dead_one_standby() -> None:
    """A standby beside a dead one is a fail-over: it is waited for, that is told, and it is the error in the end."""
    told: list[str] = []
    with (
        scripted(lambda operation, path: STANDBY) as standby,
        connected(standby, closed_port(), on_wait=told.append) as storage,
        pytest.raises(StandbyError) as caught,
    ):
        storage.list("/a")
    assert "onnect" in caught.value.why
    assert told == ["no NameNode is active: waiting, for 41 s at most"]


def test_one_standby_alone_is_not_waited_for() -> None:
    """Where one endpoint is known there is nobody to take over: the usual rounds, and no word."""
    told: list[str] = []
    with (
        scripted(lambda operation, path: STANDBY) as standby,
        connected(standby, on_wait=told.append) as storage,
        pytest.raises(StandbyError),
    ):
        storage.list("/a")
    assert told == []


def test_no_endpoint_at_all() -> None:
    """Without any address the settings are to blame."""
    with connected() as storage, pytest.raises(ConfigurationError):
        storage.home()


def test_a_write_without_an_answer_is_sent_once(hdfs: Hdfs) -> None:
    """It may have been carried out, so no other endpoint gets it."""
    with relaying(hdfs.url) as one, relaying(hdfs.url) as two, connected(one.url, two.url) as storage:
        one.lost = two.lost = {"DELETE"}
        with pytest.raises(RequestTimeoutError):
            storage.delete("/a")
        assert len(one.asked) + len(two.asked) == 1


def test_data_without_an_answer_is_sent_once() -> None:
    """The second step of a CREATE writes: what the DataNode got may be there."""
    bodies: list[str] = []

    def script(operation: str, path: str) -> Answer | None:
        bodies.append(path)
        return None if "datanode" in path else Answer(status=307, location=f"{url}/webhdfs/v1/a?op=CREATE&datanode=1")

    with scripted(script) as url, connected(url, url + "/") as storage:
        with pytest.raises(RequestTimeoutError):
            storage.create("/a", b"x")
        assert len(bodies) == 2


def test_what_does_no_harm_twice_goes_to_the_next_endpoint(hdfs: Hdfs) -> None:
    """A directory may be made twice, and the first step of a CREATE only asks where to send the data."""
    with relaying(hdfs.url) as one:
        one.lost = {"CREATE", "MKDIRS"}
        for number in range(30):
            with connected(one.url, hdfs.url) as storage:
                storage.make_directories(f"{HOME}/{number}")
            with connected(one.url, hdfs.url) as storage:
                storage.create(f"{HOME}/{number}/a", iter([b"x", b"y"]))
                assert hdfs.content(f"{HOME}/{number}/a") == b"xy"
        assert set(one.asked) == {"CREATE", "MKDIRS"}


def test_a_standby_is_final_for_data_that_is_spent() -> None:
    """An iterator cannot be sent again once a DataNode has seen it, bytes can."""
    bodies: list[str] = []

    def script(operation: str, path: str) -> Answer:
        bodies.append(path)
        second = "datanode" in path
        return STANDBY if second else Answer(status=307, location=f"{url}/webhdfs/v1/a?op=CREATE&datanode=1")

    with scripted(script) as url, connected(url) as storage:
        with pytest.raises(StandbyError):
            storage.create("/a", iter([b"x"]))
        assert len(bodies) == 2
        with pytest.raises(StandbyError):
            storage.create("/a", b"x")
        assert len(bodies) == 2 + 2 * SWEEPS


def test_a_read_without_an_answer_is_repeated(hdfs: Hdfs) -> None:
    """A read does no harm, so the next endpoint is asked."""
    with relaying(hdfs.url) as one, connected(one.url, hdfs.url) as storage:
        one.lost = {"GETFILESTATUS", "LISTSTATUS", "OPEN"}
        put_file(hdfs.namespace, f"{HOME}/a", b"abc", "alice")
        for _ in range(6):
            assert storage.read(f"{HOME}/a") == b"abc"
            assert len(storage.list(HOME)) == 1
        assert one.asked


def test_a_hung_server_times_out() -> None:
    """A server that takes the request and says nothing is left after the read time-out."""
    released = threading.Event()

    def hang(operation: str, path: str) -> None:
        released.wait(10)

    with scripted(hang) as url, connected(url, read_timeout=0.05) as storage:
        with pytest.raises(RequestTimeoutError):
            storage.status("/a")
        released.set()


def body_server(body: bytes, *, length: int, claimed: int | None) -> Script:
    """A server whose file has *length* bytes, and which sends *body* of it, announcing *claimed* bytes."""

    def script(operation: str, path: str) -> Answer:
        if operation == "OPEN":
            return Answer(body, content_type="application/octet-stream", length=claimed)
        return file_status(length)

    return script


@pytest.mark.parametrize("claimed", [10, 4, -1], ids=["cut off", "short", "without length"])
def test_a_short_body_is_continued_elsewhere(hdfs: Hdfs, claimed: int) -> None:
    """The rest comes from the other endpoint, from the byte reached; nothing comes twice."""
    put_file(hdfs.namespace, f"{HOME}/a", b"0123456789", "alice")
    with scripted(body_server(b"0123", length=10, claimed=claimed)) as bad:
        for _ in range(6):
            with connected(bad, hdfs.url) as storage:
                chunks = list(storage.open(f"{HOME}/a"))
                assert b"".join(chunks) == b"0123456789"


def test_a_body_that_never_completes() -> None:
    """After the same rounds as any read the error says how far it came."""
    asked: list[str] = []

    def script(operation: str, path: str) -> Answer:
        asked.append(operation)
        first = asked.count("OPEN") <= 1
        return file_status(10) if operation != "OPEN" else Answer(b"0123" if first else b"")

    with scripted(script) as url, connected(url) as storage, pytest.raises(UnreachableError) as caught:
        storage.read("/a")
    assert asked.count("OPEN") == SWEEPS
    assert caught.value.why == "short body: 0 of 6 bytes"


def test_a_body_that_is_too_long() -> None:
    """More bytes than the file has are no file of ours."""
    with (
        scripted(body_server(b"0123456789", length=4, claimed=None)) as url,
        connected(url) as storage,
        pytest.raises(MalformedAnswerError),
    ):
        storage.read("/a")


def test_a_second_redirect_is_not_followed() -> None:
    """From the NameNode to a DataNode is one hop; a loop ends there."""
    asked: list[str] = []

    def script(operation: str, path: str) -> Answer:
        asked.append(operation)
        return file_status(4) if operation != "OPEN" else Answer(status=307, location=f"{url}/webhdfs/v1/a?op=OPEN")

    with scripted(script) as url, connected(url) as storage, pytest.raises(UnreachableError):
        storage.read("/a")
    assert asked.count("OPEN") == 2 * SWEEPS


HTML = b"<html><body>Please log in</body></html>"
NONSENSE = {
    "login page": Answer(HTML, content_type="text/html"),
    "html 404": Answer(HTML, 404, "text/html"),
    "html 500": Answer(HTML, 500, "text/html"),
    "html 503": Answer(HTML, 503, "text/html"),
    "json 404": Answer(b'{"error": "no route"}', 404),
    "json list 500": Answer(b"[]", 500),
    "deep json 500": Answer(b"[" * 100_000, 500),
    "redirect": Answer(b"", 302, location="http://127.0.0.1:1/login"),
    "redirect to nowhere": Answer(b"", 307),
    "redirect to nonsense": Answer(b"", 307, location="nonsense"),
    "empty": Answer(b""),
    "truncated": Answer(b'{"FileStatus": {"le'),
    "list": Answer(b"[1, 2]"),
    "null": Answer(b"null"),
    "number": Answer(b"1"),
    "other document": Answer(b'{"answer": 42}'),
    "wrong types": Answer(
        b'{"Path": 1, "boolean": "true", "FileStatus": {"type": 1}, "FileStatuses": {"FileStatus": 7}}'
    ),
    "missing fields": Answer(b'{"FileStatus": {}, "FileStatuses": {"FileStatus": [{}]}}'),
    "deep json": Answer(b"[" * 100_000),
    "not utf-8": Answer(b'{"Path": "\xff\xfe"}'),
    "cut off": Answer(b'{"Path"', length=100),
    "no answer": None,
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_unreachable(answer: Answer | None) -> None:
    """What does not speak WebHDFS is never "not there", never a result, and nothing foreign leaks."""
    with scripted(lambda operation, path: answer) as url, connected(url) as storage:
        for name, act in ACTS.items():
            with pytest.raises(YarnserveError) as caught:
                act(storage)
            assert isinstance(caught.value, UnreachableError | ConfigurationError), name


@pytest.mark.parametrize("status", [401, 403])
def test_a_silent_refusal_is_one_of_access(status: int) -> None:
    """HttpFS without user.name, and a read-only gateway, answer a page; that is no broken server."""
    page = Answer(HTML, status, "text/html")
    with scripted(lambda operation, path: page) as url, connected(url) as storage, pytest.raises(AccessError):
        storage.status("/a")


ERRORS: dict[str, type[YarnserveError]] = {
    "FileNotFoundException": NotFoundError,
    "AccessControlException": AccessError,
    "FileAlreadyExistsException": ConflictError,
    "PathIsNotEmptyDirectoryException": RefusedError,
    "ParentNotDirectoryException": RefusedError,
    "IllegalArgumentException": RefusedError,
    "IOException": RefusedError,
    "StandbyException": StandbyError,
    "RetriableException": StandbyError,
}


@pytest.mark.parametrize("transcript", ["webhdfs-3.1.4", "httpfs-3.1.4"])
def test_recorded_refusals(transcript: str) -> None:
    """Every refusal that a real NameNode or HttpFS gave becomes the error its exception's name means."""
    seen = set()
    for exchange in golden(transcript):
        document = exchange["body"]
        if exchange["status"] < 400 or not isinstance(document, dict):
            continue
        exception = document["RemoteException"]["exception"]
        if exception not in ERRORS:
            continue
        seen.add(exception)
        answer = Answer(json.dumps(document).encode(), exchange["status"], exchange["content_type"])
        with scripted(lambda operation, path, answer=answer: answer) as url, connected(url) as storage:  # type: ignore[misc]
            with pytest.raises(ERRORS[exception]) as caught:
                storage.list("/a")
            assert caught.value.why == str(document["RemoteException"]["message"]).splitlines()[0]
    assert {"FileNotFoundException", "AccessControlException", "PathIsNotEmptyDirectoryException"} <= seen


@pytest.mark.parametrize("transcript", ["webhdfs-3.1.4", "httpfs-3.1.4"])
def test_recorded_answers(transcript: str) -> None:
    """What real servers say of a file, a directory and a listing is understood, HttpFS's fewer fields too."""
    steps = {exchange["step"]: exchange["body"] for exchange in golden(transcript)}

    def script(operation: str, path: str) -> Answer:
        step = {"GETFILESTATUS": "status-file", "LISTSTATUS": "list-dir", "GETHOMEDIRECTORY": "home"}[operation]
        return Answer(json.dumps(steps[step]).encode())

    with scripted(script) as url, connected(url) as storage:
        file = storage.status("/user/alice/golden/a.txt")
        assert file is not None
        assert (file.name, file.length, file.owner, file.is_directory) == ("a.txt", 37, "alice", False)
        assert file.modified_at == steps["status-file"]["FileStatus"]["modificationTime"] / 1000
        listed = {status.name: status.is_directory for status in storage.list("/user/alice/golden")}
        assert listed["a.txt"] is False
        assert listed["private"] is True
        assert storage.home() == "/user/alice"


def test_httpfs_takes_the_data_itself() -> None:
    """HttpFS redirects a CREATE to itself with ``data=true``, wants octet-stream, and ``overwrite=false`` said."""
    requests: list[str] = []

    def script(operation: str, path: str) -> Answer:
        requests.append(path)
        if "data=true" in path:
            return Answer(b"", 201, "application/json;charset=utf-8")
        return Answer(status=307, location=f"{url}{path}&data=true")

    with scripted(script) as url, connected(url) as storage:
        storage.create("/a", b"x")
    assert len(requests) == 2
    assert all("overwrite=false" in path for path in requests)


def test_no_token_is_shown() -> None:
    """The query of a DataNode's address may hold a delegation token; errors do not carry it."""

    def script(operation: str, path: str) -> Answer:
        if "delegation" in path:
            return refusal("AccessControlException")
        if operation == "OPEN":
            return Answer(status=307, location=f"{url}/webhdfs/v1/a?op=OPEN&delegation=SECRET")
        return file_status(4)

    with scripted(script) as url, connected(url) as storage, pytest.raises(AccessError) as caught:
        storage.read("/a")
    assert "SECRET" not in str(caught.value.details()) + str(caught.value)
