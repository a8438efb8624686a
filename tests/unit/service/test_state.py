"""Sightings: how container ids seen over time become restart counts."""

from __future__ import annotations

from yarnserve.records.document import from_document, to_document
from yarnserve.records.yarn import Component, ComponentState, Container, ContainerState
from yarnserve.service.state import Sightings


def component(state: ComponentState = ComponentState.STABLE, **containers: str) -> Component:
    """A component whose instances run the given containers."""
    listed = tuple(
        Container(id, instance.replace("_", "-"), ContainerState.READY) for instance, id in containers.items()
    )
    return Component("serve", state, len(listed), listed)


def test_a_new_container_id_is_a_restart() -> None:
    """The first id is the start, each further one a restart, and the same id again is none."""
    seen = Sightings().with_seen("app_1", component(serve_0="c2", serve_1="c3"))
    seen = seen.with_seen("app_1", component(serve_0="c4", serve_1="c3"))
    seen = seen.with_seen("app_1", component(serve_0="c4", serve_1="c3"))
    assert (seen.restarts("serve-0"), seen.restarts("serve-1"), seen.restarts("serve-9")) == (1, 0, 0)


def test_another_application_starts_from_nothing() -> None:
    """Stop and start give new containers; they are no restarts."""
    seen = Sightings().with_seen("app_1", component(serve_0="c2")).with_seen("app_2", component(serve_0="c9"))
    assert seen.restarts("serve-0") == 0


def test_an_instance_scaled_away_is_forgotten_only_when_the_component_is_stable() -> None:
    """A replica that is being replaced is absent for a moment; one that was scaled away is absent for good."""
    both = Sightings().with_seen("app_1", component(serve_0="c2", serve_1="c3"))
    replacing = both.with_seen("app_1", component(ComponentState.FLEXING, serve_0="c2"))
    assert replacing.with_seen("app_1", component(serve_0="c2", serve_1="c4")).restarts("serve-1") == 1
    scaled = both.with_seen("app_1", component(serve_0="c2"))
    assert scaled.with_seen("app_1", component(serve_0="c2", serve_1="c4")).restarts("serve-1") == 0


def test_sightings_survive_being_saved() -> None:
    """What is read back from HDFS counts on where it stopped."""
    seen = Sightings().with_seen("app_1", component(serve_0="c2")).with_seen("app_1", component(serve_0="c3"))
    assert from_document(Sightings, to_document(seen)) == seen
