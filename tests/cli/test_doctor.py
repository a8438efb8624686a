"""``doctor`` on a good cluster is clean, and finds what is wrong with a service or a cluster."""

from __future__ import annotations

from tests.cli.conftest import Shell, SpecWriter


def test_a_good_cluster_is_clean(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """On a sandbox where the service would run nothing fails, and every check has been made."""
    ran = yarnserve("doctor", str(write_spec("fine")), "-o", "json")
    assert ran.status == 0, ran.stdout + ran.stderr
    outcomes = {check["name"]: check["outcome"] for check in ran.document["checks"]}
    assert outcomes.pop("log-aggregation") == "warning"
    assert {outcomes.pop(name) for name in ("label", "docker", "placement", "zookeeper")} == {"skipped"}
    assert set(outcomes.values()) == {"ok"}
    assert {"resource-manager", "services-api", "hdfs", "queue", "am-room", "resources", "model"} <= set(outcomes)


def test_the_probe_file_is_gone_afterwards(yarnserve: Shell) -> None:
    """Without a FILE doctor looks at the cluster alone, prints a line a check, and leaves nothing in HDFS."""
    ran = yarnserve("doctor")
    assert ran.status == 0, ran.stdout + ran.stderr
    assert "ok    hdfs" in ran.stdout
    assert "model" not in ran.stdout


def test_what_the_file_wants_and_the_cluster_lacks(yarnserve: Shell, write_spec: SpecWriter) -> None:
    """Too much memory, GPUs nobody has, a queue and a model that do not exist: each is found, with its file."""
    file = write_spec(
        "greedy",
        queue="nowhere",
        resources={"cpus": 1, "memory": "64g", "gpus": 1},
        image="registry.example/serving:2.6",
        model={"base_path": "hdfs:///models/none", "name": "digits"},
    )
    ran = yarnserve("doctor", str(file))
    assert ran.status == 9
    for name in ("queue", "resources", "gpu", "model"):
        assert f"FAIL  {name:<16}" in ran.stdout, ran.stdout
    assert "am-room           queue comes first" in ran.stdout
    assert "4 of " in ran.stderr
    for told in ("capacity-scheduler.xml", "yarn.scheduler.maximum-allocation-mb", "resource-types.xml"):
        assert told in ran.stdout


def test_nothing_answers(yarnserve: Shell) -> None:
    """With a dead ResourceManager one check fails, and those that stand on it are not guessed at."""
    ran = yarnserve("doctor", "--resource-manager", "127.0.0.1:1", "--only", "queue")
    assert ran.status == 9
    assert "FAIL  resource-manager" in ran.stdout
    assert "skip  queue" in ran.stdout


def test_a_check_that_does_not_exist(yarnserve: Shell) -> None:
    """A misspelt --only is a usage error that names the checks."""
    ran = yarnserve("doctor", "--only", "gpus")
    assert ran.status == 2
    assert "am-room" in ran.stderr
