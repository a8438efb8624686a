"""The probe against real sockets that answer well, badly, slowly or not at all."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from yarnserve import probe
from yarnserve.errors import MalformedAnswerError, RequestTimeoutError, UnreachableError
from yarnserve.records.replica import (
    Contact,
    Endpoint,
    Example,
    ModelCheck,
    ModelObservation,
    ModelState,
    Proof,
    Target,
)

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

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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


def observe(endpoint: Endpoint, example: Example | None = None, deadline: float = 5.0) -> ModelObservation:
    """Look at one model of one replica."""
    target = Target("serve-0", endpoint, (ModelCheck("m", example),))
    return probe.observe([target], deadline=deadline)[0].models[0]


OK_STATUS = (200, json.dumps(STATUS))
EXAMPLE = Example({"instances": [[1, 2]]}, {"predictions": [3.0]}, 0.01)


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


@pytest.mark.parametrize("text", ["<html>", "", "[]", "{}", '{"model_version_status": [{"version": "x"}]}', "nul"])
def test_what_does_not_speak_tf_serving_is_broken(text: str) -> None:
    """HTML, half a JSON or nothing at all is an observation, never an exception."""
    with server({"/v1/models/m": (200, text)}) as endpoint:
        assert observe(endpoint).contact is Contact.BROKEN


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


def test_predict_returns_status_and_answer() -> None:
    """The predict call hands on what the server said, whatever its status."""
    with server({"/v1/models/m:predict": (400, '{"error": "bad"}')}) as endpoint:
        assert probe.predict(endpoint, "m", {}, deadline=5) == (400, {"error": "bad"})


def test_predict_raises_only_our_errors() -> None:
    """A closed port, a silent one and HTML each end in the error that says what to do next."""
    with pytest.raises(UnreachableError):
        probe.predict(closed_port(), "m", {}, deadline=1)
    with silence() as endpoint, pytest.raises(RequestTimeoutError):
        probe.predict(endpoint, "m", {}, deadline=0.2)
    with server({"/v1/models/m:predict": (200, "<html>")}) as endpoint, pytest.raises(MalformedAnswerError):
        probe.predict(endpoint, "m", {}, deadline=5)
