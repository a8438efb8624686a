"""Our clients while the active ResourceManager or NameNode changes: never two applications, never an untrue answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.sandbox.ha_support import Pairs, pairs
from tests.sandbox.yarn_support import connection_to
from tests.support import REPOSITORY
from yarnserve.errors import UnreachableError
from yarnserve.sandbox.profile import HADOOP_3_1_4, HADOOP_3_3_6, Profile
from yarnserve.service.actions import Actions
from yarnserve.spec.loader import parse_spec
from yarnserve.spec.model import ServiceSpec

NAME = "svc"
#: How often a person repeats a command that could not reach anybody.
PATIENCE = 8
VERSIONS = pytest.mark.parametrize("profile", [HADOOP_3_1_4, HADOOP_3_3_6], ids=["3.1.4", "3.3.6"])


def spec(replicas: int = 1) -> ServiceSpec:
    """The service of the digits model; nothing listens, for its containers are simulated."""
    text = f"""
name: {NAME}
model: {{base_path: /models/digits}}
serving: {{version: "2.6", flags: {{prefer_tflite_model: true}}}}
replicas: {replicas}
resources: {{memory: 512m}}
ports: {{grpc: 8500, rest: 8501}}
"""
    return parse_spec(text, file="service.yaml", read_text=lambda path: "")


def carry_out(running: Pairs, act: Callable[[], object]) -> int:
    """Do *act* as a person does: again, when nobody could be reached; return how often it was refused."""
    for refused in range(PATIENCE):
        try:
            act()
        except UnreachableError:
            running.one("resourcemanager", "ACTIVE")
            running.one("namenode", "ACTIVE")
            assert len(running.applications()) <= 1
        else:
            return refused
    raise AssertionError(f"not done after {PATIENCE} tries")


@VERSIONS
@pytest.mark.parametrize("moment", ["now", "after"])
def test_a_launch_meets_a_fail_over(profile: Profile, moment: str) -> None:
    """Whenever the active one dies, repeating the launch ends with one application that runs."""
    with pairs(profile, simulated=True) as running, connection_to(running.sandbox) as connection:
        running.sandbox.upload(REPOSITORY / "examples" / "digits" / "model", "/models/digits")
        running.fail_over(at=moment)
        carry_out(running, lambda: Actions(connection).launch(spec()))
        assert running.stable(NAME)["name"] == NAME
        assert len(running.applications()) == 1
