"""``config show``: the settings of the sandbox's environment, and who says so."""

from __future__ import annotations

from tests.cli.conftest import Shell
from yarnserve.sandbox import Sandbox


def test_every_setting_is_shown_with_its_origin(yarnserve: Shell, cluster: Sandbox) -> None:
    """The ResourceManager comes from yarn-site.xml, the user from the environment, as -o json and the table say."""
    shown = yarnserve("config", "show", "-o", "json").document["settings"]
    assert shown["resource-manager"]["value"] == cluster.resource_manager_url
    assert shown["resource-manager"]["origin"].startswith("yarn-site.xml in ")
    assert shown["user"]["origin"] == "environment HADOOP_USER_NAME"
    table = yarnserve("config", "show", "--origin", "--user", "alice").stdout
    assert "alice" in table
    assert "flag --user" in table


def test_settings_that_lead_nowhere_say_what_to_set(yarnserve: Shell) -> None:
    """Without a ResourceManager the command ends as every other one would, with status 3."""
    ran = yarnserve("config", "show", HADOOP_CONF_DIR="/nonexistent")
    assert ran.status == 3
    assert "environment HADOOP_CONF_DIR" in ran.stderr
