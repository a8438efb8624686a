"""The judge's verdict on one replica: every kind of evidence, alone and together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.judge.verdict import judge_missing, judge_replica, judge_silence
from yarnserve.records.agent import AgentReport
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
from yarnserve.records.yarn import (
    NOT_EXITED,
    Application,
    ApplicationState,
    Component,
    ComponentState,
    Container,
    ContainerState,
    Node,
    NodeContainer,
    Service,
    ServiceState,
)

ENDPOINT = Endpoint("node1", 8501, 8500)
READY = Container("container_1_0001_01_000002", "serve-0", ContainerState.READY, bare_host="node1")
AVAILABLE = (ModelVersion(3, ModelState.AVAILABLE),)


def seen(*models: ModelObservation) -> Observation:
    """An observation of serve-0."""
    return Observation("serve-0", ENDPOINT, models)


def model(prediction: Prediction | None = None, **fields: object) -> ModelObservation:
    """A model that answers its status with one AVAILABLE version, unless told otherwise."""
    defaults = {"contact": Contact.ANSWERED, "http_status": 200, "versions": AVAILABLE, "prediction": prediction}
    return ModelObservation("digits", **{**defaults, **fields})  # type: ignore[arg-type]


def predicted(proof: Proof = Proof.EXAMPLE, contact: Contact = Contact.ANSWERED, **fields: object) -> ModelObservation:
    """A model that was asked for a prediction."""
    return model(Prediction(proof, contact, **fields))  # type: ignore[arg-type]


VERDICTS = [
    ("live by example", predicted(status=200), Health.LIVE, "answered the example"),
    ("live by metadata", predicted(Proof.METADATA, status=200), Health.LIVE, "built from its metadata"),
    ("wrong values", predicted(status=200, mismatch="predictions[0]: ..."), Health.FAILING, "wrongly"),
    ("4xx is no proof", predicted(status=400, error="bad shape"), Health.AVAILABLE, "refuses the example with 400"),
    ("no memory", predicted(status=429, error="OOM"), Health.FAILING, "429: OOM"),
    ("no memory for anything", predicted(Proof.METADATA, status=429, error="OOM"), Health.FAILING, "429: OOM"),
    ("5xx", predicted(status=503, error="queue full"), Health.FAILING, "503: queue full"),
    ("hung", predicted(contact=Contact.TIMED_OUT), Health.FAILING, "AVAILABLE but does not answer"),
    ("broke off", predicted(contact=Contact.BROKEN), Health.FAILING, "broke off"),
    ("nothing to prove with", model(), Health.AVAILABLE, "not proved by a prediction"),
    ("port closed", model(contact=Contact.REFUSED), Health.STARTING, "nothing listens on node1:8501"),
    ("status hangs", model(contact=Contact.TIMED_OUT), Health.FAILING, "does not answer"),
    ("not TF Serving", model(contact=Contact.BROKEN), Health.FAILING, "no usable answer"),
    ("another server's port", model(http_status=404, error="no such model"), Health.FAILING, "404 for model digits"),
    ("loading", model(versions=(ModelVersion(3, ModelState.LOADING),)), Health.LOADING, "no version"),
    ("no version yet", model(versions=()), Health.LOADING, "no version"),
    ("load failed", model(versions=(ModelVersion(3, ModelState.END, "no graph"),)), Health.FAILING, "no graph"),
]


@pytest.mark.parametrize(
    ("observed", "health", "reason"), [row[1:] for row in VERDICTS], ids=[row[0] for row in VERDICTS]
)
def test_what_the_replica_says_decides(observed: ModelObservation, health: Health, reason: str) -> None:
    """Each answer of a replica that YARN calls READY leads to its own health and names its reason."""
    verdict = judge_replica(READY, seen(observed), None)
    assert verdict.health is health
    assert reason in verdict.reason


def test_a_server_beside_a_strangers_agent_is_no_proof() -> None:
    """Another service has the replica's ports: its agent and its answers, however good, are not the replica's."""
    verdict = judge_replica(
        READY, seen(predicted(status=200)), None, stranger=AgentReport("other", "serve-4", "b", "ready")
    )
    assert verdict.health is Health.FAILING
    assert "those of serve-4 of other" in verdict.reason


def test_the_worst_model_decides() -> None:
    """A replica with one live and one failing model is failing."""
    broken = predicted(status=500, error="boom")
    assert judge_replica(READY, seen(predicted(status=200), broken), None).health is Health.FAILING


@pytest.mark.parametrize(
    ("container", "health"),
    [
        (Container("c", "serve-0", ContainerState.RUNNING_BUT_UNREADY), Health.STARTING),
        (Container("c", "serve-0", ContainerState.FAILED, bare_host="node1"), Health.GONE),
        (READY, Health.UNKNOWN),
    ],
    ids=["no address", "ended", "not launched by yarnserve"],
)
def test_without_an_observation_the_container_decides(container: Container, health: Health) -> None:
    """A replica that could not be asked is judged by what YARN reports."""
    assert judge_replica(container, None, None, unobserved="nobody knows").health is health


@pytest.mark.parametrize(
    ("state", "exit_code", "health", "reason"),
    [
        ("RUNNING", NOT_EXITED, Health.LIVE, "answered"),
        ("RUNNING", 255, Health.LIVE, "answered"),
        ("LOCALIZING", NOT_EXITED, Health.STARTING, "not started yet"),
        ("RELAUNCHING", 255, Health.FAILING, "has ended with exit code 255 (NodeManager: RELAUNCHING)"),
        ("EXITED_WITH_FAILURE", 1, Health.FAILING, "exit code 1"),
        ("KILLING", NOT_EXITED, Health.FAILING, "has ended (NodeManager: KILLING)"),
    ],
)
def test_whoever_answers_for_a_process_that_has_ended_is_somebody_else(
    state: str, exit_code: int, health: Health, reason: str
) -> None:
    """READY in the services API and an answer on the port prove nothing when the NodeManager has no process."""
    process = NodeContainer(READY.id, state, exit_code, "")
    verdict = judge_replica(READY, seen(predicted(status=200)), process)
    assert verdict.health is health
    assert reason in verdict.reason


SERVING = Service("digits", ServiceState.STARTED, components=(Component("serve", ComponentState.FLEXING, 2),))


def application(state: ApplicationState, diagnostics: str = "") -> Application:
    """The service's newest application."""
    return Application("application_1_0001", "digits", "alice", "ml", state, "UNDEFINED", diagnostics, 0.0)


@pytest.mark.parametrize(
    ("service", "app", "health", "reason"),
    [
        (SERVING, application(ApplicationState.RUNNING), Health.PENDING, "has not placed a container"),
        (SERVING, application(ApplicationState.KILLED, "by bob\n\tat"), Health.GONE, "ended (KILLED): by bob"),
        (SERVING, application(ApplicationState.RUNNING, "x: Invalid resource request! gpu"), Health.PENDING, "gpu"),
        (None, application(ApplicationState.RUNNING), Health.UNKNOWN, "services API does not answer"),
        (Service("digits", ServiceState.ACCEPTED), None, Health.PENDING, "ApplicationMaster has not started"),
    ],
    ids=["not placed", "killed", "impossible", "API silent", "AM not up"],
)
def test_a_missing_container_has_yarns_own_reason(
    service: Service | None, app: Application | None, health: Health, reason: str
) -> None:
    """An instance without a container is waited for, gone or unknown, and the admin is told which."""
    verdict = judge_missing(service, app)
    assert verdict.health is health
    assert reason in verdict.reason


def node(host: str, state: str = "RUNNING") -> Node:
    """A NodeManager."""
    return Node(f"{host}:45454", host, f"{host}:8042", state, 8192, 8, 0)


@pytest.mark.parametrize(
    ("avoided", "nodes", "reason", "certain"),
    [
        (("n1",), (node("n1"), node("n2")), "avoids n1 for", False),
        (("n1", "n2:45454"), (node("n1"), node("n2"), node("n3", "LOST")), "avoids every node for", True),
        (("n1",), (), "avoids n1 for", False),
    ],
    ids=["one of two", "all that run", "nodes unknown"],
)
def test_nodes_that_yarn_avoids_are_told(
    avoided: tuple[str, ...], nodes: tuple[Node, ...], reason: str, certain: bool
) -> None:
    """YARN goes silent when a service has failed too often everywhere; only then is it certain that nothing comes."""
    silence = judge_silence(avoided, nodes)
    missing = judge_missing(SERVING, application(ApplicationState.RUNNING), silence=silence)
    assert reason in missing.reason
    assert missing.fix
    assert missing.certain is certain
    ended = judge_replica(Container("c", "serve-0", ContainerState.FAILED), None, None, silence=silence)
    assert (reason in ended.reason, "YARN replaces it" in ended.reason) == (certain, not certain)


def test_without_avoided_nodes_there_is_no_silence() -> None:
    """A replica that waits for its container for another reason is not told of failures."""
    assert judge_silence((), (node("n1"),)) is None


def test_an_ended_container_is_gone_whoever_answers_on_its_port() -> None:
    """A successor on the same port must not make an ended container look alive."""
    ended = Container("c", "serve-0", ContainerState.STOPPED, bare_host="node1")
    assert judge_replica(ended, seen(predicted(status=200)), None).health is Health.GONE


@pytest.mark.parametrize(
    ("state", "code", "diagnostics", "cause", "certain"),
    [
        ("DONE", 7, "", "could not run the container", False),
        ("DONE", 7, "Unable to find image 'x:1' locally", "cannot find the image", True),
        ("DONE", 29, "image: x:1 is not trusted.", "trust", True),
        ("RELAUNCHING", 2, "", "double quotes", True),
        ("RUNNING", 1, "", "has ended before", False),
        ("LOCALIZATION_FAILED", -1000, "File does not exist: x", "could not fetch", False),
        ("DONE", -1000, "No space left on device", "disks are full", False),
    ],
)
def test_an_exit_is_given_its_cause_and_fix(state: str, code: int, diagnostics: str, cause: str, certain: bool) -> None:
    """The reason names the cause of an exit, the verdict its fix, and whether there is any hope."""
    process = NodeContainer(READY.id, state, code, diagnostics)
    verdict = judge_replica(READY, seen(model(contact=Contact.REFUSED)), process)
    assert cause in verdict.reason
    assert verdict.fix
    assert verdict.certain is certain
    ended = Container("c", "serve-0", ContainerState.FAILED, bare_host="node1")
    assert judge_replica(ended, None, process).fix == verdict.fix


def test_an_application_that_waits_says_for_what() -> None:
    """The ResourceManager's diagnostics of an ACCEPTED application become a cause and a fix."""
    waiting = application(ApplicationState.ACCEPTED, "not yet activated. Queue's AM resource limit exceeded.")
    verdict = judge_missing(Service("digits", ServiceState.ACCEPTED), waiting)
    assert (verdict.health, verdict.certain) == (Health.PENDING, False)
    assert "no room in the queue" in verdict.reason
    assert "maximum-am-resource-percent" in verdict.fix


def test_a_model_that_cannot_load_is_explained() -> None:
    """What TF Serving says of a version that did not load leads to a fix."""
    error = "File system scheme 'hdfs' not implemented (file: 'hdfs://nn/m')"
    observed = model(versions=(ModelVersion(3, ModelState.END, error),))
    verdict = judge_replica(READY, seen(observed), None)
    assert verdict.certain
    assert "fetch the model" in verdict.fix


@given(
    st.none()
    | st.builds(
        Application,
        st.text(),
        st.text(),
        st.text(),
        st.text(),
        st.sampled_from(ApplicationState),
        st.text(),
        st.text(),
        st.floats(0, 1e9),
    )
)
def test_the_verdict_on_a_missing_instance_is_total(app: Application | None) -> None:
    """Any application, whatever its diagnostics say, leads to a verdict with a reason."""
    for service in (None, SERVING, Service("digits", ServiceState.ACCEPTED)):
        assert judge_missing(service, app).reason


@given(
    process=st.none()
    | st.builds(
        NodeContainer,
        st.text(),
        st.sampled_from(["RUNNING", "RELAUNCHING", "DONE", "KILLING", "LOCALIZING", ""]),
        st.integers(-1000, 300),
        st.text(),
    ),
    state=st.sampled_from(ContainerState),
    contact=st.sampled_from(Contact),
    status=st.integers(0, 600),
    versions=st.lists(st.builds(ModelVersion, st.integers(0, 9), st.sampled_from(ModelState), st.text()), max_size=3),
    prediction=st.none()
    | st.builds(
        Prediction,
        st.sampled_from(Proof),
        st.sampled_from(Contact),
        st.integers(0, 600),
        st.text(),
        st.text(),
        st.floats(0, 60),
    ),
)
def test_the_verdict_is_total_and_live_needs_a_good_prediction(
    process: NodeContainer | None,
    state: ContainerState,
    contact: Contact,
    status: int,
    versions: list[ModelVersion],
    prediction: Prediction | None,
) -> None:
    """Every combination has a verdict with a reason, and LIVE is never said without a 200 as expected."""
    container = Container("c", "serve-0", state, bare_host="node1")
    observed = ModelObservation("digits", contact, status, tuple(versions), "", prediction)
    verdict = judge_replica(container, seen(observed), process)
    assert verdict.reason
    if verdict.health is Health.LIVE:
        assert prediction is not None
        assert (prediction.status, prediction.mismatch, prediction.contact) == (200, "", Contact.ANSWERED)
