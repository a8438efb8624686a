"""Exit codes and texts explained: the table row by row, recorded transcripts, and any text at all."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import REPOSITORY
from yarnserve.judge.explain import RULES, Explanation, Kind, explain_exit, explain_text

GOLDEN = REPOSITORY / "tests" / "golden"

EXITS = [
    (7, "docker: Error response: manifest for tfs:9 not found: manifest unknown", Kind.IMAGE, "image", True),
    (7, "Unable to find image 'local/none:1' locally", Kind.IMAGE, "cannot find the image", True),
    (7, "", Kind.IMAGE, "could not run the container", False),
    (29, "image: other/base:1 is not trusted.\nInvalid docker runtime", Kind.IMAGE, "trust", True),
    (29, "Mount access error: path does not exist", Kind.NODE, "a mount", False),
    (29, "Could not find requested network in allowed networks", Kind.SPEC, "network", True),
    (127, "image: other/base:1 is not trusted.", Kind.IMAGE, "trust", True),
    (127, "tensorflow_model_server: command not found", Kind.IMAGE, "not on the PATH", False),
    (127, "launch_container.sh: line 40: exec: tensorflow_model_server: not found", Kind.IMAGE, "not on the PATH",
     False),
    (127, "", Kind.IMAGE, "is not there", False),
    (2, "unexpected EOF while looking for matching `\"'", Kind.SPEC, "double quotes", True),
    (255, "Failed to start server. Error: File system scheme 'hdfs' not implemented (file: 'hdfs://nn/m')", Kind.SPEC,
     "file system", True),
    (1, "Couldn't interpret value x for flag rest_api_port.", Kind.SPEC, "a value that it cannot read", True),
    (1, "unknown argument: --num_lod_threads=1", Kind.SPEC, "unknown to this version", False),
    (255, "bind: Address already in use", Kind.TRANSIENT, "port", False),
    (7, "docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", Kind.NODE, "daemon", False),
    (7, "Unable to find image 'reg/tfs:2' locally\ndocker: Error response from daemon: received unexpected HTTP "
     "status: 503 Service Unavailable.", Kind.TRANSIENT, "registry", False),
    (7, "Unable to find image 'reg/tfs:2' locally\nGet https://reg/v2/: dial tcp: i/o timeout", Kind.TRANSIENT,
     "registry", False),
    (7, "nvidia-container-cli: initialization error: nvml error: driver/library version mismatch", Kind.NODE, "NVML",
     False),
    (134, "failed to synchronize: CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error encountered", Kind.NODE, "ECC",
     False),
    (255, "NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus.", Kind.NODE, "Xid", False),
    (255, "NVRM: Xid (PCI:0000:3b:00): 43, pid=1, Ch 00000010", Kind.UNKNOWN, "could not start", False),
    (1, "mkdir: cannot create directory: No space left on device", Kind.NODE, "disk", False),
    (1, "java.net.ConnectException: Connection refused", Kind.TRANSIENT, "HDFS", False),
    (-1000, "org.apache.hadoop.ipc.StandbyException: Operation category READ", Kind.TRANSIENT, "HDFS", False),
    (1, "CUDA runtime implicit initialization on GPU:0 failed. Status: out of memory", Kind.CAPACITY, "GPU's memory",
     False),
    (1, "CUDA driver version is insufficient for CUDA runtime version", Kind.NODE, "older", False),
    (1, "Could not load dynamic library 'libcudart.so.11.0'", Kind.UNKNOWN, "the program failed", False),
    (255, "Could not find meta graph def matching supplied tags: { serve }", Kind.MODEL, "tag serve", True),
    (137, "Memory cgroup out of memory: Killed process 4711", Kind.CAPACITY, "the kernel", False),
    (7, "error: HDFS does not answer\n  where: http://nn:9870\n  fix  : start it", Kind.TRANSIENT, "the agent", False),
    (3, "error: service.yaml has mistakes\n  where: service.yaml\n", Kind.SPEC, "the agent", True),
    (1, "CUDA_ERROR_OUT_OF_MEMORY: out of memory", Kind.CAPACITY, "GPU's memory", False),
    (127, "libjvm.so: cannot open shared object file", Kind.IMAGE, "lacks Java", True),
    (1, "Could not find base path /models/m for servable m", Kind.MODEL, "path does not exist", False),
    (1, "", Kind.UNKNOWN, "the program failed", False),
    (255, "", Kind.UNKNOWN, "could not start", False),
    (137, "Container killed on request. Exit code is 137", Kind.KILLED, "SIGKILL", False),
    (143, "unknown argument: --x", Kind.KILLED, "SIGTERM", False),
    (-1000, "Failed to localize: [Errno 28] No space left on device", Kind.NODE, "disks are full", False),
    (-1000, "File does not exist: hdfs://nn:8020/x", Kind.SPEC, "localization", False),
    (-100, "", Kind.TRANSIENT, "released", False),
    (-101, "", Kind.NODE, "disks", False),
    (-102, "", Kind.CAPACITY, "preemption", False),
    (-103, "", Kind.CAPACITY, "virtual memory", False),
    (-104, "", Kind.CAPACITY, "more memory", False),
    (-105, "unknown argument: --x", Kind.KILLED, "ApplicationMaster stopped it", False),
    (-106, "", Kind.KILLED, "ResourceManager stopped it", False),
    (-107, "", Kind.KILLED, "application had ended", False),
    (-108, "", Kind.CAPACITY, "make room", False),
    (140, "", Kind.UNKNOWN, "number 12", False),
    (77, "", Kind.UNKNOWN, "it ended with 77", False),
]  # fmt: skip

TEXTS = [
    ("Invalid resource request! Cannot allocate containers as requested resource is greater than maximum allowed "
     "allocation. Requested resource type=[yarn.io/gpu], Requested resource=<...>", "more GPUs than any node", True),
    ("Invalid resource request! ... Requested resource type=[memory-mb]", "more than any node", True),
    ("AM container is launched, waiting for AM container to Register with RM", "is being started", False),
    ("Application is added to the scheduler and is not yet activated. Queue's AM resource limit exceeded.  Details : "
     "AM Partition = <DEFAULT_PARTITION>", "no room in the queue", False),
    ("Application is added to the scheduler and is not yet activated. User's AM resource limit exceeded.",
     "the user's share", False),
    ("Application is Activated, waiting for resources to be assigned for AM.", "no node has room", False),
    ("Skipping AM assignment as cluster resource is empty.", "no NodeManager", False),
    ("Queue root.ml already has 100 applications, cannot accept submission of application: application_1_1",
     "as many applications", False),
    ("Queue root.ml is STOPPED. Cannot accept submission of application: application_1_1", "is stopped", True),
    ("Application application_1_1 submitted by user alice to unknown queue: nope", "no such queue", True),
    ("User alice cannot submit applications to queue root.ml", "may not use the queue", True),
    ("AM Container for appattempt_1_1_000002 exited with exitCode: -104", "more memory", False),
    ("[2026-11-23 04:58:29.905]Container exited with a non-zero exit code 7. Last 4096 bytes of stderr.txt :",
     "could not run the container", False),
    ("No versions of servable m found under base path /models/m", "no version", False),
]  # fmt: skip


def containers_of(recording: str) -> Iterator[dict[str, Any]]:
    """Every container that a NodeManager reported in *recording*."""
    with gzip.open(GOLDEN / f"{recording}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            data = json.loads(line)["data"]
            if isinstance(data, dict):
                yield from data.get("nodemanager") or ()


@pytest.mark.parametrize(("code", "text", "kind", "cause", "certain"), EXITS)
def test_an_exit_is_explained_by_its_code_and_its_text(
    code: int, text: str, kind: Kind, cause: str, certain: bool
) -> None:
    """The text decides where it is evidence, the code alone otherwise, and both say how sure that is."""
    for found in (explain_exit(code, text), explain_exit(code, "", text)):
        assert (found.kind, found.certain) == (kind, certain)
        assert cause in found.cause


@pytest.mark.parametrize(("text", "cause", "certain"), TEXTS)
def test_a_text_is_explained(text: str, cause: str, certain: bool) -> None:
    """Diagnostics and waiting reasons of YARN are recognised, and an exit code within them."""
    found = explain_text(text)
    assert found is not None
    assert cause in found.cause
    assert found.certain is certain


@pytest.mark.parametrize("text", ["", "all is well", "Successfully stopped service stop", "exit", "exit code 5555"])
def test_a_text_that_says_nothing_is_not_explained(text: str) -> None:
    """Nothing is made up for a text that the table does not know."""
    assert explain_text(text) is None


@pytest.mark.parametrize("recording", ["docker-3.1.4", "docker-3.3.6"])
def test_what_real_nodemanagers_said_is_explained(recording: str) -> None:
    """Each exit of the recorded clusters gets the class that the person who recorded it found to be the cause."""
    kinds = {
        container["exitCode"]: explain_exit(container["exitCode"], container["diagnostics"])
        for container in containers_of(recording)
        if container["exitCode"] not in (-1000, 0)
    }
    expected = {7: Kind.IMAGE, 29: Kind.IMAGE, 137: Kind.KILLED, 3: Kind.UNKNOWN, 1: Kind.UNKNOWN, -105: Kind.KILLED}
    assert {7, 29, 137} <= set(kinds)
    assert {code: found.kind for code, found in kinds.items()} == {code: expected[code] for code in kinds}
    assert "trust" in kinds[29].cause
    assert kinds[29].certain


@given(st.integers(), st.text(), st.text())
def test_every_exit_has_an_explanation(code: int, diagnostics: str, words: str) -> None:
    """Any code with any text gets a cause and a fix, and never an exception."""
    found = explain_exit(code, diagnostics, words)
    assert found.cause
    assert found.fix


@given(st.one_of(st.text(), st.integers().map(lambda code: f"exited with exitCode: {code}")))
def test_no_text_breaks_it(text: str) -> None:
    """Any text gives an explanation or None, and never an exception."""
    found = explain_text(text)
    assert found is None or isinstance(found, Explanation)


def test_an_error_of_yarnserve_itself_is_no_end_of_an_agent() -> None:
    """Without an exit status it speaks for itself."""
    assert explain_text("error: HDFS does not answer\n  where: http://nn:9870\n") is None


@pytest.mark.parametrize(
    "word",
    [
        "a" * 200_000,
        "base path " * 20_000,
        "invalid resource request" * 9_000,
        "gpu " * 50_000,
        "error: x\n  y\n" * 15_000,
        "registry " * 20_000,
        "cuda " * 40_000,
    ],
    ids=lambda word: word[:8],
)
def test_a_long_text_is_read_in_bounded_time(word: str) -> None:
    """Megabytes of repetition do not send a pattern backtracking."""
    assert explain_exit(255, word).cause
    assert (explain_text(word) is not None) is ("invalid" in word)


def test_a_failed_application_master_is_not_taken_for_a_replica() -> None:
    """Its log is not among those of ``yarnserve logs``; an exit that says more keeps its own explanation."""
    died = "Application application_1_0001 failed 2 times due to AM Container for appattempt_1_0001_000002 exited with "
    found = explain_text(died + " exitCode: 1\nFailing this attempt.")
    assert found is not None
    assert "ApplicationMaster itself failed" in found.cause
    assert "yarn logs -am" in found.fix
    memory = explain_text(died + " exitCode: -104\nFailing this attempt.")
    assert memory is not None
    assert "more memory" in memory.cause


def test_each_row_can_be_reached_and_says_everything() -> None:
    """No row lacks cause, fix or source, ends in a full stop, or stands twice."""
    for rule in RULES:
        found = rule.explanation
        assert found.cause
        assert found.fix
        assert found.source
        assert not found.cause.endswith(".")
        assert not found.fix.endswith(".")
        assert rule.codes or rule.pattern
    assert len({(rule.codes, rule.pattern) for rule in RULES}) == len(RULES)
