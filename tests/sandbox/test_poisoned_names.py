"""Names that stay taken though nothing runs (yarn-services.md 1.7): none is left behind, and others' are cleared."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sandbox.test_actions import FastClock, applications, running, spec
from tests.sandbox.yarn_support import connection_to, relaying_yarn
from tests.support import REPOSITORY, wait_until
from yarnserve.errors import ConflictError, NotFoundError, RefusedError, YarnserveError
from yarnserve.judge.plan import Step
from yarnserve.records.yarn import ServiceState
from yarnserve.sandbox import Sandbox
from yarnserve.service.actions import Actions
from yarnserve.service.catalogue import catalogue
from yarnserve.service.connection import Connection
from yarnserve.service.look import look
from yarnserve.service.state import Wanted


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sandbox]:
    """A cluster with the digits model."""
    with Sandbox(user="alice") as started:
        started.upload(REPOSITORY / "examples" / "digits" / "model", "/models/digits")
        yield started


@pytest.fixture
def connection(cluster: Sandbox) -> Iterator[Connection]:
    """Alice's clients."""
    with connection_to(cluster) as connected:
        yield connected


@pytest.fixture
def name(request: pytest.FixtureRequest, connection: Connection) -> Iterator[str]:
    """A service name of the test's own; whatever it left is removed."""
    chosen = str(request.node.name).removeprefix("test_").replace("_", "-").split("[")[0][:40].rstrip("-")
    yield chosen
    clock = FastClock()
    with contextlib.suppress(NotFoundError):
        Actions(connection, clock=clock, pause=clock.pause).destroy(chosen)


def other_document(name: str, **more: Any) -> dict[str, Any]:
    """A service as somebody without yarnserve writes it."""
    component = {
        "name": "web",
        "number_of_containers": 1,
        "launch_command": "sleep 600",
        "resource": {"cpus": 1, "memory": "256"},
    }
    return {"name": name, "version": "1", "components": [component], **more}


def in_yarn(connection: Connection, name: str) -> bool:
    """Whether the services API knows *name*."""
    try:
        connection.services.get(name)
    except NotFoundError:
        return False
    return True


def live_replicas(connection: Connection, name: str) -> int:
    """How many replicas look well."""
    return sum(replica.verdict.health.serving for replica in look(connection, name).replicas)


def listed(connection: Connection) -> list[str]:
    """What ``list`` shows."""
    return [entry.name for entry in catalogue(connection)[0]]


def test_a_refused_launch_leaves_no_name_taken(connection: Connection, name: str) -> None:
    """3.1.4 stores the definition and refuses the memory: both the definition and our own state go, and it is said."""
    told: list[str] = []
    with pytest.raises(RefusedError) as caught:
        Actions(connection, narrate=told.append).launch(spec(name, memory="9999g"))
    assert "resources.memory: at most" in caught.value.fix
    assert any("kept the definition that it refused" in text for text in told)
    assert not in_yarn(connection, name)
    assert name not in connection.saved_services()
    assert name not in listed(connection)
    assert Actions(connection).launch(spec(name)).step is Step.CREATE


def test_a_refused_replacement_leaves_no_name_taken(connection: Connection, name: str) -> None:
    """What was launched before stays in the history; YARN has nothing, and nobody is to start anything."""
    Actions(connection).launch(spec(name))
    Actions(connection).stop(name)
    with pytest.raises(RefusedError):
        Actions(connection).launch(spec(name, memory="9999g"))
    assert not in_yarn(connection, name)
    desired = connection.store(name).desired.latest()
    assert desired is not None
    assert desired.record.state is Wanted.STOPPED
    assert Actions(connection).launch(spec(name)).step is Step.CREATE


def test_a_refused_replacement_of_what_runs_is_undone(connection: Connection, name: str) -> None:
    """The service that was stopped for it runs again, in the size that it had, and is the newest revision."""
    Actions(connection).launch(spec(name))
    wait_until(lambda: running(connection, name), what="a replica")
    Actions(connection).scale(name, 2)
    told: list[str] = []
    with pytest.raises(RefusedError):
        Actions(connection, narrate=told.append).launch(spec(name, memory="9999g"), replace=True)
    assert any("bringing back revision 1" in text for text in told)
    wait_until(lambda: live_replicas(connection, name) == 2, what="both replicas again")
    newest = connection.store(name).revisions.latest()
    assert newest is not None
    assert newest.record.same_spec(spec(name))
    assert Actions(connection).launch(spec(name, replicas=2)).step is Step.NOTHING


def test_start_brings_back_what_yarn_has_lost(connection: Connection, name: str) -> None:
    """A stopped service whose definition somebody removed from YARN is launched from our own record of it."""
    Actions(connection).launch(spec(name))
    Actions(connection).stop(name)
    connection.services.destroy(name)
    assert Actions(connection).start(name).application_id
    wait_until(lambda: running(connection, name), what="the replica again")


def test_a_name_taken_meanwhile_is_left_to_its_owner(cluster: Sandbox, connection: Connection, name: str) -> None:
    """Somebody without a lease is faster: their definition is no leftover of ours, and ours is forgotten."""
    taken: list[str] = []

    def be_faster(method: str, path: str) -> None:
        if method == "POST" and not taken:
            taken.append(connection.services.create(other_document(name, state="STOPPED")).diagnostics)

    with relaying_yarn(cluster.resource_manager_url) as relay, connection_to(cluster, relay.url) as slower:
        relay.before = be_faster
        with pytest.raises(ConflictError, match="cannot create"):
            Actions(slower).launch(spec(name))
    assert in_yarn(connection, name)
    assert name not in connection.saved_services()


def leave_saved_only(connection: Connection, name: str) -> None:
    """Store a definition that never ran."""
    connection.services.create(other_document(name, state="STOPPED"))


def leave_refused(connection: Connection, name: str) -> None:
    """Let YARN refuse a queue after it has stored the definition."""
    with contextlib.suppress(YarnserveError):
        connection.services.create(other_document(name, queue="nosuch"))


@pytest.mark.parametrize("leave", [leave_saved_only, leave_refused])
def test_a_leftover_is_explained_and_cleared(
    connection: Connection, name: str, leave: Callable[[Connection, str], None]
) -> None:
    """Launch says that nothing of it runs and what to do; ``--replace`` does it."""
    leave(connection, name)
    with pytest.raises(ConflictError) as caught:
        Actions(connection).launch(spec(name))
    assert "nothing of it runs" in caught.value.why
    assert "--replace" in caught.value.fix
    assert name not in connection.saved_services()
    assert Actions(connection).launch(spec(name), replace=True).step is Step.REPLACE
    wait_until(lambda: running(connection, name), what="the service in place of the leftover")


def test_replace_ends_a_foreign_service_that_runs(connection: Connection, name: str) -> None:
    """Without ``--replace`` it is refused and untouched; with it, one application is left, and it is ours."""
    connection.services.create(other_document(name))
    wait_until(lambda: connection.services.get(name).state is not ServiceState.ACCEPTED)
    with pytest.raises(ConflictError, match="is taken"):
        Actions(connection).launch(spec(name))
    assert connection.services.get(name).component("web") is not None
    outcome = Actions(connection).launch(spec(name), replace=True)
    assert outcome.step is Step.REPLACE
    wait_until(lambda: running(connection, name))
    assert len(applications(connection, name)) == 2


def test_replace_exchanges_a_running_service_that_differs(connection: Connection, name: str) -> None:
    """Its own running service with other resources: stopped, removed and launched anew, as revision 2."""
    Actions(connection).launch(spec(name))
    told: list[str] = []
    assert Actions(connection, narrate=told.append).launch(spec(name, memory="600m"), replace=True).step is Step.REPLACE
    assert any(text.startswith("stopping ") for text in told)
    wait_until(lambda: running(connection, name))
    store = connection.store(name)
    revision, desired = store.revisions.latest(), store.desired.latest()
    assert revision is not None
    assert desired is not None
    assert (revision.number, revision.record.spec) == (2, spec(name, memory="600m"))
    assert desired.record.state is Wanted.RUNNING
    assert Actions(connection).launch(spec(name, memory="600m"), replace=True).step is Step.NOTHING
