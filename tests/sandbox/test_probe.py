"""The probe against real sockets that answer well, badly, slowly or not at all."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from yarnserve import probe
from yarnserve.errors import MalformedAnswerError, RequestTimeoutError, UnreachableError
from yarnserve.judge.verdict import judge_replica
from yarnserve.records.replica import (
    Contact,
    Endpoint,
    Example,
    Health,
    ModelCheck,
    ModelObservation,
    ModelState,
    Observation,
    Proof,
    Target,
    Verdict,
)
from yarnserve.records.yarn import Container, ContainerState

OK = {"error_code": "OK", "error_message": ""}
STATUS = {"model_version_status": [{"version": "3", "state": "AVAILABLE", "status": OK}]}
METADATA = {
    "model_spec": {"name": "m", "version": "3"},
    "metadata": {
        "signature_def": {
            "signature_def": {
                "serving_default": {
                    "inputs": {"x": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}, {"size": "2"}]}}},
                    "outputs": {},
                }
            }
        }
    },
}
Answers = Mapping[str, tuple[int, str]]


@contextmanager
def server(answers: Answers, requests: list[tuple[str, str]] | None = None) -> Iterator[Endpoint]:
    """An HTTP server that gives *answers* by path, and writes down what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            if requests is not None:
                requests.append((self.path, body))
            status, text = answers.get(self.path, (404, json.dumps({"error": "no such thing"})))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = answer

        def log_message(self, *arguments: Any) -> None:
            """Keep the test's output clean."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    httpd = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Endpoint("127.0.0.1", httpd.server_address[1], 1)
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


@contextmanager
def silence() -> Iterator[Endpoint]:
    """A socket that accepts and never answers: a hung server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Endpoint("127.0.0.1", listener.getsockname()[1], 1)


def closed_port() -> Endpoint:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Endpoint("127.0.0.1", listener.getsockname()[1], 1)


@contextmanager
def full() -> Iterator[Endpoint]:
    """A listener whose queue is full: the kernel drops whoever else wants to connect, as a dead host would."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as waiting:
        waiting.enter_context(socket.create_connection(listener.getsockname()))
        for _ in range(3):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield Endpoint("127.0.0.1", listener.getsockname()[1], 1)


def observe(endpoint: Endpoint, example: Example | None = None, deadline: float = 5.0) -> ModelObservation:
    """Look at one model of one replica."""
    target = Target("serve-0", endpoint, (ModelCheck("m", example),))
    return probe.observe([target], deadline=deadline)[0].models[0]


OK_STATUS = (200, json.dumps(STATUS))
EXAMPLE = Example({"instances": [[1, 2]]}, {"predictions": [3.0]}, 0.01)
#: More brackets than any JSON reader that calls itself will follow.
DEEP = "[" * 200_000


def test_an_example_answered_as_expected_is_seen() -> None:
    """Status, then the example itself, byte for byte what was given."""
    requests: list[tuple[str, str]] = []
    answers = {"/v1/models/m": OK_STATUS, "/v1/models/m:predict": (200, '{"predictions": [3.001]}')}
    with server(answers, requests) as endpoint:
        seen = observe(endpoint, EXAMPLE)
    assert seen.versions[0].version == 3
    assert seen.versions[0].state is ModelState.AVAILABLE
    assert seen.prediction is not None
    assert (seen.prediction.proof, seen.prediction.status, seen.prediction.mismatch) == (Proof.EXAMPLE, 200, "")
    assert [path for path, _ in requests] == ["/v1/models/m", "/v1/models/m:predict"]
    assert json.loads(requests[1][1]) == {"instances": [[1, 2]]}


def test_wrong_values_are_seen_as_a_mismatch() -> None:
    """A server that answers something else is not as good as one that answers."""
    with server({"/v1/models/m": OK_STATUS, "/v1/models/m:predict": (200, '{"predictions": [4.0]}')}) as endpoint:
        seen = observe(endpoint, EXAMPLE)
    assert seen.prediction is not None
    assert "predictions[0]" in seen.prediction.mismatch


def test_without_an_example_the_request_is_built_from_the_metadata() -> None:
    """Zeros of the signature's shape are sent."""
    requests: list[tuple[str, str]] = []
    answers = {
        "/v1/models/m": OK_STATUS,
        "/v1/models/m/metadata": (200, json.dumps(METADATA)),
        "/v1/models/m:predict": (200, '{"predictions": [0.0]}'),
    }
    with server(answers, requests) as endpoint:
        seen = observe(endpoint)
    assert seen.prediction is not None
    assert seen.prediction.proof is Proof.METADATA
    assert json.loads(requests[-1][1]) == {"inputs": {"x": [[0.0, 0.0]]}}


def test_metadata_that_allows_no_request_leaves_no_prediction() -> None:
    """Nothing is sent that could only be refused."""
    with server({"/v1/models/m": OK_STATUS}) as endpoint:
        assert observe(endpoint).prediction is None


def test_a_server_error_keeps_the_servers_own_words() -> None:
    """The admin reads TF Serving's text, not ours."""
    broken = (503, json.dumps({"error": "queue is full"}))
    with server({"/v1/models/m": OK_STATUS, "/v1/models/m:predict": broken}) as endpoint:
        seen = observe(endpoint, EXAMPLE)
    assert seen.prediction is not None
    assert (seen.prediction.status, seen.prediction.error) == (503, "queue is full")


def test_a_closed_port_is_refused_and_a_silent_one_times_out() -> None:
    """The two that look alike from afar are told apart."""
    assert observe(closed_port()).contact is Contact.REFUSED
    with silence() as endpoint:
        assert observe(endpoint, deadline=0.2).contact is Contact.TIMED_OUT


@pytest.mark.parametrize("text", ["<html>", "", "[]", "{}", '{"model_version_status": [{"version": "x"}]}', DEEP])
def test_what_does_not_speak_tf_serving_is_broken(text: str) -> None:
    """HTML, half a JSON, endless nesting or nothing at all is an observation, never an exception."""
    with server({"/v1/models/m": (200, text)}) as endpoint:
        assert observe(endpoint).contact is Contact.BROKEN


def test_endless_nesting_is_no_exception_anywhere() -> None:
    """Every other answer that is decoded may be as deep: metadata, prediction and the text of an error."""
    with server({"/v1/models/m": OK_STATUS, "/v1/models/m:predict": (200, DEEP)}) as endpoint:
        seen = observe(endpoint, EXAMPLE)
        with pytest.raises(MalformedAnswerError):
            probe.predict(endpoint, "m", {}, deadline=5)
    assert seen.prediction is not None
    assert (seen.prediction.contact, seen.prediction.status) == (Contact.BROKEN, 200)
    with server({"/v1/models/m": OK_STATUS, "/v1/models/m/metadata": (200, DEEP)}) as endpoint:
        assert observe(endpoint).prediction is None
    with server({"/v1/models/m": (500, DEEP)}) as endpoint:
        assert observe(endpoint).http_status == 500


def test_a_host_that_cannot_be_reached_is_told_from_a_silent_one() -> None:
    """Who does not even accept is unreachable, within the deadline, and that fails the replica."""
    with full() as endpoint:
        seen = observe(endpoint, deadline=2)
        assert (seen.contact, seen.error) == (Contact.UNREACHABLE, "no connection within 1.6 s")
        verdict = judge_replica(
            Container("container_1", "serve-0", ContainerState.READY, bare_host=endpoint.host),
            Observation("serve-0", endpoint, (seen,)),
            None,
        )
        address = f"{endpoint.host}:{endpoint.rest_port}"
        assert verdict == Verdict(Health.FAILING, f"{address} cannot be reached: {seen.error}")
        with pytest.raises(UnreachableError, match="does not answer"):
            probe.predict(endpoint, "m", {}, deadline=2)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_host_may_be_a_name_or_an_address(host: str) -> None:
    """Both lead to the replica."""
    with server({"/v1/models/m": OK_STATUS, "/v1/models/m:predict": (200, '{"predictions": [3.0]}')}) as endpoint:
        assert observe(replace(endpoint, host=host), EXAMPLE).prediction is not None


def test_a_name_that_nobody_knows_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the resolver says is told; a hundred replicas on one host ask it once."""
    asked = []

    def unknown(host: str, *_: Any, **__: Any) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    targets = [Target("serve", Endpoint("nowhere", port, 1), (ModelCheck("m"),)) for port in range(8000, 8100)]
    seen = {observation.models[0] for observation in probe.observe(targets, deadline=5)}
    assert [(model.contact, model.error) for model in seen] == [
        (Contact.UNREACHABLE, f"[Errno {socket.EAI_NONAME}] Name or service not known")
    ]
    assert asked == ["nowhere"]


def test_a_stalled_name_server_costs_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that takes far longer than the deadline is not waited for, at the end of the process either."""
    released, ended = threading.Event(), threading.Event()
    daemons = []

    def stalled(*_: Any, **__: Any) -> list[Any]:
        daemons.append(threading.current_thread().daemon)
        released.wait(10)
        ended.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", stalled)
    started = time.monotonic()
    seen = observe(Endpoint("stalled", 1, 1), deadline=2)
    took = time.monotonic() - started
    released.set()
    assert seen.contact is Contact.UNREACHABLE
    assert took < 5
    assert ended.wait(10)
    assert daemons == [True]


def test_a_connection_cut_in_the_middle_is_broken() -> None:
    """A reset is neither an answer nor a time-out."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def cut() -> None:
            connection, _ = listener.accept()
            connection.recv(1024)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            connection.close()

        thread = threading.Thread(target=cut)
        thread.start()
        assert observe(Endpoint("127.0.0.1", listener.getsockname()[1], 1)).contact is Contact.BROKEN
        thread.join()


def test_a_hung_replica_costs_its_deadline_and_hides_nobody() -> None:
    """Twenty hung replicas and a good one: all seen, in order, within one deadline."""
    answers = {"/v1/models/m": OK_STATUS, "/v1/models/m:predict": (200, '{"predictions": [3.0]}')}
    with silence() as hung, server(answers) as good:
        check = (ModelCheck("m", EXAMPLE),)
        targets = [Target(f"serve-{number}", hung, check) for number in range(20)] + [Target("serve-20", good, check)]
        started = time.monotonic()
        seen = probe.observe(targets, deadline=0.5)
        took = time.monotonic() - started
    assert [observation.instance for observation in seen] == [f"serve-{number}" for number in range(21)]
    assert {observation.models[0].contact for observation in seen[:20]} == {Contact.TIMED_OUT}
    assert seen[20].models[0].prediction is not None
    # Far below the 10 s that one after the other would take.
    assert took < 4


def test_those_who_have_to_wait_have_their_whole_deadline() -> None:
    """Four hung replicas take two turns of two; the good one behind them is seen in its own turn."""
    with silence() as hung, server({"/v1/models/m": OK_STATUS}) as good:
        check = (ModelCheck("m"),)
        targets = [*(Target(f"serve-{number}", hung, check) for number in range(4)), Target("serve-4", good, check)]
        started = time.monotonic()
        seen = probe.observe(targets, deadline=0.4, at_once=2)
        took = time.monotonic() - started
    assert [observation.models[0].contact for observation in seen] == [Contact.TIMED_OUT] * 4 + [Contact.ANSWERED]
    assert 0.8 <= took < 4


def test_replicas_share_what_is_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many replicas, one encoding of the example and of the zeros, and one comparison of the same answer."""
    encoded, compared = [], []
    dumps, loads = json.dumps, json.loads
    monkeypatch.setattr(json, "dumps", lambda document: encoded.append(document) or dumps(document))
    monkeypatch.setattr(json, "loads", lambda text: compared.append(text) or loads(text))
    prediction, metadata = '{"predictions": [3.0]}', dumps(METADATA)
    answers = {
        "/v1/models/m": OK_STATUS,
        "/v1/models/m/metadata": (200, metadata),
        "/v1/models/m:predict": (200, prediction),
    }
    with server(answers) as endpoint:
        checks = (ModelCheck("m", EXAMPLE), ModelCheck("m"))
        seen = probe.observe([Target("serve", endpoint, checks) for _ in range(10)], deadline=10)
    assert all(model.prediction and model.prediction.status == 200 for one in seen for model in one.models)
    assert (encoded.count(EXAMPLE.request), encoded.count({"inputs": {"x": [[0.0, 0.0]]}})) == (1, 1)
    # Twice the prediction: an example is compared, a request of zeros expects nothing.
    assert (compared.count(prediction), compared.count(metadata)) == (2, 1)


def test_a_large_example_arrives_whole() -> None:
    """A body of many pieces is the same at the other end, and its length is told beforehand."""
    requests: list[tuple[str, str]] = []
    example = Example({"instances": [[0.12345678901234567] * 50_000]})
    with server({"/v1/models/m": OK_STATUS, "/v1/models/m:predict": (200, "{}")}, requests) as endpoint:
        observe(endpoint, example)
    assert json.loads(requests[-1][1]) == example.request


def test_predict_returns_status_and_answer() -> None:
    """The predict call hands on what the server said, whatever its status and form."""
    answers = {
        "/v1/models/m:predict": (200, '{"outputs": 1}'),
        "/v1/models/bad:predict": (400, '{"error": "bad"}'),
        "/v1/models/html:predict": (404, "<html>"),
    }
    with server(answers) as endpoint:
        assert probe.predict(endpoint, "m", {}, deadline=5) == (200, {"outputs": 1})
        assert probe.predict(endpoint, "bad", {}, deadline=5) == (400, "bad")
        assert probe.predict(endpoint, "html", {}, deadline=5) == (404, "<html>")


def test_predict_raises_only_our_errors() -> None:
    """A closed port, a silent one and HTML each end in the error that says what to do next."""
    with pytest.raises(UnreachableError):
        probe.predict(closed_port(), "m", {}, deadline=1)
    with silence() as endpoint, pytest.raises(RequestTimeoutError):
        probe.predict(endpoint, "m", {}, deadline=0.2)
    with server({"/v1/models/m:predict": (200, "<html>")}) as endpoint, pytest.raises(MalformedAnswerError):
        probe.predict(endpoint, "m", {}, deadline=5)
