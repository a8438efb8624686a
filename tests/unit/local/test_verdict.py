"""How a replica of this host is: by what runs, what its agent says, and what it answers."""

from __future__ import annotations

from yarnserve.judge.words import last_words
from yarnserve.local.records import Seen, Way
from yarnserve.local.verdict import judge_local
from yarnserve.records.agent import AgentReport, ModelReport
from yarnserve.records.replica import (
    Contact,
    Endpoint,
    Health,
    ModelObservation,
    ModelState,
    ModelVersion,
    Observation,
    Prediction,
    Proof,
)

RUNS = Seen("serve-0", Way.PROCESS, "1", "m", is_running=True)
SILENT = Observation("serve-0", Endpoint("h", 1, 2), (ModelObservation("digits", Contact.REFUSED, error="refused"),))


def ended(code: int | None) -> Seen:
    """One that has ended with *code*."""
    return Seen("serve-0", Way.PROCESS, "1", "m", is_running=False, exit_code=code)


def test_nothing_runs() -> None:
    """The way out is to bring it up."""
    verdict = judge_local(None, None, None, "", has_agent=True)
    assert verdict.health is Health.GONE
    assert "local up" in verdict.fix


def test_an_agent_that_ended_says_why_itself() -> None:
    """Its whole error, and nothing made up from its exit code, which on YARN means something else."""
    log = "agent: starting\nerror: the agent's port 1 cannot be opened\n  why  : in use\n  fix  : choose others\n"
    verdict = judge_local(ended(7), None, None, log, has_agent=True)
    assert verdict.health is Health.GONE
    assert "it has ended with exit code 7; its last words: the agent's port 1 cannot be opened" in verdict.reason
    assert "why  : in use" in verdict.reason
    assert not verdict.certain


def test_a_server_that_ended_is_explained_as_on_yarn() -> None:
    """By its code and its log."""
    verdict = judge_local(ended(137), None, None, "", has_agent=False)
    assert verdict.fix
    assert "exit code 137" in verdict.reason


def test_while_nobody_answers_the_agent_tells() -> None:
    """It knows what is fetched; without it only the silence is known."""
    report = AgentReport("digits", "serve-0", "b", why="the models are being fetched")
    told = judge_local(RUNS, SILENT, report, "", has_agent=True)
    assert told.health is Health.STARTING
    assert told.reason == "its agent is starting: the models are being fetched"
    assert "nothing listens" in judge_local(RUNS, SILENT, None, "", has_agent=True).reason


def test_one_that_hangs_is_begun_anew_on_this_host() -> None:
    """There is no YARN whose command would replace it."""
    hangs = Observation("serve-0", Endpoint("h", 1, 2), (ModelObservation("digits", Contact.TIMED_OUT),))
    verdict = judge_local(RUNS, hangs, None, "", has_agent=True)
    assert "yarnserve local down" in verdict.fix
    assert "YARN" not in verdict.fix


def test_a_refused_version_without_another_is_certain_not_to_serve() -> None:
    """Waiting for it would be in vain; with another one that is served it is not."""
    refused = ModelReport("digits", wanted=3, refused="it answers the example wrongly")
    verdict = judge_local(RUNS, SILENT, AgentReport("digits", "serve-0", "b", models=(refused,)), "", has_agent=True)
    assert verdict.certain
    assert "version 3 of digits is refused: it answers the example wrongly" in verdict.reason
    older = ModelReport("digits", version=2, wanted=3, refused="x")
    assert not judge_local(
        RUNS, SILENT, AgentReport("digits", "serve-0", "b", models=(older,)), "", has_agent=True
    ).certain


def test_last_words_are_what_tells_most() -> None:
    """An error of ours, else the reason of TF Serving, else the last line."""
    assert last_words("error: a\nx\nerror: b\n  fix  : c\nrest") == "b; fix  : c"
    assert last_words("Failed to start server. Error: e\nbye") == "Failed to start server. Error: e"
    assert last_words("one\ntwo\n") == "two"
    assert last_words("") == ""


def test_of_two_logs_the_one_that_tells_counts() -> None:
    """An agent's error is not cut to its last line, and a server's reason stands on stdout."""
    assert last_words("agent: x\nerror: port 3 is taken\n  fix  : end who has it\n", "y") == (
        "port 3 is taken; fix  : end who has it"
    )
    assert last_words("bye", "Failed to start server. Error: e") == "Failed to start server. Error: e"
    assert last_words("stderr", "stdout") == "stderr"


def test_an_agent_that_lets_callers_out_is_told_as_on_yarn() -> None:
    """Its server still answers, and new callers go elsewhere; a refused version is told beside what is served."""
    prediction = Prediction(Proof.EXAMPLE, Contact.ANSWERED, 200)
    version = ModelVersion(1, ModelState.AVAILABLE)
    model = ModelObservation("digits", Contact.ANSWERED, 200, (version,), prediction)
    answers = Observation("serve-0", Endpoint("h", 1, 2), (model,))
    report = AgentReport("digits", "serve-0", "b", state="draining", why="SIGTERM")
    told = judge_local(RUNS, answers, report, "", has_agent=True)
    assert told.health is Health.DRAINING
    assert "SIGTERM" in told.reason
    refused = ModelReport("digits", 1, wanted=2, refused="it answers wrongly")
    report = AgentReport("digits", "serve-0", "b", state="ready", models=(refused,))
    told = judge_local(RUNS, answers, report, "", has_agent=True)
    assert told.health.serving
    assert "its agent refuses version 2 of digits: it answers wrongly" in told.reason
