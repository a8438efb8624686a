"""What Prometheus and Alertmanager themselves make of what a supervisor tells (tier prometheus)."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.sandbox.storage_support import closed_port
from tests.support import REPOSITORY, wait_until
from tests.unit.supervise.states import failing, live, service
from yarnserve.alerts.alertmanager import LASTS, AlertmanagerSink
from yarnserve.alerts.records import Alert, Notice
from yarnserve.records.replica import Health
from yarnserve.records.supervision import Mode, ServiceState
from yarnserve.supervise.metrics import Metrics

pytestmark = pytest.mark.prometheus

RULES = REPOSITORY / "docs" / "prometheus-rules.yaml"
WELL = service("digits", live(0), live(1))
HANG = Alert(
    "digits serve-1 hang",
    "serve-1 of digits does not answer",
    "critical",
    {"why": "no answer for 60 s", "fix": "yarnserve events digits"},
    {"alertname": "YarnserveReplicaDown", "service": "digits", "instance": "serve-1"},
)


def promtool(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    return subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, text=True, timeout=60)


def exposed(*states: ServiceState) -> str:
    """What Prometheus reads of a supervisor of services that are so at time 0."""
    return Metrics(lambda: [replace(state, at=0.0) for state in states], now=lambda: 0.0).text().decode()


def lasting(*states: ServiceState) -> dict[str, str]:
    """The series of services that stay so for two hours, one value a minute, as promtool has them."""
    samples = [sample for family in text_string_to_metric_families(exposed(*states)) for sample in family.samples]
    return {
        sample.name + "{" + ",".join(f'{name}="{text}"' for name, text in sample.labels.items()) + "}": (
            f"{sample.value:g}+0x120"
        )
        for sample in samples
    }


#: A minute each: looked at all the time.
SEEN = {'yarnserve_supervisor_last_success_timestamp_seconds{service="digits"}': "0+60x120"}
MANY = {'yarnserve_restarts_total{service="digits",means="restart"}': "0+1x120"}
SKEW = replace(WELL, replicas=(live(0), replace(live(1), versions={"digits": (2,)})))


@pytest.mark.parametrize(
    ("series", "told"),
    [
        pytest.param(lasting(WELL) | SEEN, set(), id="well"),
        pytest.param({}, {"YarnserveSupervisorAbsent"}, id="no supervisor"),
        pytest.param(lasting(WELL), {"YarnserveServiceNotSeen"}, id="not looked at"),
        pytest.param(
            lasting(service("digits", live(0), replace(failing(1), given_up_until=None))) | SEEN,
            {"YarnserveReplicaNotLive"},
            id="one replica hangs",
        ),
        pytest.param(
            lasting(service("digits", live(0), failing(1))) | SEEN,
            {"YarnserveReplicaNotLive", "YarnserveReplicaGivenUp"},
            id="one replica is given up",
        ),
        pytest.param(
            lasting(service("digits", replace(live(0), health=Health.FAILING))) | SEEN,
            {"YarnserveReplicaNotLive", "YarnserveNoReplicaLive"},
            id="none is live",
        ),
        pytest.param(lasting(replace(WELL, hold="its budget is spent")) | SEEN, {"YarnserveHeld"}, id="held"),
        pytest.param(lasting(WELL) | SEEN | MANY, {"YarnserveManyRestarts"}, id="many restarts"),
        pytest.param(lasting(SKEW) | SEEN, {"YarnserveModelSkew"}, id="versions differ"),
        pytest.param(lasting(replace(WELL, mode=Mode.PAUSED)) | SEEN, {"YarnserveNotSupervised"}, id="paused"),
    ],
)
def test_each_rule_fires_on_what_it_is_for(tmp_path: Path, series: dict[str, str], told: set[str]) -> None:
    """After two hours in that state exactly these alerts are on, by Prometheus' own reading of our metrics."""
    file = tmp_path / "test.yaml"
    names = [rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    firing = {name: name in told for name in names}
    # ALERTS is Prometheus' own series of what is pending and firing; one that is absent has no sample.
    checks = [
        {
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) > bool 0',
            "eval_time": "110m",
            "exp_samples": [{"labels": "{}", "value": 1}] if is_on else [],
        }
        for name, is_on in firing.items()
    ]
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": checks,
            }
        ],
    }
    file.write_text(yaml.safe_dump(document))
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_well_formed() -> None:
    """As an admin checks a file before Prometheus is told of it."""
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stderr
    assert "9 rules found" in done.stdout


def test_the_metrics_are_as_prometheus_wants_them() -> None:
    """Names, units, help texts: promtool finds nothing to say."""
    done = promtool("check", "metrics", stdin=exposed(service(), WELL))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """The address of one that tells nobody."""
    configuration = tmp_path / "alertmanager.yaml"
    configuration.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with running(
        "prometheus-alertmanager",
        f"--config.file={configuration}",
        f"--storage.path={tmp_path}",
        "--cluster.listen-address=",
    ) as url:
        yield url


@contextmanager
def running(*command: str) -> Iterator[str]:
    """Run a server of Prometheus' family on a free port; its address, once it is ready."""
    url = closed_port()
    process = subprocess.Popen(
        [*command, f"--web.listen-address={url.removeprefix('http://')}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: is_ready(url), what=f"{command[0]} to be ready")
        yield url
    finally:
        process.kill()
        process.wait()


def is_ready(url: str) -> bool:
    """Whether the server there says so."""
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
            return True
    except OSError:
        return False


def alerts_of(url: str) -> Sequence[dict[str, Any]]:
    """The alerts that last, as Alertmanager has them."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=5) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def test_alertmanager_takes_an_alert_its_repetition_and_its_end(alertmanager: str) -> None:
    """One alert with our labels, however often it is told; none once it is resolved."""
    sink = AlertmanagerSink(alertmanager)
    since = time.time() - 60
    for count in (1, 2):
        sink.send(Notice(HANG, "firing", since, count))
    (alert,) = wait_until(lambda: alerts_of(alertmanager), what="the alert")
    assert alert["labels"] == {**HANG.labels, "severity": "critical"}
    assert alert["annotations"]["summary"] == HANG.summary
    assert alert["status"]["state"] in ("unprocessed", "active")
    sink.send(Notice(HANG, "resolved", since, 2))
    wait_until(lambda: not alerts_of(alertmanager), what="the end of the alert")


def test_alertmanager_ends_what_nobody_repeats(alertmanager: str) -> None:
    """A supervisor that dies leaves no alert behind: it is over four minutes after its last word."""
    told = time.time() - LASTS + 2
    AlertmanagerSink(alertmanager, now=lambda: told).send(Notice(HANG, "firing", told, 1))
    assert alerts_of(alertmanager)
    wait_until(lambda: not alerts_of(alertmanager), what="the end of the alert")
