"""The numbers YARN is told about failures."""

from __future__ import annotations

import re

import pytest

from tests.support import REPOSITORY
from yarnserve.records.policy import SupervisePolicy
from yarnserve.render.settings import COMPONENT_SETTINGS, ROLLED_LOGS, SERVICE_PROPERTIES, describe


def test_every_property_is_one_of_yarns() -> None:
    """A misspelt property would silently do nothing: each name stands in the list of properties."""
    facts = (REPOSITORY / "docs" / "facts" / "yarn-services.md").read_text(encoding="utf-8")
    listed = facts.partition("### 4.3 Properties")[2].partition("\n---\n")[0]
    for name in [*(setting.name for setting in COMPONENT_SETTINGS), *SERVICE_PROPERTIES]:
        assert f" {name} " in listed


def test_description_names_the_numbers_in_one_line() -> None:
    """``launch`` says what YARN will do by itself."""
    unsupervised, supervised = describe(SupervisePolicy()), describe(SupervisePolicy(enabled=True))
    assert "up to 3 times in 10 minutes, 10 s apart" in unsupervised
    assert "more than 3 failures there" in unsupervised
    assert "ends the service after more than 100" in unsupervised
    assert "up to 2 times in 10 minutes, 10 s apart" in supervised
    assert "never ends the service" in supervised
    assert "\n" not in unsupervised + supervised


@pytest.mark.parametrize("name", ["stdout.txt", "stderr.txt", "prelaunch.out", "launch_container.sh", "serviceam.log"])
def test_a_log_that_is_still_written_is_never_rolled_away(name: str) -> None:
    """The NodeManager deletes what it aggregates in a living container: only files that were rolled may match."""
    assert re.search(ROLLED_LOGS, name) is None
    assert re.search(ROLLED_LOGS, f"{name}.1") is not None
