"""Alice and bob on one cluster, as recorded (two_users): services belong to their user, and so does a name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import DIGITS
from tests.errors_page.runs import Ran, run
from tests.sandbox.cluster_support import send
from tests.support import wait_until
from yarnserve.sandbox import Sandbox
from yarnserve.sandbox.profile import HADOOP_3_1_4, HADOOP_3_3_6

LAUNCH = ("--model", "/models/digits", "--memory", "512m", "--serving-version", "2.6")


class Desk:
    """A cluster on which both have a home directory, and the command line of either."""

    def __init__(self, sandbox: Sandbox, directory: Path) -> None:
        self.sandbox = sandbox
        self._directory = directory
        self._hdfs("/user?op=SETPERMISSION&permission=777", "hdfs")
        self._hdfs("/user/bob?op=MKDIRS", "bob")
        self._hdfs("/user?op=SETPERMISSION&permission=755", "hdfs")

    def __call__(self, user: str, *arguments: str) -> Ran:
        """Run a command as *user*."""
        environment = {**self.sandbox.environment, "HADOOP_USER_NAME": user}
        return run(*arguments, environment=environment, directory=self._directory)

    def launch(self, user: str, name: str) -> Ran:
        """Launch the digits model under *name*."""
        return self(user, "launch", "--name", name, *LAUNCH)

    def services(self, user: str, *options: str) -> list[dict[str, Any]]:
        """The services that ``list`` shows *user*."""
        found: list[dict[str, Any]] = json.loads(self(user, "list", "-o", "json", *options).stdout)["services"]
        return found

    def hdfs(self, path: str, user: str) -> list[str]:
        """Names in a directory on HDFS."""
        listed = send("GET", f"{self.sandbox.namenode_url}/webhdfs/v1{path}?op=LISTSTATUS&user.name={user}")
        if listed.status == 404:
            return []
        return [each["pathSuffix"] for each in listed.document()["FileStatuses"]["FileStatus"]]

    def _hdfs(self, path: str, user: str) -> None:
        assert send("PUT", f"{self.sandbox.namenode_url}/webhdfs/v1{path}&user.name={user}").status == 200


@pytest.fixture(params=[HADOOP_3_1_4, HADOOP_3_3_6], ids=["3.1.4", "3.3.6"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Containers are state only: nothing here is asked for predictions."""
    profile = replace(request.param, am_start=0.1)
    with Sandbox(
        user="alice", profile=profile, simulated=True, uploads=[(DIGITS / "model", "/models/digits")]
    ) as sandbox:
        yield Desk(sandbox, tmp_path)


def test_both_have_a_service_of_the_same_name(desk: Desk) -> None:
    """Both are accepted, each is saved in its own home directory, and destroying one leaves the other as it was."""
    for user in ("bob", "alice"):
        assert desk.launch(user, "same").status == 0
        assert desk.hdfs(f"/user/{user}/.yarnserve", user) == ["same"]
    ids = {user: desk.services(user)[0]["application"]["id"] for user in ("alice", "bob")}
    assert len(set(ids.values())) == 2
    assert desk("bob", "stop", "same").status == 0
    assert desk("bob", "destroy", "same", "--yes").status == 0
    assert desk("bob", "status", "same").status == 5
    assert desk.hdfs("/user/bob/.yarnserve", "bob") == []
    (left,) = desk.services("alice")
    assert (left["application"]["id"], left["replicas"]) == (ids["alice"], 1)
    assert left["state"] not in ("STOPPED", "FAILED")
    assert desk("alice", "destroy", "same", "--yes").status == 0


def test_list_shows_whose_is_whose(desk: Desk) -> None:
    """By itself it shows one's own; with --all-users what YARN runs, each with its user; who it is is always told."""
    assert desk.launch("alice", "hers").status == 0
    assert "user bob has no services" in desk("bob", "list").stderr
    assert desk.launch("bob", "his").status == 0
    assert [(each["name"], each["application"]["user"]) for each in desk.services("bob")] == [("his", "bob")]
    assert [(each["name"], each["application"]["user"]) for each in desk.services("alice")] == [("hers", "alice")]
    everybody = [(each["application"]["user"], each["name"]) for each in desk.services("bob", "--all-users")]
    assert everybody == [("alice", "hers"), ("bob", "his")]
    head, *rows = desk("alice", "list", "--all-users").stdout.splitlines()
    assert head.split()[:2] == ["USER", "NAME"]
    assert [row.split()[:2] for row in rows] == [["alice", "hers"], ["bob", "his"]]


@pytest.mark.parametrize(
    "command",
    [
        ("status", "hers"),
        ("stop", "hers"),
        ("start", "hers"),
        ("scale", "hers", "2"),
        ("restart", "hers", "--replica", "0"),
        ("destroy", "hers", "--yes"),
        ("logs", "hers"),
        ("events", "hers"),
        ("history", "hers"),
        ("predict", "hers", "--example"),
        ("wait", "hers", "--timeout", "0"),
        ("wait", "hers", "--for", "stopped", "--timeout", "0"),
    ],
    ids=" ".join,
)
def test_what_belongs_to_another_is_said_to(desk: Desk, command: tuple[str, ...]) -> None:
    """To bob alice's service is not there, as to YARN; he is told whose it is, and it runs on as it was."""
    assert desk.launch("alice", "hers").status == 0
    before = desk.services("alice")[0]["application"]["id"]
    ran = desk("bob", *command)
    assert (ran.status, ran.error) == (5, "NotFoundError"), ran.stderr
    assert "alice has one of this name" in ran.stderr
    assert "--user alice" in ran.stderr
    (service,) = desk.services("alice")
    assert (service["application"]["id"], service["replicas"]) == (before, 1)
    assert desk.services("bob") == []


def test_who_acts_as_the_owner_is_written_down(desk: Desk) -> None:
    """With --user alice bob stops her service, and nothing of it is saved under his name."""
    assert desk.launch("alice", "hers").status == 0
    wait_until(lambda: desk.services("alice")[0]["state"] == "RUNNING")
    assert desk("bob", "stop", "hers", "--user", "alice").status == 0
    (service,) = desk.services("alice")
    assert (service["state"], service["replicas"]) == ("STOPPED", 0)
    assert desk.services("bob") == []
    assert "hers" not in desk.hdfs("/user/bob/.yarnserve", "bob")


def test_doctor_looks_at_the_users_own_home(desk: Desk) -> None:
    """Bob's is checked, not alice's; of a stranger, and of one whose home is another's, it says what to do."""
    assert "/user/bob takes a file" in desk("bob", "doctor", "--only", "hdfs").stdout
    stranger = desk("carol", "doctor", "--only", "hdfs")
    assert stranger.status == 9
    assert "hdfs dfs -mkdir -p /user/carol && hdfs dfs -chown carol /user/carol" in stranger.stdout
    made = f"{desk.sandbox.namenode_url}/webhdfs/v1/user/carol?op=MKDIRS&user.name=hdfs"
    assert send("PUT", made).status == 200
    owned = desk("carol", "doctor", "--only", "hdfs")
    assert owned.status == 9
    assert "hdfs dfs -chown carol /user/carol" in owned.stdout
