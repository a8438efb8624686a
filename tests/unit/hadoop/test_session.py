"""HadoopSession on real sockets: manners, time-outs, repetition, and no foreign exception."""

from __future__ import annotations

import contextlib
import inspect
import io
import urllib.parse
from collections.abc import Iterator
from random import Random

import pytest
import requests
import urllib3.exceptions
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.hadoop.wire import SILENCE, Asked, answer, free_port, serving
from yarnserve.errors import (
    ConfigurationError,
    MalformedAnswerError,
    RequestTimeoutError,
    UnreachableError,
    YarnserveError,
)
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.hadoop.session import MAX_BODY, HadoopSession, Reply, Timeouts, translated


@pytest.fixture
def session() -> Iterator[HadoopSession]:
    """A session of alice that waits half a second at most, and never between attempts."""
    with HadoopSession(
        SimpleAuthentication("alice"), timeouts=Timeouts(1.0, 0.3), sleep=lambda _: None, random=Random(1)
    ) as opened:
        yield opened


def test_every_request_says_who_asks_and_what_it_accepts(session: HadoopSession) -> None:
    """user.name, Accept and the CSRF header go with GET and POST, beside the caller's own parameters."""
    with serving(lambda asked: answer(200, {})) as wire:
        session.get(f"{wire.url}/a", params={"states": "RUNNING"})
        session.request("POST", f"{wire.url}/b", json={"name": "é"})
    get, post = wire.asked
    assert urllib.parse.parse_qs(get.target.split("?")[1]) == {"user.name": ["alice"], "states": ["RUNNING"]}
    assert post.target == "/b?user.name=alice"
    assert post.headers["content-type"] == "application/json"
    assert {asked.headers["x-xsrf-header"] for asked in wire.asked} == {"yarnserve"}
    assert all(asked.headers["accept"].startswith("application/json, text/plain") for asked in wire.asked)


def test_a_redirect_is_an_answer_and_not_followed(session: HadoopSession) -> None:
    """A standby's 307 comes back as it is, with the place it points at."""
    with serving(lambda asked: answer(307, "standby", "text/plain", Location="/elsewhere")) as wire:
        reply = session.get(f"{wire.url}/here")
    assert (reply.status, reply.location, reply.text) == (307, "/elsewhere", "standby")
    assert [asked.path for asked in wire.asked] == ["/here"]


def test_cookies_are_never_sent_back(session: HadoopSession) -> None:
    """Neither the next request nor a redirect that the hdfs library follows carries a server's cookie."""

    def respond(asked: Asked) -> bytes:
        status = 307 if asked.path == "/first" else 200
        return answer(status, {}, Set_Cookie="hadoop.auth=alice; Path=/", Location="/second")

    with serving(respond) as wire:
        session.get(f"{wire.url}/plain")
        session.get(f"{wire.url}/plain")
        session.requests_session.get(f"{wire.url}/first", timeout=2)
    assert [asked.path for asked in wire.asked] == ["/plain", "/plain", "/first", "/second"]
    assert not any("cookie" in asked.headers for asked in wire.asked)


def test_the_environment_is_ignored(session: HadoopSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment does not get our requests."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with serving(lambda asked: answer(200, {"a": 1})) as wire:
        assert session.get(wire.url).document() == {"a": 1}


def test_a_request_that_is_not_answered_times_out(session: HadoopSession) -> None:
    """Silence ends in RequestTimeoutError after the read time-out, and a GET is not repeated after it."""
    with serving(lambda asked: SILENCE) as wire:
        with pytest.raises(RequestTimeoutError) as raised:
            session.get(f"{wire.url}/slow", read_timeout=0.1)
        assert raised.value.where == f"{wire.url}/slow"
        with pytest.raises(RequestTimeoutError):
            session.request("POST", f"{wire.url}/slow")
    assert len(wire.asked) == 2


def test_nobody_listening_is_unreachable_also_for_a_write(session: HadoopSession) -> None:
    """A refused connection never sent anything, so its outcome is not unknown."""
    with pytest.raises(UnreachableError) as raised:
        session.request("POST", f"http://127.0.0.1:{free_port()}/x", json={})
    assert not isinstance(raised.value, RequestTimeoutError)
    assert "refused" in raised.value.why


def test_a_broken_connection_leaves_only_a_write_in_doubt(session: HadoopSession) -> None:
    """Closed without an answer: plain UnreachableError for a GET, unknown outcome for a PUT."""
    with serving(lambda asked: b"") as wire:
        with pytest.raises(UnreachableError) as read:
            session.request("GET", wire.url)
        with pytest.raises(RequestTimeoutError):
            session.request("PUT", wire.url)
    assert not isinstance(read.value, RequestTimeoutError | MalformedAnswerError)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", MalformedAnswerError),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", MalformedAnswerError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", MalformedAnswerError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", UnreachableError),
    ],
)
def test_an_answer_that_is_not_http(session: HadoopSession, raw: bytes, expected: type[Exception]) -> None:
    """Rubbish, a wrong encoding and a wrong chunk are malformed answers, a short body is a broken connection."""
    with serving(lambda asked: raw) as wire, pytest.raises(UnreachableError) as raised:
        session.request("GET", wire.url)
    assert type(raised.value) is expected


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://host/x", "http://[::1/x", "http://a:99999/", f"http://{'a' * 70}.b/"]
)
def test_an_address_that_is_none(session: HadoopSession, url: str) -> None:
    """A URL that cannot be used is the admin's to correct."""
    with pytest.raises(ConfigurationError):
        session.request("GET", url)


def test_a_get_is_repeated_with_growing_random_pauses() -> None:
    """Two broken connections and then an answer: two pauses, each within its bounds; then the answer counts."""
    pauses: list[float] = []
    left = [b"", b"", answer(200, {"ok": True})]
    with (
        HadoopSession(SimpleAuthentication("alice"), sleep=pauses.append, random=Random(7)) as session,
        serving(lambda asked: left.pop(0)) as wire,
    ):
        assert session.get(wire.url).document() == {"ok": True}
    assert 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1.0
    assert len(wire.asked) == 3


def test_a_get_gives_up_after_its_attempts_and_never_repeats_a_malformed_answer(session: HadoopSession) -> None:
    """Three attempts at a closed connection, one at rubbish, one at any status."""
    for raw, expected in [(b"", 3), (b"rubbish\r\n\r\n", 1)]:
        with serving(lambda asked, raw=raw: raw) as wire, pytest.raises(UnreachableError):
            session.get(wire.url)
        assert len(wire.asked) == expected
    with serving(lambda asked: answer(503, "down", "text/plain")) as wire:
        assert session.get(wire.url).status == 503
    assert len(wire.asked) == 1


def test_an_endless_answer_is_cut_off(session: HadoopSession) -> None:
    """No answer is read beyond MAX_BODY."""
    huge = answer(200, bytes(MAX_BODY + 1))
    with serving(lambda asked: huge) as wire, pytest.raises(MalformedAnswerError, match="larger than 64 MiB"):
        session.get(wire.url)


@pytest.mark.parametrize("body", [b"", b"<html>login</html>", b'{"app": [', b"\xff\xfe{", b"[" * 100_000])
def test_a_document_that_is_not_json(body: bytes) -> None:
    """An empty body, a page, half a JSON, bytes that are no text, and endless nesting are malformed answers."""
    reply = Reply(200, "OK", "text/html", body, "http://rm/ws")
    with pytest.raises(MalformedAnswerError) as raised:
        reply.document()
    assert raised.value.where == "http://rm/ws"
    assert raised.value.why


@given(st.binary())
def test_any_bytes_are_a_document_or_malformed(body: bytes) -> None:
    """Reading a document never raises anything else."""
    reply = Reply(200, "OK", "", body, "http://rm/")
    with contextlib.suppress(MalformedAnswerError):
        assert (reply.document() is None) is (body.strip() == b"null")


def _foreign_exceptions() -> Iterator[Exception]:
    for module, base in [
        (requests.exceptions, requests.RequestException),
        (urllib3.exceptions, urllib3.exceptions.HTTPError),
    ]:
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if not issubclass(kind, base) or issubclass(kind, Warning):
                continue
            error = kind.__new__(kind)
            error.args = ("said so",)
            # What the constructors of some of them leave behind, and their texts are made of.
            error.__dict__.update(reason=None, partial=0, expected=1, length=b"zz", response=io.BytesIO())
            yield error
            if module is urllib3.exceptions:
                yield requests.ConnectionError(error)


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("foreign", list(_foreign_exceptions()), ids=lambda error: type(error).__name__)
def test_no_foreign_exception_leaks(foreign: Exception, sent: bool) -> None:
    """Every exception of requests and urllib3, bare or wrapped, leaves `translated` as one of ours with a reason."""
    with pytest.raises(YarnserveError) as raised, translated("http://nn/x", sent=sent):
        raise foreign
    assert isinstance(raised.value, UnreachableError | ConfigurationError)
    assert raised.value.why
    assert raised.value.__cause__ is foreign


def test_an_error_is_not_coloured_by_the_one_being_handled(session: HadoopSession) -> None:
    """A refusal met while handling another endpoint's time-out is a refusal."""
    try:
        raise requests.ReadTimeout("earlier")
    except requests.ReadTimeout:
        with pytest.raises(UnreachableError) as raised:
            session.request("GET", f"http://127.0.0.1:{free_port()}/")
    assert not isinstance(raised.value, RequestTimeoutError)
