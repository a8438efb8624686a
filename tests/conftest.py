"""The tiers of tests, and a clean environment for every test.

A test without a marker runs anywhere. A test marked with a tier runs with ``--all-tiers`` where the tier's needs are
met (else it is skipped with a line that says what to install), and with ``--require-tier NAME[,NAME]`` always: there
a missing need is a failure. Each tier has its directories, so that whoever wants one tier need not have all collected.
(``--require-tier=docker`` alone needs the ``=``: pytest takes a word that names a
directory for one to collect, as long as this file has not told it of the option.)
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import hypothesis
import pytest

from tests.docker import daemon
from tests.hadoop.cluster import RealHadoop

# No deadline per example, nor for making them: the machine may be busy. In CI the same examples every time, elsewhere
# new ones.
hypothesis.settings.register_profile(
    "yarnserve",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
hypothesis.settings.load_profile("yarnserve")


@dataclass(frozen=True)
class Tier:
    """What a tier proves, where its tests are, how to see whether its needs are met, and what to install where not."""

    meaning: str
    where: tuple[str, ...]
    met: Callable[[], bool]
    install: str


def _has(module: str) -> Callable[[], bool]:
    return lambda: importlib.util.find_spec(module) is not None


def _load_generator() -> bool:
    return shutil.which("wrk") is not None


def _krb5kdc() -> str | None:
    return shutil.which("krb5kdc", path=f"/usr/sbin:/sbin:{os.environ.get('PATH', '')}")


TIERS = {
    "wheel": Tier(
        "builds and installs wheels; needs a package index",
        ("tests/packaging/",),
        _has("build"),
        "pip install '.[test]'",
    ),
    "hadoop": Tier(
        "boots a real Hadoop; needs Java and Maven's repository",
        ("tests/contract/", "tests/hadoop/", "tests/kerberos/"),
        lambda: all(shutil.which(program) for program in ("java", "javac", "mvn")),
        "apt-get install openjdk-17-jdk-headless maven",
    ),
    "kerberos": Tier(
        "a KDC and a real Hadoop with Kerberos on every door",
        ("tests/kerberos/", "tests/unit/hadoop/test_kerberos.py"),
        lambda: TIERS["hadoop"].met() and bool(_krb5kdc() and shutil.which("faketime")) and _has("gssapi")(),
        "apt-get install openjdk-17-jdk-headless maven krb5-kdc krb5-admin-server krb5-user faketime libkrb5-dev gcc "
        "python3-dev; pip install '.[kerberos]'",
    ),
    "load": Tier(
        "asks without a pause, by a program that is not ours",
        ("tests/contract/",),
        _load_generator,
        "apt-get install wrk",
    ),
    "docker": Tier(
        "builds images and runs them; needs a docker daemon, root, a Debian mirror and a package index",
        ("tests/docker/",),
        daemon.ready,
        "apt-get install docker.io debootstrap iptables; a running dockerd; root",
    ),
    "soak": Tier(
        "hundreds of seeds in place of twenty; takes its time",
        ("tests/agent/", "tests/sandbox/", "tests/simulation/"),
        lambda: True,
        "nothing",
    ),
    "prometheus": Tier(
        "asks Prometheus' own tools, and a real Alertmanager",
        ("tests/contract/",),
        lambda: all(shutil.which(program) for program in ("promtool", "prometheus-alertmanager")),
        "apt-get install prometheus prometheus-alertmanager",
    ),
    "savedmodel": Tier(
        "serves SavedModels with TensorFlow",
        ("tests/model_server/",),
        _has("tensorflow"),
        "pip install tensorflow-cpu",
    ),
}


#: Files whose tests take more than a minute together, the longest first.
LONGEST = (
    "tests/simulation/",
    "tests/sandbox/test_supervise.py",
    "tests/sandbox/test_services_api_golden.py",
    "tests/cli/test_readme.py",
    "tests/agent/",
    "tests/sandbox/test_ha_clients.py",
    "tests/sandbox/test_local.py",
    "tests/sandbox/test_actions.py",
    "tests/cli/test_views.py",
    "tests/sandbox/test_failover_golden.py",
    "tests/cli/test_supervise.py",
    "tests/cli/test_logs.py",
    "tests/contract/test_bad_input.py",
    "tests/cli/test_life.py",
    "tests/sandbox/test_killed.py",
    "tests/cli/test_errors.py",
    "tests/sandbox/test_sync.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose tiers."""
    parser.addoption("--soak-seeds", default="500", help="how many seeds of the simulation the tier soak has")
    parser.addoption("--all-tiers", action="store_true", help="run every tier whose needs are met")
    parser.addoption("--require-tier", default="", help="run these tiers (comma list); a missing need is a failure")


def pytest_configure(config: pytest.Config) -> None:
    """Register each tier as a marker."""
    for name, tier in TIERS.items():
        config.addinivalue_line("markers", f"{name}: {tier.meaning}")
    unknown = _required(config) - set(TIERS)
    if unknown:
        raise pytest.UsageError(f"--require-tier: no tier {', '.join(sorted(unknown))}; there are {', '.join(TIERS)}")
    # A shell without job control starts what it puts into the background deaf to Ctrl-C, and so would be each command.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tiers that were not asked for; a test away from its tier's directories is an error."""
    for item in items:
        for name in _tiers_of(item):
            if not item.nodeid.startswith(TIERS[name].where):
                raise pytest.UsageError(f"{item.nodeid} is of the tier {name}, whose place is {TIERS[name].where}")
    wanted = set(TIERS) if config.getoption("--all-tiers") else _required(config)
    left_out = [item for item in items if not _tiers_of(item) <= wanted]
    config.hook.pytest_deselected(items=left_out)
    kept = [item for item in items if _tiers_of(item) <= wanted]
    # The longest files first: begun last, each would keep one worker busy while the others have nothing left to do.
    items[:] = sorted(kept, key=_place)


def _place(item: pytest.Item) -> int:
    return next((place for place, path in enumerate(LONGEST) if item.nodeid.startswith(path)), len(LONGEST))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail, a test whose tier's needs are missing."""
    for name in _tiers_of(item):
        if TIERS[name].met():
            continue
        told = f"tier {name} needs: {TIERS[name].install}"
        if name in _required(item.config):
            pytest.fail(told, pytrace=False)
        pytest.skip(told)


def _required(config: pytest.Config) -> set[str]:
    return {name for name in config.getoption("--require-tier").split(",") if name}


def _tiers_of(item: pytest.Item) -> set[str]:
    return {marker.name for marker in item.iter_markers()} & set(TIERS)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove what would point a test at somebody's real cluster or proxy."""
    for name in list(os.environ):
        if name.startswith(("YARNSERVE_", "HADOOP_", "YARN_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def real_hadoop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RealHadoop]]:
    """The running cluster of a version, shared by all tests of a worker; the one before it ends."""
    with ExitStack() as running:
        clusters: dict[str, RealHadoop] = {}

        def of(version: str) -> RealHadoop:
            if version not in clusters:
                running.close()
                clusters.clear()
                directory = tmp_path_factory.mktemp(f"hadoop-{version}")
                clusters[version] = running.enter_context(RealHadoop(version, directory))
            return clusters[version]

        yield of
