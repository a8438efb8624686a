"""Deaths classed: the specification's examples, recorded clusters, what repetition proves, and anything at all."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import REPOSITORY, golden
from yarnserve.judge.deaths import TREATMENTS, Death, DeathClass, Treatment, classify, treatment
from yarnserve.judge.explain import RULES

_XID = "NVRM: Xid (PCI:0000:3b:00): 79, pid=1"

EXAMPLES = [
    *[(code, "", Death.FREE) for code in (-100, -102, -105, -106, -107, -108, 154)],
    (-101, "", Death.NODE),
    (7, "nvidia-container-cli: initialization error: nvml error: driver not loaded", Death.NODE),
    (139, _XID, Death.NODE),
    (134, "uncorrectable ECC error encountered", Death.NODE),
    (7, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock", Death.NODE),
    (255, "no CUDA-capable device is detected", Death.NODE),
    (-1000, "Failed to localize: [Errno 28] No space left on device", Death.NODE),
    (29, "Mount access error: path does not exist", Death.NODE),
    (-103, "", Death.RESOURCE),
    (-104, "is running beyond the 'PHYSICAL' memory limit", Death.RESOURCE),
    (137, "Memory cgroup out of memory: Killed process 4711", Death.RESOURCE),
    (255, "CUDA_ERROR_OUT_OF_MEMORY: out of memory", Death.RESOURCE),
    (1, "java.net.SocketTimeoutException: 60000 millis timeout while waiting", Death.TRANSIENT),
    (-1000, "Call From a/1 to nn:8020 failed on connection exception", Death.TRANSIENT),
    (7, "Unable to find image 'r/t:1' locally\nreceived unexpected HTTP status: 503 Service Unavailable",
     Death.TRANSIENT),
    (255, "bind: Address already in use", Death.TRANSIENT),
    (7, "docker: manifest for tfs:9 not found: manifest unknown", Death.PERMANENT),
    (255, "Failed to start server. Error: File system scheme 'hdfs' not implemented", Death.PERMANENT),
    (255, "Could not find meta graph def matching supplied tags: { serve }", Death.PERMANENT),
    (1, "Couldn't interpret value x for flag rest_api_port.", Death.PERMANENT),
    (2, "", Death.PERMANENT),
    (1, "", Death.UNKNOWN),
    (255, "", Death.UNKNOWN),
    (255, "Failed to start server. Error: Unknown: 1 servable(s) did not become available", Death.UNKNOWN),
    (1, "unknown argument: --num_lod_threads=1", Death.UNKNOWN),
    (143, "", Death.UNKNOWN),
    (-1000, "File does not exist: hdfs://nn:8020/x", Death.UNKNOWN),
    (77, "", Death.UNKNOWN),
]  # fmt: skip

#: What happens once by chance, and again for a reason.
SUSPICIONS = [
    (134, "", Death.PERMANENT),
    (139, "", Death.PERMANENT),
    (7, "", Death.PERMANENT),
    (127, "", Death.PERMANENT),
    (132, "", Death.PERMANENT),
    (255, "DATA_LOSS: checksum does not match", Death.PERMANENT),
    (137, "Container killed on request. Exit code is 137", Death.RESOURCE),
]

#: The class of the last death of each recorded scenario, by its name and exit code.
RECORDED = {
    ("killed", 137): Death.UNKNOWN,
    ("killed", -105): Death.FREE,
    ("crash", 3): Death.UNKNOWN,
    ("slowloop", 1): Death.UNKNOWN,
    ("missing", 7): Death.PERMANENT,
    ("untrusted", 29): Death.PERMANENT,
    ("signal", -105): Death.FREE,
    ("stop", -105): Death.FREE,
}


def of(code: int, text: str = "", *, lived: float | None = 600.0, ours: bool = False, repeated: int = 0) -> DeathClass:
    """Class a death that is not ours, of a process that lived for a while."""
    return classify(code, text, lived=lived, ours=ours, repeated=repeated)


@pytest.mark.parametrize(("code", "text", "death"), EXAMPLES)
def test_each_example_of_the_specification_has_its_class(code: int, text: str, death: Death) -> None:
    """peers.md 5.1, with the texts that name the cause, and the exit codes alone where there is none."""
    found = of(code, text)
    assert found.death is death
    assert found.evidence.startswith(f"exit code {code}")


@pytest.mark.parametrize(("code", "text", "death"), SUSPICIONS)
def test_a_suspicion_is_confirmed_by_repetition(code: int, text: str, death: Death) -> None:
    """Once it is unknown and tried again; the second time it is what it looked like, and says how often it was."""
    assert of(code, text).death is Death.UNKNOWN
    again = of(code, text, repeated=1)
    assert again.death is death
    assert ", 2 times" in again.evidence


@pytest.mark.parametrize(
    ("code", "text"), [(1, ""), (3, ""), (255, ""), (255, "Failed to start server. Error: x"), (143, ""), (-1000, "")]
)
def test_what_says_nothing_stays_unknown_however_often(code: int, text: str) -> None:
    """A program's own code is no evidence for anything that a hold could be explained with."""
    assert of(code, text, repeated=9).death is Death.UNKNOWN


def test_an_end_without_an_error_is_early_or_unknown() -> None:
    """Below a minute, or of unknown age, it is a clean end too early; a long life ends for a reason nobody knows."""
    assert of(0, lived=59.9).death is Death.CLEAN_EARLY
    assert of(0, lived=None).death is Death.CLEAN_EARLY
    assert of(0, lived=60.0).death is Death.UNKNOWN


@pytest.mark.parametrize("code", [0, 1, 7, 137, 143, -105])
def test_what_we_ended_is_free(code: int) -> None:
    """Our own kill is no evidence, whatever the code and how often."""
    assert of(code, "Failed to start server", ours=True, repeated=5).death is Death.FREE


@pytest.mark.parametrize("code", [137, 143, -105, 0, 255])
def test_broken_hardware_is_the_node_s_even_when_we_ended_it(code: int) -> None:
    """A server that hangs on a GPU which fell off the bus is killed by us, and its log still tells why."""
    found = of(code, f"I1128 loading\n{_XID}\nbye", ours=True)
    assert (found.death, found.is_hardware) == (Death.NODE, True)
    assert found.evidence.endswith(_XID)


@pytest.mark.parametrize("xid", [13, 31, 43, 45, 68, 109])
def test_an_xid_that_an_application_causes_is_no_broken_hardware(xid: int) -> None:
    """A kill brings Xid 43 and 45: they must not take a node out of service until somebody comes."""
    assert not of(137, f"NVRM: Xid (PCI:0000:3b:00): {xid}, pid=4711").is_hardware


def test_of_a_node_that_is_only_misconfigured_nothing_is_broken() -> None:
    """Only ECC, Xid and NVML hold a node until it is released by hand."""
    assert not of(29, "Mount access error").is_hardware
    assert not of(-101).is_hardware


@pytest.mark.parametrize("recording", ["docker-3.1.4", "docker-3.3.6"])
def test_recorded_clusters_are_classed_as_their_names_say(recording: str) -> None:
    """Death after death as the NodeManagers told them; what ended each scenario is its class."""
    last: dict[tuple[str, int], Death] = {}
    before: Counter[tuple[str, int]] = Counter()
    for scenario, code, diagnostics in _deaths(recording):
        last[scenario, code] = of(code, diagnostics, repeated=before[scenario, code]).death
        before[scenario, code] += 1
    assert ("missing", 7) in last
    assert ("untrusted", 29) in last
    assert last == {key: RECORDED[key] for key in last}


def _deaths(recording: str) -> list[tuple[str, int, str]]:
    """Each container's end once, in order: scenario, exit code, diagnostics; ApplicationMasters are left out."""
    ends: dict[tuple[str, str], tuple[str, int, str]] = {}
    for line in golden(recording):
        data: Any = line["data"]
        for each in (data.get("nodemanager") or ()) if isinstance(data, dict) else ():
            if each["exitCode"] not in (-1000, 0) and not each["id"].endswith("_000001"):
                ends[line["scenario"], each["id"]] = (line["scenario"], each["exitCode"], each["diagnostics"])
    return list(ends.values())


_TEXTS = st.one_of(st.text(), st.sampled_from([text for _, text, _ in (*EXAMPLES, *SUSPICIONS)]))


@given(
    st.one_of(st.integers(), st.integers(-1000, 300)),
    _TEXTS,
    st.one_of(st.none(), st.floats()),
    st.booleans(),
    st.integers(),
)
def test_every_death_has_a_class(code: int, text: str, lived: float | None, ours: bool, repeated: int) -> None:
    """Any code with any text, age (nan and infinity too) and repetition: a class with cause, fix and evidence."""
    found = classify(code, text, lived=lived, ours=ours, repeated=repeated)
    assert found.treatment.death is found.death
    assert found.cause
    assert found.fix
    assert f"exit code {code}" in found.evidence
    assert "\n" not in found.evidence
    assert not found.is_hardware or found.death is Death.NODE
    assert not ours or found.treatment.cost == 0


@given(st.one_of(st.integers(), st.integers(-1000, 300)), _TEXTS)
def test_repetition_never_makes_it_milder(code: int, text: str) -> None:
    """Who has seen it before allows no more starts than who sees it for the first time."""
    once, again = of(code, text).treatment, of(code, text, repeated=1).treatment
    assert once.most is None or (again.most is not None and again.most <= once.most)
    assert once.cost <= again.cost


def test_each_class_has_one_row_that_says_everything() -> None:
    """The table is complete, and only NODE strikes a node."""
    assert [row.death for row in TREATMENTS] == list(Death)
    assert [row.death for row in TREATMENTS if row.node_cost] == [Death.NODE]
    for row in TREATMENTS:
        assert row.what
        assert row.reason
        assert treatment(row.death) is row


def test_the_page_shows_the_table() -> None:
    """docs/supervise.md has each row as the code has it."""
    page = (REPOSITORY / "docs" / "supervise.md").read_text(encoding="utf-8")
    section = page.partition("\n## Classes of death\n")[2].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| `([a-z-]+)` \| .*? \| (.*) \| (\d) \| (\d) \| (.*) \| (.*) \|$", section)
    assert rows == [
        (row.death.value, row.what, str(row.cost), str(row.node_cost), _starts(row), row.reason) for row in TREATMENTS
    ]


def _starts(row: Treatment) -> str:
    if row.most is not None:
        return str(row.most)
    return "its budget" if row.cost else "any"


def test_the_rows_of_hardware_are_rows_of_nodes() -> None:
    """Broken hardware is the node's, and never certain: elsewhere it may be well."""
    rows = [rule.explanation for rule in RULES if rule.explanation.is_hardware]
    assert rows
    assert all(found.kind.value == "node" and not found.certain for found in rows)
