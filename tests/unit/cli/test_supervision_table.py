"""What a supervisor's terminal shows."""

from __future__ import annotations

from dataclasses import replace

import click

from tests.unit.supervise.states import NOW, failing, live, service
from yarnserve.cli.screen import fitting
from yarnserve.cli.supervision_table import supervision_lines
from yarnserve.records.supervision import Mode, ServiceState


def plain(*states: ServiceState) -> list[str]:
    """The picture without its colours."""
    return [click.unstyle(line) for line in supervision_lines(states, NOW)]


def test_one_service_in_full() -> None:
    """Those that are simply live are one row; who is not says why, what is decided, and until when."""
    lines = plain(service("digits", live(0), live(1), live(2), failing(3)))
    assert lines[0] == "digits: acting, 3 of 4 replicas live, 1 x drain, 2 x restart, looked at 2s ago"
    assert lines[2].split() == ["REPLICA", "HEALTH", "FOR", "RESTARTS", "DEATHS", "NODE", "WHY"]
    assert lines[3].split()[:6] == ["serve-0..2", "live", "60m", "0", "0", "3"]
    assert lines[4].split()[:6] == ["serve-3", "failing", "60s", "2", "1", "node9"]
    assert lines[4].endswith("given up: 2 restarts have not helped (given up for another 60m)")
    assert lines[-1].endswith("serve-1   decided   give it up (rule given up)")


def test_those_that_are_not_well_come_first() -> None:
    """A window that is too small shows what matters; a service that is well is one line."""
    well = [service(f"a{number}", live(0)) for number in range(30)]
    lines = plain(*well, service("troubled", live(0), trouble="YARN cannot be asked"), service("zebra"))
    assert lines[0].startswith("troubled: ")
    assert lines[1] == "  trouble: YARN cannot be asked"
    assert lines[6].startswith("zebra: ")
    assert sum(line.startswith("a") for line in lines) == 30
    assert any(line.startswith("serve-1") for line in fitting(lines, 80, 18))


def test_a_hold_and_other_modes_are_told() -> None:
    """Whoever watches sees that nothing is done, and why."""
    lines = plain(replace(service("digits", live(0), hold="the service's budget is spent"), mode=Mode.PAUSED))
    assert lines[0].startswith("digits: paused, 1 of 1")
    assert lines[1] == "  held: the service's budget is spent"


def test_before_the_first_look() -> None:
    """Neither no service nor one that was never seen is an error."""
    assert plain() == ["no service has been looked at yet"]
    (line,) = plain(ServiceState("digits", NOW, Mode.STANDBY))
    assert line == "digits: standby"
    lines = plain(ServiceState("digits", NOW - 8, Mode.ACTING, trouble="cannot connect: http://rm:8088 (refused)"))
    assert lines == ["digits: acting, not seen for 8s", "  trouble: cannot connect: http://rm:8088 (refused)"]
