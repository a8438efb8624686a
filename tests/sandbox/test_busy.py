"""Replicas that time out, beside what the stand-in counts of others' requests."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.model_server.processes import Server, add_version, example, started
from yarnserve import probe
from yarnserve.records.replica import (
    Contact,
    Endpoint,
    ModelCheck,
    ModelObservation,
    Observation,
    Prediction,
    Proof,
    Target,
)
from yarnserve.service.busy import Counting, found_no_room

LATE = Prediction(Proof.EXAMPLE, Contact.TIMED_OUT, error="no answer within 5.0 s")
FULL = Prediction(Proof.EXAMPLE, Contact.ANSWERED, 503, error="The batch scheduling queue is full")
BROKEN = Prediction(Proof.EXAMPLE, Contact.ANSWERED, 500, error="CUDA error")
GOOD = Prediction(Proof.EXAMPLE, Contact.ANSWERED, 200)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A replica of the digits that counts."""
    add_version(tmp_path / "digits", "1")
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    with started(tmp_path / "run", str(tmp_path / "digits"), f"--monitoring_config_file={monitoring}") as running:
        running.wait_for({"1": "AVAILABLE"})
        yield running


def late(
    server: Server, instance: str = "serve-0", contact: Contact = Contact.ANSWERED, prediction: Prediction = LATE
) -> Observation:
    """What is seen of a server whose callers keep it from answering our prediction in time."""
    model = ModelObservation("digits", contact, prediction=prediction if contact is Contact.ANSWERED else None)
    return Observation(instance, Endpoint("127.0.0.1", server.rest_port, server.grpc_port), (model,))


def ask(server: Server, times: int = 1) -> None:
    """Be another caller, so many times; or have our own prediction answered, that nobody waits for any more."""
    for _ in range(times):
        assert server.call("/v1/models/digits:predict", json.dumps(example()["request"]).encode())[0] == 200


def test_who_answers_others_is_busy(server: Server) -> None:
    """From its second time-out on, and only while the count goes on."""
    counting = Counting()
    ask(server)
    assert counting.busy([late(server)]) == frozenset()
    ask(server, 3)
    assert counting.busy([late(server)]) == {"serve-0"}
    assert counting.busy([late(server, contact=Contact.TIMED_OUT)]) == frozenset()


def test_whose_queue_is_full_for_us_and_answers_others_is_busy(server: Server) -> None:
    """TF Serving answers 503 where its queue of batches is full; 500 is an error, whatever the others get."""
    counting = Counting()
    for prediction, busy in ((FULL, {"serve-0"}), (BROKEN, set())):
        counting.busy([late(server, prediction=prediction)])
        ask(server, 3)
        assert counting.busy([late(server, prediction=prediction)]) == busy


def test_our_own_late_predictions_are_no_work(server: Server) -> None:
    """A server that takes longer than we wait answers each of them in the end, and counts it."""
    counting = Counting()
    for _ in range(5):
        assert counting.busy([late(server)]) == frozenset()
        ask(server)


def test_a_prediction_that_is_answered_after_the_next_look_is_ours(server: Server) -> None:
    """In that look not even the status came in time, so that it asked for none."""
    counting = Counting()
    counting.busy([late(server)])
    counting.busy([late(server, contact=Contact.TIMED_OUT)])
    ask(server)
    assert counting.busy([late(server, contact=Contact.TIMED_OUT)]) == frozenset()


def test_our_own_predictions_of_a_model_that_is_well_are_no_work(server: Server) -> None:
    """Beside a model that hangs, another one answers us in every look."""
    counting = Counting()
    well = ModelObservation("digits", Contact.ANSWERED, 200, prediction=GOOD)
    both = replace(late(server), models=(well, ModelObservation("hangs", Contact.ANSWERED, 200, prediction=LATE)))
    for _ in range(5):
        ask(server)
        assert counting.busy([both]) == frozenset()


def test_our_own_looks_are_no_work(server: Server) -> None:
    """A wedged session leaves status and metadata answered, and both are counted as requests."""
    counting = Counting()
    counting.busy([late(server)])
    for path in ("/v1/models/digits", "/v1/models/digits/metadata", "/v1/models/digits/versions/1"):
        assert server.call(path)[0] == 200
    assert counting.busy([late(server)]) == frozenset()


def test_a_count_is_of_one_failure(server: Server) -> None:
    """Whoever answered in between, or is another container at another address, is compared with nothing."""
    counting = Counting()
    well = Observation("serve-0", late(server).endpoint, (ModelObservation("digits", Contact.ANSWERED, 200),))
    for between in ([well], [], [late(server, "serve-1")]):
        counting.busy([late(server)])
        counting.busy(between)
        ask(server, 9)
        assert counting.busy([late(server)]) == frozenset()


def test_a_stopped_server_is_not_busy(server: Server) -> None:
    """Seen with the probe itself: it accepts, does not answer, and shows no counters."""
    target = Target("serve-0", late(server).endpoint, (ModelCheck("digits"),))
    assert not found_no_room(*probe.observe([target], deadline=5))
    counting = Counting(deadline=0.3)
    server.process.send_signal(signal.SIGSTOP)
    for _ in range(2):
        seen = probe.observe([target], deadline=0.3)
        assert found_no_room(*seen)
        assert counting.busy(seen) == frozenset()


def test_a_server_that_shows_no_counters_is_not_busy(tmp_path: Path) -> None:
    """Without a monitoring file there is no page."""
    add_version(tmp_path / "digits", "1")
    with started(tmp_path / "run", str(tmp_path / "digits")) as server:
        server.wait_for({"1": "AVAILABLE"})
        counting = Counting()
        counting.busy([late(server)])
        ask(server, 9)
        assert counting.busy([late(server)]) == frozenset()
