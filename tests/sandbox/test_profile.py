"""What differs between Hadoop releases, where the recordings do not reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.sandbox.cluster_support import Lab, component, send, service, wait_for_state
from tests.support import wait_until
from yarnserve.errors import UsageError
from yarnserve.sandbox import Sandbox, binding
from yarnserve.sandbox.answers import Refusal
from yarnserve.sandbox.profile import HADOOP_3_1_4, HADOOP_3_3_6, PROFILES, profile_of


def test_vendor_is_the_release_that_its_version_begins_with() -> None:
    """A vendor's string is shown as it is, and behaves as the Apache release in front."""
    profile = profile_of("3.1.1.7.1.9.0-387")
    assert profile.version == "3.1.1.7.1.9.0-387"
    assert profile.build_version.startswith("3.1.1.7.1.9.0-387 from ")
    assert profile.release == (3, 1, 1)
    assert not profile.has_instances


@pytest.mark.parametrize("version", ["3.5.0", "3.1.40", "3.1", "", "nonsense"])
def test_release_that_is_not_imitated_is_refused(version: str) -> None:
    """Only the five releases are there, and the refusal names them."""
    with pytest.raises(UsageError) as caught:
        profile_of(version)
    assert all(known in caught.value.fix for known in PROFILES)


@pytest.mark.parametrize(
    ("change", "since"),
    [
        ({"dependencies": ["other"]}, "3.2.4"),
        ({"components": [component(decommissioned_instances=["web-1"])]}, "3.1.4"),
        ({"configuration": {"files": [{"type": "JSON", "dest_file": "x", "visibility": "PUBLIC"}]}}, "3.3.6"),
        ({"resource": {"memory": "1", "additional": {"x": {"value": 1, "tags": ["a"]}}}}, "3.3.6"),
        ({"state": "EXPRESS_UPGRADING"}, "3.1.4"),
    ],
)
def test_field_is_unknown_before_its_release(change: dict[str, Any], since: str) -> None:
    """What a release does not know is a 404 of Jackson's, whatever later releases know."""
    document = {"name": "svc", **change}
    for version, profile in PROFILES.items():
        if profile.release >= PROFILES[since].release:
            binding.bind_service(document, profile)
            continue
        with pytest.raises(Refusal) as caught:
            binding.bind_service(document, profile)
        assert caught.value.status == 404, version


@pytest.mark.parametrize(("version", "poisoned"), [("3.1.4", True), ("3.2.4", True), ("3.3.6", False)])
def test_refused_submission_leaves_a_name_before_3_3(version: str, poisoned: bool) -> None:
    """Before 3.3.1 an unknown queue leaves the definition behind, and the name is taken."""
    lab = Lab(profile=PROFILES[version])
    with pytest.raises(Refusal, match="unknown queue"):
        lab.create(service(component(), queue="nope"))
    if poisoned:
        with pytest.raises(Refusal, match="already taken"):
            lab.create(service(component()))
    else:
        assert lab.create(service(component()))


@pytest.fixture(scope="module")
def modern() -> Iterator[Sandbox]:
    """Hadoop 3.3.6 with a service of one replica."""
    with Sandbox(user="alice", profile=replace(HADOOP_3_3_6, am_start=0.1)) as running:
        services = f"{running.resource_manager_url}/app/v1/services"
        send("POST", services, service(component(launch_command="exec sleep 600")), **{"user.name": "alice"})
        wait_for_state(f"{services}/svc", "STABLE")
        yield running


def only_container(sandbox: Sandbox) -> dict[str, Any]:
    """Return the one container of the one service."""
    url = f"{sandbox.resource_manager_url}/app/v1/services/svc/component-instances"
    groups = send("GET", url, **{"user.name": "alice"}).document()
    assert [group["componentName"] for group in groups] in (["web"], [])
    found: dict[str, Any] = groups[0]["containers"][0] if groups else {}
    return found


@pytest.mark.parametrize("command", ["GRACEFUL_SHUTDOWN", "FORCEFUL_SHUTDOWN"])
def test_signalled_container_is_replaced(modern: Sandbox, command: str) -> None:
    """From 3.3 anybody may signal a container: it ends, is not retried in place, and a new one takes over."""
    before = wait_until(lambda: only_container(modern).get("id"))
    answer = send("POST", f"{modern.resource_manager_url}/ws/v1/cluster/containers/{before}/signal/{command}")
    assert (answer.status, answer.body) == (200, b"")
    wait_until(lambda: only_container(modern).get("id", before) != before)


def test_names_are_filtered_from_3_3(modern: Sandbox) -> None:
    """The filter "name" is ignored before 3.3 and kept to from then on."""
    apps = f"{modern.resource_manager_url}/ws/v1/cluster/apps"
    assert not send("GET", apps, name="other").document()["apps"]
    assert send("GET", apps, name="svc").document()["apps"]["app"]


def test_container_signals_are_unknown_before_3_3() -> None:
    """Hadoop 3.1 and 3.2 answer the signal API with their 404 page."""
    with Sandbox(user="alice", nodes=1, profile=HADOOP_3_1_4) as old:
        path = "/ws/v1/cluster/containers/container_1_0001_01_000001/signal/GRACEFUL_SHUTDOWN"
        answer = send("POST", f"{old.resource_manager_url}{path}")
    assert (answer.status, answer.content_type) == (404, "text/html;charset=utf-8")
